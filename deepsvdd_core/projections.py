"""Turn embeddings and a sphere into coordinates for a map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deepsvdd_core.detectors import Sphere


def distances(embeddings: np.ndarray, sphere: Sphere) -> np.ndarray:
    """Distance of each embedding (N, d) to the centre, float64 (N,), in embedding units."""
    return np.linalg.norm(embeddings.astype(np.float64) - sphere.centers[0], axis=1)


def radial(embeddings: np.ndarray, sphere: Sphere, seed: int = 0) -> np.ndarray:
    """Coordinates (N, 2) whose distance to the origin is the true distance in units of the radius.

    The hypersphere is exactly the unit circle. The angle shows the direction from the centre, seen
    in the plane of the two strongest principal components of all directions.

    Raises:
        ValueError: when the sphere has no radius.
    """
    radius = sphere.radii[0]
    if not radius > 0:
        raise ValueError("The sphere of this model has radius 0; train it for more epochs.")
    offsets = embeddings.astype(np.float64) - sphere.centers[0]
    length = np.linalg.norm(offsets, axis=1)
    directions = offsets / np.maximum(length, 1e-12)[:, None]
    plane = pca(directions, sphere)
    angle = np.arctan2(plane[:, 1], plane[:, 0])
    return (length / radius)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def pca(embeddings: np.ndarray, sphere: Sphere, seed: int = 0) -> np.ndarray:
    """The plane (N, 2) of the two strongest principal components."""
    centered = embeddings - embeddings.mean(axis=0)
    _, _, components = np.linalg.svd(centered, full_matrices=False)
    # The sign of a component is arbitrary; fix it so that equal inputs give equal maps.
    signs = np.sign(components[np.arange(len(components)), np.abs(components).argmax(axis=1)])
    plane = centered @ (components * signs[:, None])[:2].T
    return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))


def umap(embeddings: np.ndarray, sphere: Sphere, seed: int = 0) -> np.ndarray:
    """Planar UMAP (N, 2): keeps neighbourhoods, not distances; a sphere has no image in it.

    McInnes et al., 2018. With fewer than five points it is the principal plane.
    """
    if len(embeddings) < 5:
        return pca(embeddings, sphere)
    from umap import UMAP  # imported here: it compiles for seconds

    neighbours = min(15, len(embeddings) - 1)
    mapper = UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1)
    return mapper.fit_transform(embeddings).astype(np.float64)


PROJECTIONS: dict[str, Callable[[np.ndarray, Sphere, int], np.ndarray]] = {
    "radial": radial,
    "umap": umap,
}
