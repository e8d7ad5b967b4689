"""Make anomalies of known place from images: MNIST-C's corruptions, noise, planted marks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from deepsvdd_core.corruptions import artefacts, published

__all__ = [
    "ARTEFACTS",
    "CORRUPTIONS",
    "LOCAL",
    "MNIST_C",
    "Corrupted",
    "Corruption",
    "Planted",
    "difference",
    "plant",
    "spoil",
]

VISIBLE = 0.05  # of the range from black to white; a smaller change is not marked


class Corrupted(NamedTuple):
    """images (N, C, H, W) uint8; masks (N, H, W) bool, True where a pixel visibly changed."""

    images: np.ndarray
    masks: np.ndarray


class Planted(NamedTuple):
    """As `Corrupted`; is_planted (N,) bool: the images that carry the mark."""

    images: np.ndarray
    masks: np.ndarray
    is_planted: np.ndarray


@dataclass(frozen=True)
class Corruption:
    """A way to spoil an image.

    function: image (H, W) in [0, 1], generator, and severity where there is one, to image.
    severity: its usual value, in `unit`. takes_colour: each channel may be spoilt by itself.
    """

    function: Callable[..., np.ndarray]
    severity: float | None = None
    unit: str = ""
    takes_colour: bool = False

    def __call__(
        self, images: np.ndarray, *, seed: int = 0, severity: float | None = None
    ) -> Corrupted:
        """Spoil uint8 images (N, C, H, W); the seed and an image's place fix what is drawn for it.

        Raises:
            ValueError: colour images, or a severity this corruption does not have.
        """
        if images.shape[1] > 1 and not self.takes_colour:
            raise ValueError("This corruption is defined on grey images; choose a grey data set.")
        if severity is not None and self.severity is None:
            raise ValueError("This corruption has one severity only; leave it out.")
        if severity is not None and not 0 < severity < np.inf:
            raise ValueError(f"Severity must be a positive number, got {severity}.")
        chosen = () if self.severity is None else (severity or self.severity,)
        result = np.empty_like(images)
        for place, image in enumerate(images):
            rng = np.random.default_rng([seed, place])
            for channel, pixels in enumerate(image):
                spoilt = np.clip(self.function(pixels / 255, rng, *chosen), 0, 1)
                result[place, channel] = np.round(255 * spoilt)
        return Corrupted(result, difference(images, result) > VISIBLE)


def difference(clean: np.ndarray, corrupted: np.ndarray) -> np.ndarray:
    """|x̃ - x| of uint8 images (N, C, H, W), float32 (N, H, W) in [0, 1], the mean over channels.

    The true place of the anomaly (thesis section 4.4.2).
    """
    return np.abs(corrupted.astype(np.float32) - clean).mean(axis=1) / 255


MNIST_C: dict[str, Corruption] = {
    "brightness": Corruption(published.brightness, 0.5, "of the range from black to white"),
    "canny edges": Corruption(published.canny_edges),
    "dotted line": Corruption(published.dotted_line),
    "fog": Corruption(published.fog, 3.0, "times white"),
    "glass blur": Corruption(published.glass_blur),
    "impulse noise": Corruption(published.impulse_noise, 0.17, "of the pixels"),
    "motion blur": Corruption(published.motion_blur),
    "rotate": Corruption(published.rotate, 0.4, "radian"),
    "scale": Corruption(published.scale, 0.7, "of the size"),
    "shear": Corruption(published.shear, 0.4, "radian"),
    "shot noise": Corruption(published.shot_noise, 3.0, "photons in a white pixel"),
    "spatter": Corruption(published.spatter),
    "stripe": Corruption(published.stripe),
    "translate": Corruption(published.translate, 3.0, "pixels"),
    "zigzag": Corruption(published.zigzag),
}

ARTEFACTS: dict[str, Corruption] = {
    "planted tag": Corruption(artefacts.tag, 1.0, "opacity", takes_colour=True),
    "planted border": Corruption(artefacts.border, 1.0, "opacity", takes_colour=True),
    "planted stripe": Corruption(artefacts.upright, 1.0, "opacity", takes_colour=True),
    "planted watermark": Corruption(artefacts.watermark, 0.3, "opacity", takes_colour=True),
}

CORRUPTIONS: dict[str, Corruption] = {
    **MNIST_C,
    "gaussian noise": Corruption(
        artefacts.gaussian_noise, 0.2, "of the range from black to white", takes_colour=True
    ),
    **ARTEFACTS,
}

# Anomalies in one place, by the number of channels of an image. They suit tests that restore pixel
# after pixel: half of a rotated and half of an upright digit would be stranger than both.
LOCAL: dict[int, tuple[str, ...]] = {
    1: ("dotted line", "zigzag", "stripe"),
    3: ("planted tag", "planted stripe", "planted border"),
}


def spoil(images: np.ndarray, names: str, *, seed: int = 0) -> Corrupted:
    """Spoil each image in one place, the local corruptions (joined by +) taking turns.

    Raises:
        ValueError: there is no such local corruption of grey or of colour images.
    """
    local, ways = LOCAL[images.shape[1]], names.split("+")
    unknown = [name for name in ways if name not in local]
    if unknown:
        kind = "grey" if images.shape[1] == 1 else "colour"
        raise ValueError(
            f"There is no local corruption {', '.join(unknown)} of {kind} images; choose from "
            f"{', '.join(local)}."
        )
    result, masks = images.copy(), np.zeros((len(images), *images.shape[2:]), bool)
    for place, name in enumerate(ways):
        part = slice(place, None, len(ways))
        result[part], masks[part] = CORRUPTIONS[name](images[part], seed=seed)
    return Corrupted(result, masks)


def plant(images: np.ndarray, artefact: str, *, share: float, seed: int = 0) -> Planted:
    """Plant a mark in a share of the images, drawn by the seed; the others stay as they are.

    Raises:
        ValueError: there is no such mark, or the share is not between 0 and 1.
    """
    if artefact not in ARTEFACTS:
        raise ValueError(f"There is no mark {artefact}; choose from {', '.join(ARTEFACTS)}.")
    if not 0 <= share <= 1:
        raise ValueError(f"The share of marked images must lie in [0, 1], got {share}.")
    order = np.random.default_rng(seed).permutation(len(images))
    rows = np.sort(order[: round(share * len(images))])
    result, masks = images.copy(), np.zeros((len(images), *images.shape[2:]), bool)
    result[rows], masks[rows] = ARTEFACTS[artefact](images[rows], seed=seed)
    return Planted(result, masks, np.isin(np.arange(len(images)), rows))
