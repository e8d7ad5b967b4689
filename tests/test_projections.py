import io
import threading

import numpy as np
import pytest
from tqdm.auto import tqdm

from deepsvdd_core.projections import PLACES, PROJECTIONS, pca
from deepsvdd_core.projections.base import neighbours
from deepsvdd_core.sphere import Sphere, distances, locate

RNG = np.random.default_rng(0)
EMBEDDINGS = RNG.normal(size=(1000, 8)).astype(np.float32)
SPHERE = Sphere(RNG.normal(size=(1, 8)).astype(np.float32), np.array([2.9]), "squared")
TWO = Sphere(RNG.normal(size=(2, 8)).astype(np.float32), np.array([2.0, 3.1]), "beyond")
EXACT = ("radial", "sphere")  # maps on which a distance is true


@pytest.fixture(scope="module", params=PROJECTIONS)
def drawn(request):
    """Each map of the same points, by name."""
    return request.param, PROJECTIONS[request.param](EMBEDDINGS, SPHERE, 0)


def test_distances_are_exact_in_units_of_the_radius(drawn):
    name, projection = drawn
    lengths = np.linalg.norm(projection.coordinates, axis=1)
    expected = distances(EMBEDDINGS, SPHERE) / SPHERE.radii[0]
    assert np.allclose(lengths, expected, rtol=1e-12) == (name in EXACT)


@pytest.mark.parametrize("sphere", [SPHERE, TWO], ids=["one", "two"])
def test_inside_the_circle_of_a_threshold_is_scored_at_most_the_threshold(sphere):
    lengths = np.linalg.norm(PROJECTIONS["radial"](EMBEDDINGS, sphere).coordinates, axis=1)
    nearest, length = locate(EMBEDDINGS, sphere)
    offset = np.square(sphere.radii)[nearest] if sphere.score == "beyond" else 0
    scores = np.square(length) - offset
    for threshold in np.sort(scores)[[0, 5, 500, 998, 999]]:
        circle = (sphere.radii_at(threshold) / sphere.radii)[nearest]
        assert np.array_equal(lengths <= circle, scores <= threshold)


@pytest.mark.parametrize("name", EXACT)
def test_an_embedding_at_the_centre_stays_there(name):
    points = np.vstack([EMBEDDINGS[:40], SPHERE.centers])
    assert not PROJECTIONS[name](points, SPHERE).coordinates[-1].any()


@pytest.mark.parametrize("radius", [0.0, 5e-324])
@pytest.mark.parametrize("name", EXACT)
def test_around_a_sphere_that_is_a_point_lengths_are_those_of_the_embedding(name, radius):
    flat = Sphere(SPHERE.centers[:1], np.array([radius]), SPHERE.score)
    found = PROJECTIONS[name](EMBEDDINGS, flat).coordinates
    unit = PROJECTIONS[name](EMBEDDINGS, flat._replace(radii=np.ones(1))).coordinates
    assert np.array_equal(found, unit)
    two = SPHERE._replace(centers=np.zeros((2, EMBEDDINGS.shape[1])), radii=np.array([3.0, radius]))
    assert two.units.tolist() == [3, 3]


@pytest.mark.parametrize("name", EXACT)
def test_without_a_sphere_there_is_no_such_map(name):
    with pytest.raises(ValueError, match="no hypersphere; choose the planar map"):
        PROJECTIONS[name](EMBEDDINGS, None)


def test_the_principal_plane_has_the_largest_variance():
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(EMBEDDINGS.T)))[::-1]
    assert np.allclose(pca(EMBEDDINGS).var(axis=0, ddof=1), eigenvalues[:2], rtol=1e-4)


@pytest.mark.parametrize("name", PROJECTIONS)
@pytest.mark.parametrize("dimension", [2, 8])
@pytest.mark.parametrize("count", [2, 4, 6, 60])
def test_every_projection_gives_the_same_finite_map_twice(name, dimension, count):
    sphere = SPHERE._replace(centers=SPHERE.centers[:, :dimension])
    points = EMBEDDINGS[:count, :dimension]
    maps = [PROJECTIONS[name](points, sphere, 0).coordinates for _ in range(2)]
    assert maps[0].shape == (count, 3 if name == "sphere" else 2)
    assert maps[0].dtype == np.float64 and np.isfinite(maps[0]).all()
    assert np.array_equal(maps[0], maps[1])


