"""Objectives that learn from known anomalies, most often from another data set."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from deepsvdd_core.experiment import Experiment
from deepsvdd_core.objectives.base import Objective
from deepsvdd_core.sphere import Sphere


def log_probability_of_anomaly(radial: Tensor) -> Tensor:
    """log(1 - exp(-h)), exact for small and large h."""
    return torch.log(-torch.expm1(-radial.clamp_min(1e-9)))


class HypersphereClassifier(Objective):
    """Cross-entropy with a radial score: normal codes to the origin, anomalies away (thesis 2.20).

    The radial function is the pseudo-Huber norm, the best of thesis Appendix A.2.
    """

    pretrains = False
    uses_labels = True
    needs_anomalies = True
    score_of_distance = "huber"

    def __init__(self, embedding_dim: int, experiment: Experiment) -> None:
        super().__init__(embedding_dim, experiment)
        self.embedding_dim = embedding_dim

    def radial(self, codes: Tensor) -> Tensor:
        """h(z) = sqrt(|z|^2 + 1) - 1, written so that small norms lose no digits."""
        squared = codes.square().sum(dim=1)
        return squared / ((squared + 1).sqrt() + 1)

    def forward(self, codes: Tensor, semi_labels: Tensor, inputs: Tensor) -> Tensor:
        radial = self.radial(codes)
        return torch.where(semi_labels < 0, -log_probability_of_anomaly(radial), radial).mean()

    def anomaly_score(self, codes: Tensor, inputs: Tensor | None = None) -> Tensor:
        """h itself: the probability 1 - exp(-h) would round to 1 for many."""
        return self.radial(codes)

    @property
    def sphere(self) -> Sphere:
        """Its radius is the distance of the threshold."""
        center = np.zeros((1, self.embedding_dim), np.float32)
        sphere = Sphere(center, np.zeros(1), self.score_of_distance)
        return sphere._replace(radii=sphere.radii_at(self.threshold))


class HypersphereClassifierL1(HypersphereClassifier):
    """Hypersphere classifier with the L1 norm; its ball is no sphere."""

    def radial(self, codes: Tensor) -> Tensor:
        return codes.abs().sum(dim=1)

    @property
    def sphere(self) -> None:
        return None


class HypersphereClassifierL2(HypersphereClassifier):
    """Hypersphere classifier with the L2 norm."""

    score_of_distance = "norm"

    def radial(self, codes: Tensor) -> Tensor:
        return torch.linalg.vector_norm(codes, dim=1)


class HypersphereClassifierSquared(HypersphereClassifier):
    """Hypersphere classifier with the squared L2 norm."""

    score_of_distance = "squared"

    def radial(self, codes: Tensor) -> Tensor:
        return codes.square().sum(dim=1)


class Supervised(Objective):
    """Binary cross-entropy of known anomalies against everything else."""

    pretrains = False
    uses_labels = True
    needs_anomalies = True

    def __init__(self, embedding_dim: int, experiment: Experiment) -> None:
        super().__init__(embedding_dim, experiment)
        self.head = nn.Linear(embedding_dim, 1)

    def anomaly_score(self, codes: Tensor, inputs: Tensor | None = None) -> Tensor:
        """The logit of being anomalous."""
        weight, bias = self.head.weight.to(codes.dtype), self.head.bias.to(codes.dtype)
        return (codes @ weight.T + bias).squeeze(1)

    def forward(self, codes: Tensor, semi_labels: Tensor, inputs: Tensor) -> Tensor:
        truth = (semi_labels < 0).to(codes.dtype)
        return nn.functional.binary_cross_entropy_with_logits(self.anomaly_score(codes), truth)
