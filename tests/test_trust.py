import numpy as np
import pytest

from deepsvdd_core.projections import Projection, trust
from deepsvdd_core.projections.trust import MOST_ASKED
from deepsvdd_core.sphere import Sphere, distances

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(400, 2))
SPHERE = Sphere(np.zeros((1, 2), np.float32), np.array([1.0]), "squared")


def on_map(coordinates, **parts):
    return Projection(coordinates, parts)


def test_a_faithful_map_keeps_everything():
    turned = 3 * POINTS @ np.array([[0.6, -0.8], [0.8, 0.6]])
    result = trust(POINTS, on_map(turned, center=np.zeros(2)), SPHERE)
    assert result == (1.0, pytest.approx(1.0), 400)


def test_a_map_without_a_meaning_keeps_what_chance_leaves():
    shuffled = POINTS[RNG.permutation(400)]
    result = trust(POINTS, on_map(shuffled, center=np.zeros(2)), SPHERE)
    assert result.neighbours == pytest.approx(15 / 399, abs=0.015)
    assert abs(result.order) < 0.15


def test_neighbours_by_hand():
    embeddings = np.array([[0.0], [1.0], [3.0], [7.0]])  # two neighbours of each count
    coordinates = np.array([[0.0, 0], [5, 0], [1, 0], [7, 0]])
    # Kept: {1, 2} and {2, 1}; {0, 2} and {3, 2} or {3, 0}; {1, 0} and {0, 1}; {2, 1} and {1, 2}.
    assert trust(embeddings, on_map(coordinates)).neighbours == (2 + 1 + 2 + 2) / 8


def test_order_is_the_rank_correlation_with_the_true_distance():
    outwards = distances(POINTS, SPHERE)[:, None] ** 3
    origin = np.zeros(1)
    assert trust(POINTS, on_map(outwards, center=origin), SPHERE).order == pytest.approx(1)
    assert trust(POINTS, on_map(1 / outwards, center=origin), SPHERE).order == pytest.approx(-1)
    assert trust(POINTS, on_map(POINTS + 9), SPHERE).order > 0.95  # seen from the mean
    assert trust(POINTS, on_map(outwards)).order is None
    assert trust(POINTS, on_map(np.ones((400, 2))), SPHERE).order is None


def test_two_points_have_no_neighbours_to_lose():
    assert trust(POINTS[:2], on_map(POINTS[:2])).neighbours is None


def test_of_many_points_few_are_asked_and_a_step_may_stop_it():
    many = RNG.normal(size=(9000, 2))
    assert trust(many, on_map(many)).asked == MOST_ASKED

    def stop():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        trust(many, on_map(many), on_step=stop)
