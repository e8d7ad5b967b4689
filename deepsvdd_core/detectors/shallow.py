"""Shallow estimators on pixels, on learned codes, or on features of a backbone."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Generator, Iterator
from typing import Self

import numpy as np
import torch

from deepsvdd_core import library
from deepsvdd_core.backbones import BACKBONES, Backbone
from deepsvdd_core.detectors.base import CALIBRATING, Detector, Glance, check_images, look_up
from deepsvdd_core.detectors.deep import DeepDetector
from deepsvdd_core.estimators import (
    ESTIMATORS,
    Mahalanobis,
    OfOneWidth,
    OneClassEstimator,
    OracleSupportVectors,
)
from deepsvdd_core.evaluation import auroc, upper_threshold
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.networks import best_device
from deepsvdd_core.progress import OnStep, nothing
from deepsvdd_core.scaling import Preprocessing
from deepsvdd_core.sphere import Sphere
from deepsvdd_core.tasks import OneClassTask
from deepsvdd_core.training import EpochReport

CHUNK = 1_000  # images scored between two chances to cancel
# Choices of an experiment, and the parameter of those estimators that have it.
SETTINGS = {"ridge": "ridge", "support": "support", "variance": "kept"}
MOST_ROWS = 200_000  # training vectors in a model file
ROW_TYPES = (np.uint8, np.float32)
WHITENING = ("mean", "whitening")  # of a Gaussian, in a model file
SCALED = "preprocessing."  # prefix of the constants that pixels are prepared with
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
    taken = inspect.signature(ESTIMATORS[experiment.estimator]).parameters
    settings = {own: getattr(experiment, name) for name, own in SETTINGS.items() if own in taken}
    return values | settings


def _single(mean: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A whitening as a model file holds it, in float32."""
    return mean.astype(np.float32), matrix.astype(np.float32)


