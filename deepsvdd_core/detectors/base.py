"""The one contract: fit on a task, then score, embed and save; higher scores are stranger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np

from deepsvdd_core import library
from deepsvdd_core.evaluation import auroc
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.progress import OnStep, nothing
from deepsvdd_core.recording import Recording
from deepsvdd_core.sphere import Sphere
from deepsvdd_core.tasks import OneClassTask
from deepsvdd_core.training import EpochReport

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
    """

    experiment: Experiment
    recording: Recording | None = None  # of the last `fit`, where it has epochs; not in the file

    @abstractmethod
    def fit(self, task: OneClassTask, *, on_step: OnStep = nothing) -> Iterator[EpochReport]:
        """Learn from the training images; yields one report per epoch or stage.

        on_step is called often and may raise to stop.

        Raises:
            ValueError: one sentence, when the task is not one this detector can learn.
        """

    @abstractmethod
    def embed(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, C, H, W) to float32 (N, d), what the detector measures in; per image."""

    @abstractmethod
    def anomaly_score(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, C, H, W) to float64 (N,); higher is stranger, batch-independent."""

    @property
    @abstractmethod
    def threshold(self) -> float:
        """The score above which an image is called anomalous; from training images only."""

    @property
    def sphere(self) -> Sphere | None:
        """The hypersphere in the embedding, where there is one."""
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
        values, arrays = self.contents()
        header = {
            "detector": self.experiment.detector,
            "experiment": self.experiment.to_dict(),
            "provenance": provenance or {},
            **values,
        }
        library.write(path, header, {k: np.asarray(v, order="C") for k, v in arrays.items()})

    @classmethod
    def load(cls, path: Path) -> Self:
        """The inverse of `save`.

        Raises:
            ValueError: one sentence, when the file is not a complete model of this kind.
        """
        model = library.read(path)
        experiment = Experiment.from_dict(model.header["experiment"])
        try:
            return cls.restore(experiment, model)
        except (KeyError, RuntimeError, TypeError) as error:
            raise ValueError(
                f"{path.name} does not hold all parts of a {experiment.method} model; download or "
                "save it again."
            ) from error
