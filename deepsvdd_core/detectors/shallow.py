"""Shallow estimators on pixels, on learned codes, or on features of a pretrained network."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Self

import numpy as np

from deepsvdd_core import library
from deepsvdd_core.backbones import BACKBONES, Backbone
from deepsvdd_core.detectors.base import Detector, Glance, check_images, look_up
from deepsvdd_core.detectors.deep import DeepDetector
from deepsvdd_core.estimators import (
    ESTIMATORS,
    OfOneWidth,
    OneClassEstimator,
    OracleSupportVectors,
)
from deepsvdd_core.evaluation import auroc, upper_quantile
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.progress import OnStep, nothing
from deepsvdd_core.tasks import OneClassTask
from deepsvdd_core.training import EpochReport

CHUNK = 1_000  # images scored between two chances to cancel
INSIDE = "deep."  # prefix of the parts of the network that makes the codes


def _set_by_hand(experiment: Experiment) -> dict[str, float | None]:
    """What the experiment says instead of the estimator's own way to choose."""
    values: dict[str, float | None] = {}
    if not experiment.principal_components:
        values["components"] = None
    if experiment.width is not None:
        if not issubclass(ESTIMATORS[experiment.estimator], OfOneWidth):
            raise ValueError(
                f"{experiment.estimator} has no kernel width; leave the width out or choose kde."
            )
        values["width"] = experiment.width
    return values


class ShallowDetector(Detector):
    """A scikit-learn style estimator on the features the experiment names.

    pixels: values in [0, 1]; codes: embeddings of a deep detector trained first on the same task;
    else: a pretrained backbone. A model file holds the training features and the chosen
    hyper-parameters; loading fits again.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        kind = look_up(ESTIMATORS, experiment.estimator, "estimator")
        self.estimator: OneClassEstimator = kind(
            contamination=experiment.nu, random_state=experiment.seed, **_set_by_hand(experiment)
        )
        self.deep: DeepDetector | None = None
        self.backbone: Backbone | None = None
        if experiment.features == "codes":
            self.deep = DeepDetector(dataclasses.replace(experiment, detector="deep"))
        elif experiment.features != "pixels":
            self.backbone = look_up(BACKBONES, experiment.features, "backbone")()
        self.shape: tuple[int, ...] = ()
        self.rows = np.empty((0, 0))
        self._threshold = 0.0

    @property
    def threshold(self) -> float:
        return self._threshold

    def embed(self, images: np.ndarray) -> np.ndarray:
        check_images(images, self.shape)
        if self.deep is not None:
            return self.deep.embed(images)
        if self.backbone is not None:
            return self.backbone(images)
        return images.reshape(len(images), math.prod(self.shape)).astype(np.float32) / 255

    def anomaly_score(self, images: np.ndarray) -> np.ndarray:
        return self.embed_and_score(images)[1]

    def embed_and_score(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        features = self.embed(images)
        if len(features) == 0:
            return features, np.empty(0)
        parts = np.array_split(features, range(CHUNK, len(features), CHUNK))
        return features, np.concatenate([-self.estimator.score_samples(part) for part in parts])

    def fit(self, task: OneClassTask, *, on_step: OnStep = nothing) -> Iterator[EpochReport]:
        """Train the network of the codes where there is one, then fit the estimator."""
        if self.deep is not None:
            yield from self.deep.fit(task, on_step=on_step)
        self.shape = task.train_images.shape[1:]
        yield EpochReport("fitting", 0, 1, None, None, None)
        on_step()
        normal = task.train_images[task.semi_labels >= 0]
        self.rows = self.embed(normal)
        if isinstance(self.estimator, OracleSupportVectors):
            self._ask_the_oracle(task)
        self.estimator.fit(self.rows)
        self._threshold = upper_quantile(self.anomaly_score(normal), self.experiment.nu)
        on_step()
        glance = Glance(task, self.experiment.seed)
        found = glance.auroc(self.anomaly_score(glance.images))
        yield EpochReport("fitting", 1, 1, None, None, found)

    def _ask_the_oracle(self, task: OneClassTask) -> None:
        """Test labels choose; what comes of it is labelled oracle wherever it is shown."""
        rng = np.random.default_rng(self.experiment.seed)
        count = max(2, len(task.test_images) // 10)
        tenth = rng.permutation(len(task.test_images))[:count]
        features, truth = self.embed(task.test_images[tenth]), task.is_anomaly[tenth]

        def score(fitted: OneClassEstimator) -> float:
            return auroc(-fitted.score_samples(features), truth) or 0.0

        self.estimator.choose_with_labels(self.rows, score)

    def contents(self) -> tuple[dict, dict[str, np.ndarray]]:
        values = {
            "chosen": self.estimator.chosen(),
            "shape": list(self.shape),
            "threshold": self._threshold,
        }
        if self.experiment.features == "pixels":
            arrays = {"rows": np.round(self.rows * 255).astype(np.uint8)}
        else:
            arrays = {"rows": self.rows}
        if self.deep is not None:
            inside = self.deep.contents()[1]
            arrays |= {f"{INSIDE}{name}": value for name, value in inside.items()}
        return values, arrays

    @classmethod
    def restore(cls, experiment: Experiment, model: library.ModelFile) -> Self:
        detector = cls(experiment)
        detector.shape = tuple(model.header["shape"])
        detector._threshold = float(model.header["threshold"])
        rows = model.tensors["rows"]
        detector.rows = rows.astype(np.float32) / 255 if rows.dtype == np.uint8 else rows
        if detector.deep is not None:
            inside = {
                name.removeprefix(INSIDE): value
                for name, value in model.tensors.items()
                if name.startswith(INSIDE)
            }
            deep_experiment = detector.deep.experiment
            detector.deep = DeepDetector.restore(deep_experiment, model._replace(tensors=inside))
        detector.estimator.set_params(**model.header["chosen"]).fit(detector.rows)
        return detector
