"""Questions about a fitted model and the images of a data set."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from deepsvdd_core import detectors, library, products
from deepsvdd_core.clustering import cluster
from deepsvdd_core.datasets import DataSet, ImageSet
from deepsvdd_core.detectors import Detector, check_numbers
from deepsvdd_core.explainers import Explainer, comparing, supported
from deepsvdd_core.pipeline.running import Arrays, dataset_of
from deepsvdd_core.progress import OnStep, Progress, nothing
from deepsvdd_core.projections import (
    PLACES,
    PROJECTIONS,
    Projection,
    distances,
    nearest_sphere,
    pca,
    trust,
)
from deepsvdd_core.tasks import anomaly_mask

NEIGHBOURS = 5  # training images shown beside an image
MOST_CLUSTERS = 10
SCALED_BY = 200  # images that decide the colour scale of a data set's heatmaps
MOST_REFERENCES = 500  # normal training images an explainer compares with
PART = 20  # images explained between two chances to cancel

_limits: dict[tuple[Subject, str], float] = {}


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


def view(subject: Subject) -> Arrays:
    """Scores and, for a detector with a sphere, the radial map of a data set's images.

    scores (N,) float64, labels (N,) int32, threshold and explained (1 where heatmaps exist) are
    scalars. is_anomaly (N,) uint8 where the data set has the model's normal classes. plane (N, 2)
    float32: the two strongest principal components of the embeddings. With a sphere: distances
    (N,) float64 and radial (N, 2) float64 in units of the radius, nearest (N,) int32 numbers the
    sphere each image belongs to, radii (K,); score_kind as UTF-8.
    """
    detector, shown, embeddings = subject.detector, subject.shown, subject.embeddings
    result = {
        "scores": subject.scores,
        "labels": shown.labels.astype(np.int32),
        "threshold": np.float64(detector.threshold),
        "explained": np.float64(bool(supported(detector))),
        "plane": pca(embeddings).astype(np.float32),
    }
    if set(detector.experiment.normal_classes) <= set(shown.class_names):
        truth = anomaly_mask(shown, detector.experiment.normal_classes)
        result["is_anomaly"] = truth.astype(np.uint8)
    sphere = detector.sphere
    if sphere is None:
        return result
    return {
        **result,
        "distances": distances(embeddings, sphere),
        "radial": PROJECTIONS["radial"](embeddings, sphere).coordinates,
        "nearest": nearest_sphere(embeddings, sphere).astype(np.int32),
        "radii": sphere.radii,
        "score_kind": np.frombuffer(sphere.score.encode(), np.uint8),
    }


def mapped_points(coordinates: str) -> Arrays:
    """The arrays of a map that is already there, by its file name.

    Raises:
        ValueError: it could not be kept, or has been dropped meanwhile.
    """
    try:
        return products.load(coordinates)
    except LookupError as error:
        raise ValueError("This map is not on the disk any more; open the page again.") from error


def project(subject: Subject, *, projection: str, progress: Progress, on_step: OnStep) -> Arrays:
    """Coordinates of a data set's images in a projection, float32 (N, 2), on the sphere (N, 3)."""
    drawn = PROJECTIONS[projection](
        subject.embeddings, subject.detector.sphere, progress=progress, on_step=on_step
    )
    return {"coordinates": drawn.coordinates.astype(np.float32)}


def trusted(subject: Subject, *, projection: str, coordinates: str, on_step: OnStep) -> Arrays:
    """How far a map can be trusted: scalars `neighbours` and `order`, NaN where not defined.

    coordinates: the file name of the product that holds them.
    """
    mapped = mapped_points(coordinates)
    name = "radial" if projection == "radial" else "coordinates"
    center = {} if projection == "umap" else {"center": np.zeros(mapped[name].shape[1])}
    drawn = Projection(mapped[name].astype(np.float64), center)
    found = trust(subject.embeddings, drawn, subject.detector.sphere, on_step=on_step)
    values = {"neighbours": found.neighbours, "order": found.order}
    return {name: np.float64(np.nan if v is None else v) for name, v in values.items()}


