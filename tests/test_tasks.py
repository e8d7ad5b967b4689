import numpy as np
import pytest

from deepsvdd_core.corruptions import VISIBLE, difference
from deepsvdd_core.datasets import DataSet, ImageSet
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.tasks import (
    SCENARIOS,
    draw,
    expose,
    one_vs_rest,
    reshape,
    scenario,
    sharpness,
    soften,
    spoil,
)


def images(*labels: int) -> ImageSet:
    """One image per label; every pixel of an image is its position."""
    pixels = np.arange(len(labels), dtype=np.uint8)
    return ImageSet(
        np.broadcast_to(pixels[:, None, None, None], (len(labels), 1, 2, 2)).copy(),
        np.array(labels, np.int64),
        ("a", "b", "c"),
    )


def test_one_class_is_trained_on_and_the_rest_is_anomalous():
    task = one_vs_rest(DataSet("d", images(0, 1, 0, 2, 1), images(0, 1, 2)), ("a",))
    assert task.train_indices.tolist() == [0, 2]
    assert task.train_images[:, 0, 0, 0].tolist() == [0, 2]
    assert task.semi_labels.tolist() == [0, 0]
    assert task.is_anomaly.tolist() == [False, True, True]
    assert task.test_labels.tolist() == [0, 1, 2]


def test_several_classes_can_be_normal():
    task = one_vs_rest(DataSet("d", images(0, 1, 0, 2, 1), images(0, 1, 2)), ("b", "a"))
    assert task.train_indices.tolist() == [0, 1, 2, 4]
    assert task.is_anomaly.tolist() == [False, False, True]


def test_images_of_another_set_can_be_left_out():
    seen = images(0, 0, 0)
    task = one_vs_rest(DataSet("d", images(0, 0, 0, 0, 0), images(0, 1)), ("a",), leave_out=seen)
    assert task.train_indices.tolist() == [3, 4]


@pytest.mark.parametrize(
    ("train", "test", "normal", "sentence"),
    [
        ((1, 1), (0, 1), ("a",), "The normal class a has 0 training images; at least 2"),
        ((0, 1), (0, 1), ("a",), "The normal class a has 1 training image; at least 2"),
        ((0, 0), (), ("a",), "The test split is empty"),
        ((0, 0), (0, 1), ("z",), "There is no class z; choose from a, b, c."),
    ],
)
def test_what_cannot_be_learned_gets_a_sentence(train, test, normal, sentence):
    with pytest.raises(ValueError, match=sentence):
        one_vs_rest(DataSet("d", images(*train), images(*test)), normal)


def many(per_class: int = 100) -> DataSet:
    labels = [0] * per_class + [1] * per_class + [2] * per_class
    return DataSet("d", images(*labels), images(0, 1, 2))


def test_shares_of_pollution_and_labels_hold_at_once():
    task = one_vs_rest(many(), ("a",), pollution=0.2, labelled=0.1, seed=3)
    unlabelled = task.semi_labels == 0
    truth = many().train.labels[task.train_indices]
    assert (truth[unlabelled] == 0).sum() == 100
    assert (truth[unlabelled] != 0).mean() == pytest.approx(0.2)
    assert (truth[~unlabelled] != 0).all()
    assert (~unlabelled).mean() == pytest.approx(0.1, abs=0.005)
    assert len(set(task.train_indices)) == len(task.train_indices)


def test_labelled_anomalies_come_from_the_named_classes():
    task = one_vs_rest(many(), ("a",), pollution=0.1, labelled=0.2, anomaly_classes=("c",))
    truth = many().train.labels[task.train_indices]
    assert set(truth[task.semi_labels < 0]) == {2}
    assert set(truth[task.semi_labels == 0]) == {0, 1, 2}


