"""Turn a name or a folder of images into arrays; the names are in the table DATASETS."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from deepsvdd_core.datasets.base import (
    COLOUR,
    GREY,
    DataSet,
    DataUnavailable,
    ImageSet,
    Progress,
    Source,
    data_root,
)
from deepsvdd_core.datasets.folders import folder_names, folder_source, read_picture
from deepsvdd_core.datasets.published import BUNDLED, PUBLISHED

__all__ = [
    "COLOUR",
    "DATASETS",
    "GREY",
    "DataSet",
    "DataUnavailable",
    "ImageSet",
    "Source",
    "available",
    "data_root",
    "fingerprint",
    "load",
    "read_picture",
    "source",
]

DATASETS: dict[str, Source] = {**PUBLISHED}


def source(name: str) -> Source:
    """What is known of a data set of the table, or of an image folder under the data root.

    Raises:
        ValueError: there is no data set of this name.
    """
    if name in DATASETS:
        return DATASETS[name]
    if name in folder_names():
        return folder_source(data_root() / name)
    raise ValueError(f"There is no data set {name!r}; choose from {', '.join(available())}.")


def available() -> list[str]:
    """Names for menus: the table, then the image folders under the data root."""
    return [*DATASETS, *(name for name in folder_names() if name not in DATASETS)]


def load(name: str, progress: Progress = lambda text, fraction: None) -> DataSet:
    """Both splits of a data set, read-only.

    progress: told what is done and how far, at least once a second while it takes long.

    Raises:
        ValueError: there is no such data set, or it holds no usable image.
        DataUnavailable: it is not on this computer and cannot be downloaded.
    """
    train, test, notes = source(name).read(progress)
    for split in (train, test):
        split.images.setflags(write=False)
        split.labels.setflags(write=False)
    return DataSet(name, train, test, notes)


def fingerprint(name: str) -> str:
    """Sixteen hexadecimal digits that change when the files of a data set change."""
    files = source(name).files()
    if name in DATASETS:  # published files: their content is what counts, not when they arrived
        return _content_digest(tuple(files), tuple(_size(file) for file in files))
    states = [(file, file.stat()) for file in files]
    text = "\n".join(f"{file} {state.st_size} {state.st_mtime_ns}" for file, state in states)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@lru_cache(maxsize=16)
def _content_digest(files: tuple[Path, ...], sizes: tuple[int, ...]) -> str:
    digest = hashlib.sha256()
    for file, size in zip(files, sizes, strict=True):
        if size and BUNDLED in file.parents:
            digest.update(file.read_bytes())
        digest.update(f"{file.name} {size}".encode())
    return digest.hexdigest()[:16]


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
