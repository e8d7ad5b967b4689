"""Compare relevance maps with the true place of an anomaly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deepsvdd_core.evaluation import auroc


class Mass(NamedTuple):
    """Per image (N,): the share of positive relevance inside of the mask, and of the area."""

    relevance: np.ndarray
    area: np.ndarray


def pooled_pixel_auroc(maps: np.ndarray, masks: np.ndarray) -> float | None:
    """One ROC over the pixels of all images (N, H, W), those without anomaly included.

    As in the authors' code of FCDD. A fraction; None when only one kind of pixel is there.
    """
    return auroc(maps.ravel(), masks.ravel())


def pixel_aurocs(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """(n,): one ROC per image, of those images (N, H, W) that have both kinds of pixels."""
    values = [auroc(m.ravel(), mask.ravel()) for m, mask in zip(maps, masks, strict=True)]
    return np.array([value for value in values if value is not None], np.float64)


def mean_pixel_auroc(maps: np.ndarray, masks: np.ndarray) -> float | None:
    """The mean of one ROC per image, over images with both kinds of pixels; None without any."""
    values = pixel_aurocs(maps, masks)
    return float(values.mean()) if len(values) else None


def mass(maps: np.ndarray, masks: np.ndarray) -> Mass:
    """How much of the positive relevance of maps (N, H, W) lies in the masks, beside their area."""
    positive = np.maximum(maps, 0).astype(np.float64)
    total = positive.sum(axis=(1, 2))
    inside = (positive * masks).sum(axis=(1, 2))
    return Mass(inside / np.where(total > 0, total, 1), masks.mean(axis=(1, 2)))


def cosine(maps: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,): cosine of signed maps and true differences |x̃ - x|, (N, H, W); 0 where one is zero.

    The explanation accuracy of thesis section 4.4.2.
    """
    maps = maps.reshape(len(maps), -1).astype(np.float64)
    truth = truth.reshape(len(truth), -1).astype(np.float64)
    sizes = np.linalg.norm(maps, axis=1) * np.linalg.norm(truth, axis=1)
    return (maps * truth).sum(axis=1) / np.where(sizes > 0, sizes, 1)


def random_cosine(truth: np.ndarray, seed: int = 0) -> np.ndarray:
    """(N,): the cosine that a map of uniform random numbers would reach."""
    return cosine(np.random.default_rng(seed).random(truth.shape), truth)


def clever_hans(detection: float, explanation: float) -> float:
    """AUROC minus mean cosine (thesis Table 4.4), both fractions: right for the wrong reason.

    It mixes scales: even random maps of a perfect detector score high where few pixels are
    anomalous. Show `random_cosine` with it.
    """
    return detection - explanation


def strongest(maps: np.ndarray, share: float = 0.5) -> np.ndarray:
    """(N, H, W) bool: the fewest pixels that hold this share of a map's positive relevance."""
    positive = np.maximum(maps, 0).reshape(len(maps), -1).astype(np.float64)
    order = np.argsort(-positive, axis=1, kind="stable")
    ordered = np.take_along_axis(positive, order, axis=1)
    before = np.cumsum(ordered, axis=1) - ordered
    needed = (before < share * positive.sum(axis=1, keepdims=True)) & (ordered > 0)
    result = np.zeros(positive.shape, bool)
    np.put_along_axis(result, order, needed, axis=1)
    return result.reshape(maps.shape)


def overlap(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,): intersection over union of masks (N, H, W); 0 where both are empty."""
    both = (masks & others).sum(axis=(1, 2))
    either = (masks | others).sum(axis=(1, 2))
    return both / np.maximum(either, 1)
