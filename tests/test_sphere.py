import numpy as np
import pytest
import torch

from deepsvdd_core import catalogue
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.objectives import OBJECTIVES
from deepsvdd_core.sphere import SCORES, Centre, Sphere, distances, nearest_sphere

DIMENSION = 8
CODES = torch.randn(600, DIMENSION, generator=torch.Generator().manual_seed(0))
CODES += 4 * (torch.arange(600) < 200)[:, None]  # two clusters


def settled(name):
    encoder = catalogue.encoder(name, "mnist-lenet")
    experiment = Experiment("a", ("0",), objective=name, encoder=encoder)
    objective = OBJECTIVES[name](DIMENSION, experiment)
    objective.initialise(CODES)
    if objective.sphere is None:
        return None
    objective.settle(objective.anomaly_score(CODES.double()).numpy(), CODES)
    return objective


WITH_SPHERE = [name for name in OBJECTIVES if settled(name) is not None]


def test_every_objective_with_a_sphere_is_here():
    assert WITH_SPHERE == [
        "one-class",
        "soft-boundary",
        "multi-sphere",
        "multi-center",
        "deep-sad",
        "hsc",
        "hsc-l2",
        "hsc-squared",
    ]


def test_what_a_sphere_lies_around_is_said_of_each_rule():
    assert "around this pattern" in Centre("signs", 1.0).in_words
    said = Centre("codes", 0.06).in_words
    assert "6% of its coordinates" in said and "pattern" not in said
    assert "a pattern of signs rather than" in Centre("codes", 0.9).in_words


@pytest.mark.parametrize("name", WITH_SPHERE)
def test_any_threshold_is_a_radius(name):
    objective = settled(name)
    scores = objective.anomaly_score(CODES.double()).numpy()
    sphere = objective.sphere
    nearest = nearest_sphere(CODES.numpy(), sphere)
    length = distances(CODES.numpy(), sphere)
    between = np.sort(scores)[[0, 10, 300, 598]] + 1e-6
    for threshold in [objective.threshold, -0.5, *scores[::50], scores.max(), *between]:
        inside = length <= sphere.radii_at(threshold)[nearest]
        assert np.array_equal(inside, scores <= threshold)


@pytest.mark.parametrize("name", WITH_SPHERE)
def test_the_sphere_is_the_radius_of_the_models_own_threshold(name):
    objective = settled(name)
    radii = objective.sphere.radii_at(objective.threshold)
    assert np.allclose(radii, objective.sphere.radii, rtol=1e-12)


@pytest.mark.parametrize("name", ["multi-sphere", "multi-center"])
def test_the_nearest_sphere_is_the_one_that_scores(name):
    objective = settled(name)
    sphere = objective.sphere
    assert len(sphere.radii) > 1
    offset = np.square(sphere.radii) if sphere.score == "beyond" else np.zeros(len(sphere.radii))
    expected = np.square(distances(CODES.numpy(), sphere))
    expected -= offset[nearest_sphere(CODES.numpy(), sphere)]
    assert np.allclose(objective.anomaly_score(CODES.double()).numpy(), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("score", "threshold", "radii"),
    [
        ("squared", 25, [5, 5]),
        ("squared", -1, [0, 0]),
        ("beyond", 0, [3, 4]),
        ("beyond", 9, [np.sqrt(18), 5]),
        ("beyond", -9, [0, np.sqrt(7)]),
        ("huber", np.sqrt(26) - 1, [5, 5]),
        ("huber", 0, [0, 0]),
        ("huber", -3, [0, 0]),
        ("norm", 5, [5, 5]),
        ("norm", -5, [0, 0]),
    ],
)
def test_radii_by_hand(score, threshold, radii):
    sphere = Sphere(np.zeros((2, 3), np.float32), np.array([3.0, 4.0]), score)
    assert np.allclose(sphere.radii_at(threshold), radii, rtol=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_the_inverse_undoes_the_growth(score):
    lengths = np.linspace(0, 30, 200)
    kind = SCORES[score]
    assert np.allclose(kind.inverse(kind.growth(lengths)), lengths, atol=1e-7)
    assert (np.diff(kind.growth(lengths)) > 0).all()


def test_of_several_spheres_the_nearest_surface_counts():
    points = np.array([[0.5, 0.0], [4.0, 0.0], [20.0, 0.0]], np.float32)
    centers = np.array([[0.0, 0.0], [10.0, 0.0]], np.float32)
    beyond = Sphere(centers, np.array([1.0, 8.0]), "beyond")
    assert nearest_sphere(points, beyond).tolist() == [0, 1, 1]
    assert distances(points, beyond).tolist() == [0.5, 6, 10]
    assert nearest_sphere(points, beyond._replace(score="squared")).tolist() == [0, 0, 1]


def test_distances_are_euclidean():
    sphere = Sphere(np.array([[1.0, 1.0]], np.float32), np.array([1.0]), "squared")
    assert distances(np.array([[4.0, 5.0]], np.float32), sphere).tolist() == [5.0]
