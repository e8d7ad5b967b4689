"""Read and write model files: tensors and a checked JSON header, never pickle."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from deepsvdd_core.header import check

FORMAT = "deepsvdd-explorer/1"
SUFFIX = ".safetensors"
LARGEST_FILE = 200_000_000  # bytes
MOST_TENSORS = 1_000
# What a damaged or foreign file makes the reader raise.
UNREADABLE = (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError)


class ModelFile(NamedTuple):
    """header: detector, experiment, provenance. tensors: name to array."""

    header: dict
    tensors: dict[str, np.ndarray]


def home() -> Path:
    """The folder of everything a user makes: DEEPSVDD_HOME, or a folder of the user."""
    if "DEEPSVDD_HOME" in os.environ:
        return Path(os.environ["DEEPSVDD_HOME"])
    if os.name == "nt":
        return Path(os.environ["LOCALAPPDATA"]) / "deepsvdd-explorer"
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "deepsvdd-explorer"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file completely or not at all.

    Raises:
        OSError: with one sentence, when the disk is full or the folder cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise OSError(
            f"{path.name} could not be written to {path.parent} ({error.strerror}); "
            "free some space or choose another folder, then save again."
        ) from error


def write(path: Path, header: dict, tensors: dict[str, np.ndarray]) -> None:
    """Write a model file. Raises ValueError for weights that are not finite, OSError otherwise."""
    write_atomically(path, encode(header, tensors))


def encode(header: dict, tensors: dict[str, np.ndarray]) -> bytes:
    """The content of a model file."""
    _check_finite("The model", tensors)
    return save(tensors, metadata={"format": FORMAT, "header": json.dumps(header)})


def header_of(content: bytes) -> dict:
    """The header of a model file's content that was encoded here, unchecked."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["header"])


def read(path: Path) -> ModelFile:
    """Read and check a model file.

    Raises:
        ValueError: one sentence for a missing, truncated, foreign or damaged file.
    """
    if not path.is_file():
        raise ValueError(f"There is no model {path.stem}.")
    header = read_header(path)
    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys()
            few = names if len(names) <= MOST_TENSORS else []
            tensors = {name: file.get_tensor(name) for name in few}
    except UNREADABLE as error:
        raise _unreadable(path) from error
    if len(names) > MOST_TENSORS:
        raise ValueError(f"{path.name} holds {len(names):,} arrays, more than any model has.")
    _check_finite(path.name, tensors)
    return ModelFile(header, tensors)


def read_header(path: Path) -> dict:
    """The checked header alone. Raises ValueError, in one sentence, as `read`."""
    if not path.exists():
        raise ValueError(f"There is no model {path.stem} any more.")
    if not path.is_file():  # a pipe would never end
        raise ValueError(f"{path.name} is not a file; move it out of the folder of the models.")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{path.name} is larger than {LARGEST_FILE // 10**6} MB; not a model.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except UNREADABLE as error:
        raise _unreadable(path) from error
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path.name} is a safetensors file, but not a model of this program.")
    try:
        return check(metadata.get("header", ""))
    except ValueError as error:
        raise ValueError(
            f"{path.name} has a damaged header ({error}); download or save it again."
        ) from None


def _check_finite(name: str, tensors: dict[str, np.ndarray]) -> None:
    for tensor, values in tensors.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds values that are not finite numbers (in {tensor}).")


def _unreadable(path: Path) -> ValueError:
    return ValueError(
        f"{path.name} is not a readable safetensors file (cut short, damaged, or of another "
        "kind); download or save it again."
    )
