"""Whether a training went well, by rules with numbers; what a look at codes can see is in training.

The rules that compare with labels are checks by test labels: they choose nothing, they only warn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deepsvdd_core.evaluation import auroc
from deepsvdd_core.training import SOUND, EpochReport

RISEN_FOR = 3  # epochs in a row with a loss above that of the first epoch
EXPLODED = 10  # times the loss of the first epoch, at once
JUDGED_FROM = 0.5  # of the epochs, from which on the AUROC is compared
EQUAL = 1e-9  # a spread of scores below this share of their size is rounding
Z = 1.96  # of a 95 % interval


class Interval(NamedTuple):
    """A fraction and its 95 % interval."""

    value: float
    low: float
    high: float


def interval(value: float, anomalous: int, normal: int) -> Interval:
    """The 95 % interval of an AUROC over so many images of both kinds (Hanley and McNeil 1982)."""
    above, below = value / (2 - value), 2 * value**2 / (1 + value)
    variance = value * (1 - value)
    variance += (anomalous - 1) * (above - value**2) + (normal - 1) * (below - value**2)
    half = Z * np.sqrt(max(0.0, variance) / (anomalous * normal))
    return Interval(value, max(0.0, value - half), min(1.0, value + half))


def of_losses(losses: list[float]) -> str:
    """SOUND, or a sentence when the losses of a stage, epoch by epoch, rise instead of falling."""
    if len(losses) < 2:
        return SOUND
    first, last = losses[0], losses[-1]
    if not np.isfinite(last) or (first > 0 and last > EXPLODED * first):
        return (
            f"The training diverges: the loss went from {first:.3g} to {last:.3g}; choose a "
            "smaller learning rate."
        )
    if len(losses) > RISEN_FOR and min(losses[-RISEN_FOR:]) > first:
        return (
            f"The training diverges: for {RISEN_FOR} epochs the loss has been above that of the "
            f"first, now {last:.3g} against {first:.3g}; choose a smaller learning rate."
        )
    return SOUND


def of_scores(scores: np.ndarray, images: np.ndarray) -> str:
    """SOUND, or a sentence when a method, of whatever kind, tells few images apart.

    scores (N,) of images (N, C, H, W); equal images may have equal scores.
    """
    if len(scores) < 2:
        return SOUND
    distinct = len({image.tobytes() for image in images})
    if distinct < 2:
        return SOUND
    if np.ptp(scores) <= EQUAL * np.abs(scores).max():
        return f"All {len(scores):,} test images get the same score, {scores[0]:.4g}."
    different = len(np.unique(scores))
    if different < distinct / 2:
        return f"{distinct:,} different test images get only {different:,} different scores."
    return SOUND


def of_order(value: float | None, untrained: float | None, is_anomaly: np.ndarray) -> str:
    """SOUND, or a sentence when an AUROC is no success, a check by test labels.

    value: AUROC of the images of which is_anomaly (N,) bool tells the kind; untrained: that of the
    same network before training on the same images, None where there is none.
    """
    anomalous = int(is_anomaly.sum())
    normal = len(is_anomaly) - anomalous
    if value is None or not anomalous or not normal:
        return SOUND
    found = interval(value, anomalous, normal)
    told = (
        f"By the labels of {len(is_anomaly):,} test images the AUROC is {found.value:.1%} "
        f"(95 % interval {found.low:.1%} to {found.high:.1%})"
    )
    if found.high < 0.5:
        return f"{told}: normal images look stranger than anomalies."
    if untrained is not None and value < untrained:
        return f"{told}, below the {untrained:.1%} of the untrained network."
    if found.value <= 0.5:
        return f"{told}: no better than chance."
    if found.low <= 0.5:
        return f"{told}, which cannot be told from chance."
    return SOUND


class Watch:
    """Adds to each report what its predecessors and the test labels say of it.

    seen: of the test images the AUROCs of the reports are measured on, whether each is anomalous,
    (N,) bool. is_adversarial: the losses are those of two networks against each other and need not
    fall.
    """

    def __init__(self, seen: np.ndarray, *, is_adversarial: bool = False) -> None:
        self.seen, self.is_adversarial = seen, is_adversarial
        self.losses: dict[str, list[float]] = {}
        self.untrained: float | None = None
        self.auroc: float | None = None  # of the last report
        self.fault = SOUND  # of the last report, whatever the labels say

    def __call__(self, report: EpochReport) -> EpochReport:
        """The report with the first thing that is wrong; nothing is judged before an epoch."""
        self.auroc = report.auroc
        if report.stage == "before training":
            self.untrained = report.auroc
        if report.epoch == 0:
            return report._replace(health=SOUND)
        if report.loss is not None:
            self.losses.setdefault(report.stage, []).append(report.loss)
        self.fault = report.health
        if self.fault == SOUND and not self.is_adversarial:
            self.fault = of_losses(self.losses.get(report.stage, []))
        if self.fault != SOUND or report.epoch < JUDGED_FROM * report.epochs:
            return report._replace(health=self.fault)
        return report._replace(health=of_order(report.auroc, self.untrained, self.seen))

    def verdict(self, scores: np.ndarray, images: np.ndarray, is_anomaly: np.ndarray) -> str:
        """Of the finished training, with the scores (N,) of all test images.

        SOUND, or the first sentence on what is wrong.
        """
        found = (
            self.fault,
            of_scores(scores, images),
            of_order(self.auroc, self.untrained, self.seen),
            of_order(auroc(scores, is_anomaly), None, is_anomaly),
        )
        return next((fault for fault in found if fault != SOUND), SOUND)
