import numpy as np
import pytest

from deepsvdd_core.projections import score_field

RNG = np.random.default_rng(0)
DISC = RNG.uniform(-1, 1, size=(4000, 2))
DISC = DISC[np.linalg.norm(DISC, axis=1) < 1]


def test_the_contour_of_a_radial_score_is_its_circle():
    field = score_field(DISC, np.linalg.norm(DISC, axis=1), threshold=0.5)
    assert len(field.contours) == 1
    lengths = np.linalg.norm(field.contours[0], axis=1)
    assert np.abs(lengths - 0.5).max() < 0.05
    assert np.array_equal(field.contours[0][0], field.contours[0][-1])  # closed


def test_scores_that_rise_to_the_right_rise_in_the_grid():
    field = score_field(DISC, DISC[:, 0], threshold=0.0)
    middle = field.scores[30, 10:50]
    assert (np.diff(middle) > 0).all()
    assert np.abs(middle - field.x[10:50]).max() < 0.05
    assert all(np.abs(line[:, 0]).max() < 0.1 for line in field.contours)


def test_nothing_is_said_far_from_the_points():
    two = np.array([[0.0, 0.0], [10.0, 4.0]])
    field = score_field(two, np.array([1.0, 3.0]), threshold=2.0)
    places = np.stack(np.meshgrid(field.x, field.y), axis=-1)
    away = np.linalg.norm(places[:, :, None] - two, axis=3).min(axis=2)
    cell = field.x[1] - field.x[0]
    assert np.array_equal(np.isfinite(field.scores), away <= 3 * cell)
    assert set(np.unique(field.scores[away <= 3 * cell]).round(6)) == {1.0, 3.0}
    assert field.contours == []


@pytest.mark.parametrize("size", [20, 60])
def test_the_grid_has_square_cells_around_all_points(size):
    points = DISC * [3, 1] + [5, -2]
    field = score_field(points, DISC[:, 0], 0.0, size)
    assert field.scores.shape == (size, size)
    assert np.allclose(np.diff(field.x), np.diff(field.y))
    for axis, places in enumerate((field.x, field.y)):
        assert places[0] < points[:, axis].min() and points[:, axis].max() < places[-1]
    assert np.isfinite(field.scores).any(axis=0)[4:-4].all()


def test_one_point_is_a_map_too():
    assert np.nanmax(score_field(np.zeros((1, 2)), np.array([2.0]), 1.0).scores) == 2.0