def test_the_seed_decides_what_is_drawn():
    first, again, other = (
        one_vs_rest(many(), ("a",), labelled=0.1, seed=seed).train_indices for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("asked", [{"pollution": 0.5}, {"labelled": 0.5}])
def test_more_anomalies_than_there_are_get_a_sentence(asked):
    few = DataSet("d", images(*[0] * 50, 1), images(0, 1, 2))
    with pytest.raises(ValueError, match="anomalies are asked for, but there are 1; choose"):
        one_vs_rest(few, ("a",), **asked)


def test_outlier_exposure_adds_known_anomalies_in_the_shape_of_the_task():
    task = one_vs_rest(many(), ("a",))
    colour = np.zeros((500, 3, 4, 4), np.uint8)
    colour[:, 1] = 255  # green, luminance 150
    exposed = expose(task, images()._replace(images=colour, labels=np.zeros(500, np.int64)))
    added = exposed.train_images[exposed.semi_labels < 0]
    assert added.shape == (100, 1, 2, 2) and set(added.ravel()) == {150}
    assert (exposed.train_indices[exposed.semi_labels < 0] == -1).all()


def test_masks_stay_with_their_images(digits):
    task = one_vs_rest(digits, ("0",), pollution=0.1, labelled=0.1)
    others = digits.test
    assert expose(draw(task, 30), others).masks is None
    spoilt = spoil(task, "dotted line+zigzag", seed=1)
    before = task.train_images[task.semi_labels == 0]
    copies = slice(len(task.train_images), None)
    assert (spoilt.semi_labels[copies] == -1).all() and (spoilt.train_indices[copies] == -1).all()
    changed = difference(before, spoilt.train_images[copies]) > VISIBLE
    assert np.array_equal(spoilt.masks[copies], changed) and changed.any(axis=(1, 2)).all()
    assert not spoilt.masks[: len(task.train_images)].any()

    known = {
        image.tobytes(): mask for image, mask in zip(spoilt.train_images, spoilt.masks, strict=True)
    }
    few = draw(expose(spoilt, others), 300, seed=2)
    assert len(few.masks) == len(few.train_images) == 300
    nowhere = np.zeros((28, 28), bool)
    for image, mask in zip(few.train_images, few.masks, strict=True):
        assert np.array_equal(mask, known.get(image.tobytes(), nowhere))
    assert few.masks.any(axis=(1, 2)).sum() > 50


def test_a_copy_that_looks_the_same_is_no_anomaly():
    white = np.full((4, 1, 28, 28), 255, np.uint8)
    white[0] = 0
    shown = ImageSet(white, np.zeros(4, np.int64), ("a",))
    task = one_vs_rest(DataSet("d", shown, shown), ("a",))
    assert spoil(task, "zigzag").semi_labels.tolist() == [0, 0, 0, 0, -1]


def test_grey_becomes_colour_and_is_enlarged():
    grey = np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 2)
    colour = reshape(grey, (3, 4, 4))
    assert colour.shape == (1, 3, 4, 4) and (colour[:, 0] == colour[:, 2]).all()
    assert reshape(grey, (1, 2, 2)) is grey


def test_sharper_images_are_softened_to_the_sharpness_wanted_and_others_left_alone():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (20, 3, 16, 16), dtype=np.uint8)
    softened = soften(noise, sharpness(noise) / 4)
    assert sharpness(softened) == pytest.approx(sharpness(noise) / 4, rel=0.1)
    assert softened.dtype == np.uint8
    assert soften(softened, sharpness(noise)) is softened


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios_draw_classes_by_seed_and_make_experiments(name):
    base = Experiment("d", ("a",))
    value = {"labels": 0.05, "pollution": 0.1, "classes": 2}[name]
    choices = scenario(name, value, ("a", "b", "c"), base)
    assert Experiment("d", ("a",), **choices).anomaly_classes
    assert len(choices["anomaly_classes"]) == (2 if name == "classes" else 1)
    drawn = {
        scenario(name, value, ("a", *"bcdefgh"), Experiment("d", ("a",), seed=s))["anomaly_classes"]
        for s in range(5)
    }
    assert len(drawn) > 1


def test_no_class_means_no_labels():
    assert scenario("classes", 0, ("a", "b"), Experiment("d", ("a",)))["labelled"] == 0


def test_fewer_images_are_drawn_by_the_seed():
    task = one_vs_rest(many(), ("a", "b"))
    few = draw(task, 30, seed=1)
    assert len(few.train_images) == len(few.semi_labels) == 30
    assert set(few.train_indices) < set(task.train_indices)
    assert np.array_equal(few.train_images, many().train.images[few.train_indices])
    assert not np.array_equal(few.train_indices, draw(task, 30, seed=2).train_indices)
    assert np.array_equal(draw(task, 10**6).train_indices, task.train_indices)
