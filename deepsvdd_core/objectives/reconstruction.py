"""Objectives that rebuild the image from its code."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from deepsvdd_core.clustering import centroids, cluster
from deepsvdd_core.evaluation import upper_quantile
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.objectives.base import Objective, Quantile
from deepsvdd_core.objectives.hypersphere import (
    OneClass,
    SeveralSpheres,
    enclosing_radius,
)


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


class MultiCenter(SeveralSpheres):
    """Train as the hybrid objective, then enclose the codes in many spheres of one radius.

    The reconstruction error is to keep apart what the pull to one centre would bring together. The
    spheres lie around the clusters of the finest partition FINCH finds among the trained codes.
    """

    reconstructs = True
    most_centers = 2_000

    def __init__(self, embedding_dim: int, experiment: Experiment) -> None:
        super().__init__(embedding_dim, experiment)
        self.reconstruction_weight = experiment.reconstruction_weight
        self.register_buffer("middle", torch.zeros(embedding_dim))

    def initialise(self, codes: Tensor) -> None:
        self.middle.copy_(self.middle_of(codes))
        self.find_spheres(codes)

    def find_spheres(self, codes: Tensor) -> None:
        """Centres (K, d) among codes (N, d)."""
        points = codes.double().cpu().numpy()
        labels = cluster(points, most_clusters=self.most_centers, fewest_points=1, finest=True)
        centers = centroids(points, labels)
        self.center = torch.tensor(centers, dtype=codes.dtype, device=codes.device)
        self.radius = torch.zeros(len(centers), dtype=torch.float64, device=codes.device)

    def forward(self, codes: Tensor, semi_labels: Tensor, inputs: Tensor) -> Tensor:
        squared = (codes - self.middle).square().sum(dim=1)
        return (squared + self.reconstruction_weight * squared_error(self, codes, inputs)).mean()

    def anomaly_score(self, codes: Tensor, inputs: Tensor | None = None) -> Tensor:
        """(N,): squared distance to the nearest centre."""
        return self.squared_distances(codes).amin(dim=1)

    def settle(self, scores: np.ndarray, codes: Tensor) -> None:
        self.find_spheres(codes)
        super().settle(scores, codes)

    def update_radius(self, codes: Tensor, quantile: Quantile = upper_quantile) -> None:
        squared = self.anomaly_score(codes.double())
        self.radius.fill_(enclosing_radius(squared, self.nu, quantile))

    @property
    def threshold(self) -> float:
        return float(self.radius[0].square())
