import numpy as np
import pytest

from deepsvdd_core.objectives import Sphere
from deepsvdd_core.projections import PROJECTIONS, distances, nearest_sphere, pca, radial

RNG = np.random.default_rng(0)
EMBEDDINGS = RNG.normal(size=(60, 8)).astype(np.float32)
SPHERE = Sphere(RNG.normal(size=(1, 8)).astype(np.float32), np.array([1.7]))


def test_distances_are_euclidean():
    sphere = Sphere(np.array([[1.0, 1.0]], np.float32), np.array([1.0]))
    assert distances(np.array([[4.0, 5.0]], np.float32), sphere).tolist() == [5.0]


def test_the_radial_map_keeps_every_distance_in_units_of_the_radius():
    plane = radial(EMBEDDINGS, SPHERE)
    expected = distances(EMBEDDINGS, SPHERE) / SPHERE.radii[0]
    assert np.allclose(np.linalg.norm(plane, axis=1), expected, rtol=1e-12)


def test_inside_the_circle_is_inside_the_sphere():
    inside = np.linalg.norm(radial(EMBEDDINGS, SPHERE), axis=1) <= 1
    assert np.array_equal(inside, distances(EMBEDDINGS, SPHERE) <= SPHERE.radii[0])


def test_an_embedding_at_the_centre_stays_there():
    assert np.allclose(radial(np.vstack([EMBEDDINGS, SPHERE.centers]), SPHERE)[-1], 0)


def test_a_sphere_without_a_radius_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="radius 0; train it for more epochs"):
        radial(EMBEDDINGS, Sphere(SPHERE.centers, np.array([0.0])))


def test_the_principal_plane_has_the_largest_variance():
    plane = pca(EMBEDDINGS, SPHERE)
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(EMBEDDINGS.T)))[::-1]
    assert np.allclose(plane.var(axis=0, ddof=1), eigenvalues[:2], rtol=1e-4)


@pytest.mark.parametrize("name", PROJECTIONS)
@pytest.mark.parametrize("count", [2, 4, 60])
def test_every_projection_gives_the_same_finite_plane_twice(name, count):
    maps = [PROJECTIONS[name](EMBEDDINGS[:count], SPHERE, 0) for _ in range(2)]
    assert maps[0].shape == (count, 2)
    assert np.isfinite(maps[0]).all()
    assert np.array_equal(maps[0], maps[1])


def test_of_several_spheres_the_nearest_surface_counts():
    sphere = Sphere(np.array([[0.0, 0.0], [10.0, 0.0]], np.float32), np.array([1.0, 8.0]))
    points = np.array([[0.5, 0.0], [4.0, 0.0], [20.0, 0.0]], np.float32)
    assert nearest_sphere(points, sphere).tolist() == [0, 1, 1]
    assert distances(points, sphere).tolist() == [0.5, 6, 10]
    lengths = np.linalg.norm(radial(points, sphere), axis=1)
    assert np.allclose(lengths, [0.5, 6 / 8, 10 / 8])
