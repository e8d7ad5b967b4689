from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from deepsvdd_core import detectors
from deepsvdd_core.corruptions import plant
from deepsvdd_core.explainers.lrp import explain
from deepsvdd_core.honesty.localisation import mass
from deepsvdd_core.strategies import find, normalise

MODELS = Path(__file__).parents[1] / "assets" / "models"


def two_kinds(seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Maps that light up on the left, and fewer on the right."""
    rng = np.random.default_rng(seed)
    right = np.arange(60) % 4 == 0
    maps = rng.normal(0, 0.1, (60, 28, 28)).astype(np.float32)
    maps[~right, 8:20, 2:8] += 1
    maps[right, 8:20, 20:26] += 1
    return maps, right


def test_two_strategies_are_two():
    maps, right = two_kinds()
    found = find(maps)
    assert found.count == 2
    assert np.array_equal(found.labels, right.astype(int))  # the larger comes first
    assert (np.diff(found.eigenvalues) >= -1e-12).all()
    assert found.eigenvalues[:2] == pytest.approx([0, 0], abs=1e-9)  # two loose parts
    assert found.mean_maps.shape == (2, 28, 28) and found.mean_maps.dtype == np.float32
    assert found.mean_maps[0][8:20, 2:8].mean() > 5 * abs(found.mean_maps[0][8:20, 20:26].mean())


def test_typical_maps_belong_to_their_strategy():
    maps, _ = two_kinds()
    found = find(maps, typical=20)
    assert found.typical.shape == (2, 20)
    for k, rows in enumerate(found.typical):
        assert (found.labels[rows[rows >= 0]] == k).all()
        assert len(set(rows[rows >= 0])) == (rows >= 0).sum() == min(20, (found.labels == k).sum())


def test_one_kind_of_map_is_one_strategy():
    rng = np.random.default_rng(0)
    maps = rng.normal(0, 0.02, (60, 28, 28))
    maps[:, 5:20, 5:20] += 1
    assert find(maps).count == 1


def test_size_of_maps_does_not_matter():
    maps, right = two_kinds()
    scaled = maps * np.random.default_rng(1).uniform(0.1, 10, (60, 1, 1))
    assert np.array_equal(find(scaled).labels, right.astype(int))


def test_normalised_maps_are_shares_of_what_is_positive():
    maps = np.zeros((2, 28, 28))
    maps[0, 0, 0], maps[0, 27, 27], maps[0, 5, 5], maps[1] = 1, 3, -2, -1
    vectors = normalise(maps)
    assert vectors.shape == (2, 196)
    assert vectors[0, 0] == 0.25 and vectors[0, -1] == 0.75 and vectors[0].sum() == 1
    assert not vectors[1].any()


def test_too_few_maps_get_a_sentence():
    with pytest.raises(ValueError, match="at least 20 maps, got 3; choose more images"):
        find(np.zeros((3, 28, 28)))


@pytest.fixture(scope="module")
def eights(digits):
    """The model of eights that comes with the program, and eights."""
    detector = detectors.load(next(MODELS.glob("mnist-8-one-class-*")))
    return detector, digits.train.images[digits.train.labels == 8]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("rule", ["LRP-eps", "LRP-gamma/ZBox"])
def test_a_planted_patch_is_a_strategy_of_its_own(rule, seed, eights):
    detector, images = eights
    planted = plant(images, "planted tag", share=0.1, seed=seed)
    maps, _ = explain(detector, planted.images, rule)
    found = find(maps)
    assert found.count == 2
    assert adjusted_rand_score(planted.is_planted, found.labels) >= 0.9
    inside, marked = mass(maps, planted.masks), planted.is_planted
    assert inside.relevance[marked].mean() >= 5 * inside.area[marked].mean()
    patch = np.broadcast_to(planted.masks[marked][0], planted.masks.shape)
    assert mass(explain(detector, images, rule)[0], patch).relevance.mean() <= 0.02
