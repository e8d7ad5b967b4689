"""How long work will take: measured once for each kind, then corrected by what this computer does.

A page begins by itself only what is short; the rest waits for a press beside its estimate.
"""

from __future__ import annotations

import statistics
from collections import defaultdict, deque

SLOW = ("knn", "lof", "kde", "oc-svm", "oc-svm-oracle", "kernel-pca", "isolation-forest", "vae")
NETWORK = "@network"  # any method on features of a pretrained network
# Seconds before the first unit, and for each: an image, a spoilt image, or a pixel map. Of one run
# on one core of two, with a warm engine; `python -m tests.load.estimates` measures them again.
# Reading, downloading and comparing with masks ("localise") were not measured, they are guesses.
RATES: dict[str, tuple[float, float]] = {
    "images": (0.3, 2e-8),  # a byte of its files
    "images download": (5.0, 2e-7),  # a byte, at 5 MB a second
    "view": (0.15, 4e-5),
    **dict.fromkeys((f"view {method}" for method in SLOW), (0.1, 2e-4)),
    f"view {NETWORK}": (0.2, 1.6e-2),
    "view anogan": (0.1, 1.8e-2),
    "project": (0.1, 1.1e-3),
    "clusters": (0.05, 2e-5),
    "heatmaps": (0.1, 0.0),
    "explain": (0.04, 0.0),
    "explain GradientShap": (0.2, 0.0),
    "scale": (0.1, 0.0),
    "scale Integrated Gradients": (1.6, 0.0),
    "scale GradientShap": (1.0, 0.0),
    "scale Occlusion": (2.5, 0.0),
    "judge": (0.2, 0.0),
    "judge Integrated Gradients": (1.9, 0.0),
    "judge GradientShap": (4.0, 0.0),
    "judge Occlusion": (0.9, 0.0),
    "localise": (0.2, 5e-3),
    "spoil": (0.04, 0.02),
    "clever_hans": (0.1, 4e-4),
    "strategies": (0.05, 2e-4),
    "find_mark": (0.05, 3e-4),
    "remove_mark": (0.05, 1e-4),
}
KEPT = 5  # measurements that correct an estimate


def _rate(kind: str, of: str) -> tuple[float, float]:
    if "@" in of and not of.endswith(("@codes", "@gradients")):
        of = NETWORK
    return RATES.get(f"{kind} {of}", RATES.get(kind, (0.0, 0.0)))


class Estimates:
    """of: what else the time depends on, such as the method; measurements are kept for each."""

    def __init__(self) -> None:
        self._ratios: dict[tuple[str, str], deque[float]] = defaultdict(lambda: deque(maxlen=KEPT))

    def seconds(self, kind: str, units: float = 1, of: str = "") -> float:
        """What work of this kind will take; 0 for kinds that are always short."""
        base, each = _rate(kind, of)
        ratios = self._ratios.get((kind, of))
        return (base + each * units) * (statistics.median(ratios) if ratios else 1.0)

    def learn(self, kind: str, units: float, of: str, seconds: float) -> None:
        """Work has taken so long."""
        base, each = _rate(kind, of)
        if base + each * units > 0:
            self._ratios[kind, of].append(seconds / (base + each * units))


def in_words(seconds: float) -> str:
    """A time for a person, rounded up so that it is rarely longer."""
    if seconds < 10:
        return f"about {max(1, round(seconds))} s"
    if seconds < 90:
        return f"about {10 * -(-seconds // 10):.0f} s"
    return f"about {-(-seconds // 60):.0f} min"
