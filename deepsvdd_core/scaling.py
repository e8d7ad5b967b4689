"""Turn pixels into what networks take: contrast normalisation and scaling to [0, 1]."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

PART = 500  # images at a time: larger parts are slower on CPUs and hold more memory


def pixels_of(images: np.ndarray, device: torch.device | None = None) -> Tensor:
    """uint8 images (N, C, H, W) to float pixels in [0, 1]."""
    return torch.tensor(np.ascontiguousarray(images), device=device).float() / 255


class Preprocessing(nn.Module):
    """Scale pixels as the authors' code does: contrast normalisation, then min-max.

    The image's mean is subtracted and the result divided by its mean absolute value; then one pair
    (low, high), the extremes over all normal training images, maps the training set to [0, 1].
    Values of other images are not clipped. The constants are buffers, so a saved model is complete.
    """

    keeps_pixels = True  # one value for each value of a pixel

    def __init__(self, contrast_normalisation: bool = True) -> None:
        super().__init__()
        self.contrast_normalisation = contrast_normalisation
        self.register_buffer("low", torch.tensor(0.0))
        self.register_buffer("high", torch.tensor(1.0))

    def contrast(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and mean absolute deviation of each image, (N, 1, 1, 1); deviation 0 if constant."""
        mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
        scale = (pixels - mean).abs().mean(dim=(1, 2, 3), keepdim=True)
        # One grey level in one pixel gives a scale above 1e-6; below, only rounding is left.
        return mean, torch.where(scale > 1e-6, scale, 0.0)

    def normalise_contrast(self, pixels: Tensor) -> Tensor:
        """(N, C, H, W) pixels in [0, 1] to zero mean and mean absolute value one, per image.

        A constant image becomes all zero.
        """
        mean, scale = self.contrast(pixels)
        return torch.where(scale > 0, (pixels - mean) / scale.clamp_min(1e-6), 0.0)

    def box(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """What black and white become in each image, (N, 1, 1, 1) each; its values lie between.

        In a constant image they become what they were: 0 and 1.
        """
        black, white = (
            torch.zeros_like(pixels[:, :1, :1, :1]),
            torch.ones_like(pixels[:, :1, :1, :1]),
        )
        if not self.contrast_normalisation:
            return black, white
        mean, scale = self.contrast(pixels)
        low, high = (
            ((bound - mean) / scale.clamp_min(1e-6) - self.low) / (self.high - self.low)
            for bound in (black, white)
        )
        return torch.where(scale > 0, low, black), torch.where(scale > 0, high, white)

    def parts(self, images: np.ndarray) -> Iterator[Tensor]:
        """Pixels of the images, PART at a time."""
        for start in range(0, len(images), PART):
            yield pixels_of(images[start : start + PART], self.low.device)

    def fit(self, images: np.ndarray) -> None:
        """Take low and high from the uint8 images (N, C, H, W), the normal training images only.

        Raises:
            ValueError: all of them are constant.
        """
        if self.contrast_normalisation:
            ends = [self.normalise_contrast(part).aminmax() for part in self.parts(images)]
            self.low.copy_(torch.stack([end.min for end in ends]).min())
            self.high.copy_(torch.stack([end.max for end in ends]).max())
        if not self.high > self.low:
            raise ValueError("All training images are constant; there is nothing to learn.")

    def whole(self, images: np.ndarray) -> Tensor:
        """All uint8 images (N, C, H, W) scaled, in the memory format they are trained in."""
        scaled = torch.empty(
            images.shape, device=self.low.device, memory_format=torch.channels_last
        )
        for start, part in zip(range(0, len(images), PART), self.parts(images), strict=True):
            scaled[start : start + PART].copy_(self(part))
        return scaled

    def shown(self, relevance: Tensor, pixels: Tensor) -> Tensor:
        """Relevance of what `forward` makes of the pixels, at these pixels (N, H, W); same sum."""
        return relevance.sum(dim=1)

    def forward(self, pixels: Tensor) -> Tensor:
        if self.contrast_normalisation:
            pixels = self.normalise_contrast(pixels)
        return (pixels - self.low) / (self.high - self.low)
