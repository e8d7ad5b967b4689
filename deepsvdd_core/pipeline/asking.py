"""Questions about a fitted model and the images of a data set."""

from __future__ import annotations

import base64
from functools import lru_cache

import numpy as np

from deepsvdd_core import products
from deepsvdd_core.clustering import cluster
from deepsvdd_core.explainers import supported
from deepsvdd_core.pipeline.maps import explained, explainer_of, limit_of
from deepsvdd_core.pipeline.running import Arrays
from deepsvdd_core.pipeline.subject import Subject, text
from deepsvdd_core.progress import OnStep, Progress
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


def view(subject: Subject) -> Arrays:
    """Scores and, for a detector with a sphere, the radial map of a data set's images.

    scores (N,) float64, labels (N,) int32, threshold is a scalar. explainer: whose maps stand for
    the model, UTF-8, empty where there are none. is_anomaly (N,) uint8 where the data set has the
    model's normal classes. plane (N, 2) float32: the two strongest principal components of the
    embeddings. With a sphere: distances (N,) float64 and radial (N, 2) float64 in units of the
    radius, nearest (N,) int32 numbers the sphere each image belongs to, radii (K,); score_kind as
    UTF-8; centre and centre_replaced as `sphere.Centre` has them, where there is one.
    """
    detector, shown, embeddings = subject.detector, subject.shown, subject.embeddings
    result = {
        "scores": subject.scores,
        "labels": shown.labels.astype(np.int32),
        "threshold": np.float64(detector.threshold),
        "explainer": text(explainer_of(subject) if supported(detector) else ""),
        "plane": pca(embeddings).astype(np.float32),
    }
    if set(detector.experiment.normal_classes) <= set(shown.class_names):
        truth = anomaly_mask(shown, detector.experiment.normal_classes)
        result["is_anomaly"] = truth.astype(np.uint8)
    sphere = detector.sphere
    if sphere is None:
        return result
    if detector.centre is not None:
        result["centre"] = text(detector.centre.rule)
        result["centre_replaced"] = np.float64(detector.centre.replaced)
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

    images: `count` uint8 images as base64. scores (count,), coordinates (count, 2 or 3); where
    there is an explainer, what `explained` finds, and the limit of the colour scale.
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
        result |= explained(subject, pixels)
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


@lru_cache(maxsize=8)
def _normal_training(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n,) of the training images of the normal classes, and their embeddings (n, d)."""
    train = subject.data.train
    rows = subject.normal(train)
    return rows, subject.detector.embed(train.images[rows])
