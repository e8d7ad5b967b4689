"""Rules that hand the relevance of a layer's outputs to its inputs, one function each.

A rule takes the layer, its inputs x, outputs z, their relevance R, and the box the inputs lie in;
it gives the relevance of the inputs and what the layer's constants, bias and stabiliser, took (N,).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-9  # keeps divisions from failing; too small to be seen in a map
GAMMA = 0.25  # how much the gamma rule favours contributions that agree with the output

Box = tuple[Tensor, Tensor]  # least and greatest input value, (N, 1, 1, 1) each


class Affine(NamedTuple):
    """A convolution or linear layer as plain tensors: z = W x + b."""

    weight: Tensor
    bias: Tensor  # (output channels,)
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()

    @classmethod
    def of(cls, layer: nn.Conv2d | nn.Linear) -> Self:
        """A layer without gradients."""
        weight = layer.weight.detach()
        bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach()
        if isinstance(layer, nn.Linear):
            return cls(weight, bias)
        return cls(weight, bias, layer.stride, layer.padding)

    @property
    def is_convolution(self) -> bool:
        return self.weight.ndim == 4

    @property
    def kind(self) -> str:
        """For people to read."""
        return "convolution" if self.is_convolution else "linear layer"

    def scaled(self, scale: Tensor, shift: Tensor) -> Affine:
        """Followed by a factor and a constant per output channel."""
        weight = self.weight * scale.reshape(-1, *[1] * (self.weight.ndim - 1))
        return self._replace(weight=weight, bias=self.bias * scale + shift)

    def __call__(self, x: Tensor) -> Tensor:
        return self.product(x, self.weight, self.bias)

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """W x + b for another weight and bias of the same shape."""
        if self.is_convolution:
            return functional.conv2d(x, weight, bias, self.stride, self.padding)
        return functional.linear(x, weight, bias)

    def transposed(self, share: Tensor, weight: Tensor, x: Tensor) -> Tensor:
        """W^T s in the shape of the inputs x."""
        if self.is_convolution:
            return nn.grad.conv2d_input(x.shape, weight, share, self.stride, self.padding)
        return share @ weight


Rule = Callable[[Affine, Tensor, Tensor, Tensor, Box | None], tuple[Tensor, Tensor]]


def stabiliser(z: Tensor) -> Tensor:
    """Moves a denominator away from zero."""
    return torch.copysign(z.new_tensor(EPSILON), z)


def total(values: Tensor) -> Tensor:
    """(N, ...) to (N,)."""
    return values.sum(dim=tuple(range(1, values.ndim)))


def epsilon(
    layer: Affine, x: Tensor, z: Tensor, relevance: Tensor, box: Box | None
) -> tuple[Tensor, Tensor]:
    """R_i = x_i Σ_k w_ik R_k / z_k."""
    push = stabiliser(z)
    share = relevance / (z + push)
    taken = by_channel(share) @ layer.bias + total(share * push)
    return x * layer.transposed(share, layer.weight, x), taken


def by_channel(share: Tensor) -> Tensor:
    """(N, C) of (N, C, H, W), or of what is so already."""
    return share.sum(dim=(2, 3)) if share.ndim == 4 else share


def gamma(
    layer: Affine, x: Tensor, z: Tensor, relevance: Tensor, box: Box | None
) -> tuple[Tensor, Tensor]:
    """As epsilon, with contributions of the sign of z_k, bias included, taken 1 + γ times.

    The generalised form: inputs may be negative, as they are after a leaky ReLU.
    """
    up, down = layer.weight.clamp_min(0), layer.weight.clamp_max(0)
    above, below = x.clamp_min(0), x.clamp_max(0)
    rising = layer.product(above, up, layer.bias.clamp_min(0)) + layer.product(below, down)
    falling = z - rising  # all contributions are in one of the two
    favoured = z + GAMMA * torch.where(z > 0, rising, falling)
    push = stabiliser(favoured)
    share = relevance / (favoured + push)
    positive = torch.where(z > 0, share, 0)
    negative = share - positive

    def back(share: Tensor, weight: Tensor) -> Tensor:
        return layer.transposed(share, weight, x)

    carried = above * (back(positive, up) + back(negative, down))
    carried += below * (back(positive, down) + back(negative, up))
    carried = x * back(share, layer.weight) + GAMMA * carried
    taken = by_channel(positive) @ (layer.bias + GAMMA * layer.bias.clamp_min(0))
    taken += by_channel(negative) @ (layer.bias + GAMMA * layer.bias.clamp_max(0))
    return carried, taken + total(share * push)


def z_plus(
    layer: Affine, x: Tensor, z: Tensor, relevance: Tensor, box: Box | None
) -> tuple[Tensor, Tensor]:
    """Only positive contributions count, and no bias.

    Near random on distances, whose parts have both signs: here to be told apart from good rules.
    """
    up, down = layer.weight.clamp_min(0), layer.weight.clamp_max(0)
    return _without_bias(layer, (x.clamp_min(0), up), (x.clamp_max(0), down), relevance)


def z_box(
    layer: Affine, x: Tensor, z: Tensor, relevance: Tensor, box: Box
) -> tuple[Tensor, Tensor]:
    """Pixels in [l, h]: contributions (x - l) w⁺ + (x - h) w⁻, none negative; no bias counts."""
    up, down = layer.weight.clamp_min(0), layer.weight.clamp_max(0)
    above, below = x - box[0], x - box[1]
    return _without_bias(layer, (above, up), (below, down), relevance)


def squared_weights(
    layer: Affine, x: Tensor, z: Tensor, relevance: Tensor, box: Box | None
) -> tuple[Tensor, Tensor]:
    """w² rule: in proportion to the squared weight, whatever the input."""
    return _by_weight(layer, layer.weight.square(), x, relevance)


def flat(
    layer: Affine, x: Tensor, z: Tensor, relevance: Tensor, box: Box | None
) -> tuple[Tensor, Tensor]:
    """The same to every input."""
    return _by_weight(layer, torch.ones_like(layer.weight), x, relevance)


def _without_bias(
    layer: Affine, rising: tuple[Tensor, Tensor], falling: tuple[Tensor, Tensor], relevance: Tensor
) -> tuple[Tensor, Tensor]:
    """In proportion to two products of inputs and weights, neither of which is negative."""
    share = relevance / (layer.product(*rising) + layer.product(*falling) + EPSILON)
    carried = [x * layer.transposed(share, weight, x) for x, weight in (rising, falling)]
    return carried[0] + carried[1], EPSILON * total(share)


def _by_weight(
    layer: Affine, weight: Tensor, x: Tensor, relevance: Tensor
) -> tuple[Tensor, Tensor]:
    share = relevance / layer.product(torch.ones_like(x[:1]), weight).clamp_min(EPSILON)
    return layer.transposed(share, weight, x), relevance.new_zeros(len(x))
