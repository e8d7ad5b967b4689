"""The scores of a planar map as a landscape, and the threshold as its contour."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from skimage.measure import find_contours

BANDWIDTH = 1.5  # of the local average, in cells of the grid
REACH = 2.0  # bandwidths from a single point beyond which nothing is said


class Field(NamedTuple):
    """scores (size, size) at the places y (size,) and x (size,), NaN far from any point.

    contours: polylines (M, 2) of x and y along which the averaged score equals the threshold.
    """

    x: np.ndarray
    y: np.ndarray
    scores: np.ndarray
    contours: list[np.ndarray]


def score_field(
    coordinates: np.ndarray, scores: np.ndarray, threshold: float, size: int = 60
) -> Field:
    """Local averages of the scores (N,) over a planar map (N, 2), weighted by a Gaussian.

    A guide for the eye: an average of scores, not the score of an image that would fall there.
    """
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    cell = max(float((high - low).max()), 1e-9) / (size - 1 - 2 * BANDWIDTH * REACH)
    bandwidth = BANDWIDTH * cell
    middle = (low + high) / 2
    x, y = (middle[:, None] + (np.arange(size) - (size - 1) / 2) * cell).astype(np.float64)
    near_x, near_y = (  # (size, N): a Gaussian of two dimensions is a product of two
        np.exp(-0.5 * np.square((places[:, None] - coordinates[:, axis]) / bandwidth))
        for axis, places in enumerate((x, y))
    )
    weight = near_y @ near_x.T
    known = weight >= np.exp(-0.5 * REACH**2)
    total = (near_y * scores) @ near_x.T
    averaged = np.divide(total, weight, out=np.full((size, size), np.nan), where=known)
    contours = [
        np.stack([x[0] + column * cell, y[0] + row * cell], axis=1)
        for row, column in (line.T for line in find_contours(averaged, threshold))
    ]
    return Field(x, y, averaged, contours)
