import numpy as np
import pytest

from deepsvdd_core.datasets import DataSet, ImageSet
from deepsvdd_core.tasks import one_vs_rest


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
