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

__all__ = ["EXPLAINERS", "LEDGERS", "POSITIVE", "Explainer", "Ledger", "comparing", "supported"]

Explainer = Callable[[Detector, np.ndarray], np.ndarray]

EXPLAINERS: dict[str, Explainer] = {
    "LRP-eps": lrp_epsilon,
    "LRP-gamma/ZBox": lrp_gamma,
    "Distance shares": distance_shares,
    "Residual": residual,
    "FCDD": fcdd_map,
    "Integrated Gradients": integrated_gradients,
    "GradientShap": gradient_shap,
    "Occlusion": occlusion,
    "Saliency": saliency,
    "Grad-CAM": grad_cam,
}

# Which detectors an explainer can explain.
APPLIES: dict[str, Callable[[Detector], bool]] = {
    "LRP-eps": has_distance,
    "LRP-gamma/ZBox": has_distance,
    "Distance shares": measures_distance,
    "Residual": rebuilds,
    "FCDD": has_map,
    "Integrated Gradients": has_gradient,
    "GradientShap": has_gradient,
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
    name: str, references: np.ndarray | None
) -> tuple[Explainer, Callable[[Detector, np.ndarray], Ledger] | None]:
    """An explainer and its account, where there is one, that compare with these references.

    references: normal images, uint8 (M, C, H, W); None: an image of one grey. Explainers that
    compare with nothing leave them aside.
    """
    explainer, ledger = EXPLAINERS[name], LEDGERS.get(name)
    if name not in COMPARES:
        return explainer, ledger
    known = partial(explainer, references=references)
    return known, None if ledger is None else partial(ledger, references=references)


def supported(detector: Detector) -> list[str]:
    """Names of the explainers that apply to a detector; others raise ValueError and say why."""
    return [name for name, applies in APPLIES.items() if applies(detector)]
