"""Turn embeddings and a sphere into coordinates for a map, and say how far to trust them."""

from __future__ import annotations

from collections.abc import Callable

from deepsvdd_core.projections.base import Projection, pca
from deepsvdd_core.projections.field import Field, score_field
from deepsvdd_core.projections.frames import Frames, frames
from deepsvdd_core.projections.placing import place_by_angle, place_in_plane, place_on_sphere
from deepsvdd_core.projections.radial import radial
from deepsvdd_core.projections.trust import Trust, trust
from deepsvdd_core.projections.umaps import spherical, umap
from deepsvdd_core.sphere import distances, nearest_sphere

__all__ = [
    "PLACES",
    "PROJECTIONS",
    "Field",
    "Frames",
    "Projection",
    "Trust",
    "distances",
    "frames",
    "nearest_sphere",
    "pca",
    "radial",
    "score_field",
    "spherical",
    "trust",
    "umap",
]

# Each takes (embeddings, sphere or None, seed, progress=..., on_step=...).
PROJECTIONS: dict[str, Callable[..., Projection]] = {
    "radial": radial,
    "sphere": spherical,
    "umap": umap,
}

# Where new embeddings fall on a map; each takes (new, embeddings, projection, sphere or None).
PLACES: dict[str, Callable] = {
    "radial": place_by_angle,
    "sphere": place_on_sphere,
    "umap": place_in_plane,
}
