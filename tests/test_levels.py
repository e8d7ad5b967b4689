"""Levels of trust on maps whose answer is known, and the words that go with the numbers."""

import numpy as np
import pytest

from deepsvdd_core import honesty
from deepsvdd_core.health import Interval
from deepsvdd_core.honesty import levels
from tests.test_honesty import Sum, assert_words_equal_numbers

COUNT, SIDE = 40, 12


def world(seed: int):
    """Clean images (N, 1, H, W), others with a bright spot that a Sum finds strange, and masks."""
    rng = np.random.default_rng(seed)
    clean = rng.integers(0, 50, (COUNT, 1, SIDE, SIDE), dtype=np.uint8)
    masks = np.zeros((COUNT, SIDE, SIDE), bool)
    for row, (top, left) in enumerate(rng.integers(0, SIDE - 4, (COUNT, 2))):
        masks[row, top : top + 4, left : left + 4] = True
    return clean, clean + 150 * masks[:, None].astype(np.uint8), masks


def maps_of(kind: str, masks: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed + 1_000)
    noise = rng.normal(size=masks.shape).astype(np.float32)
    return {
        "perfect": masks.astype(np.float32),
        "inverted": 1 - masks.astype(np.float32),
        "random": noise,
        "constant": np.ones(masks.shape, np.float32),
        "faint": noise + np.float32(0.35) * masks,
        "mixed": masks * (rng.random((len(masks), 1, 1)) < 0.5) + 1e-3 * noise,
    }[kind]


def both(kind: str, seed: int = 0):
    """The verdict by masks and the one on spoilt images."""
    clean, images, masks = world(seed)
    maps = maps_of(kind, masks, seed)

    def explain(detector, asked):
        return maps[: len(asked)]

    real = honesty.judge_masked(Sum(), explain, images, maps, masks, None)
    spoilt = honesty.judge(Sum(), explain, images, clean, clean)
    for verdict, chance in ((real, 0.5), (spoilt, 1.0)):
        assert_words_equal_numbers(verdict.badge, verdict.level, verdict.found, chance)
        assert verdict.count == COUNT and not verdict.faults
    return real, spoilt


@pytest.mark.parametrize(
    ("kind", "level", "begins"),
    [
        ("perfect", "better", "Better than random: "),
        ("inverted", "random", "Worse than random: "),
        ("constant", "random", "No better than random: "),
        ("faint", "weak", "Weak, but better than random: "),
        ("mixed", "better", "Better than random: "),
    ],
)
def test_maps_of_known_worth_get_their_level(kind, level, begins):
    for verdict in both(kind):
        assert verdict.level == level and verdict.badge.startswith(begins)
    real, spoilt = both(kind)
    if kind == "perfect":
        assert tuple(real.found) == (1, 1, 1) and spoilt.found.value < 0.3
    if kind == "inverted":
        assert tuple(real.found) == (0, 0, 0) and spoilt.found.low > 1
    if kind == "constant":
        assert tuple(real.found) == (0.5, 0.5, 0.5)


def test_random_maps_pass_as_seldom_as_the_interval_says():
    found = [both("random", seed) for seed in range(40)]
    for place in (0, 1):
        passed = [verdict[place].level != "random" for verdict in found]
        assert sum(passed) <= 4  # of 40, where 1 in 40 is expected


def test_the_intervals_cover_what_they_should():
    rng, means, ratios = np.random.default_rng(0), 0, 0
    for _ in range(400):
        values = rng.beta(4, 2, 30)  # their mean is 2/3
        _, low, high = levels.of_mean(values)
        means += low <= 2 / 3 <= high
        size = rng.gamma(4, 1, 60)
        _, low, high = levels.of_ratio(size * rng.beta(4, 2, 60), size)
        ratios += low <= 2 / 3 <= high
    assert 0.92 <= means / 400 <= 0.98 and 0.91 <= ratios / 400 <= 0.98


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (Interval(0.70, 0.60, 0.80), "better"),
        (Interval(0.70, 0.59, 0.81), "weak"),
        (Interval(0.86, 0.83, 0.93), "weak"),  # 83 to 93 % of random are less than random
        (Interval(0.95, 0.90, 1.00), "random"),
        (Interval(1.20, 1.10, 1.30), "random"),
    ],
)
def test_the_interval_of_a_share_decides(found, level):
    assert levels.of_share(found) == level
    assert_words_equal_numbers(levels.badge_of_share(found, 60, ()), level, found, 1.0)


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (Interval(0.70, 0.60, 0.80), "better"),
        (Interval(0.578, 0.52, 0.63), "weak"),
        (Interval(0.52, 0.48, 0.56), "random"),
        (Interval(0.405, 0.37, 0.44), "random"),
    ],
)
def test_the_interval_of_an_auroc_decides(found, level):
    assert levels.of_auroc(found) == level
    assert_words_equal_numbers(levels.badge_of_auroc(found, 115, ()), level, found, 0.5)


def test_few_images_tell_nothing():
    found = levels.of_mean(np.ones(levels.FEWEST - 1))
    assert found.value == 1 and levels.of_auroc(found) == "random"
    badge = levels.badge_of_auroc(found, levels.FEWEST - 1, ())
    assert badge.startswith("Too few images to tell it from random: ")
    assert "100.0 % (on 4 of at least 5 images that an interval needs)" in badge


def test_faults_are_told_beside_the_level():
    found = Interval(0.7, 0.65, 0.75)
    badge = levels.badge_of_auroc(found, 9, ("a single pixel gets 3 times the score",))
    assert badge.endswith("a random map with 50 %. And a single pixel gets 3 times the score.")


def test_maps_that_are_no_numbers_are_a_fault():
    _, images, masks = world(0)
    maps = np.full(masks.shape, np.nan, np.float32)
    verdict = honesty.judge_masked(Sum(), lambda d, i: maps, images, maps, masks, None)
    assert not verdict.is_sound and verdict.level == "random"
    assert "values that are not numbers" in verdict.badge
