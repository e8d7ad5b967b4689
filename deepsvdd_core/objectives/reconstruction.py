"""Objectives that rebuild the image from its code."""

from __future__ import annotations

from torch import Tensor

from deepsvdd_core.experiment import Experiment
from deepsvdd_core.objectives.base import Objective
from deepsvdd_core.objectives.hypersphere import OneClass


def squared_error(objective: Objective, codes: Tensor, inputs: Tensor) -> Tensor:
    """(N,): squared error of the rebuilt images, summed over pixels."""
    rebuilt = objective.decoder(codes.to(inputs.dtype))
    return (rebuilt - inputs).square().sum(dim=(1, 2, 3)).to(codes.dtype)


class Reconstruction(Objective):
    """An autoencoder; what it cannot rebuild is strange."""

    reconstructs = True

    def forward(self, codes: Tensor, semi_labels: Tensor, inputs: Tensor) -> Tensor:
        return squared_error(self, codes, inputs).mean()

    def anomaly_score(self, codes: Tensor, inputs: Tensor | None = None) -> Tensor:
        """(N,) squared error in units of the preprocessed image."""
        return squared_error(self, codes, inputs)


class Hybrid(OneClass):
    """One-class distance plus a share of the reconstruction error, in loss and in score."""

    reconstructs = True

    def __init__(self, embedding_dim: int, experiment: Experiment) -> None:
        super().__init__(embedding_dim, experiment)
        self.reconstruction_weight = experiment.reconstruction_weight

    def forward(self, codes: Tensor, semi_labels: Tensor, inputs: Tensor) -> Tensor:
        return self.anomaly_score(codes, inputs).mean()

    def anomaly_score(self, codes: Tensor, inputs: Tensor | None = None) -> Tensor:
        """(N,): squared distance + weight * squared error."""
        error = squared_error(self, codes, inputs)
        return self.squared_distance(codes) + self.reconstruction_weight * error

    @property
    def threshold(self) -> float:
        return float(self.threshold_score)

    @property
    def sphere(self) -> None:
        return None
