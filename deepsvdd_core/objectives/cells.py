"""Objectives on the map of cells of a fully convolutional network, and how cells become pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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

    A fixed transposed convolution that keeps the mean: a cell becomes as many pixels' worth as lie
    between it and the next. sigma in pixels, 1.2 for small images as in the authors' code.
    """
    size, stride = encoder.receptive_field, encoder.stride
    offsets = torch.arange(size, device=cells.device) - (size - 1) / 2
    bell = torch.exp(-offsets.square() / (2 * sigma**2))
    bell = bell * stride / bell.sum()
    kernel = (bell[:, None] * bell).float()[None, None]
    full = nn.functional.conv_transpose2d(cells[:, None], kernel, stride=stride)
    # The first field begins (size - stride) / 2 pixels outside of the image.
    begin = (size - stride) // 2
    return full[:, 0, begin : begin + shape[0], begin : begin + shape[1]]


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
