"""Three levels of trust, decided by 95 % intervals over images, and the words that go with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import t

from deepsvdd_core.health import Interval

BETTER, WEAK, RANDOM = LEVELS = "better", "weak", "random"
FEWEST = 5  # images an interval needs
MOST_AREA = 0.8  # of the area a random order of pixels leaves: better than random by so much
LEAST_AUROC = 0.6  # of pixels against masks: likewise
CHANCE = 0.5  # the AUROC of a map of random numbers, or of one number


def of_mean(values: np.ndarray) -> Interval:
    """The mean of one value per image (n,), by Student's t; not a number for too few images."""
    mean = float(values.mean()) if len(values) else np.nan
    return _around(mean, values - mean, 1.0)


def of_ratio(values: np.ndarray, others: np.ndarray) -> Interval:
    """The ratio of the sums of two values per image (n,), paired, by the delta method."""
    ratio = float(values.sum() / others.sum())
    return _around(ratio, values - ratio * others, float(others.mean()))


def _around(value: float, rests: np.ndarray, unit: float) -> Interval:
    count = len(rests)
    if count < FEWEST:
        return Interval(value, np.nan, np.nan)
    half = t.ppf(0.975, count - 1) * rests.std(ddof=1) / np.sqrt(count) / unit
    return Interval(value, value - half, value + half)


def of_share(found: Interval) -> str:
    """The level of a deletion area in units of that of a random order; lower is better."""
    if found.high <= MOST_AREA:
        return BETTER
    return WEAK if found.high < 1 else RANDOM


def of_auroc(found: Interval) -> str:
    """The level of a mean pixel AUROC against masks; higher is better."""
    if found.low >= LEAST_AUROC:
        return BETTER
    return WEAK if found.low > CHANCE else RANDOM


def badge_of_share(found: Interval, count: int, faults: Sequence[str]) -> str:
    """The finding on spoilt images, and what else is wrong, in words."""
    numbers = (
        f"its most relevant pixels restored first leave {100 * found.value:.1f} % "
        f"{_limits(found, count)} of the area that a random order leaves"
    )
    return _badge(of_share(found), found.low > 1, found, numbers, faults)


def badge_of_auroc(found: Interval, count: int, faults: Sequence[str]) -> str:
    """The finding on masks of real anomalies, and what else is wrong, in words."""
    numbers = (
        f"it ranks the pixels of real anomalies above others with an AUROC of "
        f"{100 * found.value:.1f} % {_limits(found, count)}, a random map with 50 %"
    )
    return _badge(of_auroc(found), found.high < CHANCE, found, numbers, faults)


def _limits(found: Interval, count: int) -> str:
    if np.isnan(found.low):
        return f"(on {count} of at least {FEWEST} images that an interval needs)"
    return f"(95 % interval {100 * found.low:.1f} to {100 * found.high:.1f})"


def _badge(level: str, is_worse: bool, found: Interval, numbers: str, faults: Sequence[str]) -> str:
    words = {
        BETTER: "Better than random",
        WEAK: "Weak, but better than random",
        RANDOM: "Worse than random" if is_worse else "No better than random",
    }[level]
    if np.isnan(found.low):
        words = "Too few images to tell it from random"
    told = f"{words}: {numbers}."
    return told if not faults else f"{told} And {'; '.join(faults)}."
