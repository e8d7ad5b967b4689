"""Write down which images are selected, as short text for a link or a request."""

from __future__ import annotations

import base64
import zlib

import numpy as np

LARGEST = 1 << 20  # bytes a text may stand for: eight million images


def packed(chosen: np.ndarray) -> str | None:
    """A selection (N,) bool as text for a link; None when nothing is selected."""
    if not chosen.any():
        return None
    return base64.urlsafe_b64encode(zlib.compress(to_bits(chosen), 9)).decode().rstrip("=")


def unpacked(text: str | None, count: int) -> np.ndarray:
    """The inverse of `packed`, for `count` images: (count,) bool.

    Raises:
        ValueError: the text is no selection of so many images.
    """
    if not text:
        return np.zeros(count, bool)
    try:
        inflate = zlib.decompressobj()
        bits = inflate.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), LARGEST)
    except (ValueError, zlib.error) as error:
        raise ValueError("The selection in this link is damaged.") from error
    return from_bits(bits, count)


def to_bits(chosen: np.ndarray) -> bytes:
    """One bit per image of (count,) bool; the inverse of `from_bits`."""
    return np.packbits(chosen, bitorder="little").tobytes()


def from_bits(bits: bytes, count: int) -> np.ndarray:
    """One bit per image to (count,) bool. Raises ValueError unless there are just enough."""
    if len(bits) != -(-count // 8):
        raise ValueError("The selection in this link belongs to other images.")
    chosen = np.unpackbits(np.frombuffer(bits, np.uint8), count=count, bitorder="little")
    return chosen.astype(bool)
