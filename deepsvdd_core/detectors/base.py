"""The one contract: fit on a task, then score, embed and save; higher scores are stranger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Self

import numpy as np

from deepsvdd_core import calibration, library
from deepsvdd_core.evaluation import auroc, upper_threshold
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.progress import OnStep, nothing
from deepsvdd_core.recording import Recording
from deepsvdd_core.sphere import Centre, Sphere
from deepsvdd_core.tasks import OneClassTask
from deepsvdd_core.training import EpochReport

CALIBRATING = "calibrating"  # stage of the reports while `calibration_scores` are found
SCORES = "calibration"  # their name in a model file
MOST_LOOKED_AT = 500  # test images an epoch's AUROC is measured on


def look_up(table: dict[str, type], name: str, what: str) -> type:
    """The entry of a table. Raises ValueError that lists the names there are."""
    if name not in table:
        raise ValueError(f"There is no {what} {name}; choose from {', '.join(table)}.")
    return table[name]


def check_images(images: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raises ValueError, in one sentence, unless images are uint8 of shape (N, *shape)."""
    if images.ndim != 4 or images.shape[1:] != tuple(shape) or images.dtype != np.uint8:
        raise ValueError(
            f"This model takes uint8 images of shape {tuple(shape)} (channels, height, width), "
            f"got {images.dtype} {tuple(images.shape[1:])}."
        )


def check_numbers(name: str, codes: np.ndarray, scores: np.ndarray) -> None:
    """Raises ValueError, in one sentence, where the model of this name has left all numbers."""
    if not (np.isfinite(codes).all() and np.isfinite(scores).all()):
        raise ValueError(f"The scores of {name} are not finite numbers; train the model again.")


def check_calibration(name: str, scores: np.ndarray) -> None:
    """Raises ValueError, in one sentence, unless scores are finite float64 (M,), not too many."""
    sound = scores.ndim == 1 and scores.dtype == np.float64 and np.isfinite(scores).all()
    if not sound or not 1 <= len(scores) <= calibration.MOST:
        raise ValueError(f"The calibration scores of {name} are not sound; train the model again.")


