"""The shapes of image data and the folder they are found in."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deepsvdd_core.header import SHAPES

GREY, COLOUR = SHAPES

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
    """Training and test split, and sentences the user should read about them.

    fingerprint: of the files they were read from, as `datasets.fingerprint`.
    """

    name: str
    train: ImageSet
    test: ImageSet
    notes: tuple[str, ...] = ()
    fingerprint: str = ""

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
    cannot be had; slow: reading takes longer than a page may; download: bytes to fetch where it is
    not on this computer, 0 where it cannot be fetched.
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
    download: int = 0

    @property
    def is_missing(self) -> bool:
        """Whether it would have to be downloaded first."""
        files = self.files() if self.download else []
        return bool(self.download) and not (files and all(file.is_file() for file in files))

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(file.stat().st_size for file in self.files() if file.is_file())


def can_be_shown(name: str) -> bool:
    """Whether the name of a folder can stand in a menu, a link and a model file as it is."""
    return not any(unicodedata.category(sign) in ("Cc", "Cs") for sign in name)


def printable(name: str, longest: int = 80) -> str:
    """The name of a file as a page can show it: in one line, of letters that have a code."""
    signs = "".join(sign if sign.isprintable() else "\ufffd" for sign in name)
    return signs if len(signs) <= longest else f"{signs[: longest - 1]}…"


def data_root() -> Path:
    """The folder of the full data sets: DEEPSVDD_DATA, or a cache folder of the user."""
    if "DEEPSVDD_DATA" in os.environ:
        return Path(os.environ["DEEPSVDD_DATA"])
    if os.name == "nt":
        return Path(os.environ["LOCALAPPDATA"]) / "deepsvdd-explorer" / "data"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "deepsvdd-explorer" / "data"