class ShallowDetector(Detector):
    """A scikit-learn style estimator on the features the experiment names.

    pixels: prepared as for a network, so that tables compare methods and not images; codes:
    embeddings of a deep detector trained first on the same task; else: a backbone. A model file
    holds the training features, of pixels the images, and the chosen hyper-parameters; loading fits
    again. Of a Gaussian it holds mean and whitening matrix: whitened features are its
    embedding, in which the threshold is a hypersphere around the origin.
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
        self.preprocessing = Preprocessing(experiment.contrast_normalisation).to(best_device())
        self.shape: tuple[int, ...] = ()
        self.rows = np.empty((0, 0))
        self.images = np.empty((0, 0), np.uint8)  # of pixels, what the rows were made of
        self.whitening: tuple[np.ndarray, np.ndarray] | None = None
        self._threshold = 0.0

    @property
    def looks_at_pixels(self) -> bool:
        """Whether its features are the values of pixels."""
        return self.experiment.features == "pixels"

    @property
    def fitted_threshold(self) -> float:
        return self._threshold

    @property
    def sphere(self) -> Sphere | None:
        if self.whitening is None or self._threshold <= 0:
            return None
        sphere = Sphere(np.zeros((1, self.whitening[1].shape[1]), np.float32), None, "squared")
        return sphere._replace(radii=sphere.radii_at(self._threshold))

    def embed(self, images: np.ndarray) -> np.ndarray:
        features = self.features(images)
        if self.whitening is None:
            return features
        mean, matrix = self.whitening
        return ((features.astype(np.float64) - mean) @ matrix).astype(np.float32)

    def features(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, C, H, W) to float32 (N, d), what the estimator looks at."""
        check_images(images, self.shape)
        if self.deep is not None:
            return self.deep.embed(images)
        if self.backbone is not None:
            return self.backbone(images)
        flat = self.preprocessing.whole(images).cpu().contiguous().numpy()
        return flat.reshape(len(images), math.prod(self.shape))

    def anomaly_score(self, images: np.ndarray) -> np.ndarray:
        return self.embed_and_score(images)[1]

    def embed_and_score(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        features = self.embed(images)
        if self.whitening is not None:
            return features, np.square(features.astype(np.float64)).sum(axis=1)
        if len(features) == 0:
            return features, np.empty(0)
        parts = np.array_split(features, range(CHUNK, len(features), CHUNK))
        return features, np.concatenate([-self.estimator.score_samples(part) for part in parts])

    def learn_from(self, task: OneClassTask, *, on_step: OnStep = nothing) -> Iterator[EpochReport]:
        """Train the network of the codes where there is one, then fit the estimator."""
        if self.deep is not None:
            yield from self.deep.learn_from(task, on_step=on_step)
        self.shape = task.train_images.shape[1:]
        yield EpochReport("fitting", 0, 1, None, None, None)
        on_step()
        normal = task.train_images[task.semi_labels >= 0]
        if self.looks_at_pixels:
            self.preprocessing.fit(normal)
            self.images = normal.reshape(len(normal), -1)
        self.rows = self.features(normal)
        if isinstance(self.estimator, OracleSupportVectors):
            self._ask_the_oracle(task)
        self.estimator.fit(self.rows)
        if isinstance(self.estimator, Mahalanobis):
            self.whitening = _single(*self.estimator.whitening())
            self.rows, self.images = np.empty((0, 0)), self.images[:0]  # needed no more
        self._threshold = upper_threshold(self.anomaly_score(normal), self.experiment.nu)
        on_step()
        glance = Glance(task, self.experiment.seed)
        found = glance.auroc(self.anomaly_score(glance.images))
        yield EpochReport("fitting", 1, 1, None, None, found)

    def calibrate(
        self, task: OneClassTask, reports: int, *, on_step: OnStep = nothing
    ) -> Generator[EpochReport, None, np.ndarray]:
        """By the estimator alone where the features are not learned, else as any detector."""
        if self.deep is not None:
            return (yield from super().calibrate(task, reports, on_step=on_step))
        yield EpochReport(CALIBRATING, 0, 1, None, None, None)
        rows = self.rows  # a Gaussian has not kept them
        if len(rows) == 0:
            rows = self.features(task.train_images[task.semi_labels >= 0])
        return self.estimator.calibration_scores(rows, on_step=on_step)

    def fitted_scores(self, images: np.ndarray) -> np.ndarray:
        """As left out of the estimator where that is exact: many are their own neighbours."""
        left_out = self.estimator.left_out()
        return self.anomaly_score(images) if left_out is None else left_out

    def _ask_the_oracle(self, task: OneClassTask) -> None:
        """Test labels choose; what comes of it is labelled oracle wherever it is shown."""
        rng = np.random.default_rng(self.experiment.seed)
        count = max(2, len(task.test_images) // 10)
        tenth = rng.permutation(len(task.test_images))[:count]
        features, truth = self.features(task.test_images[tenth]), task.is_anomaly[tenth]

        def score(fitted: OneClassEstimator) -> float:
            return auroc(-fitted.score_samples(features), truth) or 0.0

        self.estimator.choose_with_labels(self.rows, score)

    def contents(self) -> tuple[dict, dict[str, np.ndarray]]:
        values = {
            "chosen": self.estimator.chosen(),
            "shape": list(self.shape),
            "threshold": self._threshold,
        }
        if self.whitening is not None and len(self.rows) == 0:
            arrays = dict(zip(WHITENING, self.whitening, strict=True))
        else:
            arrays = {"rows": self.images if self.looks_at_pixels else self.rows}
        if self.looks_at_pixels and self.preprocessing.contrast_normalisation:
            state = self.preprocessing.state_dict()
            arrays |= {f"{SCALED}{name}": value.cpu().numpy() for name, value in state.items()}
        if self.deep is not None:
            inside = self.deep.contents()[1]
            arrays |= {f"{INSIDE}{name}": value for name, value in inside.items()}
        return values, arrays

    @classmethod
    def restore(cls, experiment: Experiment, model: library.ModelFile) -> Self:
        detector = cls(experiment)
        detector.shape = tuple(model.header["shape"])
        detector._threshold = float(model.header["threshold"])
        if detector.deep is not None:
            inside = {
                name.removeprefix(INSIDE): value
                for name, value in model.tensors.items()
                if name.startswith(INSIDE)
            }
            deep_experiment = detector.deep.experiment
            detector.deep = DeepDetector.restore(deep_experiment, model._replace(tensors=inside))
        detector._restore_preprocessing(model.tensors)
        width = detector.features(np.zeros((1, *detector.shape), np.uint8)).shape[1]
        if isinstance(detector.estimator, Mahalanobis) and "rows" not in model.tensors:
            mean, matrix = (model.tensors[name] for name in WHITENING)
            if mean.shape != (width,) or matrix.ndim != 2 or len(matrix) != width:
                raise TypeError("whitening")
            detector.whitening = _single(mean, matrix)
            return detector
        rows = model.tensors["rows"]
        if rows.ndim != 2 or not 2 <= len(rows) <= MOST_ROWS or rows.dtype not in ROW_TYPES:
            raise TypeError("rows")
        if rows.shape[1] != width:
            raise TypeError("rows")
        detector.rows = rows
        if rows.dtype == np.uint8:
            detector.images = rows
            detector.rows = detector.features(rows.reshape(-1, *detector.shape))
        before = {}
        if experiment.estimator == "kernel-pca" and "variance" not in model.header["experiment"]:
            before = {"kept": 32}  # components, in files from before it was a share
        try:
            chosen = model.header["chosen"] | before
            detector.estimator.set_params(**chosen).fit(detector.rows)
        except ValueError as error:  # of scikit-learn, in its own words
            raise TypeError("rows") from error
        if isinstance(detector.estimator, Mahalanobis):  # a file from before whitening was kept
            detector.whitening = _single(*detector.estimator.whitening())
        return detector

    def _restore_preprocessing(self, tensors: dict[str, np.ndarray]) -> None:
        """Its constants; files from before there were any hold a method on the bare pixels."""
        state = {
            name.removeprefix(SCALED): torch.from_numpy(value)
            for name, value in tensors.items()
            if name.startswith(SCALED)
        }
        if state:
            self.preprocessing.load_state_dict(state)
        else:
            self.preprocessing.contrast_normalisation = False
