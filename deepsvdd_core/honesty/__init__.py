"""Test whether relevance maps can be trusted, by what they say and by what they do not.

Conservation alone proves little: a map may sum to the score and be garbage. So a map is also asked
whether its pixels matter to the score, and whether it would look the same without training. Where
real anomalies have masks, these decide how good it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import rankdata
from torch import nn

from deepsvdd_core.detectors import DeepDetector, Detector
from deepsvdd_core.explainers import Explainer, Ledger
from deepsvdd_core.health import Interval
from deepsvdd_core.honesty import levels
from deepsvdd_core.honesty.levels import RANDOM
from deepsvdd_core.honesty.localisation import pixel_aurocs
from deepsvdd_core.training import SCORING_BATCH

MOST_MISFIT = 0.03  # of the score; the sums of Integrated Gradients need it
MOST_PEAK = 1.0  # of the score, in one pixel
MOST_LIKENESS = 0.5  # to the maps of random weights
MOST_TESTED = 60  # images with masks that the further tests are put to
MOST_RESTORED = 0.5  # of the pixels of an image
RANDOM_ORDERS = 5  # of pixels of each image, that a map is compared with


class Verdict(NamedTuple):
    """What the tests found; None where a test does not apply.

    misfit: worst share of the score that map and ledger miss. peak: largest |relevance| of a pixel
    in units of the score. likeness: rank correlation with the maps of a network with random
    weights. level: a name in `levels.LEVELS`. found: what decides it with its 95 % interval, by
    `judge` the area below the deletion curve in units of that of random orders, by `judge_masked`
    the mean pixel AUROC. faults: what else is wrong, in words. badge: all in words, to show beside
    the maps. count: images that were judged. area, random_area: below the deletion curve of the map
    and of random orders; lower is better. curves: the two curves, (S,) each.
    """

    misfit: float | None
    peak: float | None
    likeness: float | None
    level: str
    found: Interval
    faults: tuple[str, ...]
    badge: str
    count: int
    area: float | None = None
    random_area: float | None = None
    curves: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def is_sound(self) -> bool:
        """Whether its maps are better than random ones and nothing else is wrong."""
        return self.level != RANDOM and not self.faults


def misfit(maps: np.ndarray, ledger: Ledger, scores: np.ndarray) -> float:
    """The largest |sum of map + ledger - score|, in units of the score or of what is explained.

    The larger of both: a score beyond a surface may be about 0, and so may be its rise above that
    of a reference.
    """
    total = maps.sum(axis=(1, 2), dtype=np.float64) + ledger.total
    return float((np.abs(total - scores) / _size(ledger, scores)).max())


def peak(maps: np.ndarray, ledger: Ledger, scores: np.ndarray) -> float:
    """The largest |relevance| of a pixel, in the units of the misfit."""
    return float((np.abs(maps).max(axis=(1, 2)) / _size(ledger, scores)).max())


def deletion_scores(
    detector: Detector,
    images: np.ndarray,
    clean: np.ndarray,
    order: np.ndarray,
    *,
    most: float = MOST_RESTORED,
    steps: int = 10,
) -> np.ndarray:
    """Scores (N, steps + 1) while pixels of images are restored to those of clean images.

    uint8 (N, C, H, W) both; order (N, H, W): the largest value is restored first. A share `most` of
    the pixels is restored in equal steps; the first column is the score before. Equal values are
    restored in random order: the place in an image must not decide.
    """
    count = order[0].size
    falling = -order.reshape(len(order), -1)
    chance = np.random.default_rng(0).random(falling.shape)
    ranks = np.argsort(np.lexsort((chance, falling), axis=1), axis=1)
    ranks = ranks.reshape(len(order), 1, *order.shape[1:])
    limits = np.round(np.linspace(0, most, steps + 1) * count)
    stages = [np.where(ranks < limit, clean, images) for limit in limits]
    return np.stack([detector.anomaly_score(stage) for stage in stages], axis=1)


def curve(scores: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """A deletion curve (S,): mean excess over clean images, in units of that before.

    scores (N, S) while pixels are restored, restored (N,): the scores of the clean images.
    """
    excess = (scores - restored[:, None]).sum(axis=0)
    return excess / excess[0]


def area(scores: np.ndarray, restored: np.ndarray) -> float:
    """Mean height of a deletion curve, from 1 at the first score to 0 at that of clean images.

    scores (N, S), restored (N,): as for the curve. Lower is better.
    """
    heights = curve(scores, restored)
    return float(np.trapezoid(heights) / (len(heights) - 1))


def randomised(
    detector: DeepDetector, training: np.ndarray, *, layers: int | None = None, seed: int = 0
) -> DeepDetector:
    """The same architecture with new random weights in its last layers, or in all.

    Batch norm's statistics and the centre are taken anew from the training images, uint8
    (N, C, H, W): else the maps would differ for no better reason than that these do not fit.
    """
    other = (detector.experiment.seed + 1 + seed) % 2**32
    untrained = dataclasses.replace(detector.experiment, seed=other, centre="codes")
    fresh = DeepDetector(untrained, detector.device)
    fresh.preprocessing.load_state_dict(detector.preprocessing.state_dict())
    kinds = nn.Conv2d | nn.Linear
    pairs = [
        pair
        for pair in zip(detector.encoder, fresh.encoder, strict=True)
        if isinstance(pair[0], kinds)
    ]
    for old, new in pairs[: 0 if layers is None else len(pairs) - layers]:
        new.load_state_dict(old.state_dict())
    norms = [m for m in fresh.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the plain mean over all batches
    parts = [training[i : i + SCORING_BATCH] for i in range(0, len(training), SCORING_BATCH)]
    fresh.train()
    with torch.no_grad():
        for part in parts:
            codes = fresh.encoder(fresh.preprocessing(fresh.pixels(part)))
            if fresh.objective.reconstructs:
                fresh.objective.decoder(codes)
    codes = torch.from_numpy(fresh.embed(training)).to(fresh.device)
    fresh.objective.initialise(codes)
    fresh.objective.settle(fresh.anomaly_score(training), codes)
    return fresh


def likeness(maps: np.ndarray, others: np.ndarray) -> float:
    """Mean Spearman correlation of signed maps (N, H, W), over pixels that are not zero in both.

    Zeros of both would tie and make any two maps of a black image alike.
    """
    values = [_rank_correlation(a.ravel(), b.ravel()) for a, b in zip(maps, others, strict=True)]
    return float(np.mean(values))


def judge(
    detector: Detector,
    explainer: Explainer,
    images: np.ndarray,
    clean: np.ndarray,
    training: np.ndarray,
    *,
    ledger: Callable[[Detector, np.ndarray], Ledger] | None = None,
    seed: int = 0,
) -> Verdict:
    """Put an explainer through all tests on anomalous images and their clean originals.

    uint8 (N, C, H, W) each; training: normal images. ledger: of the explainer, where it has one.
    Images that are no stranger than their originals are left out. The anomaly should be a local
    one, as a line is: half of a rotated and half of an upright digit is stranger than both.

    Raises:
        ValueError: no image is stranger than its original.
    """
    scores, restored = detector.anomaly_score(images), detector.anomaly_score(clean)
    stranger = scores > restored
    if not stranger.any():
        raise ValueError(
            "No image is stranger to the model than its original; choose another corruption."
        )
    images, clean = images[stranger], clean[stranger]
    scores, restored = scores[stranger], restored[stranger]
    maps = explainer(detector, images)
    rng = np.random.default_rng(seed)
    by_map, *by_chance = (
        deletion_scores(detector, images, clean, order)
        for order in (maps, *(rng.random(maps.shape) for _ in range(RANDOM_ORDERS)))
    )
    by_chance = np.mean(by_chance, axis=0)
    found = levels.of_ratio(*(_areas(stage, restored) for stage in (by_map, by_chance)))
    tests = _tests(detector, explainer, images, maps, training, ledger, seed)
    faults = _faults(maps, *tests)
    return Verdict(
        *tests,
        levels.of_share(found),
        found,
        faults,
        levels.badge_of_share(found, len(images), faults),
        len(images),
        area(by_map, restored),
        area(by_chance, restored),
        (curve(by_map, restored), curve(by_chance, restored)),
    )


def judge_masked(
    detector: Detector,
    explainer: Explainer,
    images: np.ndarray,
    maps: np.ndarray,
    masks: np.ndarray,
    training: np.ndarray | None,
    *,
    ledger: Callable[[Detector, np.ndarray], Ledger] | None = None,
    seed: int = 0,
) -> Verdict:
    """Judge maps by the masks of real anomalies; the other tests are put to some of the images.

    images uint8 (N, C, H, W) with their maps and masks (N, H, W), each with pixels of both kinds;
    training: normal images, or None where there are none. ledger: of the explainer, where it has
    one.
    """
    found = levels.of_mean(pixel_aurocs(np.nan_to_num(maps), masks))
    few = slice(None, None, -(-len(images) // MOST_TESTED))
    tests = _tests(detector, explainer, images[few], maps[few], training, ledger, seed)
    faults = _faults(maps, *tests)
    badge = levels.badge_of_auroc(found, len(images), faults)
    return Verdict(*tests, levels.of_auroc(found), found, faults, badge, len(images))


def _areas(scores: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """(N,): the area below the deletion curve of each image, in units of the score."""
    return np.trapezoid(scores - restored[:, None], axis=1) / (scores.shape[1] - 1)


def _tests(
    detector: Detector,
    explainer: Explainer,
    images: np.ndarray,
    maps: np.ndarray,
    training: np.ndarray | None,
    ledger: Callable[[Detector, np.ndarray], Ledger] | None,
    seed: int,
) -> tuple[float | None, float | None, float | None]:
    """misfit, peak and likeness of maps; None where they do not apply."""
    account = ledger(detector, images) if ledger else None
    scores = detector.anomaly_score(images)
    alike = None
    if isinstance(detector, DeepDetector) and training is not None:
        alike = likeness(maps, explainer(randomised(detector, training, seed=seed), images))
    if account is None:
        return None, None, alike
    return misfit(maps, account, scores), peak(maps, account, scores), alike


def _faults(
    maps: np.ndarray, missed: float | None, highest: float | None, alike: float | None
) -> tuple[str, ...]:
    """What is wrong, in words; a value that is not a number is wrong, too."""
    faults = []
    if not np.isfinite(maps).all():
        faults.append("its maps hold values that are not numbers")
    if missed is not None and not missed <= MOST_MISFIT:
        faults.append(f"map and constants miss the score by up to {missed:.0%}")
    if highest is not None and not highest <= MOST_PEAK:
        faults.append(f"a single pixel gets {highest:.3g} times the score")
    if alike is not None and not alike <= MOST_LIKENESS:
        faults.append(f"nearly the same map with random weights (rank correlation {alike:.2f})")
    return tuple(faults)


def _size(ledger: Ledger, scores: np.ndarray) -> np.ndarray:
    return np.maximum(np.maximum(np.abs(ledger.explained), np.abs(scores)), 1e-12)


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's; 0 where one of the two is constant."""
    rows = (a != 0) | (b != 0)
    if len(np.unique(a[rows])) < 2 or len(np.unique(b[rows])) < 2:
        return 0.0
    return float(np.corrcoef(rankdata(a[rows]), rankdata(b[rows]))[0, 1])