def place(
    subject: Subject, *, projection: str, coordinates: str, images: str, count: int
) -> Arrays:
    """Where new images fall on a map that is already there, and what the model says of them.

    images: `count` uint8 images as base64. scores (count,), coordinates (count, 2 or 3), relevance
    (count, H, W) and its limit where there is an explainer.
    """
    detector = subject.detector
    shape = subject.shown.images.shape[1:]
    pixels = np.frombuffer(base64.b64decode(images), np.uint8).reshape(count, *shape)
    embeddings, scores = detector.embed_and_score(pixels)
    if projection == "radial":
        drawn = PROJECTIONS["radial"](subject.embeddings, detector.sphere)
    else:
        drawn = Projection(mapped_points(coordinates)["coordinates"], {})
    at = PLACES[projection](embeddings, subject.embeddings, drawn, detector.sphere)
    result = {"scores": scores, "coordinates": at}
    if supported(detector):
        result["relevance"] = explains(subject)(detector, pixels)
        result["limit"] = np.float64(limit_of(subject))
    if detector.sphere is not None:
        result["nearest"] = nearest_sphere(embeddings, detector.sphere).astype(np.int32)
    return result


def clusters(subject: Subject) -> Arrays:
    """Labels (N,) int32 of clusters among the embeddings of a data set's images."""
    labels = cluster(subject.embeddings.astype(np.float64), most_clusters=MOST_CLUSTERS)
    return {"clusters": labels.astype(np.int32)}


def neighbours(subject: Subject, *, index: int) -> Arrays:
    """The training images of the normal classes whose embeddings lie nearest to an image's.

    images (5, C, H, W) uint8, labels (5,) int32, distances (5,) float64 in embedding units, nearest
    first.
    """
    rows, known = _normal_training(subject)
    train = subject.data.train
    apart = np.linalg.norm(known.astype(np.float64) - subject.embeddings[index], axis=1)
    order = np.argsort(apart, kind="stable")[:NEIGHBOURS]
    return {
        "images": train.images[rows[order]],
        "labels": train.labels[rows[order]].astype(np.int32),
        "distances": apart[order],
    }


def heatmaps(subject: Subject, *, first: int, count: int) -> Arrays:
    """Relevance (n, H, W) of some images by the detector's first explainer.

    limit: the value at the end of the colour scale, one for all images of the data set.
    """
    part = subject.shown.images[first : first + count]
    return {
        "relevance": explains(subject)(subject.detector, part),
        "limit": np.float64(limit_of(subject)),
    }


def explainer_of(detector: Detector) -> str:
    """The explainer whose maps stand for a detector."""
    names = supported(detector)
    if not names:
        raise ValueError(
            f"There is no explanation for {detector.experiment.method} yet; LRP and Grad-CAM "
            "explain deep one-class models."
        )
    return names[0]


def explains(subject: Subject, name: str | None = None) -> Explainer:
    """An explainer, by default the detector's first; what compares has the right references."""
    return comparing(name or explainer_of(subject.detector), references_of(subject))[0]


@lru_cache(maxsize=8)
def references_of(subject: Subject) -> np.ndarray | None:
    """Normal training images to compare with, or None where the data set has no such class."""
    train = subject.data.train
    try:
        rows = subject.normal(train)
    except ValueError:
        return None
    return spread(train.images[rows], MOST_REFERENCES)


def spread(images: np.ndarray, most: int) -> np.ndarray:
    """At most so many images, spread over all of them."""
    return images[:: -(-len(images) // most)]


def sampled(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, always the same, ascending."""
    return np.sort(np.random.default_rng(0).permutation(rows)[:most])


def limit_of(subject: Subject) -> float:
    """The end of the colour scale: one for all heatmaps of a model on a data set."""
    return limit_by(subject, explainer_of(subject.detector))


def limit_by(subject: Subject, explainer: str, on_step: OnStep = nothing) -> float:
    """The end of the colour scale of all maps of an explainer on a data set."""
    subject = subject._replace(split="test")
    if (subject, explainer) not in _limits:
        _limits[subject, explainer] = _limit(subject, explainer, on_step)
    return _limits[subject, explainer]


def _limit(subject: Subject, explainer: str, on_step: OnStep) -> float:
    """The relevance that 1 of 1,000 pixels exceeds, on images spread over the data set."""
    detector, images = subject.detector, subject.shown.images
    few = images[:: max(1, len(images) // SCALED_BY)]
    explain, maps = explains(subject, explainer), []
    for start in range(0, len(few), PART):
        on_step()
        maps.append(np.abs(explain(detector, few[start : start + PART])))
    return float(np.quantile(np.concatenate(maps), 0.999))


@lru_cache(maxsize=8)
def _normal_training(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n,) of the training images of the normal classes, and their embeddings (n, d)."""
    train = subject.data.train
    rows = subject.normal(train)
    return rows, subject.detector.embed(train.images[rows])
