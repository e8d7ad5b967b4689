"""Shallow one-class methods on vectors, as scikit-learn estimators.

Everything here is fitted on normal vectors alone, hyper-parameters included. Following
scikit-learn, `score_samples` is higher for what is more normal.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.covariance import EmpiricalCovariance, MinCovDet
from sklearn.decomposition import PCA, KernelPCA
from sklearn.ensemble import IsolationForest as Forest
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel
from sklearn.model_selection import KFold
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import KernelCenterer
from sklearn.svm import OneClassSVM
from sklearn.utils.validation import check_is_fitted, validate_data

from deepsvdd_core.evaluation import upper_quantile

WIDTHS = tuple(2.0**power for power in np.arange(-10, 0))  # γ of the RBF kernel (thesis 2.2.4)
BANDWIDTHS = tuple(2.0**power for power in np.arange(0.5, 5.1, 0.5))  # of KDE (thesis 2.2.4)
MOST_FOR_SELECTION = 1_000  # vectors a hyper-parameter is chosen on


class OneClassEstimator(OutlierMixin, BaseEstimator):
    """Base: principal components first where asked for, then what the method does.

    Args:
        contamination: share of the training vectors that `predict` calls outliers, at most.
        components: of the PCA before the method: a share of variance, a number, or None for no PCA.
        random_state: fixes what is drawn.
    """

    def __init__(
        self,
        contamination: float = 0.1,
        components: float | None = None,
        random_state: int | None = 0,
    ) -> None:
        self.contamination = contamination
        self.components = components
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: None = None) -> OneClassEstimator:
        """Learn from normal vectors X (N, d). Raises ValueError for NaN or fewer than two."""
        X = validate_data(self, X, ensure_min_samples=2, dtype=np.float64)
        self.reduction_ = self._principal_components(X)
        Z = self._reduce(X)
        self._learn(Z)
        self.offset_ = -upper_quantile(self._strangeness(Z), self.contamination)
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """(N,) float64, higher is more normal."""
        check_is_fitted(self)
        return -self._strangeness(self._reduce(validate_data(self, X, reset=False, dtype=float)))

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: np.ndarray) -> np.ndarray:
        """1 for inliers, -1 for outliers."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def chosen(self) -> dict[str, float]:
        """The hyper-parameters that the training data decided."""
        return {}

    def _principal_components(self, X: np.ndarray) -> PCA | None:
        if self.components is None:
            return None
        solver = "full" if isinstance(self.components, float) else "auto"
        return PCA(self.components, svd_solver=solver, random_state=self.random_state).fit(X)

    def _reduce(self, X: np.ndarray) -> np.ndarray:
        return X if self.reduction_ is None else self.reduction_.transform(X)

    def _learn(self, Z: np.ndarray) -> None:
        raise NotImplementedError

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _few(self, Z: np.ndarray) -> np.ndarray:
        """At most MOST_FOR_SELECTION rows, drawn by the seed."""
        rng = np.random.default_rng(self.random_state)
        return Z[rng.permutation(len(Z))[:MOST_FOR_SELECTION]]


class KNearestNeighbours(OneClassEstimator):
    """Mean distance to the five nearest training vectors."""

    def _learn(self, Z: np.ndarray) -> None:
        self.index_ = NearestNeighbors(n_neighbors=min(5, len(Z))).fit(Z)

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        return self.index_.kneighbors(Z)[0].mean(axis=1)


class LocalOutliers(OneClassEstimator):
    """Local outlier factor: density compared with that of the 20 nearest training vectors."""

    def _learn(self, Z: np.ndarray) -> None:
        neighbours = min(20, len(Z) - 1)
        self.model_ = LocalOutlierFactor(n_neighbors=neighbours, novelty=True).fit(Z)

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        return -self.model_.score_samples(Z)


class OnComponents(OneClassEstimator):
    """Base of methods on the components with 95 % of the variance, as in the thesis."""

    def __init__(
        self,
        contamination: float = 0.1,
        components: float | None = 0.95,
        random_state: int | None = 0,
    ) -> None:
        super().__init__(contamination, components, random_state)


class Mahalanobis(OnComponents):
    """Gaussian: distance to the mean after whitening, on 95 % of the variance."""

    def _learn(self, Z: np.ndarray) -> None:
        self.model_ = EmpiricalCovariance().fit(Z)

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        return self.model_.mahalanobis(Z)


class MinimumVolumeEllipsoid(Mahalanobis):
    """Robust Gaussian: mean and covariance of the densest half (minimum covariance determinant)."""

    def _learn(self, Z: np.ndarray) -> None:
        self.model_ = MinCovDet(random_state=self.random_state).fit(Z)


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
        count = np.searchsorted(np.cumsum(model.explained_variance_ratio_), self.kept) + 1
        self.mean_ = model.mean_
        # One direction is always left out, or there would be nothing to measure.
        self.directions_ = model.components_[: min(count, Z.shape[1] - 1)]

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        centered = Z - self.mean_
        rest = centered - centered @ self.directions_.T @ self.directions_
        error = np.square(rest).sum(axis=1)
        return np.where(error < 1e-20 * np.square(Z).sum(axis=1), 0.0, error)  # only rounding


