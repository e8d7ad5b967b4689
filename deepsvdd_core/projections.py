"""Turn embeddings and a sphere into coordinates for a map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deepsvdd_core.objectives import Sphere


def nearest_sphere(embeddings: np.ndarray, sphere: Sphere) -> np.ndarray:
    """(N,) int: the sphere whose surface each embedding (N, d) lies farthest inside of.

    That is the smallest squared distance to the centre minus squared radius.
    """
    squared = np.stack([np.square(_offsets(embeddings, c)).sum(axis=1) for c in sphere.centers])
    return (squared - np.square(sphere.radii)[:, None]).argmin(axis=0)


def distances(embeddings: np.ndarray, sphere: Sphere) -> np.ndarray:
    """Distance of each embedding to the centre of its nearest sphere, float64 (N,)."""
    centers = sphere.centers[nearest_sphere(embeddings, sphere)]
    return np.linalg.norm(_offsets(embeddings, centers), axis=1)


def radial(embeddings: np.ndarray, sphere: Sphere, seed: int = 0) -> np.ndarray:
    """Coordinates (N, 2) whose distance to the origin is the true distance in units of the radius.

    The hypersphere is exactly the unit circle; of several, the nearest one counts. The angle shows
    the direction from the centre, seen in the plane of the two strongest principal components of
    all directions.

    Raises:
        ValueError: when a sphere has no radius.
    """
    if not (sphere.radii > 0).all():
        raise ValueError("The sphere of this model has radius 0; train it for more epochs.")
    nearest = nearest_sphere(embeddings, sphere)
    offsets = _offsets(embeddings, sphere.centers[nearest])
    length = np.linalg.norm(offsets, axis=1)
    directions = offsets / np.maximum(length, 1e-12)[:, None]
    plane = pca(directions, sphere)
    angle = np.arctan2(plane[:, 1], plane[:, 0])
    units = length / sphere.radii[nearest]
    return units[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def pca(embeddings: np.ndarray, sphere: Sphere | None, seed: int = 0) -> np.ndarray:
    """The plane (N, 2) of the two strongest principal components."""
    centered = embeddings - embeddings.mean(axis=0)
    _, _, components = np.linalg.svd(centered, full_matrices=False)
    # The sign of a component is arbitrary; fix it so that equal inputs give equal maps.
    signs = np.sign(components[np.arange(len(components)), np.abs(components).argmax(axis=1)])
    plane = centered @ (components * signs[:, None])[:2].T
    return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))


def umap(embeddings: np.ndarray, sphere: Sphere | None, seed: int = 0) -> np.ndarray:
    """Planar UMAP (N, 2): keeps neighbourhoods, not distances; a sphere has no image in it.

    McInnes et al., 2018. With fewer than five points it is the principal plane.
    """
    if len(embeddings) < 5:
        return pca(embeddings, sphere)
    from umap import UMAP  # imported here: it compiles for seconds

    neighbours = min(15, len(embeddings) - 1)
    mapper = UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1)
    return mapper.fit_transform(embeddings).astype(np.float64)


def _offsets(embeddings: np.ndarray, centers: np.ndarray) -> np.ndarray:
    return embeddings.astype(np.float64) - centers


PROJECTIONS: dict[str, Callable[[np.ndarray, Sphere | None, int], np.ndarray]] = {
    "radial": radial,
    "umap": umap,
}
