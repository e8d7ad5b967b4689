"""The radial map: exact distances, and the direction as an angle."""

from __future__ import annotations

import numpy as np

from deepsvdd_core.progress import OnStep, Progress, nothing, silent
from deepsvdd_core.projections.base import Polar, Projection, polar, principal
from deepsvdd_core.sphere import Sphere


def radial(
    embeddings: np.ndarray,
    sphere: Sphere,
    seed: int = 0,
    *,
    progress: Progress = silent,
    on_step: OnStep = nothing,
) -> Projection:
    """Radial map (N, 2) whose distance to the origin is the true one in units of the radius.

    The hypersphere is exactly the unit circle; of several, the nearest one counts. The angle shows
    the direction from the centre, seen in the plane of the two strongest principal components of
    all directions.

    Raises:
        ValueError: when there is no sphere, or one without a radius.
    """
    seen = polar(embeddings, sphere)
    mean, components = principal(seen.directions, 2)
    parts = {"center": np.zeros(2), "mean": mean, "components": components}
    return Projection(by_angle(seen, mean, components), parts)


def by_angle(seen: Polar, mean: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Coordinates (N, 2) of what is seen, in the plane of mean (d,) and components (2, d)."""
    plane = (seen.directions - mean) @ components.T
    angle = np.arctan2(plane[:, 1], plane[:, 0])
    return seen.units[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
