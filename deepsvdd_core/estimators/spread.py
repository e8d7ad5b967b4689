"""Methods that measure distances and variances of the vectors themselves."""

from __future__ import annotations

import numpy as np
from sklearn.covariance import EmpiricalCovariance, MinCovDet
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest as Forest

from deepsvdd_core.estimators.base import OnComponents, OneClassEstimator
from deepsvdd_core.estimators.rounding import OF_LENGTH, Neighbours, lengths


class KNearestNeighbours(OneClassEstimator):
    """Mean distance to the five nearest training vectors."""

    def _learn(self, Z: np.ndarray) -> None:
        self.near_ = Neighbours(Z, min(5, len(Z)))

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        return self.near_(Z)[1].mean(axis=1)

    def left_out(self) -> np.ndarray | None:
        if self.reduction_ is not None or len(self.near_.vectors) <= self.near_.count:
            return None
        return self.near_()[1].mean(axis=1)


class LocalOutliers(OneClassEstimator):
    """Local outlier factor: density compared with that of the 20 nearest training vectors."""

    def _learn(self, Z: np.ndarray) -> None:
        self.near_ = Neighbours(Z, min(20, len(Z) - 1))
        rows, distances = self.near_()
        self.reach_ = distances.max(axis=1)
        self.density_ = self._density(rows, distances)

    def _density(self, rows: np.ndarray, distances: np.ndarray) -> np.ndarray:
        reached = np.maximum(distances, self.reach_[rows]).mean(axis=1)
        return 1 / (reached + 1e-10)  # among many copies the distance is 0

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        rows, distances = self.near_(Z)
        return self.density_[rows].mean(axis=1) / self._density(rows, distances)


class Mahalanobis(OnComponents):
    """Gaussian: distance to the mean after whitening, on 95 % of the variance.

    ridge: added to the variance in every direction, in units of the mean variance of a feature.
    """

    def __init__(
        self,
        contamination: float = 0.1,
        components: float | None = 0.95,
        random_state: int | None = 0,
        ridge: float = 0.0,
    ) -> None:
        super().__init__(contamination, components, random_state)
        self.ridge = ridge

    def _learn(self, Z: np.ndarray) -> None:
        found = EmpiricalCovariance().fit(Z)
        self.center_, self.precision_ = found.location_, found.precision_
        if self.ridge:
            mean = float(np.trace(found.covariance_)) / Z.shape[1] or 1.0
            thicker = found.covariance_ + self.ridge * mean * np.eye(Z.shape[1])
            self.precision_ = np.linalg.inv(thicker)

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        centered = Z - self.center_
        return (centered @ self.precision_ * centered).sum(axis=1)

    def whitening(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (d,) and matrix (d, k) of the fitted Gaussian, float64.

        (X - mean) @ matrix is white: the score of a vector is its squared length.
        """
        values, vectors = np.linalg.eigh(self.precision_)
        mean, matrix = self.center_, vectors * np.sqrt(np.maximum(values, 0))
        if self.reduction_ is not None:
            components = self.reduction_.components_
            mean, matrix = self.reduction_.mean_ + mean @ components, components.T @ matrix
        return mean, matrix


class MinimumVolumeEllipsoid(Mahalanobis):
    """Robust Gaussian: mean and covariance of the densest 90 % (minimum covariance determinant).

    support: this share of the training vectors (thesis B.3).
    """

    def __init__(
        self,
        contamination: float = 0.1,
        components: float | None = 0.95,
        random_state: int | None = 0,
        support: float = 0.9,
    ) -> None:
        super().__init__(contamination, components, random_state)
        self.support = support

    def _learn(self, Z: np.ndarray) -> None:
        # Its search stops at absolute numbers. A power of 2 as unit changes no other digit.
        sizes = np.abs(Z[Z != 0])
        unit = 2.0 ** np.round(np.log2(np.median(sizes))) if len(sizes) else 1.0
        share = min(1.0, max(self.support, 2 / len(Z)))
        most = MinCovDet(support_fraction=share, random_state=self.random_state)
        found = most.fit(Z / unit)
        self.center_, self.precision_ = found.location_ * unit, found.precision_ / unit**2


class IsolationForest(OnComponents):
    """How few random cuts isolate a vector: 100 trees on 256 vectors each."""

    def _learn(self, Z: np.ndarray) -> None:
        self.model_ = Forest(n_estimators=100, random_state=self.random_state).fit(Z)

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        return -self.model_.score_samples(Z)


class Reconstruction(OneClassEstimator):
    """PCA: squared distance to the subspace of 90 % of the variance."""

    def __init__(
        self,
        contamination: float = 0.1,
        components: float | None = None,
        random_state: int | None = 0,
        kept: float = 0.9,
    ) -> None:
        super().__init__(contamination, components, random_state)
        self.kept = kept

    def _learn(self, Z: np.ndarray) -> None:
        model = PCA(svd_solver="full").fit(Z)
        explained = np.cumsum(model.explained_variance_ratio_)
        count = np.searchsorted(explained, self.kept * (1 - OF_LENGTH)) + 1
        self.mean_ = model.mean_
        # One direction is always left out, or there would be nothing to measure.
        self.directions_ = model.components_[: min(count, Z.shape[1] - 1)]

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        centered = Z - self.mean_
        rest = centered - centered @ self.directions_.T @ self.directions_
        sizes = np.linalg.norm(Z, axis=1) + np.linalg.norm(self.mean_)
        return np.square(lengths(rest, sizes))
