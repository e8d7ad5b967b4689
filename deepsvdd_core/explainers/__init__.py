"""Show which pixels make an image anomalous, on the model that scores it.

An explainer takes a detector and uint8 images (N, C, H, W) and gives float32 maps (N, H, W), in
score units where it says so; positive = pushes towards anomalous.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from deepsvdd_core.detectors import Detector
from deepsvdd_core.explainers.fcdd import fcdd_map, has_map
from deepsvdd_core.explainers.gradients import (
    ROUGH,
    grad_cam,
    gradient_shap,
    gradient_shap_ledger,
    has_filters,
    has_gradient,
    integrated_gradients,
    integrated_gradients_ledger,
    occlusion,
    saliency,
)
from deepsvdd_core.explainers.heads import has_distance
from deepsvdd_core.explainers.lrp import LEDGERS as LRP_LEDGERS
from deepsvdd_core.explainers.lrp import Ledger, lrp_epsilon, lrp_gamma
from deepsvdd_core.explainers.residual import rebuilds, residual, residual_ledger
from deepsvdd_core.explainers.shallow import distance_ledger, distance_shares, measures_distance

__all__ = [
    "COMPARES",
    "EXPLAINERS",
    "LEDGERS",
    "POSITIVE",
    "Explainer",
    "Ledger",
    "analysing",
    "comparing",
    "standing_for",
    "supported",
]

Explainer = Callable[[Detector, np.ndarray], np.ndarray]

# In the order in which they stand for a model: first those whose map is the score spread out, then
# the one whose sum has the sign of the finding.
EXPLAINERS: dict[str, Explainer] = {
    "Distance shares": distance_shares,
    "Residual": residual,
    "FCDD": fcdd_map,
    "GradientShap": gradient_shap,
    "LRP-eps": lrp_epsilon,
    "LRP-gamma/ZBox": lrp_gamma,
    "Integrated Gradients": integrated_gradients,
    "Occlusion": occlusion,
    "Saliency": saliency,
    "Grad-CAM": grad_cam,
}

# Which detectors an explainer can explain.
APPLIES: dict[str, Callable[[Detector], bool]] = {
    "Distance shares": measures_distance,
    "Residual": rebuilds,
    "FCDD": has_map,
    "GradientShap": has_gradient,
    "LRP-eps": has_distance,
    "LRP-gamma/ZBox": has_distance,
    "Integrated Gradients": has_gradient,
    "Occlusion": has_gradient,
    "Saliency": has_gradient,
    "Grad-CAM": has_filters,
}

# The accounts of those explainers whose maps have one: sum of map + ledger = score.
LEDGERS: dict[str, Callable[[Detector, np.ndarray], Ledger]] = {
    **LRP_LEDGERS,
    "Distance shares": distance_ledger,
    "Residual": residual_ledger,
    "Integrated Gradients": integrated_gradients_ledger,
    "GradientShap": gradient_shap_ledger,
}

# Explainers that compare an image with references.
COMPARES = ("Integrated Gradients", "GradientShap", "Occlusion")

# Explainers whose maps are never negative: they say where, not in which direction.
POSITIVE = ("Residual", "FCDD", "Saliency", "Grad-CAM")


def comparing(
    name: str, references: np.ndarray | None, *, is_rough: bool = False
) -> tuple[Explainer, Callable[[Detector, np.ndarray], Ledger] | None]:
    """An explainer and its account, where there is one, that compare with these references.

    references: normal images, uint8 (M, C, H, W); None: an image of one grey. Explainers that
    compare with nothing leave them aside. is_rough: for many maps that are only looked at;
    GradientShap then takes a tenth of the time, and its sums may be off.
    """
    explainer, ledger = EXPLAINERS[name], LEDGERS.get(name)
    if name not in COMPARES:
        return explainer, ledger
    known = partial(explainer, references=references)
    if is_rough and name == "GradientShap":
        known = partial(known, steps=ROUGH)
    return known, None if ledger is None else partial(ledger, references=references)


def supported(detector: Detector) -> list[str]:
    """Names of the explainers that apply to a detector, that which stands for it first.

    Where images become features that lead back to pixels, LRP's maps sum to the score. Explainers
    that are not named raise ValueError and say why.
    """
    names = [name for name, applies in APPLIES.items() if applies(detector)]
    if has_distance(detector) and not detector.preprocessing.keeps_pixels:
        names.remove("LRP-eps")
        return ["LRP-eps", *names]
    return names


def standing_for(names: list[str], *, has_references: bool) -> str:
    """The first of these explainers; without references, the first that compares with nothing."""
    return next((name for name in names if has_references or name not in COMPARES), names[0])


def analysing(names: list[str]) -> str:
    """The explainer whose maps are compared with each other and with truth: LRP where it applies.

    The thesis' (4.3.3, 4.3.4).
    """
    return "LRP-eps" if "LRP-eps" in names else names[0]