class Glance:
    """A fixed draw of test images, half of them anomalous, for the figures shown while training.

    rows (N,): their places in the test split. embeddings (N, d): what was last seen of them.
    """

    embeddings: np.ndarray

    def __init__(self, task: OneClassTask, seed: int) -> None:
        rng = np.random.default_rng(seed)
        rows = [
            rng.permutation(np.flatnonzero(task.is_anomaly == side))[: MOST_LOOKED_AT // 2]
            for side in (False, True)
        ]
        drawn = np.sort(np.concatenate(rows))
        self.rows = drawn
        self.images, self.is_anomaly = task.test_images[drawn], task.is_anomaly[drawn]

    def auroc(self, scores: np.ndarray) -> float | None:
        """Of the drawn images; a fraction."""
        return auroc(scores, self.is_anomaly)


class Detector(ABC):
    """Fit on a task's training images; then every image has an anomaly score.

    The seed of the experiment fixes everything that is drawn.

    calibration_scores (M,) float64: of normal training images by the same method, fitted without
    them, in the units of this detector. Empty where there were too few images, and in files that
    were written before there were such scores.
    """

    experiment: Experiment
    shape: tuple[int, ...]  # (C, H, W) of the images it takes
    recording: Recording | None = None  # of the last `fit`, where it has epochs; not in the file
    calibration_scores: np.ndarray = np.empty(0)

    def fit(self, task: OneClassTask, *, on_step: OnStep = nothing) -> Iterator[EpochReport]:
        """Learn from the training images, then calibrate; yields one report per epoch or stage.

        on_step is called often and may raise to stop.

        Raises:
            ValueError: one sentence, when the task is not one this detector can learn.
        """
        reports = 0
        for report in self.learn_from(task, on_step=on_step):
            reports += 1
            yield report
        scores = yield from self.calibrate(task, reports, on_step=on_step)
        self.calibration_scores = calibration.few(scores, self.experiment.seed)

    @abstractmethod
    def learn_from(self, task: OneClassTask, *, on_step: OnStep = nothing) -> Iterator[EpochReport]:
        """`fit` without the calibration."""

    def calibrate(
        self, task: OneClassTask, reports: int, *, on_step: OnStep = nothing
    ) -> Generator[EpochReport, None, np.ndarray]:
        """Fit anew without one part of the normal images after another, and score that part.

        reports: how many a fit yields. Returns scores (M,) in the units of this detector.
        """
        normal = np.flatnonzero(task.semi_labels >= 0)
        parts = list(calibration.held_out(len(normal), self.experiment.seed))
        ours = self.fitted_scores(task.train_images[normal])
        found = [np.empty(0)]
        for number, part in enumerate(parts):
            twin = self.twin(np.delete(np.arange(len(normal)), part))
            without = task.without(normal[part])
            for count, _ in enumerate(twin.learn_from(without, on_step=on_step), start=1):
                done, total = number * reports + min(count, reports), len(parts) * reports
                yield EpochReport(CALIBRATING, done, total, None, None, None)
            theirs = twin.fitted_scores(task.train_images[np.delete(normal, part)])
            scores = twin.anomaly_score(task.train_images[normal[part]])
            found.append(calibration.in_units_of(scores, theirs, np.delete(ours, part)))
        return np.concatenate(found)

    def twin(self, kept: np.ndarray) -> Self:
        """One to be fitted to a part of the normal images; kept (N,): their places among them."""
        return type(self)(self.experiment)

    def fitted_scores(self, images: np.ndarray) -> np.ndarray:
        """Scores (N,) of the very normal images (N, C, H, W) that it was fitted to."""
        return self.anomaly_score(images)

    @abstractmethod
    def embed(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, C, H, W) to float32 (N, d), what the detector measures in; per image."""

    @abstractmethod
    def anomaly_score(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, C, H, W) to float64 (N,); higher is stranger, batch-independent."""

    @property
    def threshold(self) -> float:
        """The score above which an image is called anomalous.

        At most a share nu of the calibration scores exceed it; `fitted_threshold` without any.
        """
        if len(self.calibration_scores) == 0:
            return self.fitted_threshold
        return upper_threshold(self.calibration_scores, self.experiment.nu)

    @property
    @abstractmethod
    def fitted_threshold(self) -> float:
        """The score that at most a share nu of the images exceed that it was fitted to."""

    @property
    def sphere(self) -> Sphere | None:
        """The hypersphere in the embedding, where there is one, with its trained radius.

        Of the training images a share nu lies outside (thesis Proposition 4), of others more: see
        `threshold`.
        """
        return None

    @property
    def centre(self) -> Centre | None:
        """Where the one centre of its sphere comes from, if it is taken from codes."""
        return None

    def embed_and_score(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both at once."""
        return self.embed(images), self.anomaly_score(images)

    @abstractmethod
    def contents(self) -> tuple[dict, dict[str, np.ndarray]]:
        """What a model file must hold: JSON values and arrays."""

    @classmethod
    @abstractmethod
    def restore(cls, experiment: Experiment, model: library.ModelFile) -> Self:
        """The inverse of `contents`. Raises ValueError, KeyError or RuntimeError if incomplete."""

    def save(self, path: Path, provenance: dict | None = None) -> None:
        """Write one safetensors file: all arrays, the experiment, and where it came from."""
        library.write_atomically(path, self.file(provenance))

    def file(self, provenance: dict | None = None) -> bytes:
        """The content of its model file. Raises ValueError for weights that are not finite."""
        values, arrays = self.contents()
        if len(self.calibration_scores):
            arrays = {**arrays, SCORES: self.calibration_scores}
        header = {
            "detector": self.experiment.detector,
            "experiment": self.experiment.to_dict(),
            "provenance": provenance or {},
            **values,
        }
        return library.encode(header, {k: np.asarray(v, order="C") for k, v in arrays.items()})

    @classmethod
    def load(cls, path: Path) -> Self:
        """The inverse of `save`.

        Raises:
            ValueError: one sentence, when the file is not a complete model of this kind.
        """
        model = library.read(path)
        experiment = Experiment.from_dict(model.header["experiment"])
        incomplete = ValueError(
            f"{path.name} does not hold all parts of a {experiment.method} model; download or "
            "save it again."
        )
        scores = model.tensors.pop(SCORES, np.empty(0))
        counted = model.header["provenance"].get("calibration_scores", scores.size)
        if scores.shape != (counted,):
            raise incomplete
        try:
            detector = cls.restore(experiment, model)
        except (KeyError, RuntimeError, TypeError, IndexError) as error:
            raise incomplete from error
        held = detector.contents()[1]
        sizes = {name: (value.shape, value.dtype) for name, value in held.items()}
        if sizes != {name: (value.shape, value.dtype) for name, value in model.tensors.items()}:
            raise incomplete
        if scores.size:
            check_calibration(path.name, scores)
            detector.calibration_scores = scores
        detector.check(path.name, tuple(model.header["provenance"]["image_shape"]))
        return detector

    def check(self, name: str, shape: tuple[int, ...]) -> None:
        """Try it on two images of this shape.

        Raises:
            ValueError: one sentence, unless it takes them and all its numbers are sound.
        """
        takes = tuple(self.shape)
        if takes != shape:
            raise ValueError(f"{name} says it takes images of shape {shape}, but takes {takes}.")
        sphere = self.sphere
        if not np.isfinite(self.threshold):
            raise ValueError(f"The threshold of {name} is not a finite number.")
        if sphere is not None and not (np.isfinite(sphere.radii) & (sphere.radii > 0)).all():
            raise ValueError(f"A hypersphere of {name} has no radius; train the model again.")
        images = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
        try:
            check_numbers(name, *self.embed_and_score(images))
        except (ArithmeticError, IndexError, RuntimeError) as error:
            raise ValueError(f"{name} cannot score images; train the model again.") from error