def test_the_spherical_map_keeps_more_neighbours_than_principal_components():
    clusters = RNG.normal(size=(30, 8)).repeat(10, axis=0)
    points = (SPHERE.centers + clusters + 0.1 * RNG.normal(size=(300, 8))).astype(np.float32)
    label = np.arange(300) // 10
    coordinates = PROJECTIONS["sphere"](points, SPHERE).coordinates
    directions = coordinates / np.linalg.norm(coordinates, axis=1, keepdims=True)
    closest = (directions @ directions.T - 2 * np.eye(300)).argmax(axis=1)
    assert (label[closest] == label).mean() > 0.9


def test_of_several_spheres_the_nearest_radius_is_the_unit():
    centers = np.array([[0.0, 0.0], [10.0, 0.0]], np.float32)
    points = np.array([[0.5, 0.0], [4.0, 0.0], [20.0, 0.0]], np.float32)
    sphere = Sphere(centers, np.array([1.0, 8.0]), "beyond")
    plane = PROJECTIONS["radial"](points, sphere).coordinates
    assert np.allclose(np.linalg.norm(plane, axis=1), [0.5, 6 / 8, 10 / 8])


@pytest.mark.parametrize("name", ["sphere", "umap"])
def test_progress_rises_to_the_end(name):
    heard = []
    PROJECTIONS[name](EMBEDDINGS[:300], SPHERE, progress=lambda *report: heard.append(report))
    fractions = [fraction for _, fraction in heard]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert {text for text, _ in heard} == {"Searching neighbours", "Laying out the map"}


@pytest.mark.parametrize("name", ["sphere", "umap"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_map_stops_when_a_step_says_so_and_leaves_no_lock_behind(name, steps):
    left = list(range(steps))

    def step():
        left.pop()
        if not left:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        PROJECTIONS[name](EMBEDDINGS, SPHERE, on_step=step)
    other = threading.Thread(target=lambda: list(tqdm(range(2), file=io.StringIO())), daemon=True)
    other.start()
    other.join(10)
    assert not other.is_alive()


def test_neighbours_are_those_of_a_full_table():
    points = 100 + EMBEDDINGS[:50]
    table = np.linalg.norm(points[:, None].astype(np.float64) - points, axis=2)
    np.fill_diagonal(table, np.inf)
    ((rows, indices, lengths),) = neighbours(points, points, 7, own=np.arange(50))
    assert np.array_equal(rows, np.arange(50))
    assert np.array_equal(indices, table.argsort(axis=1)[:, :7])
    assert np.allclose(lengths, np.sort(table, axis=1)[:, :7])


def test_placed_again_every_point_finds_its_place(drawn):
    name, projection = drawn
    again = PLACES[name](EMBEDDINGS[:100], EMBEDDINGS, projection, SPHERE)
    assert np.allclose(again, projection.coordinates[:100], rtol=1e-12, atol=1e-12)


def test_a_new_point_lies_at_its_distance_and_near_its_neighbours(drawn):
    name, projection = drawn
    new = (0.98 * EMBEDDINGS[:50] + 0.02 * EMBEDDINGS[50:100]).astype(np.float32)
    placed = PLACES[name](new, EMBEDDINGS, projection, SPHERE)
    if name in EXACT:
        units = distances(new, SPHERE) / SPHERE.radii[0]
        assert np.allclose(np.linalg.norm(placed, axis=1), units, rtol=1e-12)
    moved = np.linalg.norm(placed - projection.coordinates[:50], axis=1)
    assert np.median(moved) < 0.25 * np.ptp(projection.coordinates, axis=0).min()


def test_the_nearer_neighbour_weighs_more():
    mapped = np.array([[0.0], [4.0]])
    projection = PROJECTIONS["umap"](np.zeros((2, 1)))._replace(coordinates=np.eye(2))
    placed = PLACES["umap"](np.array([[1.0]]), mapped, projection, None)
    assert np.allclose(placed, [[0.75, 0.25]])
