"""All kinds of detectors under one contract; `build` and `load` find the right one."""

from __future__ import annotations

from pathlib import Path

from deepsvdd_core import library
from deepsvdd_core.detectors.base import (
    CALIBRATING,
    Detector,
    check_images,
    check_numbers,
    look_up,
)
from deepsvdd_core.detectors.deep import DeepDetector
from deepsvdd_core.detectors.generative import VAE, AnoGAN, RealNVP
from deepsvdd_core.detectors.shallow import ShallowDetector
from deepsvdd_core.experiment import Experiment

__all__ = [
    "CALIBRATING",
    "DETECTORS",
    "DeepDetector",
    "Detector",
    "build",
    "check_images",
    "check_numbers",
    "load",
]

DETECTORS: dict[str, type[Detector]] = {
    "deep": DeepDetector,
    "shallow": ShallowDetector,
    "anogan": AnoGAN,
    "vae": VAE,
    "real-nvp": RealNVP,
}


def build(experiment: Experiment) -> Detector:
    """A detector that is not fitted yet. Raises ValueError for an unknown kind."""
    return look_up(DETECTORS, experiment.detector, "detector")(experiment)


def load(path: Path) -> Detector:
    """Read a model file of any kind. Raises ValueError with one sentence when it is not one."""
    kind = library.read(path).header["detector"]
    return look_up(DETECTORS, kind, "detector").load(path)
