"""A model and images that questions are about."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from deepsvdd_core import detectors, library
from deepsvdd_core.datasets import DataSet, ImageSet
from deepsvdd_core.detectors import Detector, check_numbers
from deepsvdd_core.pipeline.running import dataset_of
from deepsvdd_core.tasks import anomaly_mask


class Subject(NamedTuple):
    """A model of the library and images of a data set, by names that change with their content."""

    model: str
    digest: str
    dataset: str
    fingerprint: str
    split: str

    @property
    def detector(self) -> Detector:
        """Raises ValueError when the model has changed meanwhile."""
        return _detector(self.model, self.digest)

    @property
    def data(self) -> DataSet:
        """The data set. Raises ValueError when its files have changed meanwhile."""
        return dataset_of(self.dataset, fingerprint=self.fingerprint)

    @property
    def shown(self) -> ImageSet:
        """The images the question is about."""
        return self.data.shown(self.split)

    @property
    def embeddings(self) -> np.ndarray:
        """(N, d) float32 of the shown images."""
        return _embedded(self)[0]

    @property
    def scores(self) -> np.ndarray:
        """(N,) float64 of the shown images."""
        return _embedded(self)[1]

    def normal(self, images: ImageSet, fewest: int = 1) -> np.ndarray:
        """(n,) rows of images that are normal to the model. Raises ValueError for too few."""
        rows = np.flatnonzero(~anomaly_mask(images, self.detector.experiment.normal_classes))
        if len(rows) < fewest:
            raise ValueError(
                f"There are {len(rows)} images of the model's normal classes here, at least "
                f"{fewest} are needed; choose another data set."
            )
        return rows


@lru_cache(maxsize=16)
def _detector(name: str, digest: str) -> Detector:
    entry = library.find(name)
    if entry.digest != digest:
        raise ValueError(f"The model {name} has changed; open it again.")
    return detectors.load(entry.path)


@lru_cache(maxsize=4)
def _embedded(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    codes, scores = subject.detector.embed_and_score(subject.shown.images)
    check_numbers(subject.model, codes, scores)
    return codes, scores


def text(value: str) -> np.ndarray:
    """A text as an array of UTF-8."""
    return np.frombuffer(value.encode(), np.uint8)


def spread(images: np.ndarray, most: int) -> np.ndarray:
    """At most so many images, spread over all of them."""
    return images[:: -(-len(images) // most)]


def sampled(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, always the same, ascending."""
    return np.sort(np.random.default_rng(0).permutation(rows)[:most])
