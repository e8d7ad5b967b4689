"""Turn anomaly scores and the truth into the figures of a report."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn import metrics


class Confusion(NamedTuple):
    """Counts at a threshold. Positive means anomalous."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


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
    the nu-property holds exactly (thesis Proposition 4).
    """
    above = int(share_above * len(values) + 1e-9)  # 0.1 * 30 must count as 3
    return float(np.sort(values)[max(0, len(values) - 1 - above)])


def _both(is_anomaly: np.ndarray) -> bool:
    return 0 < int(np.sum(is_anomaly)) < len(is_anomaly)
