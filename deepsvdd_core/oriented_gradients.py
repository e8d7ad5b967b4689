"""Histograms of oriented gradients: images to features by fixed formulas, without weights.

After Dalal and Triggs (2005), with soft borders: a pixel's gradient counts in the two nearest of
eight directions, and cells four pixels apart see the pixels through a Gaussian window.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from deepsvdd_core.scaling import Preprocessing, pixels_of

DIRECTIONS = 8  # over the full circle: from dark to bright is not from bright to dark
BLUR = {1: 0.7, 3: 1.0}  # standard deviation in pixels, of grey and of colour images
WINDOW = 1.5  # the same, of what a cell sees
STRIDE = 4  # pixels between cells
SMALLEST = 1e-6  # in units of white, added to the sum of all histograms of an image
LEVELS = 255.0  # pixels become whole numbers, so that brightness leaves their differences exact
LUMINANCE = {1: (1.0,), 3: (299.0, 587.0, 114.0)}  # of grey; of red, green and blue
FLOOR = 1e-3  # gradient, in units of white, that a map takes every pixel to have at least


@functools.lru_cache(maxsize=16)
def filters(side: int, channels: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Along a side of n pixels: blur (n, n), central differences (n, n), cells (c, n).

    Borders are mirrored; the difference of the outermost pixels is one-sided. Of colours it is 0:
    photographs go on beyond their borders.
    """
    same = np.eye(side)
    slope = np.gradient(same, axis=0) if side > 1 else np.zeros((1, 1))
    if channels > 1:
        slope[[0, -1]] = 0
    first = min(STRIDE // 2, (side - 1) // 2)
    blur = gaussian_filter1d(same, BLUR[channels], axis=0)
    return blur, slope, gaussian_filter1d(same, WINDOW, axis=0)[first::STRIDE]


class OrientedGradients(Preprocessing):
    """Pixels in [0, 1] (N, 1 or 3, H, W) to histograms (N, 8, rows, columns) of non-negative roots.

    Rows and columns of cells lie four pixels apart: 7 x 7 for 28 x 28 pixels, 8 x 8 for 32 x 32.
    Colours count by their luminance, blurred a little more: photographs are noisier than drawings.
    All histograms of an image together are divided by their sum, so their squares sum to one, and a
    constant image has zeros. Differentiable; nothing is learned.
    """

    keeps_pixels = False

    def fit(self, images: np.ndarray) -> None:
        """Nothing is learned from the images, uint8 (N, C, H, W).

        Raises:
            ValueError: all of them are constant.
        """
        if not any(bool(self(part).any()) for part in self.parts(images)):
            raise ValueError("All training images are constant; there is nothing to learn.")

    def pixels(self, images: np.ndarray) -> Tensor:
        """uint8 images (N, C, H, W) to pixels in [0, 1]."""
        return pixels_of(images, self.low.device)

    def whole(self, images: np.ndarray) -> Tensor:
        """The histograms of all uint8 images (N, C, H, W)."""
        with torch.no_grad():
            parts = [self(part) for part in self.parts(images)]
            return torch.cat(parts) if parts else self(self.pixels(images))

    def box(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the greatest value of a histogram, (1,) each."""
        return pixels.new_zeros(1), pixels.new_ones(1)

    def forward(self, pixels: Tensor) -> Tensor:
        rows, columns = self._along(pixels, 2)
        counts = rows @ self.oriented(pixels) @ columns.T
        shares = counts / (counts.sum(dim=(1, 2, 3), keepdim=True) + SMALLEST)
        is_some = shares > 0  # the root has no gradient at 0
        return torch.where(is_some, torch.where(is_some, shares, 1.0).sqrt(), 0.0)

    def oriented(self, pixels: Tensor) -> Tensor:
        """Length of every pixel's gradient, shared by its two nearest directions (N, 8, H, W).

        The first direction is that of growing brightness to the right, the third downwards.
        """
        weights = pixels.new_tensor(LUMINANCE[pixels.shape[1]]).reshape(-1, 1, 1)
        levels = (pixels * LEVELS * weights).sum(dim=1)
        white = LEVELS * float(weights.sum())
        (blur_rows, blur_columns), (slope_rows, slope_columns) = (
            self._along(pixels, which) for which in (0, 1)
        )
        across = blur_rows @ (levels @ slope_columns.T) @ blur_columns.T / white
        down = blur_rows @ (slope_rows @ levels) @ blur_columns.T / white
        squared = across.square() + down.square()
        is_flat = squared == 0
        length = torch.where(is_flat, 1.0, squared).sqrt()
        angle = torch.atan2(down, torch.where(is_flat, 1.0, across))
        places = torch.arange(DIRECTIONS, device=pixels.device, dtype=pixels.dtype)
        half = DIRECTIONS / 2
        turns = angle[:, None] * (half / math.pi) - places.reshape(-1, 1, 1)
        distance = (torch.remainder(turns + half, DIRECTIONS) - half).abs()
        shares = (1 - distance).clamp_min(0)
        return torch.where(is_flat, 0.0, length)[:, None] * shares

    def shown(self, relevance: Tensor, pixels: Tensor) -> Tensor:
        """Relevance of the histograms (N, 8, rows, columns) at the pixels, (N, H, W); same sum.

        A count is a sum over pixels, so each gets its share of it (LRP's rule for inputs that are
        not negative). What is relevant because a direction is missing has next to no such pixels:
        every pixel is taken to have a little gradient in all directions, `FLOOR`.
        """
        rows, columns = (matrix.to(relevance) for matrix in self._along(pixels, 2))
        parts = self.oriented(pixels).to(relevance) + FLOOR
        per_count = relevance / (rows @ parts @ columns.T)
        return (parts * (rows.T @ per_count @ columns)).sum(dim=1)

    def _along(self, pixels: Tensor, which: int) -> tuple[Tensor, Tensor]:
        """One kind of `filters` for rows and for columns."""
        channels = pixels.shape[1]
        return tuple(
            torch.tensor(filters(side, channels)[which], dtype=pixels.dtype, device=pixels.device)
            for side in pixels.shape[2:]
        )
