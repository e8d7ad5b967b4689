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

Arrays = dict[str, np.ndarray]


def folder() -> Path:
    """Where computed arrays are kept."""
    return library.home() / "products"


def file_name(kind: str, parameters: dict) -> str:
    """The same for equal parameters, whatever their order."""
    text = json.dumps(parameters, sort_keys=True)
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"


def get(kind: str, parameters: dict) -> Arrays | None:
    """The stored arrays, or None when they are not there (or damaged)."""
    name = file_name(kind, parameters)
    for path in (folder() / name, BUNDLED / name):
        try:
            arrays = load_file(path)
        except (OSError, SafetensorError):
            continue
        if path.parent != BUNDLED:
            os.utime(path)  # used last is dropped last
        return arrays
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
