"""Find clusters without being told how many: FINCH."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

MOST_POINTS = 5_000  # more are drawn from; the rest joins the nearest centroid


def first_neighbour_clusters(points: np.ndarray) -> np.ndarray:
    """Labels (N,): points are linked to their nearest neighbour; linked points are one cluster.

    Two points with the same nearest neighbour are linked through it (Sarfraz et al., 2019,
    equation 1).
    """
    neighbours = NearestNeighbors(n_neighbors=2).fit(points).kneighbors(return_distance=False)[:, 0]
    count = len(points)
    links = coo_matrix((np.ones(count), (np.arange(count), neighbours)), shape=(count, count))
    return connected_components(links, directed=False)[1]


def centroids(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean (K, d) of each cluster."""
    sums = np.zeros((labels.max() + 1, points.shape[1]))
    np.add.at(sums, labels, points)
    return sums / np.bincount(labels)[:, None]


def finch(points: np.ndarray) -> list[np.ndarray]:
    """Partitions of points (N, d), fine to coarse, each as labels (N,); euclidean.

    Sarfraz, Sharma, Stiefelhagen: Efficient Parameter-free Clustering Using First Neighbor
    Relations, CVPR 2019. The last partition has at least two clusters, unless there is but one.
    """
    points = points.astype(np.float64)
    labels = first_neighbour_clusters(points)
    partitions = [labels]
    while labels.max() > 1:
        coarser = first_neighbour_clusters(centroids(points, labels))[labels]
        if coarser.max() in (0, labels.max()):
            break
        labels = coarser
        partitions.append(labels)
    return partitions


def distinct(points: np.ndarray) -> np.ndarray:
    """The points (N, d) without copies, in order; copies may differ in the seventh digit."""
    scale = np.abs(points).max() or 1.0
    first = np.unique(np.round(points / scale, 6), axis=0, return_index=True)[1]
    return points[np.sort(first)]


def cluster(
    points: np.ndarray,
    *,
    most_clusters: int,
    smallest_share: float = 0.0,
    fewest_points: int = 20,
    finest: bool = False,
    seed: int = 0,
) -> np.ndarray:
    """Labels (N,) of the coarsest partition with 2 <= K <= most_clusters, or of one cluster.

    finest: of the finest such partition instead. Clusters smaller than smallest_share of the
    largest, or than fewest_points, join the nearest other. Copies of a point count once: they would
    be clusters of their own.
    """
    rng = np.random.default_rng(seed)
    drawn = distinct(points)
    if len(drawn) > MOST_POINTS:
        drawn = drawn[np.sort(rng.choice(len(drawn), MOST_POINTS, replace=False))]
    single = np.zeros(len(points), np.int64)
    if len(drawn) < 3:
        return single
    fitting = [labels for labels in finch(drawn) if 1 <= labels.max() < most_clusters]
    if not fitting:
        return single
    labels = fitting[0 if finest else -1]
    sizes = np.bincount(labels)
    large = sizes >= max(smallest_share * sizes.max(), min(fewest_points, sizes.max()))
    centers = centroids(drawn, labels)[large]
    if len(centers) < 2:
        return single
    nearest = NearestNeighbors(n_neighbors=1).fit(centers)
    joined = nearest.kneighbors(points, return_distance=False)[:, 0]
    return np.unique(joined, return_inverse=True)[1]
