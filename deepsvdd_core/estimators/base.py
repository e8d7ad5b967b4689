"""What all shallow estimators share: components first where asked for, and the threshold."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted, validate_data

from deepsvdd_core import calibration
from deepsvdd_core.estimators.rounding import OF_LENGTH
from deepsvdd_core.evaluation import upper_threshold
from deepsvdd_core.progress import OnStep, nothing

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
        self.offset_ = -upper_threshold(self._strangeness(Z), self.contamination)
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

    def left_out(self) -> np.ndarray | None:
        """(N,) strangeness of each training vector to the others, where that is exact and cheap."""
        return None

    def calibration_scores(self, X: np.ndarray, *, on_step: OnStep = nothing) -> np.ndarray:
        """(M,) strangeness of training vectors X (N, d) to an estimator fitted without them.

        Of each vector to all others where `left_out` knows it; else of one part after another,
        with the hyper-parameters that were chosen on all.
        """
        found = self.left_out()
        if found is not None:
            return found
        same = self.chosen()
        if self.reduction_ is not None:  # densities in different dimensions do not compare
            same["components"] = int(self.reduction_.n_components_)
        parts = [np.empty(0)]
        for part in calibration.held_out(len(X), self.random_state or 0):
            on_step()
            twin = clone(self).set_params(**same).fit(np.delete(X, part, axis=0))
            parts.append(self._as_own(-twin.score_samples(X[part]), twin))
        return np.concatenate(parts)

    def _as_own(self, strangeness: np.ndarray, twin: OneClassEstimator) -> np.ndarray:
        """What a twin fitted to fewer vectors says (M,), in the units of this one."""
        return strangeness

    def chosen(self) -> dict[str, float]:
        """The hyper-parameters that the training data decided."""
        return {}

    def _principal_components(self, X: np.ndarray) -> PCA | None:
        if self.components is None:
            return None
        solver = "full" if isinstance(self.components, float) else "auto"
        return PCA(self.components, svd_solver=solver, random_state=self.random_state).fit(X)

    def _reduce(self, X: np.ndarray) -> np.ndarray:
        if self.reduction_ is None:
            return X
        Z = (X - self.reduction_.mean_) @ self.reduction_.components_.T
        sizes = np.linalg.norm(X, axis=1, keepdims=True)
        return np.where(np.abs(Z) < OF_LENGTH * sizes, 0.0, Z)

    def _learn(self, Z: np.ndarray) -> None:
        raise NotImplementedError

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _few(self, Z: np.ndarray) -> np.ndarray:
        """At most MOST_FOR_SELECTION rows, drawn by the seed."""
        rng = np.random.default_rng(self.random_state)
        return Z[rng.permutation(len(Z))[:MOST_FOR_SELECTION]]


class OnComponents(OneClassEstimator):
    """Base of methods on the components with 95 % of the variance, as in the thesis."""

    def __init__(
        self,
        contamination: float = 0.1,
        components: float | None = 0.95,
        random_state: int | None = 0,
    ) -> None:
        super().__init__(contamination, components, random_state)
