"""Maps from gradients and from covering parts, by captum, on the network that scores.

Gradients are taken at the preprocessed image and shown at its pixels: contrast normalisation would
hide every difference between an image and a constant reference. Where a method compares, it
compares with reference images, or else with an image without contrast.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable

import numpy as np
import torch
from captum.attr import (
    GradientShap,
    IntegratedGradients,
    LayerAttribution,
    LayerGradCam,
    Occlusion,
    Saliency,
)
from torch import Tensor, nn

from deepsvdd_core.detectors import DeepDetector, Detector
from deepsvdd_core.explainers.lrp import Ledger

STEPS = (50, 200, 800)  # of the path from the reference to the image, until its sum is right
MOST_MISSED = 0.02  # by that sum, of the score or of its rise
DRAWS = 50  # random references and places on the way from them
WINDOW, STRIDE = 4, 2  # pixels, of what is covered
AT_ONCE = 500  # images the network sees at once
_random_state = threading.Lock()  # captum draws from NumPy's one global generator


def has_gradient(detector: Detector) -> bool:
    """Whether the score is a network's, differentiable down to the image."""
    return isinstance(detector, DeepDetector)


def saliency(detector: Detector, images: np.ndarray) -> np.ndarray:
    """Saliency: size of the gradient; where a small change moves the score most, either way.

    uint8 (N, C, H, W) to float32 (N, H, W), positive, no score units (Simonyan et al., 2014).
    """
    inputs = _inputs(detector, images)
    return _map(Saliency(_score(detector)).attribute(inputs.requires_grad_()))


def integrated_gradients(
    detector: Detector,
    images: np.ndarray,
    references: np.ndarray | None = None,
    *,
    steps: tuple[int, ...] = STEPS,
) -> np.ndarray:
    """Integrated Gradients: signed share of each pixel in the score's rise from a reference.

    uint8 (N, C, H, W) to float32 (N, H, W); the sum is score minus the reference's score
    (Sundararajan et al., 2017). references: uint8 images (M, C, H, W), whose mean is the reference.
    steps: of the path; the next number is tried for images whose sum is off by more than 2 %.
    """
    inputs, reference = _inputs(detector, images), _reference(detector, references)
    score = _score(detector)
    with torch.no_grad():
        scores = score(inputs)
        rises = scores - score(reference[None])
    size = torch.maximum(scores.abs(), rises.abs())
    method = IntegratedGradients(score)
    maps = torch.zeros_like(inputs)
    left = torch.arange(len(inputs), device=inputs.device)
    for count in steps:
        maps[left] = method.attribute(
            inputs[left],
            reference[None],
            n_steps=count,
            method="riemann_middle",  # as exact as captum's usual one, which is slow for many steps
            internal_batch_size=AT_ONCE,
        ).detach()
        missed = (maps.sum(dim=(1, 2, 3)) - rises).abs()
        left = torch.nonzero(missed > MOST_MISSED * size).squeeze(1)
        if not len(left):
            break
    return _map(maps)


def integrated_gradients_ledger(
    detector: Detector, images: np.ndarray, references: np.ndarray | None = None
) -> Ledger:
    """The score of the reference is what the sum of the map lacks."""
    scores = detector.anomaly_score(images)
    with torch.no_grad():
        start = float(_score(detector)(_reference(detector, references)[None]))
    return Ledger(scores - start, {"reference": np.full(len(images), start)})


def gradient_shap(
    detector: Detector, images: np.ndarray, references: np.ndarray | None = None
) -> np.ndarray:
    """GradientShap: as Integrated Gradients, from references drawn at random; the mean of many.

    uint8 (N, C, H, W) to float32 (N, H, W); the sum is about the score minus the references' mean
    score (Lundberg and Lee, 2017; Erion et al., 2021). The draws are the same for every image.
    """
    inputs = _inputs(detector, images)
    method = GradientShap(_score(detector))
    if references is None:
        drawn_from = _reference(detector, None)[None]
    else:
        drawn_from = _inputs(detector, references)
    maps = torch.zeros_like(inputs)
    for row, image in zip(maps, inputs, strict=True):
        with _random_state, torch.random.fork_rng(devices=[]):
            before = np.random.get_state()
            np.random.seed(0)
            row[:] = method.attribute(image[None], drawn_from, n_samples=DRAWS, stdevs=0.0)[0]
            np.random.set_state(before)
    return _map(maps)


def occlusion(
    detector: Detector, images: np.ndarray, references: np.ndarray | None = None
) -> np.ndarray:
    """Occlusion: how far the score falls when a 4x4 window is replaced by the reference.

    uint8 (N, C, H, W) to float32 (N, H, W) in score units; the mean of all windows over a pixel,
    two pixels apart (Zeiler and Fergus, 2014).
    """
    inputs, reference = _inputs(detector, images), _reference(detector, references)
    method = Occlusion(_score(detector))
    channels = inputs.shape[1]
    maps = [torch.zeros_like(inputs[:0])]
    with torch.no_grad():
        for image in inputs:
            maps.append(
                method.attribute(
                    image[None],
                    sliding_window_shapes=(channels, WINDOW, WINDOW),
                    strides=(channels, STRIDE, STRIDE),
                    baselines=reference[None],
                    perturbations_per_eval=AT_ONCE,
                )
            )
    return _map(torch.cat(maps))


def grad_cam(detector: Detector, images: np.ndarray) -> np.ndarray:
    """Grad-CAM: where the last filters before the code fire for the score; positive, coarse.

    uint8 (N, C, H, W) to float32 (N, H, W), bilinearly enlarged (Selvaraju et al., 2017).
    """
    inputs = _inputs(detector, images)
    encoder = copy.deepcopy(detector.encoder)  # captum hooks it, and the model may be shared
    last = max(n for n, layer in enumerate(encoder) if isinstance(layer, nn.Conv2d))
    follows = isinstance(encoder[last + 1], nn.BatchNorm2d)
    cam = LayerGradCam(_score(detector, encoder), encoder[last + int(follows)])
    coarse = cam.attribute(inputs.requires_grad_(), relu_attributions=True)
    enlarged = LayerAttribution.interpolate(coarse, images.shape[2:], interpolate_mode="bilinear")
    return _map(enlarged)


def _score(detector: DeepDetector, encoder: nn.Module | None = None) -> Callable[[Tensor], Tensor]:
    """Preprocessed images (N, C, H, W) to scores (N,)."""
    encoder = encoder or detector.encoder
    return lambda inputs: detector.objective.anomaly_score(encoder(inputs), inputs)


def _inputs(detector: Detector, images: np.ndarray) -> Tensor:
    """Preprocessed images. Raises ValueError for a detector without gradients."""
    if not has_gradient(detector):
        raise ValueError(
            f"{detector.experiment.method} is no network whose score has a gradient; choose "
            "another map."
        )
    detector.eval()
    return detector.preprocessing(detector.pixels(images))


def _reference(detector: DeepDetector, references: np.ndarray | None) -> Tensor:
    """The mean of the references, preprocessed (C, H, W); without any, an image of one grey."""
    if references is not None:
        return _inputs(detector, references).mean(dim=0)
    grey = np.full((1, *detector.encoder.input_shape), 128, np.uint8)
    return _inputs(detector, grey)[0]


def _map(relevance: Tensor) -> np.ndarray:
    return relevance.detach().sum(dim=1).float().cpu().numpy()
