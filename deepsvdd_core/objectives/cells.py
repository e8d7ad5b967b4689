"""Objectives on the map of cells of a fully convolutional network, and how cells become pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from deepsvdd_core.experiment import Experiment
from deepsvdd_core.networks import ENCODERS, FullyConvolutional
from deepsvdd_core.objectives.classification import (
    HypersphereClassifier,
    log_probability_of_anomaly,
)

RIPPLE = 1.1  # most that Gaussians alone make of a constant map, highest by lowest pixel


def strangeness(codes: Tensor) -> Tensor:
    """A = sqrt(z^2 + 1) - 1 of every cell, the pseudo-Huber loss; same shape."""
    return (codes.square() + 1).sqrt() - 1


def smooth_sigma(stride: int) -> float:
    """The smallest sigma, in pixels, whose Gaussians alone make a smooth map of a constant one.

    Equal Gaussians in all points of a row add up to 1 + 2 q cos(2 pi x / stride) at place x, with
    q = exp(-2 (pi sigma / stride)^2), but for a factor and far smaller waves. On a map, down and
    across, the highest place is to be RIPPLE times the lowest: 0.474 strides.
    """
    root = math.sqrt(RIPPLE)
    q = (root - 1) / (root + 1) / 2
    return stride / math.pi * math.sqrt(-math.log(q) / 2)


def spread(
    cells: Tensor,
    encoder: FullyConvolutional | type[FullyConvolutional],
    shape: tuple[int, int],
    sigma: float | None = None,
) -> Tensor:
    """Cells (N, h, w) to (N, *shape): each adds a Gaussian over its receptive field (thesis 3.1).

    sigma in pixels (thesis Appendix A.4); None: `smooth_sigma`. Normalised, so that a pixel is a
    weighted mean of the cells that see it: a constant map stays that constant, at borders too. What
    a field spreads beyond the border is mirrored there, so the mean of all pixels is that of all
    cells. The Gaussian is a product of one down and one across the image, so two matrices do what
    is a transposed convolution in Algorithm 1, faster.
    """
    sigma = smooth_sigma(encoder.stride) if sigma is None else sigma
    sides = zip(cells.shape[1:], shape, strict=True)
    down, across = (_bells(encoder, count, pixels, sigma).to(cells) for count, pixels in sides)
    return down @ cells @ across.T


def _bells(
    encoder: FullyConvolutional | type[FullyConvolutional], count: int, pixels: int, sigma: float
) -> Tensor:
    """(pixels, count): the share of each cell of a row in each pixel of a row; every sum is 1."""
    size, stride = encoder.receptive_field, encoder.stride
    places = torch.arange(-count, 2 * count)  # of the cells and of their mirror images
    offsets = torch.arange(pixels)[:, None] - (stride * places + (stride - 1) / 2)
    heights = -offsets.square() / (2 * sigma**2)
    shares = torch.where(offsets.abs() < size / 2, heights, -torch.inf).softmax(dim=1)
    before, inside, behind = shares.split(count, dim=1)
    return inside + before.flip(1) + behind.flip(1)


class FCDD(HypersphereClassifier):
    """Hypersphere classifier on every cell of a coarse map; the map explains (thesis 3.1).

    Codes are the cells (N, h * w) of a fully convolutional encoder.
    """

    def radial(self, codes: Tensor) -> Tensor:
        return strangeness(codes).mean(dim=1)

    @property
    def sphere(self) -> None:
        return None


class FCDDMasks(FCDD):
    """FCDD on pixels, where masks show which of them are anomalous (thesis 3.1, semi-supervised).

    The equation is that of Liznerski et al. (2021), Explainable Deep One-Class Classification. An
    anomaly without a mask is learned as by FCDD.

    Raises:
        ValueError: the network of the experiment has no map of cells.
    """

    uses_masks = True

    def __init__(self, embedding_dim: int, experiment: Experiment) -> None:
        super().__init__(embedding_dim, experiment)
        self.network = ENCODERS[experiment.encoder]
        self.sigma = experiment.upsampling_sigma
        if not issubclass(self.network, FullyConvolutional):
            raise ValueError(
                f"The network {experiment.encoder} has no map of cells, from which fcdd-masks "
                "learns; choose a network whose name begins with fcdd."
            )

    def forward(
        self, codes: Tensor, semi_labels: Tensor, inputs: Tensor, masks: Tensor | None = None
    ) -> Tensor:
        """masks (N, H, W) bool: the anomalous pixels Y; none in an image = their place is unknown.

        mean of (1 - Y) A' - log(1 - exp(-mean of Y A')), with the upsampled map A'; of a normal
        image the first term alone.
        """
        if masks is None:
            return super().forward(codes, semi_labels, inputs)
        cells = strangeness(codes).reshape(-1, *self.network.map_shape)
        pixels = spread(cells, self.network, inputs.shape[2:], self.sigma)
        outside = (pixels * ~masks).mean(dim=(1, 2))
        inside = (pixels * masks).mean(dim=(1, 2))
        anomalous, marked = semi_labels < 0, masks.any(dim=(1, 2))
        calm = torch.where(anomalous & ~marked, 0, outside)
        strange = torch.where(marked, inside, self.radial(codes))
        return (calm - torch.where(anomalous, log_probability_of_anomaly(strange), 0)).mean()
