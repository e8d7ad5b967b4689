"""Methods on a Gaussian kernel, whose width the training vectors decide."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp
from sklearn.decomposition import KernelPCA
from sklearn.model_selection import KFold
from sklearn.preprocessing import KernelCenterer
from sklearn.svm import OneClassSVM

from deepsvdd_core.estimators.base import OnComponents
from deepsvdd_core.estimators.rounding import squared_distances

WIDTHS = tuple(2.0**power for power in np.arange(-10, 0))  # γ of the RBF kernel (thesis 2.2.4)
NARROWING = tuple(2.0**power for power in np.arange(5, -21, -1.0))  # beyond where any is chosen
BEYOND = 10  # further widths the oracle tries where the best lies at the end of WIDTHS
BANDWIDTHS = tuple(2.0**power for power in np.arange(0.5, 5.1, 0.5))  # of KDE (thesis 2.2.4)
ROUNDING = 1e-9  # of a squared residual in the feature space, where every vector has length 1
SMALLEST = 1e-10  # share of the variance of a component; what is divided by less is rounding


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


def in_parts(strangeness: Callable[[np.ndarray], np.ndarray], Z: np.ndarray) -> np.ndarray:
    """Of a thousand rows at a time: kernels between all of them may not fit into memory."""
    return np.concatenate([strangeness(part) for part in np.array_split(Z, len(Z) // 1000 + 1)])


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
        exponents = squared_distances(Z, train) / (-2 * bandwidth**2)
        constant = np.log(len(train)) + Z.shape[1] * np.log(bandwidth * np.sqrt(2 * np.pi))
        return logsumexp(exponents, axis=1) - constant

    def _learn_with(self, Z: np.ndarray) -> None:
        self.vectors_ = Z

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        return in_parts(lambda part: -self._log_density(part, self.vectors_, self.width_), Z)


class SupportVectors(OfOneWidth):
    """OC-SVM, with an RBF kernel the same as SVDD; width by consistency on held-out vectors.

    The narrowest kernel that rejects no more held-out vectors than the share of outliers and two
    standard errors (Tax and Mueller, 2004, "A consistency-based model selection").
    """

    def _choose_width(self, Z: np.ndarray) -> float:
        share = min(self.contamination, 0.5)
        allowed = share + 2 * np.sqrt(share * (1 - share) / len(Z))
        for width in NARROWING:
            rejected = [
                (self._machine(width).fit(train).predict(held_out) < 0).mean()
                for train, held_out in folds(Z, 3)
            ]
            if np.mean(rejected) <= allowed:
                return width
        return min(NARROWING)

    def _machine(self, width: float) -> OneClassSVM:
        return OneClassSVM(gamma=width, nu=self.contamination)

    def _learn_with(self, Z: np.ndarray) -> None:
        self.model_ = self._machine(self.width_).fit(Z)

    def _as_own(self, strangeness: np.ndarray, twin: SupportVectors) -> np.ndarray:
        # The sum over support vectors grows with their number, the offset need not.
        ours, theirs = (one.model_.dual_coef_.sum() for one in (self, twin))
        summed = strangeness + twin.model_.intercept_[0]
        return summed * (ours / theirs) - self.model_.intercept_[0]

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        # Not by the machine itself, which does not know what is rounding.
        return in_parts(self._outside, Z)

    def _outside(self, Z: np.ndarray) -> np.ndarray:
        kernel = np.exp(-self.width_ * squared_distances(Z, self.model_.support_vectors_))
        return -(kernel @ self.model_.dual_coef_[0] + self.model_.intercept_[0])


class OracleSupportVectors(SupportVectors):
    """Oracle: OC-SVM whose width is chosen with labels of test images, as in the thesis.

    The detector gives the width, by the best AUROC on a tenth of the test images; see
    `choose_with_labels`. Without it, it is the plain OC-SVM.
    """

    def choose_with_labels(
        self, X: np.ndarray, score: Callable[[OracleSupportVectors], float]
    ) -> None:
        """Try every width on X, and more where the best is the first or the last; keep the best."""

        def found(width: float) -> float:
            return score(self.__class__(**{**self.get_params(), "width": width}).fit(X))

        scores = {width: found(width) for width in WIDTHS}
        for _ in range(BEYOND):
            best = max(scores, key=scores.__getitem__)
            if min(scores) < best < max(scores):
                break
            further = best / 2 if best == min(scores) else 2 * best
            scores[further] = found(further)
        self.width = max(scores, key=scores.__getitem__)


class KernelReconstruction(OfOneWidth):
    """Kernel PCA: distance to 90 % of the variance in the feature space of an RBF kernel.

    kept: this share, or a number of components.
    """

    def __init__(
        self,
        contamination: float = 0.1,
        components: float | None = 0.95,
        random_state: int | None = 0,
        width: float | None = None,
        kept: float = 0.9,
    ) -> None:
        super().__init__(contamination, components, random_state, width)
        self.kept = kept

    def _choose_width(self, Z: np.ndarray) -> float:
        pairs = squared_distances(Z, Z)[np.triu_indices(len(Z), 1)]
        return 1 / (float(np.median(pairs)) or float(np.mean(pairs)) or 1.0)

    def _learn_with(self, Z: np.ndarray) -> None:
        self.vectors_ = self._few(Z)
        kernel = self._kernel(self.vectors_)
        self.centerer_ = KernelCenterer().fit(kernel)
        most = len(self.vectors_) - 1
        self.model_ = KernelPCA(most, kernel="precomputed", eigen_solver="dense").fit(kernel)
        values = self.model_.eigenvalues_
        sound = np.count_nonzero(values > SMALLEST * len(kernel))
        count = self.kept
        if self.kept <= 1:
            total = max(float(values.clip(0).sum()), np.finfo(float).tiny)
            shares = np.cumsum(values.clip(0)) / total
            count = np.searchsorted(shares, self.kept * (1 - ROUNDING)) + 1
        self.kept_ = int(min(count, sound, most))

    def _kernel(self, Z: np.ndarray) -> np.ndarray:
        return np.exp(-self.width_ * squared_distances(Z, self.vectors_))

    def _strangeness(self, Z: np.ndarray) -> np.ndarray:
        kernel = self._kernel(Z)
        norm = 1 - 2 * kernel.mean(axis=1) + self.centerer_.K_fit_all_
        rest = norm - np.square(self.model_.transform(kernel)[:, : self.kept_]).sum(axis=1)
        return np.where(rest < ROUNDING, 0.0, rest)
