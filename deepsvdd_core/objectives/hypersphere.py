"""Objectives that enclose the codes of normal images in one or several hyperspheres."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from deepsvdd_core.clustering import centroids, cluster
from deepsvdd_core.evaluation import upper_quantile
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.objectives.base import Objective, Quantile
from deepsvdd_core.sphere import Centre, Sphere

LEAST = 0.1  # size of a centre's coordinate


def signs(center: Tensor) -> Tensor:
    """0.1 or -0.1 in place of every coordinate."""
    return torch.where(center < 0, -LEAST, LEAST)


def away_from_zero(center: Tensor) -> Tensor:
    """No coordinate closer to 0 than 0.1.

    A centre coordinate of 0 could be reached by zero weights (thesis Proposition 1).
    """
    return torch.where(center.abs() < LEAST, signs(center), center)


CENTRES = {"signs": signs, "codes": away_from_zero}  # by `Experiment.centre_rule`


def enclosing_radius(squared_distances: Tensor, nu: float, quantile: Quantile) -> Tensor:
    """A radius that leaves at most nu of the points outside; by `upper_quantile` the smallest."""
    squared = quantile(squared_distances.cpu().numpy(), nu)
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
        self.centre_rule = experiment.centre_rule

    def initialise(self, codes: Tensor) -> None:
        self.center.copy_(self.middle_of(codes))
        self.update_radius(codes)

    def middle_of(self, codes: Tensor) -> Tensor:
        """The centre (d,) by the rule of the experiment, from the codes (N, d) before training."""
        return CENTRES[self.centre_rule](codes.mean(dim=0))

    @property
    def centre(self) -> Centre | None:
        # In float32, as the file has it.
        is_replaced = self.center.abs() == self.center.new_tensor(LEAST)
        return Centre(self.centre_rule, float(is_replaced.double().mean()))

    def squared_distance(self, codes: Tensor) -> Tensor:
        """To the centre, (N,)."""
        return (codes - self.center).square().sum(dim=1)

    def forward(self, codes: Tensor, semi_labels: Tensor, inputs: Tensor) -> Tensor:
        return self.squared_distance(codes).mean()

    def anomaly_score(self, codes: Tensor, inputs: Tensor | None = None) -> Tensor:
        """(N,) in squared embedding units; equation 2.12 squared."""
        return self.squared_distance(codes)

    def update_radius(self, codes: Tensor, quantile: Quantile = upper_quantile) -> None:
        squared = self.squared_distance(codes.double())
        self.radius.copy_(enclosing_radius(squared, self.nu, quantile))

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

    most_centers: int
    centre = None

    def __init__(self, embedding_dim: int, experiment: Experiment) -> None:
        super().__init__(embedding_dim, experiment)
        self.register_buffer("center", torch.zeros(1, embedding_dim))
        self.register_buffer("radius", torch.zeros(1, dtype=torch.float64))

    def squared_distances(self, codes: Tensor) -> Tensor:
        """To every centre, (N, K)."""
        exact = "donot_use_mm_for_euclid_dist"
        return torch.cdist(codes, self.center.to(codes.dtype), compute_mode=exact).square()

    @property
    def sphere(self) -> Sphere:
        return Sphere(self.center.cpu().numpy(), self.radius.cpu().numpy(), self.score_of_distance)

    def _load_from_state_dict(self, state: dict, prefix: str, *rest: object) -> None:
        # The number of spheres is known only to the file; all else is as this objective has it.
        count = len(state[prefix + "center"])
        if not 1 <= count <= self.most_centers:
            raise IndexError(f"{count} centers")
        self.center = self.center.new_empty(count, self.center.shape[1])
        self.radius = self.radius.new_empty(count)
        super()._load_from_state_dict(state, prefix, *rest)


class MultiSphere(SeveralSpheres):
    """A soft-boundary sphere for each cluster (Multi Radius Deep One-Class Classification, 3.2).

    Three phases, its Algorithm 1: pre-training as an autoencoder; FINCH on these codes, which gives
    every training image its cluster for good and every cluster its centre, the mean of its codes;
    then each cluster is pulled into a sphere of its own. The loss is the mean over clusters of the
    squared radius and 1/nu times the mean distance outside. With one cluster it is the
    soft-boundary objective. An image counts as outside when it lies outside all spheres.
    """

    score_of_distance = "beyond"
    needs_pretraining = True
    moves_radius = True
    warm_up = SoftBoundary.warm_up
    most_centers = 10
    labels: np.ndarray | None = None  # (N,) cluster of every training image
    keeps_labels = False  # another objective gave them

    def take_after(self, other: MultiSphere, kept: np.ndarray) -> None:
        """Its clusters: FINCH finds others as soon as a few images are missing."""
        self.labels = np.unique(other.labels[kept], return_inverse=True)[1]
        self.keeps_labels = True

    def initialise(self, codes: Tensor) -> None:
        points = codes.double().cpu().numpy()
        if not self.keeps_labels:
            self.labels = cluster(points, most_clusters=self.most_centers, smallest_share=self.nu)
        labels = self.labels
        centers = torch.from_numpy(centroids(points, labels)).to(codes)
        self.center = self.middle_of(codes)[None] if len(centers) == 1 else centers
        self.radius = torch.zeros(len(centers), dtype=torch.float64, device=codes.device)
        self.clusters = torch.from_numpy(labels).to(codes.device)

    def anomaly_score(self, codes: Tensor, inputs: Tensor | None = None) -> Tensor:
        """(N,): the smallest squared distance beyond a sphere's surface."""
        return self.beyond(codes).amin(dim=1)

    def beyond(self, codes: Tensor) -> Tensor:
        """Squared distance beyond the surface of every sphere, (N, K)."""
        return self.squared_distances(codes) - self.radius.square()

    def own_squared_distance(self, codes: Tensor, clusters: Tensor) -> Tensor:
        """(N,), to the centre of each one's own cluster."""
        return (codes - self.center.to(codes.dtype)[clusters]).square().sum(dim=1)

    def forward(
        self, codes: Tensor, semi_labels: Tensor, inputs: Tensor, clusters: Tensor
    ) -> Tensor:
        """The loss of a batch; clusters it has no image of do not count. clusters: (N,)."""
        squared_radii = self.radius.square()
        squared = self.own_squared_distance(codes, clusters)
        outside = (squared - squared_radii[clusters]).clamp_min(0)
        counts = torch.bincount(clusters, minlength=len(self.radius))
        sums = torch.zeros_like(squared_radii).index_add(0, clusters, outside)
        there = counts > 0
        return (squared_radii[there] + sums[there] / counts[there] / self.nu).mean()

    def update_radius(self, codes: Tensor, quantile: Quantile = upper_quantile) -> None:
        """codes (N, d): of the images that `initialise` saw, in the same order."""
        squared = self.own_squared_distance(codes.double(), self.clusters)
        for k in range(len(self.radius)):
            self.radius[k] = enclosing_radius(squared[self.clusters == k], self.nu, quantile)

    def settle(self, scores: np.ndarray, codes: Tensor) -> None:
        """Radii for good, without the spheres that no training image is nearest to."""
        super().settle(scores, codes)
        kept = torch.unique(self.beyond(codes.double()).argmin(dim=1))
        self.center, self.radius = self.center[kept], self.radius[kept]
        self.clusters = None

    @property
    def threshold(self) -> float:
        return 0.0
