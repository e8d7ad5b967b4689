"""Where new images fall on a map that is already there."""

from __future__ import annotations

import numpy as np

from deepsvdd_core.projections.base import Projection, neighbours, polar, unit
from deepsvdd_core.projections.radial import by_angle
from deepsvdd_core.projections.umaps import on_sphere
from deepsvdd_core.sphere import Sphere

NEAREST = 5  # mapped points that decide about a new one


def place_by_angle(
    new: np.ndarray, embeddings: np.ndarray, projection: Projection, sphere: Sphere
) -> np.ndarray:
    """Radial coordinates (M, 2) of new embeddings (M, d), as exact as those of the map."""
    parts = projection.parts
    return by_angle(polar(new, sphere), parts["mean"], parts["components"])


def place_on_sphere(
    new: np.ndarray, embeddings: np.ndarray, projection: Projection, sphere: Sphere
) -> np.ndarray:
    """Spherical coordinates (M, 3): the distance is exact, the direction that of its neighbours.

    It is the mean of the five mapped points (N, d) with the nearest directions, each weighted by
    one over its distance.
    """
    seen = polar(new, sphere)
    mapped = polar(embeddings, sphere).directions
    towards = _mean_of_nearest(seen.directions, mapped, unit(projection.coordinates))
    return seen.units[:, None] * on_sphere(towards)


def place_in_plane(
    new: np.ndarray, embeddings: np.ndarray, projection: Projection, sphere: Sphere | None
) -> np.ndarray:
    """Planar coordinates (M, 2): the mean of the five nearest mapped embeddings (N, d).

    Each is weighted by one over its distance, so a duplicate lands on its twin.
    """
    return _mean_of_nearest(new, embeddings, projection.coordinates)


def _mean_of_nearest(new: np.ndarray, mapped: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    result = np.empty((len(new), coordinates.shape[1]))
    for rows, indices, lengths in neighbours(new, mapped, min(NEAREST, len(mapped))):
        twins = lengths == 0
        weights = np.where(twins, 1.0, 1 / np.where(twins, 1.0, lengths))
        weights *= twins | ~twins.any(axis=1, keepdims=True)  # a twin decides alone
        weights /= weights.sum(axis=1, keepdims=True)
        result[rows] = np.einsum("mk,mkc->mc", weights, coordinates[indices])
    return result
