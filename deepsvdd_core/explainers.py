"""Show which pixels make an image anomalous, on the network that scores it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import Tensor, nn

from deepsvdd_core.detectors import DeepDetector

EPSILON = 1e-9


def fold(encoder: nn.Sequential, center: Tensor) -> list[nn.Module]:
    """Layers that compute encoder(x) - center, with batch norm and centre folded into biases.

    Without folding the centre, relevance would be divided by activations that have nothing to do
    with the distance, and explode.
    """
    folded: list[nn.Module] = []
    for layer in encoder:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            folded.append(_with_bias(layer, torch.ones(len(layer.weight), device=center.device)))
        elif isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
            scale = (layer.running_var + layer.eps).rsqrt()
            folded[-1] = _with_bias(folded[-1], scale, shift=-layer.running_mean * scale)
        else:
            folded.append(layer)
    folded[-1] = _with_bias(folded[-1], torch.ones_like(center), shift=-center)
    return folded


def lrp_epsilon(layers: list[nn.Module], inputs: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Relevance of every input value for the squared norm of the layers' output.

    Layer-wise relevance propagation of the neuralised model (thesis section 4.3; Kauffmann et al.,
    2020): the squared distance starts it, one rule per layer carries it back. inputs and result
    (N, C, H, W); the result is in score units, positive = pushes towards anomalous.
    """
    activations = [inputs.detach()]
    with torch.no_grad():
        for layer in layers:
            activations.append(layer(activations[-1]))
    relevance = activations[-1].square()
    for layer, activation in zip(reversed(layers), reversed(activations[:-1]), strict=True):
        if isinstance(layer, nn.LeakyReLU):
            continue  # an activation function passes relevance on unchanged
        activation = activation.requires_grad_()
        output = layer(activation)
        if isinstance(layer, nn.Conv2d | nn.Linear):
            share = relevance / (output + epsilon * torch.where(output < 0, -1.0, 1.0)).detach()
            (gradient,) = torch.autograd.grad(output, activation, share)
            relevance = activation.detach() * gradient
        else:  # pooling gives all to the winner, flattening only changes the shape
            (relevance,) = torch.autograd.grad(output, activation, relevance)
    return relevance


def lrp(detector: DeepDetector, images: np.ndarray) -> np.ndarray:
    """LRP: signed share of each pixel of the normalised image in the squared distance.

    uint8 (N, C, H, W) to float32 (N, H, W), summed over channels.
    """
    detector.eval()
    inputs = detector.preprocessing(detector.pixels(images))
    layers = fold(detector.encoder, detector.objective.center)
    return lrp_epsilon(layers, inputs).sum(dim=1).cpu().numpy()


def grad_cam(detector: DeepDetector, images: np.ndarray) -> np.ndarray:
    """Grad-CAM: where the last filters before the code fire for the score; positive, coarse.

    uint8 (N, C, H, W) to float32 (N, H, W), bilinearly enlarged (Selvaraju et al., 2017).
    """
    detector.eval()
    pixels = detector.pixels(images)
    activations = [layer for layer in detector.encoder if isinstance(layer, nn.Conv2d)]
    position = list(detector.encoder).index(activations[-1]) + 2  # conv, batch norm, leaky ReLU
    cam = LayerGradCam(detector, detector.encoder[position])
    coarse = cam.attribute(pixels, relu_attributions=True)
    enlarged = LayerAttribution.interpolate(coarse, images.shape[2:], interpolate_mode="bilinear")
    return enlarged.detach().sum(dim=1).cpu().numpy()


EXPLAINERS: dict[str, Callable[[DeepDetector, np.ndarray], np.ndarray]] = {
    "LRP": lrp,
    "Grad-CAM": grad_cam,
}


def _with_bias(layer: nn.Module, scale: Tensor, shift: Tensor | None = None) -> nn.Module:
    """A copy of a convolution or linear layer whose output is scaled and shifted per channel."""
    weight = layer.weight.detach() * scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
    bias = (0 if layer.bias is None else layer.bias.detach()) * scale
    bias = bias if shift is None else bias + shift
    if isinstance(layer, nn.Conv2d):
        copy = nn.Conv2d(
            layer.in_channels, layer.out_channels, layer.kernel_size, padding=layer.padding
        )
    else:
        copy = nn.Linear(layer.in_features, layer.out_features)
    copy.weight = nn.Parameter(weight, requires_grad=False)
    copy.bias = nn.Parameter(bias, requires_grad=False)
    return copy
