"""Neuralise a deep detector: its score as pooled squared distances (thesis Figure 4.4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from deepsvdd_core.detectors import DeepDetector, Detector
from deepsvdd_core.objectives.cells import FCDD
from deepsvdd_core.objectives.classification import HypersphereClassifier, HypersphereClassifierL1
from deepsvdd_core.objectives.hypersphere import MultiSphere, OneClass, SoftBoundary
from deepsvdd_core.objectives.reconstruction import Hybrid

# Of two centres, one that is farther by a tenth of the squared distance counts e times less.
STIFFNESS = 10.0


class Head(NamedTuple):
    """What the codes z (N, d) start with.

    explained (N,): the relevance of all codes together. share (N, d): of a code, per unit of it, so
    that z times share is its relevance. absorbed (N,): what the constant centres take of
    `explained`. offset (N,): the score minus `explained`.
    """

    explained: Tensor
    share: Tensor
    absorbed: Tensor
    offset: Tensor


def of_distances(objective: OneClass, codes: Tensor) -> Head:
    """Squared distances to the centres, pooled by a soft minimum of what lies beyond the radii.

    Explained are the distances, Σ_k p_k |z - c_k|²; radii are offsets. Scaling relevance to a score
    that is negative inside of the sphere would turn the sign of every pixel.
    """
    centers = objective.center.to(codes).reshape(-1, codes.shape[1])  # (K, d)
    offsets = codes[:, None] - centers  # (N, K, d)
    squared = offsets.square().sum(dim=2)
    has_radii = isinstance(objective, SoftBoundary | MultiSphere)
    radii = objective.radius.to(codes).reshape(-1) if has_radii else codes.new_zeros(1)
    beyond = squared - radii.square()
    score, winner = beyond.min(dim=1)
    scale = squared.gather(1, winner[:, None]).clamp_min(1e-12)
    pooling = torch.softmax(-STIFFNESS * (beyond - score[:, None]) / scale, dim=1)  # (N, K)
    explained = (pooling * squared).sum(dim=1)
    share = (pooling[:, :, None] * offsets).sum(dim=1)
    absorbed = -(pooling[:, :, None] * offsets * centers).sum(dim=(1, 2))
    return Head(explained, share, absorbed, score - explained)


def of_norm(objective: HypersphereClassifier, codes: Tensor) -> Head:
    """A radial score h(z), shared in proportion to the squares: z_k² h / |z|², sum h.

    A function of the norm alone passes relevance on. The L1 norm is shared as it is summed.
    """
    score = objective.radial(codes)
    if isinstance(objective, HypersphereClassifierL1):
        share = codes.sign()
    else:
        share = codes * (score / codes.square().sum(dim=1).clamp_min(1e-12))[:, None]
    nothing = torch.zeros_like(score)
    return Head(score, share, nothing, nothing)


def has_distance(detector: Detector) -> bool:
    """Whether the score is a distance to one or several centres, or a norm."""
    if not isinstance(detector, DeepDetector):
        return False
    objective = detector.objective
    radial = isinstance(objective, HypersphereClassifier) and not isinstance(objective, FCDD)
    return radial or (isinstance(objective, OneClass) and not isinstance(objective, Hybrid))


def head_of(detector: Detector) -> Callable[[Tensor], Head]:
    """Codes (N, d) to their head.

    Raises:
        ValueError: the score of the detector is no distance.
    """
    if not has_distance(detector):
        raise ValueError(
            f"{detector.experiment.method} does not score by a network's distance to a centre, "
            "which this map explains; choose another map."
        )
    head = of_norm if isinstance(detector.objective, HypersphereClassifier) else of_distances
    return partial(head, detector.objective)
