"""Find the ways in which a detector decides: cluster its relevance maps.

Spectral relevance analysis (Lapuschkin et al., 2019): a graph of nearest maps falls into as many
loosely connected parts as there are strategies.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse.csgraph import laplacian
from skimage.measure import block_reduce
from sklearn.cluster import KMeans
from sklearn.neighbors import kneighbors_graph

FEWEST = 20  # maps, to speak of clusters
POOLED_SIDE = 14  # cells along a side, at most twice as many


class Strategies(NamedTuple):
    """What N maps have in common.

    labels (N,) int: the strategy of each; eigenvalues, ascending, of the graph's Laplacian; count:
    the number of strategies K, where these leap; mean_maps (K, H, W) float32; typical (K, most):
    the indices of the maps nearest to the middle of their strategy, -1 where it has fewer.
    """

    labels: np.ndarray
    eigenvalues: np.ndarray
    count: int
    mean_maps: np.ndarray
    typical: np.ndarray


def normalise(maps: np.ndarray) -> np.ndarray:
    """(N, H, W) to (N, d): what pushes towards anomalous, summed over cells, as shares of its sum.

    A map without any becomes zero.
    """
    block = max(1, min(maps.shape[1:]) // POOLED_SIDE)
    pooled = block_reduce(np.maximum(maps, 0).astype(np.float64), (1, block, block), np.sum)
    flat = pooled.reshape(len(maps), -1)
    return flat / np.maximum(flat.sum(axis=1, keepdims=True), 1e-30)


def find(
    maps: np.ndarray, *, neighbours: int = 10, most: int = 8, typical: int = 12, seed: int = 0
) -> Strategies:
    """Cluster the relevance maps (N, H, W) of one group of images.

    neighbours: maps each is linked to; most: strategies at most; typical: indices per strategy.

    Raises:
        ValueError: fewer than 20 maps.
    """
    if len(maps) < FEWEST:
        raise ValueError(
            f"Strategies need at least {FEWEST} maps, got {len(maps)}; choose more images."
        )
    vectors = normalise(maps)
    links = kneighbors_graph(vectors, min(neighbours, len(maps) - 1)).toarray()
    matrix = laplacian((links + links.T) / 2, normed=True)
    eigenvalues, eigenvectors = np.linalg.eigh(matrix)
    eigenvalues = eigenvalues[: most + 1]
    count = int(np.diff(eigenvalues).argmax()) + 1
    places = eigenvectors[:, :count]
    model = KMeans(count, n_init=10, random_state=seed).fit(places)
    labels = _largest_first(model.labels_)
    members = [np.flatnonzero(labels == k) for k in range(count)]
    nearest = [_nearest_to_middle(vectors, rows)[:typical] for rows in members]
    return Strategies(
        labels,
        eigenvalues,
        count,
        np.stack([maps[rows].mean(axis=0) for rows in members]).astype(np.float32),
        np.stack([np.pad(n, (0, typical - len(n)), constant_values=-1) for n in nearest]),
    )


def _largest_first(labels: np.ndarray) -> np.ndarray:
    """Numbers in the order of the sizes of the clusters."""
    order = np.argsort(-np.bincount(labels), kind="stable")
    return np.argsort(order)[labels]


def _nearest_to_middle(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    distances = np.linalg.norm(vectors[rows] - vectors[rows].mean(axis=0), axis=1)
    return rows[np.argsort(distances, kind="stable")]
