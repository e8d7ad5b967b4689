import numpy as np

from deepsvdd_core.projections import PROJECTIONS, frames, pca
from deepsvdd_core.sphere import Sphere, distances

RNG = np.random.default_rng(0)
CENTER = RNG.normal(size=(1, 6)).astype(np.float32)
LAST = CENTER + RNG.normal(size=(80, 6)).astype(np.float32)


def sphere(radius, center=CENTER, score="squared"):
    return Sphere(center, np.atleast_1d(np.asarray(radius, float)), score)


def test_the_last_frame_is_the_radial_map():
    film = frames(np.stack([LAST[::-1], LAST]), [sphere(4.0), sphere(2.0)])
    assert np.allclose(film.coordinates[1], PROJECTIONS["radial"](LAST, sphere(2.0)).coordinates)
    assert film.radii.tolist() == [[2.0], [1.0]]


def test_every_frame_is_measured_in_the_last_radius_from_its_own_centre():
    moved = sphere(5.0, CENTER + 1)
    film = frames(np.stack([LAST, LAST]), [moved, sphere(2.0)])
    lengths = np.linalg.norm(film.coordinates, axis=2)
    assert np.allclose(lengths, [distances(LAST, moved) / 2, distances(LAST, sphere(2.0)) / 2])


def test_what_does_not_move_stands_still():
    film = frames(np.stack([LAST] * 3), [sphere(0.0), sphere(1.0), sphere(2.0)])
    assert np.array_equal(film.coordinates[0], film.coordinates[2])
    assert film.radii[0] == 0


def test_epochs_may_differ_in_the_number_of_spheres():
    centers = np.concatenate([CENTER, CENTER + 3])
    several = sphere([1.0, 3.0], centers, "beyond")
    film = frames(np.stack([LAST, LAST]), [sphere(1.0, score="beyond"), several])
    assert np.array_equal(film.radii, [[0.5, np.nan], [0.5, 1.5]], equal_nan=True)
    assert np.allclose(np.linalg.norm(film.coordinates[1], axis=1), distances(LAST, several) / 2)


def test_around_a_last_sphere_that_is_a_point_lengths_are_those_of_the_embedding():
    point, unit = (frames(LAST[None], [sphere(radius)]) for radius in (0.0, 1.0))
    assert np.array_equal(point.coordinates, unit.coordinates)
    assert point.radii.tolist() == [[0]]


def test_without_a_sphere_it_is_the_principal_plane_of_the_last_epoch():
    film = frames(np.stack([LAST + 1, LAST]), [])
    assert np.allclose(film.coordinates[1], pca(LAST))
    shift = film.coordinates[0] - film.coordinates[1]
    assert np.allclose(shift, shift[0], atol=1e-6) and np.abs(shift).max() > 0.1
    assert film.radii.shape == (2, 0)
