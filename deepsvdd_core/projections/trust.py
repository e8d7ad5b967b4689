"""How far a map can be trusted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from deepsvdd_core.progress import OnStep, nothing
from deepsvdd_core.projections.base import Projection, neighbours
from deepsvdd_core.sphere import Sphere, distances

NEIGHBOURS = 15
MOST_ASKED = 2000  # points whose neighbours are looked up


class Trust(NamedTuple):
    """What a map keeps of the embedding.

    neighbours: share of the 15 nearest embeddings that are among the 15 nearest on the map, on
    average over `asked` points; None with fewer than three points. order: Spearman rank
    correlation between the distance to the map's centre and the true distance to the
    hypersphere's centre; None without a sphere, or where all distances are equal.
    """

    neighbours: float | None
    order: float | None
    asked: int


def trust(
    embeddings: np.ndarray,
    projection: Projection,
    sphere: Sphere | None = None,
    seed: int = 0,
    *,
    on_step: OnStep = nothing,
) -> Trust:
    """Measured on at most 2,000 points, drawn by the seed, against all points (N, d).

    The centre of a map that has no place for the hypersphere's is the mean of its points.
    """
    coordinates = projection.coordinates
    asked = np.random.default_rng(seed).permutation(len(embeddings))[:MOST_ASKED]
    count = min(NEIGHBOURS, len(embeddings) - 2)
    kept = None
    if count > 0:
        near = [_nearest(space, asked, count, on_step) for space in (embeddings, coordinates)]
        shared = (near[0][:, :, None] == near[1][:, None, :]).sum()
        kept = float(shared / near[0].size)
    return Trust(kept, _order(embeddings, projection, sphere), len(asked))


def _nearest(points: np.ndarray, asked: np.ndarray, count: int, on_step: OnStep) -> np.ndarray:
    parts = []
    for _, indices, _ in neighbours(points[asked], points, count, own=asked):
        parts.append(indices)
        on_step()
    return np.concatenate(parts)


def _order(embeddings: np.ndarray, projection: Projection, sphere: Sphere | None) -> float | None:
    if sphere is None:
        return None
    coordinates = projection.coordinates
    center = projection.parts.get("center", coordinates.mean(axis=0))
    drawn = np.linalg.norm(coordinates - center, axis=1)
    ranks = [rankdata(lengths) for lengths in (drawn, distances(embeddings, sphere))]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return None
    return float(np.corrcoef(*ranks)[0, 1])
