"""Turn a labelled image set into a one-class problem: train on normal, test on everything."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from deepsvdd_core import corruptions
from deepsvdd_core.datasets import DataSet, ImageSet
from deepsvdd_core.experiment import Experiment

UNLABELLED, ANOMALOUS = 0, -1  # semi-labels; +1 would be "known to be normal"


class OneClassTask(NamedTuple):
    """Training images of the normal classes and test images of all classes.

    Shapes: train_images (N, C, H, W) uint8, semi_labels (N,) int64 with 0 = unlabelled and
    -1 = known anomaly, test_images (M, C, H, W) uint8, is_anomaly (M,) bool, test_labels (M,)
    int64, train_indices (N,) int64 into the training split, -1 for an image from elsewhere, masks
    (N, H, W) bool of the training images: their anomalous pixels. A known anomaly without any has
    them in unknown places; masks is None where all have.
    """

    train_images: np.ndarray
    semi_labels: np.ndarray
    test_images: np.ndarray
    is_anomaly: np.ndarray
    test_labels: np.ndarray
    train_indices: np.ndarray
    masks: np.ndarray | None = None

    def without(self, rows: np.ndarray) -> OneClassTask:
        """The task without these training images, and without copies of them."""
        origins = self.train_indices[rows]
        leaves = np.isin(self.train_indices, origins[origins >= 0])
        leaves[rows] = True
        return self._replace(
            train_images=self.train_images[~leaves],
            semi_labels=self.semi_labels[~leaves],
            train_indices=self.train_indices[~leaves],
            masks=None if self.masks is None else self.masks[~leaves],
        )


def class_labels(image_set: ImageSet, classes: tuple[str, ...]) -> list[int]:
    """The label numbers of these classes. Raises ValueError for a name that is not there."""
    unknown = [name for name in classes if name not in image_set.class_names]
    if unknown:
        known = ", ".join(image_set.class_names)
        raise ValueError(f"There is no class {', '.join(unknown)}; choose from {known}.")
    return [image_set.class_names.index(name) for name in classes]


def anomaly_mask(image_set: ImageSet, normal_classes: tuple[str, ...]) -> np.ndarray:
    """(N,) bool: True where an image belongs to none of the normal classes."""
    return ~np.isin(image_set.labels, class_labels(image_set, normal_classes))


def one_vs_rest(
    dataset: DataSet,
    normal_classes: tuple[str, ...],
    *,
    leave_out: ImageSet | None = None,
    pollution: float = 0.0,
    labelled: float = 0.0,
    anomaly_classes: tuple[str, ...] = (),
    seed: int = 0,
) -> OneClassTask:
    """Train on one or several normal classes, test on the whole test split.

    leave_out: training images that also occur in this set are dropped, so that a model can be
    looked at on that set without having seen it. pollution: share of anomalies, from all other
    classes, among the unlabelled training images. labelled: share of labelled anomalies, from the
    anomaly_classes or else all others, among all training images. No image is drawn twice.

    Raises:
        ValueError: unknown class, fewer than two normal training images, or too few anomalies.
    """
    usable = np.ones(len(dataset.train.images), dtype=bool)
    if leave_out is not None:
        seen = {image.tobytes() for image in leave_out.images}
        usable = np.array([image.tobytes() not in seen for image in dataset.train.images])
    anomalous = anomaly_mask(dataset.train, normal_classes)
    normal = np.flatnonzero(usable & ~anomalous)
    if len(normal) < 2:
        raise ValueError(
            f"The normal class {' + '.join(normal_classes)} has {len(normal)} training "
            f"image{'s' if len(normal) != 1 else ''}; at least 2 are needed."
        )
    if len(dataset.test.images) == 0:
        raise ValueError("The test split is empty; add at least one test image.")

    rng = np.random.default_rng(seed)
    unlabelled_count = len(normal) / (1 - pollution)
    labelled_count = round(unlabelled_count * labelled / (1 - labelled))
    others = usable & anomalous
    sources = class_labels(dataset.train, anomaly_classes) if anomaly_classes else None
    eligible = others if sources is None else others & np.isin(dataset.train.labels, sources)
    known = _draw(np.flatnonzero(eligible), labelled_count, "labelled", rng)
    others[known] = False
    polluting = _draw(
        np.flatnonzero(others), round(unlabelled_count) - len(normal), "polluting", rng
    )
    indices = np.concatenate([normal, polluting, known])
    return OneClassTask(
        train_images=dataset.train.images[indices],
        semi_labels=np.repeat([UNLABELLED, ANOMALOUS], [len(normal) + len(polluting), len(known)]),
        test_images=dataset.test.images,
        is_anomaly=anomaly_mask(dataset.test, normal_classes),
        test_labels=dataset.test.labels,
        train_indices=indices,
    )


def expose(task: OneClassTask, outliers: ImageSet, *, seed: int = 0) -> OneClassTask:
    """Add images of another data set as labelled anomalies, at most as many as are normal.

    They are brought to the shape of the task's images, colour to grey by luminance, and to their
    sharpness: otherwise a network tells the two sets by it and learns nothing else.
    """
    count = min(len(outliers.images), int((task.semi_labels != ANOMALOUS).sum()))
    rng = np.random.default_rng(seed)
    drawn = outliers.images[np.sort(rng.choice(len(outliers.images), count, replace=False))]
    shaped = reshape(drawn, task.train_images.shape[1:])
    shaped = soften(shaped, sharpness(task.train_images[task.semi_labels != ANOMALOUS]))
    return _with_anomalies(task, shaped, None)


def spoil(task: OneClassTask, names: str, *, seed: int = 0) -> OneClassTask:
    """Add a spoilt copy of each training image that counts as normal as a labelled anomaly.

    names: local corruptions joined by +; their masks say where. A copy with no visible change is
    left out.

    Raises:
        ValueError: there is no such local corruption of these images.
    """
    copies, masks = corruptions.spoil(
        task.train_images[task.semi_labels != ANOMALOUS], names, seed=seed
    )
    visible = masks.any(axis=(1, 2))
    return _with_anomalies(task, copies[visible], masks[visible])


def draw(task: OneClassTask, most: int, *, seed: int = 0) -> OneClassTask:
    """The same task with at most so many training images."""
    order = np.random.default_rng(seed).permutation(len(task.train_images))
    rows = np.sort(order[:most])
    return task._replace(
        train_images=task.train_images[rows],
        semi_labels=task.semi_labels[rows],
        train_indices=task.train_indices[rows],
        masks=None if task.masks is None else task.masks[rows],
    )


def reshape(images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """uint8 (N, C, H, W) to (N, *shape): grey or colour, bilinearly resized."""
    if images.shape[1:] == shape:
        return images
    mode = "L" if shape[0] == 1 else "RGB"
    result = np.empty((len(images), *shape), np.uint8)
    for row, image in zip(result, images, strict=True):
        picture = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
        small = picture.convert(mode).resize((shape[2], shape[1]), Image.Resampling.BILINEAR)
        row[:] = np.asarray(small)[None] if mode == "L" else np.asarray(small).transpose(2, 0, 1)
    return result


def sharpness(images: np.ndarray) -> float:
    """Mean absolute second difference along rows and columns, in grey levels."""
    if min(images.shape[2:]) < 3:
        return 0.0
    values = images.astype(np.float32)
    return float(np.mean([np.abs(np.diff(values, n=2, axis=axis)).mean() for axis in (2, 3)]))


def soften(images: np.ndarray, wanted: float) -> np.ndarray:
    """Blur all images (N, C, H, W) by one Gaussian until they are no sharper than wanted."""
    low, high = 0.0, 3.0  # standard deviation in pixels
    if sharpness(images) <= wanted:
        return images
    for _ in range(8):
        middle = (low + high) / 2
        blurred = gaussian_filter(images, sigma=(0, 0, middle, middle))
        low, high = (middle, high) if sharpness(blurred) > wanted else (low, middle)
    return blurred


SCENARIOS = ("labels", "pollution", "classes")


def scenario(name: str, value: float, class_names: tuple[str, ...], base: Experiment) -> dict:
    """The choices of one point of thesis section 2.3.4, to be set in an Experiment.

    labels (i): value = share of labelled anomalies of one class, no pollution. pollution (ii):
    value = share of anomalies among the unlabelled, 5 % labelled anomalies of one class.
    classes (iii): value = number of classes the 5 % labelled anomalies come from, 10 % pollution.
    The anomaly classes are drawn by the seed of the experiment.

    Raises:
        ValueError: there is no such scenario.
    """
    others = [label for label in class_names if label not in base.normal_classes]
    rng = np.random.default_rng(base.seed)
    count = int(value) if name == "classes" else 1
    drawn = tuple(str(label) for label in rng.permutation(others)[:count])
    if name == "labels":
        return {"labelled": value, "pollution": 0.0, "anomaly_classes": drawn}
    if name == "pollution":
        return {"labelled": 0.05, "pollution": value, "anomaly_classes": drawn}
    if name == "classes":
        return {"labelled": 0.05 if drawn else 0.0, "pollution": 0.1, "anomaly_classes": drawn}
    raise ValueError(f"There is no scenario {name}; choose from {', '.join(SCENARIOS)}.")


def _with_anomalies(
    task: OneClassTask, images: np.ndarray, masks: np.ndarray | None
) -> OneClassTask:
    """The task with more known anomalies, images (n, C, H, W), from elsewhere."""
    parts = [(task.train_images, task.masks), (images, masks)]
    joined = None
    if any(mask is not None for _, mask in parts):
        joined = np.concatenate(
            [
                np.zeros((len(part), *part.shape[2:]), bool) if mask is None else mask
                for part, mask in parts
            ]
        )
    return task._replace(
        train_images=np.concatenate([task.train_images, images]),
        semi_labels=np.concatenate([task.semi_labels, np.full(len(images), ANOMALOUS)]),
        train_indices=np.concatenate([task.train_indices, np.full(len(images), -1)]),
        masks=joined,
    )


def _draw(rows: np.ndarray, count: int, what: str, rng: np.random.Generator) -> np.ndarray:
    if count > len(rows):
        raise ValueError(
            f"{count:,} {what} anomalies are asked for, but there are {len(rows):,}; choose a "
            "smaller share or more classes."
        )
    return np.sort(rng.choice(rows, count, replace=False))
