"""Shallow one-class methods on vectors, as scikit-learn estimators.

Everything here is fitted on normal vectors alone, hyper-parameters included. Following
scikit-learn, `score_samples` is higher for what is more normal.
"""

from __future__ import annotations

from deepsvdd_core.estimators.base import OneClassEstimator
from deepsvdd_core.estimators.kernels import (
    BANDWIDTHS,
    WIDTHS,
    KernelDensity,
    KernelReconstruction,
    OfOneWidth,
    OracleSupportVectors,
    SupportVectors,
)
from deepsvdd_core.estimators.spread import (
    IsolationForest,
    KNearestNeighbours,
    LocalOutliers,
    Mahalanobis,
    MinimumVolumeEllipsoid,
    Reconstruction,
)

__all__ = [
    "BANDWIDTHS",
    "ESTIMATORS",
    "WIDTHS",
    "KNearestNeighbours",
    "KernelDensity",
    "KernelReconstruction",
    "Mahalanobis",
    "MinimumVolumeEllipsoid",
    "OfOneWidth",
    "OneClassEstimator",
    "OracleSupportVectors",
    "Reconstruction",
    "SupportVectors",
]

ESTIMATORS: dict[str, type[OneClassEstimator]] = {
    "knn": KNearestNeighbours,
    "lof": LocalOutliers,
    "mahalanobis": Mahalanobis,
    "mve": MinimumVolumeEllipsoid,
    "isolation-forest": IsolationForest,
    "kde": KernelDensity,
    "oc-svm": SupportVectors,
    "oc-svm-oracle": OracleSupportVectors,
    "pca": Reconstruction,
    "kernel-pca": KernelReconstruction,
}
