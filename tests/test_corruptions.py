import numpy as np
import pytest

from deepsvdd_core.corruptions import (
    ARTEFACTS,
    CORRUPTIONS,
    LOCAL,
    MNIST_C,
    difference,
    plant,
    spoil,
)
from deepsvdd_core.corruptions.published import (
    _line,
    _warp,
    _zigzag,
    dotted_line,
    glass_blur,
    zigzag,
)

OTHERS = [name for name in CORRUPTIONS if name not in MNIST_C]


@pytest.fixture(scope="module")
def images(digits):
    return digits.test.images[::100]


def test_there_are_fifteen_and_noise_and_marks():
    assert len(MNIST_C) == 15
    assert ["gaussian noise", *ARTEFACTS] == OTHERS and len(ARTEFACTS) == 4


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_changes_what_its_mask_says(name, images):
    before = images.copy()
    corrupted, masks = CORRUPTIONS[name](images)
    assert np.array_equal(images, before)
    assert corrupted.shape == images.shape and corrupted.dtype == np.uint8
    changed = np.abs(corrupted.astype(int) - images)[:, 0]
    assert masks.dtype == bool and masks.any(axis=(1, 2)).all()
    assert changed[masks].min() > 12 >= changed[~masks].max(initial=0)  # 5 % of 255


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_seed_and_place_decide_what_is_drawn(name, images):
    corrupted = CORRUPTIONS[name](images, seed=3).images
    assert np.array_equal(corrupted[:3], CORRUPTIONS[name](images[:3], seed=3).images)
    fixed = {"brightness", "canny edges", "scale", "stripe", *ARTEFACTS}
    same = np.array_equal(corrupted, CORRUPTIONS[name](images, seed=4).images)
    assert same == (name in fixed)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_any_size_and_odd_images_are_taken(name):
    odd = np.zeros((3, 1, 30, 40), np.uint8)
    odd[1], odd[2, 0, 7, 9] = 255, 255
    corrupted, masks = CORRUPTIONS[name](odd)
    assert corrupted.shape == odd.shape and masks.shape == (3, 30, 40)


@pytest.mark.parametrize("name", MNIST_C)
def test_colour_is_refused_where_the_definition_is_grey(name):
    with pytest.raises(ValueError, match="defined on grey images; choose"):
        CORRUPTIONS[name](np.zeros((1, 3, 32, 32), np.uint8))


@pytest.mark.parametrize("name", OTHERS)
def test_marks_and_noise_take_colour(name):
    corrupted, masks = CORRUPTIONS[name](np.full((2, 3, 32, 32), 100, np.uint8))
    assert corrupted.shape == (2, 3, 32, 32) and masks.any()
    if name == "gaussian noise":
        assert not np.array_equal(corrupted[:, 0], corrupted[:, 1])


@pytest.mark.parametrize("name", [n for n, c in CORRUPTIONS.items() if c.severity is not None])
def test_a_severity_of_its_own_changes_more_or_less(name, images):
    usual = CORRUPTIONS[name](images)
    assert np.array_equal(
        usual.images, CORRUPTIONS[name](images, severity=CORRUPTIONS[name].severity).images
    )
    assert CORRUPTIONS[name].unit
    other = CORRUPTIONS[name](images, severity=CORRUPTIONS[name].severity / 2).images
    assert not np.array_equal(usual.images, other)
    with pytest.raises(ValueError, match="positive number, got 0"):
        CORRUPTIONS[name](images, severity=0)


def test_one_severity_only_is_said():
    with pytest.raises(ValueError, match="one severity only"):
        CORRUPTIONS["stripe"](np.zeros((1, 1, 28, 28), np.uint8), severity=2.0)


def test_stripe_inverts_the_outer_quarters(images):
    corrupted = CORRUPTIONS["stripe"](images).images
    assert np.array_equal(corrupted[..., :7], 255 - images[..., :7])
    assert np.array_equal(corrupted[..., 7:21], images[..., 7:21])
    assert np.array_equal(corrupted[..., 21:], 255 - images[..., 21:])


