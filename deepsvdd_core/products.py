"""Keep computed arrays on disk, named by what they were computed from, bounded in size."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from deepsvdd_core import library

BUNDLED = Path(__file__).parents[1] / "assets" / "products"
LARGEST_TOTAL = 2_000_000_000  # bytes
LAYOUT = 2  # one more whenever a kind of product gets other arrays

Arrays = dict[str, np.ndarray]


def folder() -> Path:
    """Where computed arrays are kept."""
    return library.home() / "products"


def file_name(kind: str, parameters: dict) -> str:
    """The same for equal parameters, whatever their order."""
    text = json.dumps([LAYOUT, parameters], sort_keys=True)
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"


def find(name: str) -> Path | None:
    """Where a file of this name lies, or None."""
    if name != Path(name).name:  # a name from a link must not leave the folders
        return None
    return next((p for p in (folder() / name, BUNDLED / name) if p.is_file()), None)


def read(path: Path) -> Arrays:
    """The arrays of a file; read-only. Raises LookupError when it is damaged or gone."""
    try:
        arrays = load_file(path)
        if path.parent != BUNDLED:
            os.utime(path)  # used last is dropped last
    except (OSError, SafetensorError) as error:
        raise LookupError(path.name) from error
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def get(kind: str, parameters: dict) -> Arrays | None:
    """The stored arrays, or None when they are not there (or damaged)."""
    name = file_name(kind, parameters)
    for parent in (folder(), BUNDLED):
        try:
            return read(parent / name)
        except LookupError:
            continue
    return None


def put(kind: str, parameters: dict, arrays: Arrays, parent: Path | None = None) -> None:
    """Store arrays; the least recently used ones give way above the size limit.

    Raises:
        OSError: with one sentence, when the disk is full.
    """
    content = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    path = (parent or folder()) / file_name(kind, parameters)
    library.write_atomically(path, content)
    if parent is None:
        _make_room(path)


def _make_room(newest: Path) -> None:
    files = sorted(newest.parent.glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
    total = sum(path.stat().st_size for path in files)
    for path in files:
        if total <= LARGEST_TOTAL or path == newest:
            break
        total -= path.stat().st_size
        path.unlink(missing_ok=True)
