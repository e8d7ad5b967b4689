"""Turn a name or a folder of images into arrays; the names are in the table DATASETS."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from deepsvdd_core import digests
from deepsvdd_core.datasets.base import (
    COLOUR,
    GREY,
    DataSet,
    DataUnavailable,
    ImageSet,
    Progress,
    Source,
    data_root,
    printable,
)
from deepsvdd_core.datasets.decoding import read_pictures
from deepsvdd_core.datasets.folders import folder_digest, folder_names, folder_source
from deepsvdd_core.datasets.published import PUBLISHED

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
    "fingerprints",
    "joined",
    "load",
    "printable",
    "read_pictures",
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
        ValueError: there is no such data set, it holds no usable image, or its files changed while
            they were read.
        DataUnavailable: it is not on this computer and cannot be downloaded.
    """
    known = source(name)
    before = None if known.is_missing else fingerprint(name)
    train, test, notes = known.read(progress)
    after = fingerprint(name)
    if before not in (None, after):
        raise ValueError(f"The files of {name} changed while they were read; try again.")
    for split in (train, test):
        split.images.setflags(write=False)
        split.labels.setflags(write=False)
    return DataSet(name, train, test, notes, after)


def fingerprint(name: str) -> str:
    """Sixteen hexadecimal digits of what a data set holds: classes, names and content of its files.

    Raises:
        ValueError: there is no such data set.
        OSError: a file cannot be read.
    """
    if name not in DATASETS:
        source(name)
        return folder_digest(data_root() / name)[:16]
    files = source(name).files()
    states = tuple(digests.state(file) if file.is_file() else None for file in files)
    return _digest(tuple(files), states)


def fingerprints(names: Iterable[str]) -> dict[str, str]:
    """Those of several data sets, by name."""
    return {name: fingerprint(name) for name in names}


def joined(fingerprints: dict[str, str]) -> str:
    """The fingerprints of several data sets as one word, in their order."""
    return "+".join(fingerprints.values())


@lru_cache(maxsize=16)
def _digest(files: tuple[Path, ...], states: tuple[digests.State | None, ...]) -> str:
    """Of published files, also of those that are not there yet."""
    digest = hashlib.sha256()
    for file, state in zip(files, states, strict=True):
        if state:
            digest.update(file.read_bytes())
        digest.update(f"{file.name} {state[0] if state else 0}".encode())
    return digest.hexdigest()[:16]
