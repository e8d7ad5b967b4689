"""Maps from gradients and from covering parts, by captum, on the network that scores.

Gradients are taken at the preprocessed image and shown at its pixels: contrast normalisation would
hide every difference between an image and a constant reference. Where a method compares, it
compares with reference images, or else with an image without contrast.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable

import numpy as np
import torch
from captum.attr import (
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
DRAWS = 5  # random references
ROUGH = (10,)  # steps from each of them, before STEPS are tried
WINDOW, STRIDE = 4, 2  # pixels, of what is covered
AT_ONCE = 500  # images the network sees at once


def has_gradient(detector: Detector) -> bool:
    """Whether the score is a network's, differentiable down to the image."""
    return isinstance(detector, DeepDetector)


def has_filters(detector: Detector) -> bool:
    """Whether the network has convolutions, with maps of where they fire."""
    return has_gradient(detector) and any(isinstance(m, nn.Conv2d) for m in detector.encoder)


def saliency(detector: Detector, images: np.ndarray) -> np.ndarray:
    """Saliency: size of the gradient; where a small change moves the score most, either way.

    uint8 (N, C, H, W) to float32 (N, H, W), positive, no score units (Simonyan et al., 2014).
    """
    inputs, score = _at_pixels(detector, images)
    return _map(Saliency(score).attribute(inputs.requires_grad_()))


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
    starts = reference.expand_as(inputs)[:, None]
    maps = _path(_score(detector), inputs, starts, steps)
    return _shown(detector, images, maps)


def integrated_gradients_ledger(
    detector: Detector, images: np.ndarray, references: np.ndarray | None = None
) -> Ledger:
    """The score of the reference is what the sum of the map lacks."""
    scores = detector.anomaly_score(images)
    with torch.no_grad():
        start = float(_score(detector)(_reference(detector, references)[None]))
    return Ledger(scores - start, {"reference": np.full(len(images), start)})


def gradient_shap(
    detector: Detector,
    images: np.ndarray,
    references: np.ndarray | None = None,
    *,
    steps: tuple[int, ...] = (*ROUGH, *STEPS),
) -> np.ndarray:
    """GradientShap: as Integrated Gradients, from references drawn at random; the mean of many.

    uint8 (N, C, H, W) to float32 (N, H, W); the sum is the score minus the mean score of those
    references (Lundberg and Lee, 2017; Erion et al., 2021). Each image has its own draw, which its
    pixels decide. Places on the way from a reference are even, not random: then sums are right.
    steps: as for Integrated Gradients.
    """
    inputs, known = _inputs(detector, images), _references(detector, references)
    starts = known[_drawn(images, len(known))]
    return _shown(detector, images, _path(_score(detector), inputs, starts, steps))


def gradient_shap_ledger(
    detector: Detector, images: np.ndarray, references: np.ndarray | None = None
) -> Ledger:
    """The mean score of the references that were drawn is what the sum of the map lacks."""
    scores, known = detector.anomaly_score(images), _references(detector, references)
    with torch.no_grad():
        of_known = _score(detector)(known).double().cpu().numpy()
    starts = of_known[_drawn(images, len(known))].mean(axis=1)
    return Ledger(scores - starts, {"references": starts})


def occlusion(
    detector: Detector, images: np.ndarray, references: np.ndarray | None = None
) -> np.ndarray:
    """Occlusion: how far the score falls when a 4x4 window is replaced by the reference.

    uint8 (N, C, H, W) to float32 (N, H, W) in score units; the mean of all windows over a pixel,
    two pixels apart (Zeiler and Fergus, 2014).
    """
    inputs, score = _at_pixels(detector, images)
    reference = _reference(detector, references, _at_pixels)
    method = Occlusion(score)
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
    if not has_filters(detector):
        raise ValueError(
            f"The network of {detector.experiment.method} has no filters; choose another map."
        )
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


def _at_pixels(detector: Detector, images: np.ndarray) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """What has one value for each of the images' (N, C, H, W), and its way to scores (N,)."""
    inputs = _inputs(detector, images)
    if detector.preprocessing.keeps_pixels:
        return inputs, _score(detector)
    return detector.pixels(images), detector


def _reference(
    detector: DeepDetector, references: np.ndarray | None, inputs: Callable = _inputs
) -> Tensor:
    """The mean of the references' inputs (C, H, W); without any, of an image of one grey."""
    if references is None:
        references = np.full((1, *detector.shape), 128, np.uint8)
    found = inputs(detector, references)
    return (found[0] if inputs is _at_pixels else found).mean(dim=0)


def _shown(detector: DeepDetector, images: np.ndarray, relevance: Tensor) -> np.ndarray:
    """Relevance of preprocessed images at their pixels, float32 (N, H, W)."""
    shown = detector.preprocessing.shown(relevance.double(), detector.pixels(images))
    return shown.float().cpu().numpy()


def _references(detector: DeepDetector, references: np.ndarray | None) -> Tensor:
    """All references, preprocessed (M, C, H, W); without any, an image of one grey."""
    if references is not None:
        return _inputs(detector, references)
    return _reference(detector, None)[None]


def _drawn(images: np.ndarray, count: int) -> np.ndarray:
    """Which of so many references each image is compared with, (N, few) int64."""
    few = min(DRAWS, count)
    drawn = np.empty((len(images), few), np.int64)
    for row, image in zip(drawn, images, strict=True):
        seed = zlib.crc32(np.ascontiguousarray(image))
        row[:] = np.random.default_rng(seed).choice(count, few, replace=False)
    return drawn


def _path(
    score: Callable[[Tensor], Tensor], inputs: Tensor, starts: Tensor, steps: tuple[int, ...]
) -> Tensor:
    """Integrated Gradients (N, C, H, W), the mean over starts (N, R, C, H, W) of straight ways.

    The next number of steps is tried for images whose sum is off by more than MOST_MISSED.
    """
    count = starts.shape[1]
    with torch.no_grad():
        scores = score(inputs)
        parts = torch.split(starts.flatten(0, 1), AT_ONCE)
        of_starts = torch.cat([scores[:0], *(score(part) for part in parts if len(part))])
        rises = scores - of_starts.unflatten(0, (-1, count)).mean(dim=1)
    size = torch.maximum(scores.abs(), rises.abs())
    method = IntegratedGradients(score)
    maps = torch.zeros_like(inputs)
    left = torch.arange(len(inputs), device=inputs.device)
    for number in steps:
        if not len(left):
            break
        ways = method.attribute(
            inputs[left].repeat_interleave(count, dim=0),
            starts[left].flatten(0, 1),
            n_steps=number,
            method="riemann_middle",  # as exact as captum's usual one, which is slow for many steps
            internal_batch_size=AT_ONCE,
        ).detach()
        maps[left] = ways.unflatten(0, (-1, count)).mean(dim=1)
        missed = (maps.sum(dim=(1, 2, 3)) - rises).abs()
        left = torch.nonzero(missed > MOST_MISSED * size).squeeze(1)
    return maps


def _map(relevance: Tensor) -> np.ndarray:
    return relevance.detach().sum(dim=1).float().cpu().numpy()
