"""Layer-wise relevance propagation: the distance starts it, one rule per layer carries it down.

Pure functions of a folded copy of the weights: nothing is hooked into the model, so that threads
may share it (thesis section 4.4.2; Kauffmann et al., 2020; Montavon et al., 2019).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from deepsvdd_core.detectors import DeepDetector, Detector
from deepsvdd_core.explainers.heads import Head, head_of
from deepsvdd_core.explainers.rules import (
    Affine,
    Box,
    Rule,
    epsilon,
    flat,
    gamma,
    squared_weights,
    z_box,
    z_plus,
)

BATCH = 250  # images whose activations are held at once


class Composite(NamedTuple):
    """The rule of the layer that sees the pixels, of all other convolutions, of linear layers."""

    first: Rule
    convolution: Rule
    linear: Rule


RULES: dict[str, Composite] = {
    "LRP-eps": Composite(epsilon, epsilon, epsilon),
    "LRP-gamma/ZBox": Composite(z_box, gamma, epsilon),
    "LRP-gamma/w²": Composite(squared_weights, gamma, epsilon),
    "LRP-plus/flat": Composite(flat, z_plus, epsilon),
}


class Ledger(NamedTuple):
    """The account of a map: its sum and all entries together are the score.

    explained (N,): the part of the score that is given to the network to distribute. entries, (N,)
    each: what the constants of a layer took, and what separates that part from the score.
    """

    explained: np.ndarray
    entries: dict[str, np.ndarray]

    @property
    def total(self) -> np.ndarray:
        """(N,): what did not reach the pixels."""
        return sum(self.entries.values(), np.zeros(len(self.explained)))


def fold(encoder: nn.Sequential) -> list[Affine | nn.Module]:
    """Layers that compute the encoder in evaluation mode, with batch norm in weights and biases.

    Raises:
        ValueError: a layer is of a kind that has no rule.
    """
    folded: list[Affine | nn.Module] = []
    for layer in encoder:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            folded.append(Affine.of(layer))
        elif isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
            scale = (layer.running_var + layer.eps).rsqrt()
            shift = -layer.running_mean * scale
            if layer.affine:
                scale, shift = scale * layer.weight, shift * layer.weight + layer.bias
            folded[-1] = folded[-1].scaled(scale.detach(), shift.detach())
        elif isinstance(layer, nn.MaxPool2d | nn.LeakyReLU | nn.ReLU | nn.Flatten):
            folded.append(layer)
        else:
            raise ValueError(f"LRP has no rule for {type(layer).__name__}; choose another map.")
    return folded


def propagate(
    layers: list[Affine | nn.Module],
    inputs: Tensor,
    head: Callable[[Tensor], Head],
    rules: Composite,
    box: Box | None = None,
) -> tuple[Tensor, Head, dict[str, Tensor]]:
    """Relevance (N, C, H, W) of the inputs, the head, and what each layer's constants took, (N,).

    head: codes (N, d) to what they start with. box: the least and greatest value an input may have.
    """
    with torch.no_grad():
        below, winners = [inputs], {}
        for number, layer in enumerate(layers):
            if isinstance(layer, nn.MaxPool2d):
                output, winners[number] = functional.max_pool2d(
                    below[-1], layer.kernel_size, layer.stride, return_indices=True
                )
            else:
                output = layer(below[-1])
            below.append(output)
        top = head(below[-1])
        # The centre is a constant of the last layer: relevance d² of a distance d = z - c leaves
        # z d to the code z. Giving the code all of d² and then dividing by z would explode.
        relevance, taken = below[-1] * top.share, {"centre": top.absorbed}
        affine = [n for n, layer in enumerate(layers) if isinstance(layer, Affine)]
        for number in reversed(range(len(layers))):
            layer, activation = layers[number], below[number]
            if isinstance(layer, Affine):
                rule = rules.convolution if layer.is_convolution else rules.linear
                rule = rules.first if number == affine[0] else rule
                relevance, lost = rule(layer, activation, below[number + 1], relevance, box)
                taken[f"{layer.kind} {affine.index(number) + 1}"] = lost
            elif isinstance(layer, nn.MaxPool2d):  # the winner takes all
                relevance = functional.max_unpool2d(
                    relevance, winners[number], layer.kernel_size, layer.stride,
                    output_size=activation.shape[2:],
                )  # fmt: skip
            else:  # an activation function passes relevance on, flattening only changes the shape
                relevance = relevance.reshape(activation.shape)
    return relevance, top, taken


def explain(
    detector: DeepDetector,
    images: np.ndarray,
    rule: str,
    head: Callable[[Tensor], Head] | None = None,
) -> tuple[np.ndarray, Ledger]:
    """float32 map (N, H, W), summed over channels, and its ledger.

    The relevance of each value of the preprocessed image, shown at the pixels it comes from. head:
    what the codes start with, else what the objective of the detector says.

    Raises:
        ValueError: the detector measures no distance, or its network has a layer without a rule.
    """
    head = head or head_of(detector)
    detector.eval()
    layers = fold(detector.encoder)
    maps = [np.empty((0, *images.shape[2:]), np.float32)]
    explained, entries = [np.empty(0)], []
    for start in range(0, len(images), BATCH):
        pixels = detector.pixels(images[start : start + BATCH])
        inputs, box = detector.preprocessing(pixels), detector.preprocessing.box(pixels)
        relevance, top, taken = propagate(layers, inputs, head, RULES[rule], box)
        shown = detector.preprocessing.shown(relevance.double(), pixels)
        maps.append(shown.float().cpu().numpy())
        explained.append(top.explained.double().cpu().numpy())
        entries.append({**taken, "radius and pooling": top.offset})
    columns = {
        name: np.concatenate([part[name].double().cpu().numpy() for part in entries])
        for name in (entries[0] if entries else ())
    }
    return np.concatenate(maps), Ledger(np.concatenate(explained), columns)


def lrp_ledger(detector: Detector, images: np.ndarray, rule: str) -> Ledger:
    """What the map of this rule leaves to the constants of each layer; see `Ledger`."""
    return explain(detector, images, rule)[1]


def lrp_epsilon(detector: Detector, images: np.ndarray) -> np.ndarray:
    """LRP-eps: signed share of each pixel in the score; half of value times gradient."""
    return explain(detector, images, "LRP-eps")[0]


def lrp_gamma(detector: Detector, images: np.ndarray) -> np.ndarray:
    """LRP-gamma/ZBox: as LRP-eps, but favours what agrees; black pixels can be relevant, too."""
    return explain(detector, images, "LRP-gamma/ZBox")[0]


LEDGERS = {rule: partial(lrp_ledger, rule=rule) for rule in RULES}
