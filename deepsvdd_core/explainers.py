"""Show which pixels make an image anomalous, on the network that scores it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import Tensor, nn

from deepsvdd_core.detectors import DeepDetector, Detector
from deepsvdd_core.networks import FullyConvolutional
from deepsvdd_core.objectives import Sphere
from deepsvdd_core.projections import nearest_sphere

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
            shift = -layer.running_mean * scale
            if layer.affine:
                scale, shift = scale * layer.weight, shift * layer.weight + layer.bias
            folded[-1] = _with_bias(folded[-1], scale.detach(), shift=shift.detach())
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

    uint8 (N, C, H, W) to float32 (N, H, W), summed over channels; of several spheres, the nearest
    one's centre counts.
    """
    sphere: Sphere = detector.sphere
    relevance = np.empty((len(images), *images.shape[2:]), np.float32)
    nearest = nearest_sphere(detector.embed(images), sphere)
    for k in np.unique(nearest):
        inputs = detector.preprocessing(detector.pixels(images[nearest == k]))
        center = torch.from_numpy(sphere.centers[k]).to(inputs)
        layers = fold(detector.encoder, center)
        relevance[nearest == k] = lrp_epsilon(layers, inputs).sum(dim=1).cpu().numpy()
    return relevance


def grad_cam(detector: DeepDetector, images: np.ndarray) -> np.ndarray:
    """Grad-CAM: where the last filters before the code fire for the score; positive, coarse.

    uint8 (N, C, H, W) to float32 (N, H, W), bilinearly enlarged (Selvaraju et al., 2017).
    """
    detector.eval()
    pixels = detector.pixels(images)
    activations = [layer for layer in detector.encoder if isinstance(layer, nn.Conv2d)]
    position = list(detector.encoder).index(activations[-1])
    follows = isinstance(detector.encoder[position + 1], nn.BatchNorm2d)
    cam = LayerGradCam(detector, detector.encoder[position + int(follows)])
    coarse = cam.attribute(pixels, relu_attributions=True)
    enlarged = LayerAttribution.interpolate(coarse, images.shape[2:], interpolate_mode="bilinear")
    return enlarged.detach().sum(dim=1).cpu().numpy()


def fcdd_map(detector: DeepDetector, images: np.ndarray) -> np.ndarray:
    """FCDD: the network's own map of anomalous cells, spread over their receptive fields.

    uint8 (N, C, H, W) to float32 (N, H, W), positive.
    """
    codes = torch.from_numpy(detector.embed(images)).to(detector.device)
    cells = (codes.square() + 1).sqrt() - 1
    cells = cells.reshape(len(images), *detector.encoder.map_shape)
    return spread(cells, detector.encoder, images.shape[2:]).cpu().numpy()


def spread(
    cells: Tensor, encoder: FullyConvolutional, shape: tuple[int, int], sigma: float = 1.2
) -> Tensor:
    """Cells (N, h, w) to (N, *shape): each adds a Gaussian over its receptive field (thesis 3.1).

    A fixed transposed convolution; sigma in pixels, 1.2 for small images as in the authors' code.
    """
    size, stride = encoder.receptive_field, encoder.stride
    offsets = torch.arange(size, device=cells.device) - (size - 1) / 2
    bell = torch.exp(-offsets.square() / (2 * sigma**2))
    kernel = (bell[:, None] * bell) / bell.sum() ** 2
    full = nn.functional.conv_transpose2d(cells[:, None], kernel[None, None].float(), stride=stride)
    # The first field begins (size - stride) / 2 pixels outside of the image.
    begin = (size - stride) // 2
    return full[:, 0, begin : begin + shape[0], begin : begin + shape[1]]


EXPLAINERS: dict[str, Callable[[DeepDetector, np.ndarray], np.ndarray]] = {
    "LRP": lrp,
    "FCDD": fcdd_map,
    "Grad-CAM": grad_cam,
}


def supported(detector: Detector) -> list[str]:
    """Names of the explainers that apply to a detector; none but for deep ones.

    LRP needs the squared distance to a centre, the FCDD map a fully convolutional network.
    """
    if not isinstance(detector, DeepDetector):
        return []
    if isinstance(detector.encoder, FullyConvolutional):
        return ["FCDD", "Grad-CAM"]
    return ["Grad-CAM"] if detector.sphere is None else ["LRP", "Grad-CAM"]


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
