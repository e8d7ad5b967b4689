"""Test whether relevance maps can be trusted, by what they say and by what they do not.

Conservation alone proves little: a map may sum to the score and be garbage. So a map is also asked
whether its pixels matter to the score, and whether it would look the same without training.
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
from deepsvdd_core.training import SCORING_BATCH

MOST_MISFIT = 0.03  # of the score; the sums of Integrated Gradients need it
MOST_PEAK = 1.0  # of the score, in one pixel
MOST_AREA = 0.8  # of the area a random order of pixels leaves; bad maps leave 0.85 and more
MOST_LIKENESS = 0.5  # to the maps of random weights
MOST_RESTORED = 0.5  # of the pixels of an image


class Verdict(NamedTuple):
    """What the tests found; None where a test does not apply.

    misfit: worst share of the score that map and ledger miss. peak: largest |relevance| of a pixel
    in units of the score. area, random_area: under the deletion curve of the
    map and of a random order; lower is better. likeness: rank correlation with the maps of a
    network with random weights. badge: one sentence to show beside the maps. curves: the deletion
    curves of the map and of a random order, (S,) each. count: images that were judged.
    """

    misfit: float | None
    peak: float | None
    area: float
    random_area: float
    likeness: float | None
    is_sound: bool
    badge: str
    curves: tuple[np.ndarray, np.ndarray]
    count: int


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
    the pixels is restored in equal steps; the first column is the score before.
    """
    count = order[0].size
    ranks = np.argsort(np.argsort(-order.reshape(len(order), -1), axis=1, kind="stable"), axis=1)
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
    fresh = DeepDetector(dataclasses.replace(detector.experiment, seed=other), detector.device)
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
    account = ledger(detector, images) if ledger else None
    chance = np.random.default_rng(seed).random(maps.shape)
    stages = [deletion_scores(detector, images, clean, order) for order in (maps, chance)]
    areas = [area(scores, restored) for scores in stages]
    alike = None
    if isinstance(detector, DeepDetector):
        alike = likeness(maps, explainer(randomised(detector, training, seed=seed), images))
    found = (
        misfit(maps, account, scores) if account else None,
        peak(maps, account, scores) if account else None,
        *areas,
        alike,
    )
    faults = _faults(*found)
    if faults:
        badge = f"Not to be trusted: {'; '.join(faults)}."
    else:
        badge = f"Passes: {1 - areas[0] / areas[1]:.0%} better than a random order of pixels."
    curves = tuple(curve(scores, restored) for scores in stages)
    return Verdict(*found, not faults, badge, curves, len(images))


def _faults(
    missed: float | None,
    highest: float | None,
    mapped: float,
    random: float,
    alike: float | None,
) -> list[str]:
    """What is wrong, in words; a value that is not a number is wrong, too."""
    faults = []
    if missed is not None and not missed <= MOST_MISFIT:
        faults.append(f"map and constants miss the score by up to {missed:.0%}")
    if highest is not None and not highest <= MOST_PEAK:
        faults.append(f"a single pixel gets {highest:.3g} times the score")
    if not mapped <= MOST_AREA * random:
        faults.append("no better than a random order of pixels")
    if alike is not None and not alike <= MOST_LIKENESS:
        faults.append(f"nearly the same map with random weights (rank correlation {alike:.2f})")
    return faults


def _size(ledger: Ledger, scores: np.ndarray) -> np.ndarray:
    return np.maximum(np.maximum(np.abs(ledger.explained), np.abs(scores)), 1e-12)


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's; 0 where one of the two is constant."""
    rows = (a != 0) | (b != 0)
    if len(np.unique(a[rows])) < 2 or len(np.unique(b[rows])) < 2:
        return 0.0
    return float(np.corrcoef(rankdata(a[rows]), rankdata(b[rows]))[0, 1])
