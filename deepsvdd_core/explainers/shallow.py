"""Explain shallow estimators as networks of distances to training images (thesis section 4.4.2).

A score is a pooled distance, so it is a weighted sum of squared distances, Σ_j w_j |x - x_j|², and
every pixel has its share, Σ_j w_j (x - x_j)². Where the estimator looks at principal components C,
the distance is |C (x - x_j)|² and a pixel's share (x - x_j)_i (CᵀC (x - x_j))_i: linear layers hand
relevance back in proportion to what each input contributed. Those shares can be negative. Shares of
oriented gradients go on to the pixels whose gradients they count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import logsumexp, softmax
from sklearn.metrics.pairwise import euclidean_distances

from deepsvdd_core.detectors import Detector
from deepsvdd_core.detectors.shallow import ShallowDetector
from deepsvdd_core.estimators import (
    KernelDensity,
    KNearestNeighbours,
    Mahalanobis,
    OneClassEstimator,
    OracleSupportVectors,
    SupportVectors,
)
from deepsvdd_core.explainers import lrp
from deepsvdd_core.explainers.heads import Head

SMALLEST = 1e-9  # squared distance; nearer images count as identical, with no pixel to blame
CHUNK = 500  # images whose distances are held at once


class Pooled(NamedTuple):
    """A score as a weighted sum of squared distances to prototypes.

    weights (N, n); rows (n,) of the training features that are the prototypes; explained (N,): what
    is shared out; lost (N,): what an identical prototype keeps of it; offset (N,): the score minus
    what is explained. All float64.
    """

    weights: np.ndarray
    rows: np.ndarray
    explained: np.ndarray
    lost: np.ndarray
    offset: np.ndarray


def soft_minimum(values: np.ndarray, gamma: float, shares: np.ndarray | float) -> np.ndarray:
    """-1/γ log Σ_j s_j exp(-γ h_j): (N, n) to (N,). Shares s (n,) that sum to one."""
    return -logsumexp(-gamma * values, b=shares, axis=1) / gamma


def pool(squared: np.ndarray, gamma: float, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Soft minimum o (N,) of squared distances (N, n), and the share p_j o (N, n) of each."""
    total = soft_minimum(squared, gamma, shares)
    return total, softmax(-gamma * squared + np.log(shares), axis=1) * total[:, None]


def kernel_density(estimator: KernelDensity, vectors: np.ndarray) -> Pooled:
    """-log p(x) = o / 2h² + d/2 log(2πh²), o the soft minimum of squared distances."""
    squared = euclidean_distances(vectors, estimator.vectors_, squared=True)
    gamma = 1 / (2 * estimator.width_**2)
    shares = np.full(squared.shape[1], 1 / squared.shape[1])
    total, parts = pool(squared, gamma, shares)
    constant = vectors.shape[1] / 2 * np.log(2 * np.pi * estimator.width_**2)
    rows = np.arange(squared.shape[1])
    return _pooled(squared, rows, gamma * total, gamma * parts, np.full(len(vectors), constant))


def support_vectors(estimator: SupportVectors, vectors: np.ndarray) -> Pooled:
    """The soft minimum o of squared distances to the support vectors, weighted by α.

    The score ρ - Σα exp(-γo) rises with it, but is no distance; its units are left at `offset`.
    """
    machine = estimator.model_
    squared = euclidean_distances(vectors, machine.support_vectors_, squared=True)
    alpha = machine.dual_coef_[0]
    total, parts = pool(squared, estimator.width_, alpha / alpha.sum())
    score = -machine.decision_function(vectors)
    return _pooled(squared, machine.support_, total, parts, score - total)


def neighbours(estimator: KNearestNeighbours, vectors: np.ndarray) -> Pooled:
    """The mean distance to the nearest training vectors."""
    nearest, distances = estimator.near_(vectors)
    parts = np.zeros((len(vectors), len(estimator.near_.vectors)))
    squared = np.ones_like(parts)
    np.put_along_axis(parts, nearest, distances / distances.shape[1], axis=1)
    np.put_along_axis(squared, nearest, np.square(distances), axis=1)
    rows = np.arange(parts.shape[1])
    return _pooled(squared, rows, distances.mean(axis=1), parts, np.zeros(len(vectors)))


POOLED: dict[type[OneClassEstimator], Callable[[OneClassEstimator, np.ndarray], Pooled]] = {
    KernelDensity: kernel_density,
    SupportVectors: support_vectors,
    OracleSupportVectors: support_vectors,
    KNearestNeighbours: neighbours,
}


class Shares(NamedTuple):
    """relevance (N, d) of features, and the same per unit of a feature, (N, d); see `Pooled`."""

    relevance: np.ndarray
    share: np.ndarray
    explained: np.ndarray
    lost: np.ndarray
    offset: np.ndarray


