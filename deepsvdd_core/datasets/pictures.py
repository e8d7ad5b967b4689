"""Bring a picture file to the size a model takes, within limits; for the process of `decoder`.

Decoders are large programs in C that meet files from anywhere: nothing but that process, which may
die, opens a picture.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PcxImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TgaImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from deepsvdd_core.datasets.decoding import SMALLEST_SIDE

# What cameras, scanners, browsers and drawing programs write. Each is decoded by a library made for
# hostile files or by plain copying of pixels. Left out is what runs a program (EPS, PDF, WMF), what
# holds other files (ICO, ICNS, PSD, FPX, MIC), what calls software outside Pillow (GRIB, HDF5,
# BUFR), and what no ordinary tool writes today. JPEG includes MPO, two pictures in one file.
FORMATS: tuple[str, ...] = (
    PngImagePlugin.PngImageFile.format,
    JpegImagePlugin.JpegImageFile.format,
    GifImagePlugin.GifImageFile.format,
    BmpImagePlugin.BmpImageFile.format,
    TiffImagePlugin.TiffImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    AvifImagePlugin.AvifImageFile.format,
    Jpeg2KImagePlugin.Jpeg2KImageFile.format,
    PpmImagePlugin.PpmImageFile.format,
    PcxImagePlugin.PcxImageFile.format,
    TgaImagePlugin.TgaImageFile.format,  # last, because its files begin with no mark of their own
)

LONGEST_SIDE = 65_535  # pixels
LARGEST_PICTURE = 110_000_000  # pixels
LARGEST_FILE = 250_000_000  # bytes
LARGEST_DECODED = 330_000_000  # bytes it takes while it is decoded and converted
DRAFT_FROM, DRAFT_SIDE = 8_000_000, 1_000  # a JPEG of so many pixels is decoded smaller than it is
BAND = 2**20  # pixels of 16 or 32 bits brought to 8 bits at a time

BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}  # others take four
DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")  # grey of more than 8 bits
GREY_MODES = ("1", "L", "LA", *DEEP)
WHOLE = {"WEBP": 16, "AVIF": 16, "JPEG2000": 16}  # bytes per pixel: they keep several copies
COEFFICIENTS = 6  # bytes per pixel that a progressive JPEG keeps until its last scan


class Unusable(ValueError):
    """A picture cannot be used; the text says why in a few words."""


def read_picture(picture: Image.Image, shape: tuple[int, int, int]) -> bytes:
    """Its first frame as uint8 (H, W, C), resized as a whole."""
    mode = "L" if shape[0] == 1 else "RGB"
    width, height = picture.size
    if min(width, height) < SMALLEST_SIDE:
        raise Unusable(f"{width}x{height} pixels are too few")
    check(picture, mode)
    if picture.mode in DEEP:
        picture = eight_bits(picture)
    elif picture.mode != mode:
        picture = picture.convert(mode)
    small = picture.resize((shape[2], shape[1]), Image.Resampling.BILINEAR)
    return small.convert(mode).tobytes()


def read_mask(picture: Image.Image, shape: tuple[int, int, int]) -> bytes:
    """(H, W) uint8: 1 where any part of a pixel is marked."""
    check(picture, "F")
    marked = picture.convert("L").point([0] + [255] * 255).convert("F")
    small = marked.resize((shape[2], shape[1]), Image.Resampling.BOX)
    return (np.asarray(small) > 0).astype(np.uint8).tobytes()


def is_grey(picture: Image.Image, shape: tuple[int, int, int]) -> bytes:
    """One byte, 1 for a grey picture and 0 for one with colours; its pixels are not decoded."""
    return bytes([picture.mode in GREY_MODES])


TASKS: dict[str, Callable[[Image.Image, tuple[int, int, int]], bytes]] = {
    "picture": read_picture,
    "mask": read_mask,
    "is_grey": is_grey,
}


def do(task: str, file: BinaryIO, shape: tuple[int, int, int]) -> bytes:
    """The answer of a task to the picture in an open file.

    Raises:
        Unusable: whatever is wrong with the file.
    """
    try:
        with Image.open(file, formats=FORMATS) as picture:
            return TASKS[task](picture, shape)
    except Unusable:
        raise
    except Image.DecompressionBombError as error:
        raise Unusable("too many pixels") from error
    except MemoryError as error:
        raise Unusable("it takes too much memory") from error
    except Exception as error:  # decoders raise many kinds; all mean the same to a user
        raise Unusable("not a readable image") from error


def check(picture: Image.Image, mode: str) -> None:
    """Refuse what takes too much, before its pixels are decoded.

    mode: what it will be converted to.
    """
    width, height = picture.size
    pixels = width * height
    if pixels > LARGEST_PICTURE or max(width, height) > LONGEST_SIDE:
        raise Unusable(f"{width}x{height} pixels are too many")
    kept = COEFFICIENTS * pixels if picture.info.get("progressive") else 0
    if picture.format in ("JPEG", "MPO") and pixels > DRAFT_FROM:
        picture.draft(None, (DRAFT_SIDE, DRAFT_SIDE))
        pixels = picture.size[0] * picture.size[1]
    stored = WHOLE.get(picture.format, BYTES.get(picture.mode, 4))
    converted = 0 if picture.mode == mode else 5 if mode == "F" else BYTES.get(mode, 4)
    if kept + pixels * (stored + converted) > LARGEST_DECODED:
        raise Unusable(f"{width}x{height} pixels of this kind are too many")


def eight_bits(picture: Image.Image) -> Image.Image:
    """A grey picture of more than 8 bits as one of 8 bits."""
    width, height = picture.size
    rows = max(1, BAND // width)
    bands = [(0, top, width, min(height, top + rows)) for top in range(0, height, rows)]
    largest = max(np.asarray(picture.crop(band)).max() for band in bands)
    scale = 257 if largest > 255 else 1  # 16-bit pictures reach 65,535
    result = Image.new("L", picture.size)
    for band in bands:
        values = np.nan_to_num(np.asarray(picture.crop(band)))
        small = (values // scale).clip(0, 255).astype(np.uint8)
        result.paste(Image.fromarray(small), band[:2])
    return result


def opened(path: Path) -> BinaryIO:
    """A file of a folder, open; never waits for one that is a pipe.

    Raises:
        Unusable: it is no file, cannot be opened, or is too large.
    """

    at_once = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, os.O_RDONLY | at_once)
    except (OSError, ValueError) as error:
        raise Unusable("it cannot be opened") from error
    state = os.fstat(descriptor)
    if stat.S_ISREG(state.st_mode) and state.st_size <= LARGEST_FILE:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISREG(state.st_mode):
        raise Unusable(f"{state.st_size / 1e6:,.0f} MB are too many")
    raise Unusable("it is not a file")
