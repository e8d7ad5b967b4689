"""The shapes of image data and the folder they are found in."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

GREY, COLOUR = (1, 28, 28), (3, 32, 32)  # shapes (C, H, W) the encoders take

Progress = Callable[[str, float], None]  # a sentence and the fraction done


class DataUnavailable(OSError):
    """The data are neither on this computer nor could be downloaded; the text says what to do."""


class ImageSet(NamedTuple):
    """images (N, C, H, W) uint8, labels (N,) int64 into class_names, masks (N, H, W) bool or None.

    A mask marks the anomalous pixels of an image.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    masks: np.ndarray | None = None


class DataSet(NamedTuple):
    """Training and test split, and sentences the user should read about them."""

    name: str
    train: ImageSet
    test: ImageSet
    notes: tuple[str, ...] = ()

    def shown(self, split: str) -> ImageSet:
        """The test images ("test"), or these followed by the training images ("all")."""
        if split == "test":
            return self.test
        images, labels = (
            np.concatenate([getattr(part, name) for part in (self.test, self.train)])
            for name in ("images", "labels")
        )
        return ImageSet(images, labels, self.test.class_names)


Splits = tuple[ImageSet, ImageSet, tuple[str, ...]]


@dataclass(frozen=True)
class Source:
    """What is known of a data set before it is loaded.

    files: where its bytes lie; read(progress) gives both splits and notes; encoder and
    contrast_normalisation: what suits it; sample: the bundled data set to offer where this one
    cannot be had; slow: reading takes longer than a page may.
    """

    title: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    encoder: str
    license: str
    files: Callable[[], list[Path]]
    read: Callable[[Progress], Splits]
    sample: str | None = None
    contrast_normalisation: bool = True
    slow: bool = True


def data_root() -> Path:
    """The folder of the full data sets: DEEPSVDD_DATA, or a cache folder of the user."""
    if "DEEPSVDD_DATA" in os.environ:
        return Path(os.environ["DEEPSVDD_DATA"])
    if os.name == "nt":
        return Path(os.environ["LOCALAPPDATA"]) / "deepsvdd-explorer" / "data"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "deepsvdd-explorer" / "data"
