"""Objectives that enclose the codes of normal images in one or several hyperspheres."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from deepsvdd_core.clustering import cluster_centers
from deepsvdd_core.evaluation import upper_quantile
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.objectives.base import Objective
from deepsvdd_core.sphere import Sphere


def away_from_zero(center: Tensor) -> Tensor:
    """No coordinate closer to 0 than 0.1.

    A centre coordinate of 0 could be reached by zero weights (thesis Proposition 1).
    """
    nearest = torch.where(center < 0, -0.1, 0.1)
    return torch.where(center.abs() < 0.1, nearest, center)


def enclosing_radius(squared_distances: Tensor, nu: float) -> Tensor:
    """The smallest radius that leaves at most nu of the points outside."""
    squared = upper_quantile(squared_distances.cpu().numpy(), nu)
    radius = torch.tensor(squared, dtype=torch.float64).sqrt()
    return torch.nextafter(radius, torch.tensor(torch.inf))  # the point on the surface is inside


class OneClass(Objective):
    """Pull every code towards a fixed centre (thesis equation 2.11).

    The radius does not enter the loss: it is the distance that a share of `nu` of the training
    codes exceeds.
    """

    score_of_distance = "squared"

    def __init__(self, embedding_dim: int, experiment: Experiment) -> None:
        super().__init__(embedding_dim, experiment)
        self.register_buffer("center", torch.zeros(embedding_dim))
        self.register_buffer("radius", torch.tensor(0.0, dtype=torch.float64))

    def initialise(self, codes: Tensor) -> None:
        self.center.copy_(away_from_zero(codes.mean(dim=0)))
        self.update_radius(codes)

    def squared_distance(self, codes: Tensor) -> Tensor:
        """To the centre, (N,)."""
        return (codes - self.center).square().sum(dim=1)

    def forward(self, codes: Tensor, semi_labels: Tensor, inputs: Tensor) -> Tensor:
        return self.squared_distance(codes).mean()

    def anomaly_score(self, codes: Tensor, inputs: Tensor | None = None) -> Tensor:
        """(N,) in squared embedding units; equation 2.12 squared."""
        return self.squared_distance(codes)

    def update_radius(self, codes: Tensor) -> None:
        self.radius.copy_(enclosing_radius(self.squared_distance(codes.double()), self.nu))

    @property
    def threshold(self) -> float:
        return float(self.radius.square())

    @property
    def sphere(self) -> Sphere:
        return Sphere(
            self.center.cpu().numpy()[None], np.array([float(self.radius)]), self.score_of_distance
        )


class SoftBoundary(OneClass):
    """Shrink a sphere that may leave a share of nu outside (thesis equation 2.10).

    Radius and weights are optimised in turn: the radius by its closed form after every epoch that
    follows a warm-up, the weights by gradient steps in between.
    """

    score_of_distance = "beyond"
    moves_radius = True
    warm_up = 10  # epochs with radius 0, but never more than half of all

    def initialise(self, codes: Tensor) -> None:
        super().initialise(codes)
        self.radius.zero_()

    def forward(self, codes: Tensor, semi_labels: Tensor, inputs: Tensor) -> Tensor:
        outside = (self.squared_distance(codes) - self.radius.square()).clamp_min(0)
        return self.radius.square() + outside.mean() / self.nu

    def anomaly_score(self, codes: Tensor, inputs: Tensor | None = None) -> Tensor:
        """(N,): positive outside the sphere, negative inside."""
        return self.squared_distance(codes) - self.radius.square()

    @property
    def threshold(self) -> float:
        return 0.0


class DeepSAD(OneClass):
    """One-class, and push known anomalies away from the centre (thesis equation 2.13)."""

    uses_labels = True

    def __init__(self, embedding_dim: int, experiment: Experiment) -> None:
        super().__init__(embedding_dim, experiment)
        self.labelled_weight = experiment.labelled_weight

    def forward(self, codes: Tensor, semi_labels: Tensor, inputs: Tensor) -> Tensor:
        distance = self.squared_distance(codes)
        labelled = self.labelled_weight * (distance + 1e-6) ** semi_labels.to(distance.dtype)
        return torch.where(semi_labels == 0, distance, labelled).mean()


class SeveralSpheres(OneClass):
    """Base: a centre and a radius for each of several clusters of the codes."""

    def __init__(self, embedding_dim: int, experiment: Experiment) -> None:
        super().__init__(embedding_dim, experiment)
        self.register_buffer("center", torch.zeros(1, embedding_dim))
        self.register_buffer("radius", torch.zeros(1, dtype=torch.float64))

    def find_centers(self, codes: np.ndarray) -> np.ndarray:
        """(K, d) from codes (N, d)."""
        raise NotImplementedError

    def initialise(self, codes: Tensor) -> None:
        centers = self.find_centers(codes.double().cpu().numpy())
        self.center = away_from_zero(torch.tensor(centers, dtype=codes.dtype, device=codes.device))
        self.radius = torch.zeros(len(centers), dtype=torch.float64, device=codes.device)

    def squared_distances(self, codes: Tensor) -> Tensor:
        """To every centre, (N, K)."""
        exact = "donot_use_mm_for_euclid_dist"
        return torch.cdist(codes, self.center.to(codes.dtype), compute_mode=exact).square()

    @property
    def sphere(self) -> Sphere:
        return Sphere(self.center.cpu().numpy(), self.radius.cpu().numpy(), self.score_of_distance)

    def _load_from_state_dict(self, state: dict, prefix: str, *rest: object) -> None:
        # The number of spheres is known only to the file.
        for name in ("center", "radius"):
            stored = state[prefix + name]
            setattr(self, name, torch.empty_like(stored, device=self.radius.device))
        super()._load_from_state_dict(state, prefix, *rest)


class MultiSphere(SeveralSpheres):
    """One soft-boundary sphere per cluster of the pre-trained codes, found by FINCH.

    The mean of the squared radii, and 1/nu times the mean distance outside the nearest sphere. With
    one cluster it is the soft-boundary objective.
    """

    score_of_distance = "beyond"
    moves_radius = True
    warm_up = SoftBoundary.warm_up
    most_spheres = 10

    def find_centers(self, codes: np.ndarray) -> np.ndarray:
        """Of the coarsest partition."""
        return cluster_centers(codes, most_clusters=self.most_spheres, smallest_share=self.nu)

    def anomaly_score(self, codes: Tensor, inputs: Tensor | None = None) -> Tensor:
        """(N,): the smallest squared distance beyond a sphere's surface."""
        return (self.squared_distances(codes) - self.radius.square()).amin(dim=1)

    def forward(self, codes: Tensor, semi_labels: Tensor, inputs: Tensor) -> Tensor:
        outside = self.anomaly_score(codes).clamp_min(0)
        return self.radius.square().mean() + outside.mean() / self.nu

    def update_radius(self, codes: Tensor) -> None:
        squared, nearest = self.squared_distances(codes.double()).min(dim=1)
        for k in range(len(self.radius)):
            if (nearest == k).any():
                self.radius[k] = enclosing_radius(squared[nearest == k], self.nu)

    @property
    def threshold(self) -> float:
        return 0.0
