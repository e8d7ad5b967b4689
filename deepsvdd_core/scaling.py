"""Turn pixels into what networks take: contrast normalisation and scaling to [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Preprocessing(nn.Module):
    """Scale pixels as the authors' code does: contrast normalisation, then min-max.

    The image's mean is subtracted and the result divided by its mean absolute value; then one pair
    (low, high), the extremes over all normal training images, maps the training set to [0, 1].
    Values of other images are not clipped. The constants are buffers, so a saved model is complete.
    """

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

    def fit(self, pixels: Tensor) -> None:
        """Take low and high from the normal training images only."""
        if self.contrast_normalisation:
            normalised = self.normalise_contrast(pixels)
            self.low.copy_(normalised.min())
            self.high.copy_(normalised.max())
        if not self.high > self.low:
            raise ValueError("All training images are constant; there is nothing to learn.")

    def forward(self, pixels: Tensor) -> Tensor:
        if self.contrast_normalisation:
            pixels = self.normalise_contrast(pixels)
        return (pixels - self.low) / (self.high - self.low)
