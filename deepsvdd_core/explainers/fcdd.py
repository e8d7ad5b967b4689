"""Show the map that a fully convolutional detector scores with (thesis section 3.1)."""

from __future__ import annotations

import numpy as np
import torch

from deepsvdd_core.detectors import DeepDetector, Detector
from deepsvdd_core.networks import FullyConvolutional
from deepsvdd_core.objectives.cells import FCDD, spread, strangeness


def has_map(detector: Detector) -> bool:
    """Whether the score is the mean of a map of cells."""
    return (
        isinstance(detector, DeepDetector)
        and isinstance(detector.objective, FCDD)
        and isinstance(detector.encoder, FullyConvolutional)
    )


def fcdd_map(detector: Detector, images: np.ndarray) -> np.ndarray:
    """FCDD: the network's own map of anomalous cells, spread over their receptive fields.

    uint8 (N, C, H, W) to float32 (N, H, W), positive. Its mean is the score. The experiment's
    `upsampling_sigma` says how far each cell is spread.

    Raises:
        ValueError: the detector does not score with a map.
    """
    if not has_map(detector):
        raise ValueError(
            f"{detector.experiment.method} does not score with a map of cells, which this map "
            "shows; choose another map."
        )
    codes = torch.from_numpy(detector.embed(images)).to(detector.device)
    cells = strangeness(codes).reshape(len(images), *detector.encoder.map_shape)
    sigma = detector.experiment.upsampling_sigma
    return spread(cells, detector.encoder, images.shape[2:], sigma).cpu().numpy()
