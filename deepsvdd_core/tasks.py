"""Turn a labelled image set into a one-class problem: train on normal, test on everything."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deepsvdd_core.datasets import DataSet, ImageSet


class OneClassTask(NamedTuple):
    """Training images of the normal classes and test images of all classes.

    Shapes: train_images (N, C, H, W) uint8, semi_labels (N,) int64 with 0 = unlabelled,
    test_images (M, C, H, W) uint8, is_anomaly (M,) bool, test_labels (M,) int64,
    train_indices (N,) int64 into the training split.
    """

    train_images: np.ndarray
    semi_labels: np.ndarray
    test_images: np.ndarray
    is_anomaly: np.ndarray
    test_labels: np.ndarray
    train_indices: np.ndarray


def normal_labels(image_set: ImageSet, normal_classes: tuple[str, ...]) -> list[int]:
    """The label numbers of the normal classes. Raises ValueError for a name that is not there."""
    unknown = [name for name in normal_classes if name not in image_set.class_names]
    if unknown:
        known = ", ".join(image_set.class_names)
        raise ValueError(f"There is no class {', '.join(unknown)}; choose from {known}.")
    return [image_set.class_names.index(name) for name in normal_classes]


def anomaly_mask(image_set: ImageSet, normal_classes: tuple[str, ...]) -> np.ndarray:
    """(N,) bool: True where an image belongs to none of the normal classes."""
    return ~np.isin(image_set.labels, normal_labels(image_set, normal_classes))


def one_vs_rest(
    dataset: DataSet, normal_classes: tuple[str, ...], *, leave_out: ImageSet | None = None
) -> OneClassTask:
    """Train on one or several normal classes, test on the whole test split.

    leave_out: training images that also occur in this set are dropped, so that a model can be
    looked at on that set without having seen it.

    Raises:
        ValueError: unknown class, no class left to be anomalous, or fewer than two training images.
    """
    is_normal = ~anomaly_mask(dataset.train, normal_classes)
    if leave_out is not None:
        seen = {image.tobytes() for image in leave_out.images}
        is_normal &= np.array([image.tobytes() not in seen for image in dataset.train.images])
    count = int(is_normal.sum())
    if count < 2:
        raise ValueError(
            f"The normal class {' + '.join(normal_classes)} has {count} training "
            f"image{'s' if count != 1 else ''}; at least 2 are needed."
        )
    if len(dataset.test.images) == 0:
        raise ValueError("The test split is empty; add at least one test image.")
    indices = np.flatnonzero(is_normal)
    return OneClassTask(
        train_images=dataset.train.images[indices],
        semi_labels=np.zeros(count, dtype=np.int64),
        test_images=dataset.test.images,
        is_anomaly=anomaly_mask(dataset.test, normal_classes),
        test_labels=dataset.test.labels,
        train_indices=indices,
    )