class OfOneWidth(OnComponents):
    """Base of kernel methods whose width the training vectors decide."""

    def __init__(
        self,
        contamination: float = 0.1,
        components: float | None = 0.95,
        random_state: int | None = 0,
        width: float | None = None,
    ) -> None:
        super().__init__(contamination, components, random_state)
        self.width = width

    def _learn(self, Z: np.ndarray) -> None:
        self.width_ = self._choose_width(self._few(Z)) if self.width is None else self.width
        self._learn_with(Z)

    def chosen(self) -> dict[str, float]:
        return {"width": self.width_}

    def _choose_width(self, Z: np.ndarray) -> float:
        raise NotImplementedError

    def _learn_with(self, Z: np.ndarray) -> None:
        raise NotImplementedError


def folds(Z: np.ndarray, most: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(training, held-out) parts of Z for cross-validation."""
    parts = KFold(min(most, len(Z)), shuffle=True, random_state=0).split(Z)
    return [(Z[train], Z[held_out]) for train, held_out in parts]


class KernelDensity(OfOneWidth):
    """Gaussian KDE: minus the log density; bandwidth by five-fold cross-validated likelihood."""

    def _choose_width(self, Z: np.ndarray) -> float:
        def likelihood(bandwidth: float) -> float:
            return sum(
                self._log_density(held_out, train, bandwidth).sum()
                for train, held_out in folds(Z, 5)
            )

        return max(BANDWIDTHS, key=likelihood)

    @staticmethod
    def _log_density(Z: np.ndarray, train: np.ndarray, bandwidth: float) -> np.ndarray:
        exponents = euclidean_distances(Z, train, squared=True) / (-2 * bandwidth**2)
        constant = np.log(len(train)) + Z.shape[1] * np.log(bandwidth * np.sqrt(2 * np.pi))
        return logsumexp(exponents, axis=1) - constant

    def _learn_with(self, Z: np.ndarray) -> None:
        self.vectors_ = Z

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        parts = np.array_split(Z, len(Z) // 1000 + 1)
        return np.concatenate([-self._log_density(p, self.vectors_, self.width_) for p in parts])


class SupportVectors(OfOneWidth):
    """OC-SVM, with an RBF kernel the same as SVDD; width by consistency on held-out vectors.

    The narrowest kernel that rejects no more held-out vectors than the share of outliers and two
    standard errors (Tax and Mueller, 2004, "A consistency-based model selection").
    """

    def _choose_width(self, Z: np.ndarray) -> float:
        share = min(self.contamination, 0.5)
        allowed = share + 2 * np.sqrt(share * (1 - share) / len(Z))
        for width in sorted(WIDTHS, reverse=True):
            rejected = [
                (self._machine(width).fit(train).predict(held_out) < 0).mean()
                for train, held_out in folds(Z, 3)
            ]
            if np.mean(rejected) <= allowed:
                return width
        return min(WIDTHS)

    def _machine(self, width: float) -> OneClassSVM:
        return OneClassSVM(gamma=width, nu=self.contamination)

    def _learn_with(self, Z: np.ndarray) -> None:
        self.model_ = self._machine(self.width_).fit(Z)

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        return -self.model_.decision_function(Z)


class OracleSupportVectors(SupportVectors):
    """Oracle: OC-SVM whose width is chosen with labels of test images, as in the thesis.

    The detector gives the width, by the best AUROC on a tenth of the test images; see
    `choose_with_labels`. Without it, it is the plain OC-SVM.
    """

    def choose_with_labels(
        self, X: np.ndarray, score: Callable[[OracleSupportVectors], float]
    ) -> None:
        """Try every width on X; keep the one with the highest score."""
        fitted = [self.__class__(**{**self.get_params(), "width": w}).fit(X) for w in WIDTHS]
        self.width = max(fitted, key=score).width


class KernelReconstruction(OfOneWidth):
    """Kernel PCA: distance to the 32 leading components in the feature space of an RBF kernel."""

    def _choose_width(self, Z: np.ndarray) -> float:
        squared = euclidean_distances(Z, squared=True)
        return 1 / max(float(np.median(squared[np.triu_indices(len(Z), 1)])), 1e-12)

    def _learn_with(self, Z: np.ndarray) -> None:
        self.vectors_ = self._few(Z)
        kernel = rbf_kernel(self.vectors_, gamma=self.width_)
        self.centerer_ = KernelCenterer().fit(kernel)
        count = min(32, len(self.vectors_) - 1)
        self.model_ = KernelPCA(count, kernel="precomputed", eigen_solver="dense").fit(kernel)

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        kernel = rbf_kernel(Z, self.vectors_, gamma=self.width_)
        norm = 1 - 2 * kernel.mean(axis=1) + self.centerer_.K_fit_all_
        return norm - np.square(self.model_.transform(kernel)).sum(axis=1)


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
