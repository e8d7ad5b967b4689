"""A distance on the sphere for UMAP to lay points out with; slow to import, as it compiles."""

import numba
import numpy as np

RADIUS = 5.0
MIDDLE = 5.0  # of the box, 0 to 10 in each coordinate, into which UMAP puts its start


@numba.njit(fastmath=True)
def chord(one: np.ndarray, other: np.ndarray) -> tuple[float, np.ndarray]:
    """Length of the chord between two directions (3,) on a sphere, and its gradient by the first.

    UMAP moves points freely; only their direction from the middle of its box counts.
    """
    dot = 0.0
    length_one = 1e-18
    length_other = 1e-18
    for i in range(3):
        dot += (one[i] - MIDDLE) * (other[i] - MIDDLE)
        length_one += (one[i] - MIDDLE) ** 2
        length_other += (other[i] - MIDDLE) ** 2
    length_one = np.sqrt(length_one)
    length_other = np.sqrt(length_other)
    cosine = dot / (length_one * length_other)
    unit_chord = np.sqrt(max(2.0 - 2.0 * cosine, 1e-12))
    gradient = np.empty(3)
    for i in range(3):
        towards = (other[i] - MIDDLE) / length_other - cosine * (one[i] - MIDDLE) / length_one
        gradient[i] = -RADIUS * towards / (unit_chord * length_one)
    return RADIUS * unit_chord, gradient
