import itertools

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from deepsvdd_core.clustering import (
    centroids,
    cluster,
    distinct,
    finch,
    first_neighbour_clusters,
)


def test_points_that_share_a_nearest_neighbour_are_one_cluster():
    points = np.array([[0.0], [1.0], [2.1], [10.0], [11.0]])
    labels = first_neighbour_clusters(points)
    assert labels[0] == labels[1] == labels[2] != labels[3] == labels[4]


def test_blobs_are_found():
    points, truth = make_blobs(
        600, centers=4, cluster_std=0.5, center_box=(-20, 20), random_state=1
    )
    partitions = finch(points)
    assert any(adjusted_rand_score(truth, labels) == 1 for labels in partitions)
    assert all(len(np.unique(a)) > len(np.unique(b)) for a, b in itertools.pairwise(partitions))


@pytest.mark.parametrize("seed", range(3))
def test_partitions_are_those_of_the_authors_package(seed):
    package = pytest.importorskip("finch", reason="finch-clust is not installed")
    points, _ = make_blobs(400, n_features=8, centers=6, cluster_std=3.0, random_state=seed)
    theirs, _, _ = package.FINCH(
        points, distance="euclidean", ensure_early_exit=False, verbose=False
    )
    ours = finch(points)
    assert len(ours) == theirs.shape[1]
    for k, labels in enumerate(ours):
        assert adjusted_rand_score(labels, theirs[:, k]) == 1


def test_tiny_clusters_join_others():
    points, _ = make_blobs(
        [300, 300, 4], centers=[[0, 0], [20, 0], [0, 20]], cluster_std=0.5, random_state=0
    )
    centers = centroids(points, cluster(points, most_clusters=10, smallest_share=0.1))
    assert len(centers) >= 2
    assert np.linalg.norm(centers - [0, 20], axis=1).min() > 15  # none for the four points


def test_one_point_is_one_cluster():
    assert cluster(np.ones((1, 3)), most_clusters=10).tolist() == [0]


def test_copies_of_a_point_are_no_cluster_of_their_own():
    points, _ = make_blobs(60, centers=[[-9, 0], [9, 0]], cluster_std=1.0, random_state=0)
    noise = 1 + np.random.default_rng(0).normal(0, 1e-8, (120, 1))
    twice = np.repeat(points, 2, axis=0) * noise
    choices = {"most_clusters": 2_000, "fewest_points": 1, "finest": True}
    once = cluster(points, **choices)
    assert np.array_equal(cluster(twice, **choices), np.repeat(once, 2))
    assert np.array_equal(distinct(twice).round(5), points.round(5))
    assert cluster(np.ones((50, 3)), **choices).tolist() == [0] * 50


def test_more_points_than_are_clustered_still_count_for_the_centres():
    points, _ = make_blobs(6_000, centers=[[-9, 0], [9, 0]], cluster_std=1.0, random_state=0)
    centers = centroids(points, cluster(points, most_clusters=10, smallest_share=0.1))
    left = points[points[:, 0] < 0].mean(axis=0)
    assert np.abs(centers - left).sum(axis=1).min() < 1e-9
