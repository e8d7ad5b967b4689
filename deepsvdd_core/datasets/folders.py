"""Image folders <data root>/<name>/{train,test}/<class>/* as data sets.

Masks of anomalies, where there are any, are ground_truth/<class>/<name of the image>_mask.png.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from deepsvdd_core.datasets.base import COLOUR, GREY, ImageSet, Progress, Source, Splits, data_root

LARGEST_PICTURE = 50_000_000  # pixels; a file that claims more is not opened
SMALLEST_SIDE = 8  # pixels
MOST_FILES = 200_000  # in one image folder
MASKS = "ground_truth"


def folder_names() -> list[str]:
    """Names of the image folders under the data root."""
    try:
        children = sorted(data_root().iterdir())
    except OSError:
        return []
    return [
        child.name for child in children if (child / "train").is_dir() and (child / "test").is_dir()
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
    return tuple(sorted(name for name in names if not name.startswith(".")))


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
            if not class_folder.is_dir() or class_folder.name.startswith("."):
                continue
            for path in sorted(class_folder.iterdir()):
                count += 1
                if count > MOST_FILES:
                    raise ValueError(
                        f"{root.name} holds more than {MOST_FILES:,} files; use fewer."
                    )
                if path.name.startswith(".") or not path.is_file():
                    continue
                if path.resolve().is_relative_to(inside):
                    yield path


def folder_shape(root: Path) -> tuple[int, int, int]:
    """The shape (C, H, W) images of this folder are brought to."""
    for path in folder_files(root, ("train",)):
        try:
            with Image.open(path) as picture:
                return GREY if picture.mode in ("1", "L", "LA", "I", "I;16", "F") else COLOUR
        except (OSError, ValueError, Image.DecompressionBombError):
            continue
    return GREY


def read_picture(path: Path | BinaryIO, shape: tuple[int, int, int]) -> np.ndarray:
    """A uint8 array (C, H, W) from an image file or an open one, resized as a whole.

    Raises:
        ValueError: a few words on why it cannot be used.
    """
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            if width * height > LARGEST_PICTURE:
                raise ValueError(f"{width}x{height} pixels are too many")
            if min(width, height) < SMALLEST_SIDE:
                raise ValueError(f"{width}x{height} pixels are too few")
            if picture.mode in ("I", "I;16", "F"):
                values = np.asarray(picture, np.float64)
                scale = 257 if values.max() > 255 else 1  # 16-bit pictures reach 65,535
                picture = Image.fromarray((values / scale).clip(0, 255).astype(np.uint8))
            small = picture.convert("L" if shape[0] == 1 else "RGB")
            small = small.resize((shape[2], shape[1]), Image.Resampling.BILINEAR)
    except Image.DecompressionBombError as error:
        raise ValueError("too many pixels") from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError("not a readable image") from error
    array = np.asarray(small)
    return array[None] if shape[0] == 1 else array.transpose(2, 0, 1)


def read_mask(root: Path, path: Path, shape: tuple[int, int, int]) -> np.ndarray | None:
    """(H, W) bool: the pixels of a test image any part of which is marked; None without a mask.

    Raises:
        ValueError: a few words on why the mask cannot be used.
    """
    place = root / MASKS / path.parent.name / f"{path.stem}_mask.png"
    if not place.resolve().is_relative_to(root.resolve()) or not place.is_file():
        return None
    try:
        with Image.open(place) as picture:
            if picture.size[0] * picture.size[1] > LARGEST_PICTURE:
                raise ValueError("its mask has too many pixels")
            marked = Image.fromarray(np.where(np.asarray(picture.convert("L")) > 0, 255.0, 0.0))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("its mask is not a readable image") from error
    small = marked.resize((shape[2], shape[1]), Image.Resampling.BOX)
    return np.asarray(small) > 0


def read_folder(root: Path, progress: Progress) -> Splits:
    """Both splits of an image folder; unusable files are skipped, named and counted in the notes.

    Raises:
        ValueError: a split holds no usable image, or there are no classes.
    """
    shape, class_names = folder_shape(root), folder_classes(root)
    everything = {split: list(folder_files(root, (split,))) for split in ("train", "test")}
    total = sum(len(files) for files in everything.values())
    splits, skipped, done = [], [], 0
    for split, files in everything.items():
        images, labels, masks = [], [], []
        for path in files:
            try:
                mask = read_mask(root, path, shape) if split == "test" else None
                images.append(read_picture(path, shape))
                labels.append(class_names.index(path.parent.name))
                masks.append(mask)
            except ValueError as error:
                skipped.append(f"{path.relative_to(root).as_posix()} ({error})")
            done += 1
            if done % 200 == 0:
                progress(f"Reading the images of {root.name}", done / total)
        if not images:
            raise ValueError(
                f"The {split} folder of {root.name} holds no usable image; it needs "
                f"{split}/<class>/<image files>, at least {SMALLEST_SIDE} pixels wide and high."
                + _skipped_note(skipped)
            )
        splits.append(
            ImageSet(np.stack(images), np.array(labels, np.int64), class_names, _stack(masks))
        )
    notes = (_skipped_note(skipped).strip(),) if skipped else ()
    return splits[0], splits[1], notes


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
