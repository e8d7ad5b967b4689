"""Distances that know what is rounding: the batch and the processor decide it, so it is no number.

A float64 carries 1e-16 of itself, a sum of thousands some 1e-14. What a difference leaves below
these shares of the vectors it comes from is 0.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors

OF_LENGTH = 1e-12  # of a difference taken by coordinate
OF_SQUARES = 1e-13  # of |a|² + |b|² - 2ab


def lengths(differences: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(N,) of differences (N, d) between vectors of these sizes (N,); 0 below rounding."""
    found = np.linalg.norm(differences, axis=1)
    return np.where(found < OF_LENGTH * sizes, 0.0, found)


def squared_distances(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """(N, M) between A (N, d) and B (M, d); 0 below rounding."""
    middle = B.mean(axis=0)  # far from the origin there is more to round
    A, B = A - middle, B - middle
    sizes = np.square(A).sum(axis=1)[:, None] + np.square(B).sum(axis=1)
    squared = euclidean_distances(A, B, squared=True)
    return np.where(squared < OF_SQUARES * sizes, 0.0, squared)


class Neighbours:
    """The nearest of the vectors (N, d), with distances taken by coordinate: copies have 0."""

    def __init__(self, vectors: np.ndarray, count: int) -> None:
        self.vectors, self.count = vectors, count
        self.index = NearestNeighbors(n_neighbors=count).fit(vectors)

    def __call__(self, Z: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Rows and distances (M, count) of those near Z (M, d); None: near each but itself."""
        rows = self.index.kneighbors(Z, return_distance=False)
        Z = self.vectors if Z is None else Z
        sizes = np.linalg.norm(Z, axis=1)
        found = [lengths(Z - self.vectors[nth], sizes) for nth in rows.T]
        return rows, np.stack(found, axis=1)
