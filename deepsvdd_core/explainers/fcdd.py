"""Show the map that a fully convolutional detector scores with (thesis section 3.1)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from deepsvdd_core.detectors import DeepDetector, Detector
from deepsvdd_core.networks import FullyConvolutional
from deepsvdd_core.objectives.classification import FCDD


def has_map(detector: Detector) -> bool:
    """Whether the score is the mean of a map of cells."""
    return (
        isinstance(detector, DeepDetector)
        and isinstance(detector.objective, FCDD)
        and isinstance(detector.encoder, FullyConvolutional)
    )


def fcdd_map(detector: Detector, images: np.ndarray) -> np.ndarray:
    """FCDD: the network's own map of anomalous cells, spread over their receptive fields.

    uint8 (N, C, H, W) to float32 (N, H, W), positive. Its mean is the score, but for what the
    fields of outer cells spread beyond the image.

    Raises:
        ValueError: the detector does not score with a map.
    """
    if not has_map(detector):
        raise ValueError(
            f"{detector.experiment.method} does not score with a map of cells, which this map "
            "shows; choose another map."
        )
    codes = torch.from_numpy(detector.embed(images)).to(detector.device)
    cells = (codes.square() + 1).sqrt() - 1
    cells = cells.reshape(len(images), *detector.encoder.map_shape)
    return spread(cells, detector.encoder, images.shape[2:]).cpu().numpy()


def spread(
    cells: Tensor, encoder: FullyConvolutional, shape: tuple[int, int], sigma: float = 1.2
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
