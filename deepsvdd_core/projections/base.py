"""What all maps share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from deepsvdd_core.sphere import Sphere, locate

CHUNK = 4_000_000  # distances held at a time, 32 MB


class Projection(NamedTuple):
    """coordinates (N, 2) or (N, 3) float64, and by name the parts that place new points.

    `center` (2,) or (3,) is where the hypersphere's centre is drawn, on maps that have it; the
    plane of the radial map has a `mean` (d,) and `components` (2, d).
    """

    coordinates: np.ndarray
    parts: dict[str, np.ndarray]


class Polar(NamedTuple):
    """Embeddings seen from the centre of their sphere.

    directions (N, d) of length 1, or 0 at the centre itself; units (N,) distances, in units of the
    sphere's radius where nothing else is said. Both float64.
    """

    directions: np.ndarray
    units: np.ndarray


def polar(embeddings: np.ndarray, sphere: Sphere | None, one: float | None = None) -> Polar:
    """Direction and distance of each embedding (N, d); one: the distance that counts as 1.

    Raises:
        ValueError: when there is no sphere.
    """
    if sphere is None:
        raise ValueError("This model has no hypersphere; choose the planar map.")
    nearest, length = locate(embeddings, sphere)
    offsets = embeddings.astype(np.float64) - sphere.centers[nearest]
    return Polar(unit(offsets), length / (one or sphere.units[nearest]))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, d) brought to length 1; zero stays zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def principal(points: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and the strongest principal components (count, d); missing ones are zero."""
    mean = points.mean(axis=0)
    _, _, components = np.linalg.svd(points - mean, full_matrices=False)
    # The sign of a component is arbitrary; fix it so that equal inputs give equal maps.
    signs = np.sign(components[np.arange(len(components)), np.abs(components).argmax(axis=1)])
    components = (components * signs[:, None])[:count]
    return mean, np.pad(components, ((0, count - len(components)), (0, 0)))


def pca(embeddings: np.ndarray) -> np.ndarray:
    """The plane (N, 2) of the two strongest principal components."""
    points = embeddings.astype(np.float64)
    mean, components = principal(points, 2)
    return (points - mean) @ components.T


def neighbours(
    queries: np.ndarray, points: np.ndarray, count: int, *, own: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The nearest points of each query, exactly; in chunks of (rows, indices, distances).

    queries (Q, d) and points (N, d); indices and Euclidean distances (rows, count), nearest first.
    own (Q,): the place of each query among the points, which is no neighbour of itself.
    """
    middle = points.mean(axis=0, dtype=np.float64)
    points, queries = points - middle, queries - middle  # fewer digits cancel
    squares = np.square(points).sum(axis=1)
    size = max(1, CHUNK // len(points))
    for start in range(0, len(queries), size):
        rows = np.arange(start, min(start + size, len(queries)))
        closeness = squares - 2 * (queries[rows] @ points.T)
        if own is not None:
            closeness[np.arange(len(rows)), own[rows]] = np.inf
        indices = np.argpartition(closeness, count - 1, axis=1)[:, :count]
        lengths = np.linalg.norm(points[indices] - queries[rows][:, None], axis=2)
        order = np.lexsort((indices, lengths))
        yield rows, *(np.take_along_axis(a, order, axis=1) for a in (indices, lengths))
