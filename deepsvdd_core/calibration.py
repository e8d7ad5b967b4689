"""Scores of images that a detector was not fitted to, and what a threshold from them promises.

Split and cross-conformal prediction: Vovk et al., 2005; Papadopoulos et al., 2002.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.stats import beta, betabinom

PARTS = 5  # one of them is held out at a time
ENOUGH = 150  # scores; with as many the error of a share of 10 % has a standard deviation of 2.4 %
MOST = 5_000  # scores in a model file
FEWEST = 3  # normal images that can be parted


class Promise(NamedTuple):
    """The share of unseen normal images above a threshold, and how well it is known."""

    asked: float
    low: float
    high: float


def above(asked: float, count: int) -> int:
    """How many of `count` calibration scores may exceed a threshold: at most a share `asked`."""
    return int(asked * count + 1e-9)  # 0.1 * 30 must count as 3


def held_out(count: int, seed: int) -> Iterator[np.ndarray]:
    """Places of one part after the other, of `count` normal images; none for fewer than FEWEST.

    Parts are drawn by the seed and do not overlap; no more than needed for ENOUGH scores.
    """
    if count < FEWEST:
        return
    found = 0
    order = np.random.default_rng(seed).permutation(count)
    for part in np.array_split(order, min(PARTS, count)):
        if found >= ENOUGH:
            return
        found += len(part)
        yield np.sort(part)


def in_units_of(scores: np.ndarray, theirs: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """Scores (M,) of one model in the units of another: moved and stretched.

    theirs, ours (N,): what the two models give to images that both were fitted to. Their quartiles
    coincide afterwards. Two trainings of a network agree on order more than on size.
    """
    lower, middle, upper = np.quantile(theirs, (0.25, 0.5, 0.75))
    low, median, high = np.quantile(ours, (0.25, 0.5, 0.75))
    if upper - lower <= 0:
        return scores - middle + median
    return median + (scores - middle) * ((high - low) / (upper - lower))


def few(scores: np.ndarray, seed: int) -> np.ndarray:
    """At most MOST of the scores, drawn by the seed."""
    scores = np.asarray(scores, np.float64)
    return np.random.default_rng(seed).permutation(scores)[:MOST]


def promise(asked: float, count: int, level: float = 0.99) -> Promise:
    """What `count` calibration scores say of a threshold that a share `asked` of them exceeds.

    The interval is Clopper and Pearson's for the share of all normal images, at this level.

    Raises:
        ValueError: there are no calibration scores.
    """
    if count < 1:
        raise ValueError("There are no calibration scores; give the model more normal images.")
    flagged, tail = above(asked, count), (1 - level) / 2
    low = beta.ppf(tail, flagged, count - flagged + 1) if flagged else 0.0
    high = beta.ppf(1 - tail, flagged + 1, count - flagged) if flagged < count else 1.0
    return Promise(asked, float(low), float(high))


def expected(asked: float, count: int, unseen: int, level: float = 0.99) -> tuple[int, int]:
    """Between how many of `unseen` normal images such a threshold flags, at this level.

    Exact where calibration scores and unseen scores can change places: the share that exceeds the
    threshold is then distributed as Beta(above + 1, count - above).

    Raises:
        ValueError: there are no calibration scores.
    """
    if count < 1:
        raise ValueError("There are no calibration scores; give the model more normal images.")
    flagged, tail = above(asked, count), (1 - level) / 2
    counts = betabinom(unseen, flagged + 1, max(count - flagged, 1))
    return int(counts.ppf(tail)), int(counts.ppf(1 - tail))
