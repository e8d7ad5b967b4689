"""Turn embeddings into a loss and an anomaly score; own the hypersphere's centre and radius."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepsvdd_core.evaluation import upper_quantile


class OneClass(nn.Module):
    """Pull every embedding towards a fixed centre (thesis equation 2.11).

    The radius does not enter the loss: it is the distance that a share of `nu` of the training
    embeddings exceeds.
    """

    warm_up = 0  # epochs before the radius follows the embeddings

    def __init__(self, embedding_dim: int, nu: float) -> None:
        super().__init__()
        if not 0 < nu <= 1:
            raise ValueError(f"nu must lie in (0, 1], got {nu}")
        self.nu = nu
        self.register_buffer("center", torch.zeros(embedding_dim))
        self.register_buffer("radius", torch.tensor(0.0, dtype=torch.float64))

    def initialise(self, embeddings: Tensor) -> None:
        """Put the centre at the mean embedding (N, d), no coordinate closer to 0 than 0.1."""
        center = embeddings.mean(dim=0)
        # A centre coordinate of 0 could be reached by zero weights (thesis Proposition 1).
        near_zero = center.abs() < 0.1
        center[near_zero] = torch.where(center[near_zero] < 0, -0.1, 0.1)
        self.center.copy_(center)
        self.update_radius(embeddings)

    def squared_distance(self, embeddings: Tensor) -> Tensor:
        return (embeddings - self.center).square().sum(dim=1)

    def forward(self, embeddings: Tensor, semi_labels: Tensor) -> Tensor:
        return self.squared_distance(embeddings).mean()

    def anomaly_score(self, embeddings: Tensor) -> Tensor:
        """(N, d) to (N,), in squared embedding units; equation 2.12 squared."""
        return self.squared_distance(embeddings)

    def update_radius(self, embeddings: Tensor) -> None:
        """Solve for the radius on all training embeddings: at most nu of them stay outside."""
        squared = self.squared_distance(embeddings.double()).cpu().numpy()
        radius = torch.tensor(upper_quantile(squared, self.nu)).sqrt()
        self.radius.copy_(torch.nextafter(radius, torch.tensor(torch.inf)))  # its image is inside

    @property
    def threshold(self) -> float:
        """The score on the sphere's surface; higher is anomalous."""
        return float(self.radius.square())


class SoftBoundary(OneClass):
    """Shrink a sphere that may leave a share of nu outside (thesis equation 2.10).

    Radius and weights are optimised in turn: the radius by its closed form after every epoch that
    follows a warm-up, the weights by gradient steps in between.
    """

    warm_up = 10  # epochs with radius 0, but never more than half of all

    def initialise(self, embeddings: Tensor) -> None:
        super().initialise(embeddings)
        self.radius.zero_()

    def forward(self, embeddings: Tensor, semi_labels: Tensor) -> Tensor:
        outside = (self.squared_distance(embeddings) - self.radius.square()).clamp_min(0)
        return self.radius.square() + outside.mean() / self.nu

    def anomaly_score(self, embeddings: Tensor) -> Tensor:
        """(N, d) to (N,): positive outside the sphere, negative inside."""
        return self.squared_distance(embeddings) - self.radius.square()

    @property
    def threshold(self) -> float:
        return 0.0


OBJECTIVES: dict[str, type[OneClass]] = {
    "one-class": OneClass,
    "soft-boundary": SoftBoundary,
}