def test_translate_moves_by_three_pixels(images):
    corrupted = CORRUPTIONS["translate"](images).images
    for before, after in zip(images[:, 0], corrupted[:, 0], strict=True):
        moved = [
            np.array_equal(np.roll(before, (down, right), (0, 1))[3:-3, 3:-3], after[3:-3, 3:-3])
            for down in (-3, 3)
            for right in (-3, 3)
        ]
        assert sum(moved) == 1


def test_a_quarter_turn_about_the_centre():
    image = np.zeros((5, 5))
    image[0, 2] = 1
    turned = _warp(image, [[0, -1], [1, 0]])
    assert turned[2, 0] == pytest.approx(1, abs=1e-9) or turned[2, 4] == pytest.approx(1, abs=1e-9)


def test_a_line_is_as_bright_as_its_profile_says():
    line = _line((28, 28), 0, 10, 27, 10)
    assert line[10, :27] == pytest.approx(1)
    assert line[11, 5] == pytest.approx(np.log(1 - 1 / 2.3) + 1)
    assert line[12:, 5].max() == 0 and line[:9, 5].max() == 0


class Drawn:
    """A generator whose next draws are known."""

    def __init__(self, *integers, random=None):
        self.next, self.coins = list(integers), random

    def integers(self, low, high=None, size=None):
        drawn = self.next.pop(0)
        return drawn if size is None else np.full(size, drawn)

    def random(self, size):
        return np.full(size, self.coins)


def test_a_dotted_line_begins_and_ends_empty():
    line = dotted_line(np.zeros((28, 28)), Drawn(10, 10))
    assert "".join(".#"[int(on)] for on in line[10]) == "..##" * 6 + "..#."
    assert line[11, 2] == pytest.approx(np.log(1 - 1 / 2.3) + 1)


def test_a_level_zigzag_has_six_peaks_two_rows_off_its_axis():
    line = zigzag(np.zeros((28, 28)), Drawn(13, 0))
    assert not line[:, :2].any() and not line[:, 25:].any()
    middles = (line * np.arange(28)[:, None])[:, 2:25].sum(axis=0) / line[:, 2:25].sum(axis=0)
    corners = [13, 15, 11, 15, 11, 15, 11]  # in columns 2, 4, 8, ..., 24
    assert middles[[0, 2, 6, 10, 14, 18, 22]] == pytest.approx(corners, abs=1e-6)


@pytest.mark.parametrize(
    "length, end", [(23, (23, -1 / 3)), (554**0.5, (554**0.5, -1 / (554**0.5 - 20)))]
)
def test_a_zigzag_ends_where_the_published_one_does(length, end):
    along, across = _zigzag(length)
    assert along[:-1] == pytest.approx([0, 2, 6, 10, 14, 18, 22])
    assert across[:-1] == pytest.approx([0, 2, -2, 2, -2, 2, -2])
    assert (along[-1], across[-1]) == pytest.approx(end)


def test_a_zigzag_of_whole_periods_ends_with_its_last_peak():
    along, across = _zigzag(24.0)
    assert (along[-1], across[-1]) == (22, -2)
    assert np.abs(_zigzag(24.01)[1]).max() == 2


def test_glass_blur_swaps_only_where_the_coin_says_so():
    image = np.zeros((28, 28))
    image[14, 14] = 1
    still = glass_blur(image, Drawn(-1, -1, random=0.0))
    assert not np.delete(still, 14, axis=1).any()  # only blurred, along its column
    assert still[14, 14] == still.max() and still[13, 14] == pytest.approx(still[15, 14])
    moved = glass_blur(image, Drawn(-1, -1, random=0.9))
    place = np.unravel_index(moved.argmax(), moved.shape)
    assert place != (14, 14) and not moved[:, 14].any()


