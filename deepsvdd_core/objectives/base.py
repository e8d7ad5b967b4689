"""What all objectives share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from deepsvdd_core.evaluation import upper_quantile, upper_threshold
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.sphere import Centre, Sphere

Quantile = Callable[[np.ndarray, float], float]  # of values (N,), which a share may exceed


class Objective(nn.Module):
    """What training minimises and what scores images, both on their codes (N, d).

    semi_labels (N,): 0 = unlabelled, +1 = known normal, -1 = known anomaly. inputs: the
    preprocessed images (N, C, H, W), for objectives that rebuild them.
    """

    pretrains = True  # first train the encoder as an autoencoder
    needs_pretraining = False  # cannot do without
    reconstructs = False  # keep the decoder as `self.decoder`
    uses_labels = False  # learns from images that are known to be anomalous, where there are any
    needs_anomalies = False  # cannot do without them
    uses_masks = False  # `forward` also takes masks=, the anomalous pixels of images, if known
    moves_radius = False  # the radius enters the loss and follows the codes after each epoch
    warm_up = 0  # epochs before it does
    # (N,) of the training images; where there are any, `forward` takes those of a batch.
    clusters: Tensor | None = None

    def __init__(self, embedding_dim: int, experiment: Experiment) -> None:
        super().__init__()
        self.nu = experiment.nu
        self.register_buffer("threshold_score", torch.tensor(0.0, dtype=torch.float64))

    def initialise(self, codes: Tensor) -> None:
        """Look once at the codes of the training images that may be normal."""

    def take_after(self, other: Objective, kept: np.ndarray) -> None:
        """Before `initialise`: take over what is no matter of chance from another of its kind.

        other: trained already, on more images; kept (N,): places of this one's among them.
        """

    def forward(self, codes: Tensor, semi_labels: Tensor, inputs: Tensor) -> Tensor:
        """The loss of a batch."""
        raise NotImplementedError

    def anomaly_score(self, codes: Tensor, inputs: Tensor | None = None) -> Tensor:
        """(N,), higher is stranger."""
        raise NotImplementedError

    def update_radius(self, codes: Tensor, quantile: Quantile = upper_quantile) -> None:
        """Follow the codes of the training images, where there is a radius to follow.

        quantile: of squared distances; in training the closed form, in the end what decides.
        """

    def settle(self, scores: np.ndarray, codes: Tensor) -> None:
        """After training: fix the threshold so that at most nu of the training scores exceed it."""
        self.update_radius(codes, upper_threshold)
        self.threshold_score.fill_(upper_threshold(scores, self.nu))

    @property
    def threshold(self) -> float:
        """The score above which an image is called anomalous."""
        return float(self.threshold_score)

    @property
    def centre(self) -> Centre | None:
        """Where the one centre of its sphere comes from, if it is taken from codes."""
        return None

    @property
    def sphere(self) -> Sphere | None:
        """The hypersphere, where an image is called anomalous exactly when it lies outside."""
        return None
