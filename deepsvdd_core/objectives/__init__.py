"""Turn codes into a loss and an anomaly score; own the hypersphere's centre and radius."""

from __future__ import annotations

from deepsvdd_core.objectives.base import Objective, Sphere
from deepsvdd_core.objectives.cells import FCDD, FCDDMasks
from deepsvdd_core.objectives.classification import (
    HypersphereClassifier,
    HypersphereClassifierL1,
    HypersphereClassifierL2,
    HypersphereClassifierSquared,
    Supervised,
)
from deepsvdd_core.objectives.hypersphere import (
    DeepSAD,
    MultiSphere,
    OneClass,
    SoftBoundary,
)
from deepsvdd_core.objectives.reconstruction import Hybrid, MultiCenter, Reconstruction

__all__ = ["OBJECTIVES", "Objective", "Sphere"]

OBJECTIVES: dict[str, type[Objective]] = {
    "one-class": OneClass,
    "soft-boundary": SoftBoundary,
    "multi-sphere": MultiSphere,
    "multi-center": MultiCenter,
    "deep-sad": DeepSAD,
    "hsc": HypersphereClassifier,
    "hsc-l1": HypersphereClassifierL1,
    "hsc-l2": HypersphereClassifierL2,
    "hsc-squared": HypersphereClassifierSquared,
    "fcdd": FCDD,
    "fcdd-masks": FCDDMasks,
    "hybrid": Hybrid,
    "reconstruction": Reconstruction,
    "supervised": Supervised,
}
