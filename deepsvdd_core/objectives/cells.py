"""Objectives on the map of cells of a fully convolutional network, and how cells become pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from deepsvdd_core.experiment import Experiment
from deepsvdd_core.networks import ENCODERS, FullyConvolutional
from deepsvdd_core.objectives.classification import (
    HypersphereClassifier,
    log_probability_of_anomaly,
)


def strangeness(codes: Tensor) -> Tensor:
    """A = sqrt(z^2 + 1) - 1 of every cell, the pseudo-Huber loss; same shape."""
    return (codes.square() + 1).sqrt() - 1


def spread(
    cells: Tensor,
    encoder: FullyConvolutional | type[FullyConvolutional],
    shape: tuple[int, int],
    sigma: float = 1.2,
) -> Tensor:
    """Cells (N, h, w) to (N, *shape): each adds a Gaussian over its receptive field (thesis 3.1).

    The mean is kept: a cell becomes as many pixels' worth as lie between it and the next. sigma in
    pixels, 1.2 for small images as in the authors' code. The Gaussian is a product of one down and
    one across the image, so two matrices do what is a transposed convolution there, faster.
    """
    sides = zip(cells.shape[1:], shape, strict=True)
    down, across = (_bells(encoder, count, pixels, sigma).to(cells) for count, pixels in sides)
    return down @ cells @ across.T


def _bells(
    encoder: FullyConvolutional | type[FullyConvolutional], count: int, pixels: int, sigma: float
) -> Tensor:
    """(pixels, count): what one in each cell of a row adds to the pixels of a row."""
    size, stride = encoder.receptive_field, encoder.stride
    field = torch.arange(size) - (size - 1) / 2
    middles = stride * torch.arange(count) + (stride - 1) / 2
    offsets = torch.arange(pixels)[:, None] - middles
    bells = torch.exp(-offsets.square() / (2 * sigma**2))
    whole = torch.exp(-field.square() / (2 * sigma**2)).sum()
    return torch.where(offsets.abs() < size / 2, bells * stride / whole, 0)


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
        pixels = spread(cells, self.network, inputs.shape[2:])
        outside = (pixels * ~masks).mean(dim=(1, 2))
        inside = (pixels * masks).mean(dim=(1, 2))
        anomalous, marked = semi_labels < 0, masks.any(dim=(1, 2))
        calm = torch.where(anomalous & ~marked, 0, outside)
        strange = torch.where(marked, inside, self.radial(codes))
        return (calm - torch.where(anomalous, log_probability_of_anomaly(strange), 0)).mean()
