"""Training as a film: all epochs in one map."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deepsvdd_core.projections.base import polar, principal
from deepsvdd_core.projections.radial import by_angle
from deepsvdd_core.sphere import Sphere


class Frames(NamedTuple):
    """coordinates (E, N, 2) float64 and drawn radii (E, K), in units of the last radius."""

    coordinates: np.ndarray
    radii: np.ndarray


def frames(embeddings: np.ndarray, spheres: list[Sphere]) -> Frames:
    """Radial maps of the embeddings (E, N, d) of every epoch, from the centre of its sphere.

    One plane, fitted on the directions of the last epoch, shows them all, so that a point moves
    only when its embedding does. One unit, the last radius (the mean of several), measures them
    all, so that a shrinking sphere shrinks. Epochs may differ in the number of spheres; drawn radii
    that one lacks are NaN. Without any spheres (an empty list) it is the principal plane of the
    last epoch, with K = 0.
    """
    if not spheres:
        mean, components = principal(embeddings[-1].astype(np.float64), 2)
        return Frames((embeddings - mean) @ components.T, np.empty((len(embeddings), 0)))
    last = spheres[-1]
    mean, components = principal(polar(embeddings[-1], last).directions, 2)
    one = float(last.units.mean())
    maps = []
    radii = np.full((len(spheres), max(len(sphere.radii) for sphere in spheres)), np.nan)
    for epoch, (codes, sphere) in enumerate(zip(embeddings, spheres, strict=True)):
        maps.append(by_angle(polar(codes, sphere, one), mean, components))
        radii[epoch, : len(sphere.radii)] = sphere.radii / one
    return Frames(np.stack(maps), radii)
