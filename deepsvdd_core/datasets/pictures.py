"""Bring a picture file to the size a model takes, within limits; for the process of `decoder`.

Decoders are large programs in C that meet files from anywhere: nothing but that process, which may
die, opens a picture.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageChops,
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
VISIBLE = 16  # of 255: what is clearer is not looked at
PALE = 224  # grey level from which on nothing is seen on white
# What an orientation flag asks for, and which of these make width of height.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ACROSS = {TURNS[flag] for flag in (5, 6, 7, 8)}
BAND = 2**20  # pixels of 16 or 32 bits brought to 8 bits at a time

BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}  # others take four
DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")  # grey of more than 8 bits
GREY_MODES = ("1", "L", "LA", *DEEP)
WHOLE = {"WEBP": 16, "AVIF": 16, "JPEG2000": 16}  # bytes per pixel: they keep several copies
COEFFICIENTS = 6  # bytes per pixel that a progressive JPEG keeps until its last scan


class Unusable(ValueError):
    """A picture cannot be used; the text says why in a few words."""


def read_picture(
    picture: Image.Image, shape: tuple[int, int, int], scale: tuple[float, float] | None
) -> bytes:
    """Its first frame as a viewer shows it, uint8 (H, W, C), resized as a whole.

    It is upright, lies on a ground where it is transparent, see `grounded`, and has 8 bits, see
    `eight_bits`.
    """
    mode = "L" if shape[0] == 1 else "RGB"
    width, height = picture.size
    if min(width, height) < SMALLEST_SIDE:
        raise Unusable(f"{width}x{height} pixels are too few")
    is_clear = picture.has_transparency_data
    check(picture, "RGBA" if is_clear else mode)
    flag = orientation(picture)
    if picture.mode in DEEP:
        picture = eight_bits(picture, scale)
    elif is_clear:
        picture = picture.convert("RGBA")
    elif picture.mode != mode:
        picture = picture.convert(mode)
    small = resized(picture, shape, Image.Resampling.BILINEAR, flag)
    return (grounded(small) if is_clear and small.mode == "RGBA" else small).convert(mode).tobytes()


def read_mask(
    picture: Image.Image, shape: tuple[int, int, int], scale: tuple[float, float] | None
) -> bytes:
    """(H, W) uint8, upright: 1 where any part of a pixel is marked, neither black nor clear."""
    check(picture, "F")
    flag = orientation(picture)
    if picture.mode in DEEP:
        marked = Image.fromarray((np.asarray(picture) > 0).astype(np.float32))
    elif picture.has_transparency_data:
        grey, clear = picture.convert("LA").split()
        marked = ImageChops.multiply(grey, clear.point([0] + [255] * 255))
        marked = marked.point([0] + [255] * 255).convert("F")
    else:
        marked = picture.convert("L").point([0] + [255] * 255).convert("F")
    small = resized(marked, shape, Image.Resampling.BOX, flag)
    return (np.asarray(small) > 0).astype(np.uint8).tobytes()


def is_grey(
    picture: Image.Image, shape: tuple[int, int, int], scale: tuple[float, float] | None
) -> bytes:
    """One byte, 1 for a grey picture and 0 for one with colours; its pixels are not decoded."""
    return bytes([picture.mode in GREY_MODES])


def read_range(
    picture: Image.Image, shape: tuple[int, int, int], scale: tuple[float, float] | None
) -> bytes:
    """Least and largest value of a grey picture of more than 8 bits, and 1 for fractions.

    Three float64; empty for other pictures, whose pixels are not decoded.
    """
    if picture.mode not in DEEP:
        return b""
    check(picture, "L")
    parts = [part for _, part in bands(picture)]
    ends = min(map(np.min, parts)), max(map(np.max, parts)), picture.mode == "F"
    return struct.pack("3d", *map(float, ends))


TASKS: dict[str, Callable[..., bytes]] = {
    "picture": read_picture,
    "mask": read_mask,
    "is_grey": is_grey,
    "range": read_range,
}


def do(
    task: str,
    file: BinaryIO,
    shape: tuple[int, int, int],
    scale: tuple[float, float] | None = None,
) -> bytes:
    """The answer of a task to the picture in an open file.

    scale: the values that become black and white where pictures have more than 8 bits.

    Raises:
        Unusable: whatever is wrong with the file.
    """
    try:
        with Image.open(file, formats=FORMATS) as picture:
            return TASKS[task](picture, shape, scale)
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


def eight_bits(picture: Image.Image, scale: tuple[float, float] | None) -> Image.Image:
    """A grey picture of more than 8 bits as one of 8 bits.

    scale: the values that become 0 and 255, one for all pictures of a data set. None: of a picture
    by itself, 0 and 255 or 0 and 65,535, by its largest value.
    """
    if scale is None:
        scale = (0.0, 65_535.0 if max(part.max() for _, part in bands(picture)) > 255 else 255.0)
    low, high = scale
    result = Image.new("L", picture.size)
    for top, values in bands(picture):
        shares = (values - low) / ((high - low) or 1.0)
        small = np.floor(255 * shares.clip(0, 1) + 0.5).astype(np.uint8)
        result.paste(Image.fromarray(small), (0, top))
    return result


def bands(picture: Image.Image) -> Iterator[tuple[int, np.ndarray]]:
    """The first row and the values, float64, of one part of a picture after the other."""
    width, height = picture.size
    rows = max(1, BAND // width)
    picture.load()
    for top in range(0, height, rows):
        part = np.asarray(picture.crop((0, top, width, min(height, top + rows))))
        yield top, np.nan_to_num(part.astype(np.float64), posinf=0.0, neginf=0.0)


def orientation(picture: Image.Image) -> int:
    """The flag of a camera that says how to turn a picture, 1 to 8; 1 without a sound one.

    Decodes the picture: only then it is known whether its decoder has turned it already.
    """
    picture.load()
    with contextlib.suppress(Exception):  # a damaged flag turns nothing, as in any viewer
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def resized(
    picture: Image.Image, shape: tuple[int, int, int], filter: Image.Resampling, flag: int
) -> Image.Image:
    """Brought to (W, H) and turned upright as an orientation flag says."""
    way = TURNS.get(flag)
    size = (shape[1], shape[2]) if way in ACROSS else (shape[2], shape[1])
    small = picture.resize(size, filter)
    return small if way is None else small.transpose(way)


def grounded(picture: Image.Image) -> Image.Image:
    """An RGBA picture on white; on black where nothing could be seen of it on white."""
    red, green, blue, seen = np.moveaxis(np.asarray(picture).astype(np.float64), 2, 0)
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    drawn = light[seen >= VISIBLE]
    is_lost = drawn.size > 0 and drawn.min() >= PALE
    ground = Image.new("RGBA", picture.size, "black" if is_lost else "white")
    return Image.alpha_composite(ground, picture)


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
