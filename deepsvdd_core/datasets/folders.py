"""Image folders <data root>/<name>/{train,test}/<class>/* as data sets.

Masks of anomalies, where there are any, are ground_truth/<class>/<name of the image>_mask.png.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np

from deepsvdd_core import digests
from deepsvdd_core.datasets import decoding
from deepsvdd_core.datasets.base import (
    COLOUR,
    GREY,
    ImageSet,
    Progress,
    Source,
    Splits,
    can_be_shown,
    data_root,
    printable,
)
from deepsvdd_core.datasets.decoding import SMALLEST_SIDE

MOST_FILES = 200_000  # in one image folder
MOST_SLOW = 20  # files of one image folder that take too long to read
MOST_LOOKED_AT, MOST_SLOW_LOOKED_AT = 1_000, 3  # files, to see whether a folder is grey
MASKS = "ground_truth"
READING = 2  # one more whenever the same files become other pixels


def folder_names() -> list[str]:
    """Names of the image folders under the data root."""
    try:
        children = sorted(data_root().iterdir())
    except OSError:
        return []
    return [
        child.name
        for child in children
        if can_be_shown(child.name) and (child / "train").is_dir() and (child / "test").is_dir()
    ]


def folder_source(root: Path) -> Source:
    """An image folder. The first training image decides: grey images become 28x28, others 32x32."""
    return Source(
        title=root.name,
        class_names=folder_classes(root),
        image_shape=(shape := folder_shape(root)),
        encoder={GREY: "mnist-lenet", COLOUR: "cifar-lenet"}[shape],
        license="yours",
        files=lambda: list(folder_files(root, ("train", "test", MASKS))),
        read=lambda progress: read_folder(root, progress),
    )


def folder_classes(root: Path) -> tuple[str, ...]:
    """Names of the class folders of both splits, sorted."""
    names = {c.name for split in ("train", "test") for c in (root / split).iterdir() if c.is_dir()}
    return tuple(sorted(filter(_is_class, names)))


def _is_class(name: str) -> bool:
    """Of a folder of images: hidden ones are none, nor those whose name no page could show."""
    return not name.startswith(".") and can_be_shown(name)


def folder_files(root: Path, splits: tuple[str, ...] = ("train", "test")) -> Iterator[Path]:
    """Image files of the class folders, in order; hidden ones and links that lead out are left.

    Raises:
        ValueError: there are too many.
    """
    inside = root.resolve()
    count = 0
    for split in splits:
        if not (root / split).is_dir():
            continue
        for class_folder in sorted((root / split).iterdir()):
            if not class_folder.is_dir() or not _is_class(class_folder.name):
                continue
            is_inside = class_folder.resolve().is_relative_to(inside)
            for path in sorted(class_folder.iterdir()):
                count += 1
                if count > MOST_FILES:
                    raise ValueError(
                        f"{root.name} holds more than {MOST_FILES:,} files; use fewer."
                    )
                if path.name.startswith(".") or not path.is_file():
                    continue
                if path.resolve().is_relative_to(inside) if path.is_symlink() else is_inside:
                    yield path


def folder_digest(root: Path) -> str:
    """SHA-256, as hexadecimal digits, of the classes and of names and content of all files.

    And of how they are read, for what was computed of them before holds no more when that changes.

    Where the folder lies and when its files were written does not matter.

    Raises:
        ValueError: there are too many files.
    """
    digest = hashlib.sha256(json.dumps([READING, *folder_classes(root)]).encode())
    start = len(str(root))
    for file in folder_files(root, ("train", "test", MASKS)):
        digest.update(os.fsencode(str(file)[start:].replace(os.sep, "/")) + b"\0")
        try:
            digest.update(digests.of(file))
        except OSError:  # it is skipped and named when the folder is read
            digest.update(b"unreadable")
    return digest.hexdigest()


def folder_shape(root: Path) -> tuple[int, int, int]:
    """The shape (C, H, W) images of this folder are brought to.

    The pages ask this on every run, so what a file said is remembered until the file changes, and
    nobody waits for many files that are no pictures.
    """
    slow = 0
    for path in islice(folder_files(root, ("train",)), MOST_LOOKED_AT):
        try:
            answer = _is_grey(path, digests.state(path))
        except OSError:
            continue
        if isinstance(answer, bool):
            return GREY if answer else COLOUR
        slow += answer == decoding.TOO_SLOW
        if slow == MOST_SLOW_LOOKED_AT:
            break
    return GREY


@lru_cache(maxsize=4096)
def _is_grey(path: Path, state: digests.State) -> bool | str:
    return decoding.is_grey(path)


def masks_of(root: Path, files: list[Path]) -> dict[Path, Path]:
    """Where the masks of test images lie, for those that have one."""
    places = {}
    if (root / MASKS).is_dir():
        inside = root.resolve()
        for path in files:
            place = root / MASKS / path.parent.name / f"{path.stem}_mask.png"
            if place.is_file() and place.resolve().is_relative_to(inside):
                places[path] = place
    return places


def read_folder(root: Path, progress: Progress) -> Splits:
    """Both splits of an image folder; unusable files are skipped, named and counted in the notes.

    Raises:
        ValueError: a split holds no usable image, there are no classes, or reading takes too long.
        OSError: with one sentence, when no picture can be decoded at all.
    """
    shape, class_names = folder_shape(root), folder_classes(root)
    everything = {split: list(folder_files(root, (split,))) for split in ("train", "test")}
    marked = masks_of(root, everything["test"])
    total = len(marked) + 2 * sum(len(files) for files in everything.values())
    counter = _Counter(root.name, total, progress)
    masks = dict(zip(marked, counter(decoding.read_masks(marked.values(), shape)), strict=True))
    every = [path for files in everything.values() for path in files]
    scale = decoding.common_scale(counter(decoding.ranges(every)))
    splits, skipped = [], _unnamed(root)
    for split, files in everything.items():
        images, labels, rows = [], [], []
        pictures = counter(decoding.read_pictures(files, shape, scale))
        for path, picture in zip(files, pictures, strict=True):
            mask = masks.get(path) if split == "test" else None
            if (reason := _reason(picture, mask)) is not None:
                skipped.append(f"{printable(path.relative_to(root).as_posix())} ({reason})")
                continue
            images.append(picture)
            labels.append(class_names.index(path.parent.name))
            rows.append(mask)
        if not images:
            raise ValueError(
                f"The {split} folder of {root.name} holds no usable image; it needs "
                f"{split}/<class>/<image files>, at least {SMALLEST_SIDE} pixels wide and high."
                + _skipped_note(skipped)
            )
        splits.append(
            ImageSet(np.stack(images), np.array(labels, np.int64), class_names, _stack(rows))
        )
    notes = (_skipped_note(skipped).strip(),) if skipped else ()
    return splits[0], splits[1], notes


def _unnamed(root: Path) -> list[str]:
    """The class folders that are left out for their names."""
    return [
        f"{split}/{printable(child.name)} (the name of this folder cannot be shown; rename it)"
        for split in ("train", "test")
        for child in sorted((root / split).iterdir())
        if child.is_dir() and not can_be_shown(child.name)
    ]


class _Counter:
    """Passes answers on, tells how many there were, and gives up when too many took too long."""

    def __init__(self, name: str, total: int, progress: Progress) -> None:
        self.name, self.total, self.progress = name, total, progress
        self.done = self.slow = 0

    def __call__(self, answers: Iterable[np.ndarray | str]) -> Iterator[np.ndarray | str]:
        told = time.monotonic()
        for answer in answers:
            self.done += 1
            self.slow += isinstance(answer, str) and answer == decoding.TOO_SLOW
            if self.slow > MOST_SLOW:
                raise ValueError(
                    f"More than {MOST_SLOW} files of {self.name} take too long to read; save them "
                    "as smaller pictures or leave them out."
                )
            if time.monotonic() - told > 0.3:
                told = time.monotonic()
                self.progress(f"Reading the images of {self.name}", self.done / self.total)
            yield answer


def _reason(picture: np.ndarray | str, mask: np.ndarray | str | None) -> str | None:
    """Why an image with its mask cannot be used."""
    if isinstance(picture, str):
        return picture
    if isinstance(mask, str):
        return "its mask is " + mask if mask == decoding.BROKEN else f"its mask: {mask}"
    return None


def _stack(masks: list[np.ndarray | None]) -> np.ndarray | None:
    """(N, H, W) bool, empty where an image has no mask; None when none has."""
    known = next((mask for mask in masks if mask is not None), None)
    if known is None:
        return None
    return np.stack([np.zeros_like(known) if mask is None else mask for mask in masks])


def _skipped_note(skipped: list[str]) -> str:
    if not skipped:
        return ""
    named = ", ".join(skipped[:5]) + (", …" if len(skipped) > 5 else "")
    return f" {len(skipped)} file{'s were' if len(skipped) > 1 else ' was'} skipped: {named}."
