"""Turn anomaly scores and the truth into the figures of a report."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn import metrics

from deepsvdd_core.calibration import above

# A score in float64 differs by less than this share between batches, processors and threads; two
# that are so close count as one. In a narrow kernel 1e-8 still tells images apart.
ROUNDING = 1e-10


class Confusion(NamedTuple):
    """Counts at a threshold. Positive means anomalous; rates are None where nothing is counted."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def precision(self) -> float | None:
        """Share of the flagged images that are anomalous."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float | None:
        """Share of the anomalous images that are flagged."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def false_alarm_rate(self) -> float | None:
        """Share of the normal images that are flagged."""
        return _share(self.false_positives, self.false_positives + self.true_negatives)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        wrong = self.false_positives + self.false_negatives
        return _share(2 * self.true_positives, 2 * self.true_positives + wrong)


class Evaluation(NamedTuple):
    """Figures of one detector on one test set; None where they are not defined."""

    auroc: float | None
    average_precision: float | None
    threshold: float
    confusion: Confusion


def check_scores(scores: np.ndarray) -> None:
    """Raises ValueError naming the first image whose score is not a number."""
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise ValueError(f"The score of image {bad[0]} is not a finite number ({len(bad)} in all).")


def auroc(scores: np.ndarray, is_anomaly: np.ndarray) -> float | None:
    """Area under the ROC curve as a fraction; None when only one class is present."""
    check_scores(scores)
    return float(metrics.roc_auc_score(is_anomaly, scores)) if _both(is_anomaly) else None


def average_precision(scores: np.ndarray, is_anomaly: np.ndarray) -> float | None:
    """Average precision of the anomalies as a fraction; None when only one class is present."""
    check_scores(scores)
    return float(metrics.average_precision_score(is_anomaly, scores)) if _both(is_anomaly) else None


def roc_curve(scores: np.ndarray, is_anomaly: np.ndarray) -> np.ndarray:
    """(2, 101): true positive rate at the false positive rates 0, 0.01, …, 1; NaN if undefined."""
    grid = np.linspace(0, 1, 101)
    if not _both(is_anomaly):
        return np.stack([grid, np.full(101, np.nan)])
    false_rate, true_rate, _ = metrics.roc_curve(is_anomaly, scores)
    return np.stack([grid, np.interp(grid, false_rate, true_rate)])


def precision_recall_curve(scores: np.ndarray, is_anomaly: np.ndarray) -> np.ndarray:
    """(2, 101): precision at the recalls 0, 0.01, …, 1; NaN where it is not defined."""
    grid = np.linspace(0, 1, 101)
    if not _both(is_anomaly):
        return np.stack([grid, np.full(101, np.nan)])
    precision, recall, _ = metrics.precision_recall_curve(is_anomaly, scores)
    return np.stack([grid, np.interp(grid, recall[::-1], precision[::-1])])


def confusion(scores: np.ndarray, is_anomaly: np.ndarray, threshold: float) -> Confusion:
    """Counts when every image with a score above the threshold is called anomalous."""
    flagged = scores > threshold
    return Confusion(
        true_positives=int((flagged & is_anomaly).sum()),
        false_positives=int((flagged & ~is_anomaly).sum()),
        false_negatives=int((~flagged & is_anomaly).sum()),
        true_negatives=int((~flagged & ~is_anomaly).sum()),
    )


def evaluate(scores: np.ndarray, is_anomaly: np.ndarray, threshold: float) -> Evaluation:
    """All figures at once. scores (N,) float64, is_anomaly (N,) bool."""
    return Evaluation(
        auroc(scores, is_anomaly),
        average_precision(scores, is_anomaly),
        threshold,
        confusion(scores, is_anomaly, threshold),
    )


def upper_quantile(values: np.ndarray, share_above: float) -> float:
    """The smallest of the values that at most `share_above` of them exceed.

    With the distances of the training images and share_above = nu this is the radius for which
    the nu-property holds exactly (thesis Proposition 4). It decides nothing: see `upper_threshold`.
    """
    return float(np.sort(values)[_place(len(values), share_above)])


def upper_threshold(scores: np.ndarray, share_above: float) -> float:
    """A number that at most `share_above` of the scores exceed, and that none comes near.

    Halfway from the upper quantile to the next higher score. Scores that differ by rounding alone
    count as equal, and lie on the same side together; above the highest it keeps a small distance.
    """
    ranked = np.sort(np.asarray(scores, np.float64))
    return float(_borders(ranked)[_place(len(ranked), share_above)])


def quantiles(scores: np.ndarray) -> np.ndarray:
    """(101,) float64: element p is a threshold that at most 100 - p percent of the scores exceed.

    So `quantiles(scores)[100 - p]` is `upper_threshold(scores, p / 100)`.

    Raises:
        ValueError: there are no scores.
    """
    if len(scores) == 0:
        raise ValueError("There are no scores to take quantiles of; score at least one image.")
    above = np.arange(100, -1, -1) * len(scores) // 100
    ranked = np.sort(np.asarray(scores, np.float64))
    return _borders(ranked)[np.maximum(len(scores) - 1 - above, 0)]


def threshold_for_f1(scores: np.ndarray, is_anomaly: np.ndarray) -> float | None:
    """The highest of the thresholds with the best F1; None when no image is anomalous.

    All are tried that flag different images, each between two scores as in `upper_threshold`. It
    knows the truth, so it says what a threshold could reach, not what one may choose.
    """
    check_scores(scores)
    anomalies = int(np.sum(is_anomaly))
    if anomalies == 0:
        return None
    order = np.argsort(scores)
    ranked = np.asarray(scores, np.float64)[order]
    # With all but the first n of the ranking flagged, F1 = 2 TP / (flagged + anomalies).
    found = anomalies - np.concatenate([[0], np.cumsum(np.asarray(is_anomaly)[order])])
    f1 = 2 * found / (len(ranked) - np.arange(len(ranked) + 1) + anomalies)
    below = ranked[0] - (_resolution(ranked)[0] or ROUNDING)
    candidates = np.append(below, _borders(ranked))
    last = np.append(candidates[1:] > candidates[:-1], True)  # equal scores are flagged together
    best = np.flatnonzero(last & (f1 == f1[last].max()))
    return float(candidates[best[-1]])


def _place(count: int, share_above: float) -> int:
    """Of the upper quantile among `count` sorted values."""
    return max(0, count - 1 - above(share_above, count))


def _resolution(ranked: np.ndarray) -> np.ndarray:
    """(N,): how far from each sorted score another must lie to differ by more than rounding.

    Measured by the largest score up to it: what is stranger by far may be larger by far.
    """
    return ROUNDING * np.maximum(np.abs(ranked), abs(ranked[0]))


def _borders(ranked: np.ndarray) -> np.ndarray:
    """(N,): for each sorted score the middle of the first gap above it that is not rounding."""
    resolution = _resolution(ranked)
    gaps = np.flatnonzero(np.diff(ranked) > resolution[:-1])
    middles = np.append((ranked[gaps] + ranked[gaps + 1]) / 2, ranked[-1] + resolution[-1])
    return middles[np.searchsorted(gaps, np.arange(len(ranked)))]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _both(is_anomaly: np.ndarray) -> bool:
    return 0 < int(np.sum(is_anomaly)) < len(is_anomaly)