def shares(estimator: OneClassEstimator, features: np.ndarray, training: np.ndarray) -> Shares:
    """Of every feature (N, d) in the score; training features (n, d). float64."""
    if isinstance(estimator, Mahalanobis):
        return gaussian_shares(*estimator.whitening(), features)
    features, training = features.astype(np.float64), training.astype(np.float64)
    reduction = estimator.reduction_
    directions = None if reduction is None else reduction.components_
    vectors = features if reduction is None else reduction.transform(features)

    def seen(values: np.ndarray) -> np.ndarray:
        """What of feature vectors (N, d) lies in the span of the components."""
        return values if directions is None else values @ directions.T @ directions

    pooled = POOLED[type(estimator)](estimator, vectors)
    prototypes = training[pooled.rows]
    total = pooled.weights.sum(axis=1, keepdims=True)
    middle = pooled.weights @ prototypes  # (N, d)
    share = seen(total * features - middle)
    # Σ_j w_j (x - x_j) · seen(x - x_j), multiplied out: no (N, n, d) array.
    relevance = features * share - middle * seen(features)
    relevance += pooled.weights @ (prototypes * seen(prototypes))
    if directions is None:
        relevance = np.maximum(relevance, 0)  # only rounding is below
    return Shares(relevance, share, pooled.explained, pooled.lost, pooled.offset)


def gaussian_shares(mean: np.ndarray, whitening: np.ndarray, features: np.ndarray) -> Shares:
    """Of features (N, d) in (x - m)ᵀ W Wᵀ (x - m), W (d, k) the whitening matrix. float64."""
    away, matrix = features.astype(np.float64) - mean, whitening.astype(np.float64)
    share = away @ matrix @ matrix.T
    zero = np.zeros(len(features))
    return Shares(away * share, share, (away * share).sum(axis=1), zero, zero)


def shares_of(detector: ShallowDetector, features: np.ndarray) -> Shares:
    """Of every feature (N, d) in the detector's score."""
    if detector.whitening is not None:
        return gaussian_shares(*detector.whitening, features)
    return shares(detector.estimator, features, detector.rows)


def measures_distance(detector: Detector) -> bool:
    """Whether the score is a pooled distance between features that lead back to pixels."""
    return (
        isinstance(detector, ShallowDetector)
        and isinstance(detector.estimator, (*POOLED, Mahalanobis))
        and (detector.backbone is None or detector.backbone.leads_back)
    )


def explain(detector: Detector, images: np.ndarray) -> tuple[np.ndarray, lrp.Ledger]:
    """float32 map (N, H, W), summed over channels, and its ledger.

    Distances between codes go on through the network that makes the codes by LRP-eps.

    Raises:
        ValueError: the score is not a distance that leads back to pixels.
    """
    if not measures_distance(detector):
        raise ValueError(
            f"{detector.experiment.method} is no shallow method that measures distances between "
            "pixels, oriented gradients or learned codes; choose another map."
        )
    if detector.deep is not None:
        return lrp.explain(detector.deep, images, "LRP-eps", lambda codes: _head(detector, codes))
    maps, ledgers = [np.empty((0, *images.shape[2:]), np.float32)], [np.empty((3, 0))]
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK]
        found = shares_of(detector, detector.features(part))
        if detector.backbone is None:
            shown = found.relevance.reshape(part.shape).sum(axis=1)
        else:
            shown = detector.backbone.shown(found.relevance, part)
        maps.append(shown.astype(np.float32))
        ledgers.append(np.stack([found.explained, found.lost, found.offset]))
    explained, lost, offset = np.concatenate(ledgers, axis=1)
    entries = {"identical images": lost, "constant of the score": offset}
    return np.concatenate(maps), lrp.Ledger(explained, entries)


def distance_shares(detector: Detector, images: np.ndarray) -> np.ndarray:
    """Distance shares: what each pixel adds to the distances between image and training images.

    uint8 (N, C, H, W) to float32 (N, H, W). Score units, but for OC-SVM: there squared pixels.
    """
    return explain(detector, images)[0]


def distance_ledger(detector: Detector, images: np.ndarray) -> lrp.Ledger:
    """What the map leaves to constants; see `Ledger`."""
    return explain(detector, images)[1]


def _pooled(
    squared: np.ndarray,
    rows: np.ndarray,
    explained: np.ndarray,
    parts: np.ndarray,
    offset: np.ndarray,
) -> Pooled:
    """Parts (N, n) of what is explained, per unit of squared distance."""
    weights = parts / np.maximum(squared, SMALLEST)
    identical = squared < SMALLEST
    lost = (identical * (parts - weights * squared)).sum(axis=1)
    return Pooled(weights, rows, explained, lost, offset)


def _head(detector: ShallowDetector, codes: torch.Tensor) -> Head:
    """The shares of codes (N, d), as what LRP begins with."""
    values = codes.double().cpu().numpy()
    found = shares_of(detector, values)
    absorbed = found.explained - (values * found.share).sum(axis=1)
    columns = (found.explained, found.share, absorbed, found.offset)
    return Head(*(torch.from_numpy(column).to(codes) for column in columns))
