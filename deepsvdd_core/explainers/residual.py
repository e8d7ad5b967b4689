"""Show what a model could not rebuild: squared errors, which sum to the score as they are."""

from __future__ import annotations

import numpy as np
import torch

from deepsvdd_core.detectors import DeepDetector, Detector
from deepsvdd_core.detectors.shallow import ShallowDetector
from deepsvdd_core.estimators import Reconstruction as ComponentReconstruction
from deepsvdd_core.explainers.lrp import Ledger
from deepsvdd_core.objectives.reconstruction import Reconstruction
from deepsvdd_core.training import SCORING_BATCH


def rebuilds(detector: Detector) -> bool:
    """Whether the score is a squared error in the space of images."""
    if isinstance(detector, ShallowDetector):
        pixels = detector.experiment.features == "pixels"
        return pixels and isinstance(detector.estimator, ComponentReconstruction)
    return isinstance(detector, DeepDetector) and isinstance(detector.objective, Reconstruction)


def residual(detector: Detector, images: np.ndarray) -> np.ndarray:
    """Residual: squared error of each pixel of the rebuilt image; they sum to the score.

    uint8 (N, C, H, W) to float32 (N, H, W), summed over channels; of the preprocessed image for an
    autoencoder, of pixels in [0, 1] for PCA.

    Raises:
        ValueError: the detector does not score by what it cannot rebuild.
    """
    if not rebuilds(detector):
        raise ValueError(
            f"{detector.experiment.method} does not score by what it cannot rebuild, which this "
            "map shows; choose another map."
        )
    if isinstance(detector, ShallowDetector):
        centered = detector.embed(images).astype(np.float64) - detector.estimator.mean_
        directions = detector.estimator.directions_
        errors = np.square(centered - centered @ directions.T @ directions)
        return errors.reshape(images.shape).sum(axis=1).astype(np.float32)
    detector.eval()
    maps = [np.empty((0, *images.shape[2:]), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(images), SCORING_BATCH):
            inputs = detector.preprocessing(detector.pixels(images[start : start + SCORING_BATCH]))
            rebuilt = detector.objective.decoder(detector.encoder(inputs))
            maps.append((rebuilt - inputs).square().sum(dim=1).cpu().numpy())
    return np.concatenate(maps)


def residual_ledger(detector: Detector, images: np.ndarray) -> Ledger:
    """Nothing is left over."""
    return Ledger(detector.anomaly_score(images), {})