def mean_change(name, images, seed):
    corrupted = CORRUPTIONS[name](images, seed=seed).images
    return np.abs(corrupted.astype(float) - images).mean()


def test_changes_are_as_large_as_the_published_on_the_sample(digits):
    """The 2019 code on these 200 images, five seeds: 20.3-20.5, 5.9-6.0, 11.5-12.1 grey levels."""
    images = digits.test.images[::5]
    for name, level in (("glass blur", 20.4), ("dotted line", 5.92), ("zigzag", 11.9)):
        assert mean_change(name, images, 0) == pytest.approx(level, rel=0.03), name


def test_changes_are_as_large_as_the_published_on_mnist(full_mnist):
    images = full_mnist.test.images[:400]
    for name, level in (("glass blur", 19.0), ("dotted line", 6.1), ("zigzag", 12.1)):
        measured = np.mean([mean_change(name, images, seed) for seed in (0, 1)])
        assert measured == pytest.approx(level, rel=0.03), name


def test_noise_is_as_strong_as_asked():
    grey = np.full((4, 1, 64, 64), 128, np.uint8)
    noisy = CORRUPTIONS["gaussian noise"](grey, severity=0.1).images.astype(float) / 255
    assert noisy.std() == pytest.approx(0.1, rel=0.05)
    salt = CORRUPTIONS["impulse noise"](grey).images
    assert np.isin(salt, (0, 255)).mean() == pytest.approx(0.17, abs=0.02)


def test_the_difference_is_that_of_the_images():
    clean, spoilt = np.zeros((1, 3, 2, 2), np.uint8), np.zeros((1, 3, 2, 2), np.uint8)
    spoilt[0, 0, 1, 1] = 255
    clean[0, :, 0, 0] = 51
    expected = [[0.2, 0.0], [0.0, 1 / 3]]
    assert difference(clean, spoilt)[0] == pytest.approx(np.array(expected), abs=1e-6)


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_a_mark_is_planted_in_the_share_asked_for(artefact, digits):
    images = digits.train.images[:200]
    planted = plant(images, artefact, share=0.1, seed=1)
    assert planted.is_planted.sum() == 20
    changed = (planted.images != images).any(axis=(1, 2, 3))
    assert np.array_equal(changed, planted.is_planted)
    assert np.array_equal(planted.masks.any(axis=(1, 2)), planted.is_planted)
    assert not plant(images, artefact, share=0.0).is_planted.any()


def test_local_corruptions_take_turns_and_say_where(digits):
    images = digits.train.images[:9]
    spoilt, masks = spoil(images, "zigzag+stripe", seed=3)
    for place, name in enumerate(("zigzag", "stripe")):
        alone = CORRUPTIONS[name](images[place::2], seed=3)
        assert np.array_equal(spoilt[place::2], alone.images)
        assert np.array_equal(masks[place::2], alone.masks)


def test_what_cannot_be_spoilt_in_one_place_gets_a_sentence(images):
    with pytest.raises(ValueError, match="no local corruption fog of grey images; choose from dot"):
        spoil(images, "zigzag+fog")
    colour = np.zeros((2, 3, 32, 32), np.uint8)
    with pytest.raises(ValueError, match="zigzag of colour images; choose from planted tag"):
        spoil(colour, "zigzag")


def test_what_cannot_be_planted_gets_a_sentence(images):
    with pytest.raises(ValueError, match="There is no mark fog; choose from planted tag"):
        plant(images, "fog", share=0.1)
    with pytest.raises(ValueError, match="must lie in"):
        plant(images, "planted tag", share=1.5)


def test_local_anomalies_are_of_the_table_and_suit_their_images():
    for channels, names in LOCAL.items():
        images = np.full((1, channels, 32, 32), 100, np.uint8)
        for name in names:
            assert 0 < CORRUPTIONS[name](images).masks.mean() < 0.55
