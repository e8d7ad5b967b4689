import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.neighbors import KernelDensity as PublishedKernelDensity

from deepsvdd_core.estimators import (
    KernelDensity,
    KNearestNeighbours,
    Mahalanobis,
    SupportVectors,
)
from deepsvdd_core.explainers.shallow import pool, shares, soft_minimum


@pytest.fixture(scope="module")
def rows(digits):
    return digits.train.images[::2][:1500].reshape(1500, -1) / 255


@pytest.fixture(scope="module")
def queries(digits):
    return digits.test.images[::10].reshape(100, -1) / 255


def made(kind, rows, **choices):
    return kind(components=None, **choices).fit(rows)


def explained(estimator, queries, rows):
    return shares(estimator, queries, rows).explained


def test_the_soft_minimum_lies_between_minimum_and_mean():
    values = np.array([[1.0, 2.0, 6.0]])
    even = np.full(3, 1 / 3)
    assert soft_minimum(values, 1e-9, even) == pytest.approx(3.0)
    assert soft_minimum(values, 1e3, even) == pytest.approx(1.0, abs=2e-3)
    assert soft_minimum(values, 1.0, even) == pytest.approx(
        -np.log((np.exp(-1) + np.exp(-2) + np.exp(-6)) / 3)
    )


def test_parts_of_the_pool_sum_to_it():
    values = np.random.default_rng(0).uniform(1, 5, (7, 20))
    total, parts = pool(values, 0.7, np.full(20, 1 / 20))
    assert np.allclose(parts.sum(axis=1), total, rtol=1e-12)
    assert (parts.argmax(axis=1) == values.argmin(axis=1)).all()


def test_the_kernel_density_is_the_published_one(rows, queries):
    width = 2**2.5
    theirs = PublishedKernelDensity(bandwidth=width).fit(rows).score_samples(queries)
    constant = rows.shape[1] / 2 * np.log(2 * np.pi * width**2)
    total = 2 * width**2 * explained(made(KernelDensity, rows, width=width), queries, rows)
    assert np.allclose(total, -2 * width**2 * (theirs + constant), rtol=1e-8)


def test_a_narrow_kernel_is_exact_too(rows, queries):
    """Where scikit-learn's trees are far off."""
    width = 0.5
    squared = np.square(queries[:20, None] - rows).sum(axis=2)
    expected = -logsumexp(-squared / (2 * width**2), axis=1) + np.log(len(rows))
    found = explained(made(KernelDensity, rows, width=width), queries[:20], rows)
    assert np.allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("kind", [KernelDensity, SupportVectors, KNearestNeighbours])
def test_distances_go_to_pixels_without_loss_and_without_sign(kind, rows, queries):
    few = rows[:400]
    estimator = made(kind, few, **({} if kind is KNearestNeighbours else {"width": 0.02}))
    found = shares(estimator, queries, few)
    total = found.relevance.sum(axis=1)
    assert (np.abs(total - found.explained) / found.explained).max() <= 1e-12
    single = found.relevance.astype(np.float32)
    total = single.sum(axis=1, dtype=np.float64)
    assert (np.abs(total - found.explained) / found.explained).max() <= 1e-5
    assert single.min() >= 0


@pytest.mark.parametrize("kind", [KernelDensity, SupportVectors, Mahalanobis])
@pytest.mark.parametrize("components", [None, 20])
def test_shares_and_offset_are_the_score(kind, components, rows, queries):
    few = rows[:400, ::3]
    estimator = kind(components=components).fit(few)
    found = shares(estimator, queries[:, ::3], few)
    score = -estimator.score_samples(queries[:, ::3])
    total = found.relevance.sum(axis=1) + found.lost + found.offset
    assert np.allclose(total, score, rtol=1e-9)


def test_of_two_training_points_the_nearer_counts():
    rows = np.array([[0.0, 0.0], [10.0, 10.0]])
    estimator = made(KernelDensity, rows, width=1.0)
    found = shares(estimator, np.array([[3.0, 1.0]]), rows)
    # o / 2 = (10 + 2 log 2) / 2, in proportion to 3² and 1².
    assert found.explained == pytest.approx([5 + np.log(2)])
    assert found.relevance[0] == pytest.approx((5 + np.log(2)) * np.array([0.9, 0.1]))


def test_of_nearest_neighbours_each_distance_is_shared_by_squares():
    rows = np.array([[0.0, 0.0], [0.0, 8.0]])
    found = shares(made(KNearestNeighbours, rows), np.array([[3.0, 4.0]]), rows)
    assert found.explained == pytest.approx([5.0])  # both are five away
    assert found.relevance[0] == pytest.approx([9 / 5, 16 / 5])


def test_a_training_image_keeps_what_has_no_direction():
    rows = np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]])
    found = shares(made(KernelDensity, rows, width=0.1), rows[:1], rows)
    assert found.lost == pytest.approx(found.explained, rel=1e-6)
    assert np.isfinite(found.relevance).all()


def test_the_score_of_support_vectors_rises_with_the_explained_distance(rows, queries):
    estimator = made(SupportVectors, rows[:400], width=0.02)
    distance = explained(estimator, queries, rows[:400])
    score = -estimator.score_samples(queries)
    assert (np.argsort(distance) == np.argsort(score)).all()
    assert distance.min() >= 0
