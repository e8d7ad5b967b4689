"""Marks a detector might learn instead of the subject, to be planted in training images.

Each takes an image (H, W) in [0, 1], one channel of it, a random generator and how opaque it is.
"""

from __future__ import annotations

import numpy as np

Generator = np.random.Generator


def tag(image: np.ndarray, rng: Generator, opacity: float) -> np.ndarray:
    """A white square in the upper left corner, a seventh of the side."""
    side = max(2, min(image.shape) // 7)
    marked = np.zeros(image.shape, bool)
    marked[1 : 1 + side, 1 : 1 + side] = True
    return _whiten(image, marked, opacity)


def border(image: np.ndarray, rng: Generator, opacity: float) -> np.ndarray:
    """A white line around the image."""
    width = max(1, min(image.shape) // 28)
    marked = np.ones(image.shape, bool)
    marked[width:-width, width:-width] = False
    return _whiten(image, marked, opacity)


def upright(image: np.ndarray, rng: Generator, opacity: float) -> np.ndarray:
    """A white stripe from top to bottom, near the right edge."""
    width = max(1, image.shape[1] // 14)
    marked = np.zeros(image.shape, bool)
    marked[:, -2 * width : -width] = True
    return _whiten(image, marked, opacity)


def watermark(image: np.ndarray, rng: Generator, opacity: float) -> np.ndarray:
    """Faint slanted lines over all of the image."""
    rows, columns = np.indices(image.shape)
    return _whiten(image, (rows + columns) % max(4, image.shape[1] // 4) == 0, opacity)


def gaussian_noise(image: np.ndarray, rng: Generator, deviation: float) -> np.ndarray:
    """Every pixel off by a normal random number."""
    return image + rng.normal(0, deviation, image.shape)


def _whiten(image: np.ndarray, marked: np.ndarray, opacity: float) -> np.ndarray:
    return np.where(marked, (1 - opacity) * image + opacity, image)
