"""Keep computed arrays on disk, named by what they were computed from, bounded in size.

Where the disk takes nothing, this process keeps the last ones in memory; `trouble` says why.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections import OrderedDict
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from deepsvdd_core import library

BUNDLED = Path(__file__).parents[1] / "assets" / "products"
LARGEST_TOTAL = 2_000_000_000  # bytes
MOST_KEPT = 300_000_000  # bytes in memory
NAME = re.compile(r"[a-z_]{1,40}-[0-9a-f]{16}\.safetensors")
LAYOUT = 2  # of all kinds; one more whenever all get other arrays
LAYOUTS = {  # of kinds that have got others, or other values, since
    **dict.fromkeys(("images", "clusters", "view", "place", "guess", "explainers", "bundle"), 3),
    **dict.fromkeys(("report", "strategies", "find_mark"), 3),
    "pictures": 3,
    **dict.fromkeys(("localise", "spoil", "clever_hans", "heatmaps"), 4),
    **dict.fromkeys(("judge", "explain", "scale"), 5),
    "measure": 6,
}

Arrays = dict[str, np.ndarray]

_kept: OrderedDict[str, Arrays] = OrderedDict()
_trouble: list[str] = []


def folder() -> Path:
    """Where computed arrays are kept."""
    return library.home() / "products"


def layout(kind: str) -> int:
    """A number that grows when products of a kind get other arrays or values."""
    return LAYOUTS.get(kind, LAYOUT)


def file_name(kind: str, parameters: dict) -> str:
    """The same for equal parameters, whatever their order."""
    text = json.dumps([layout(kind), parameters], sort_keys=True)
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"


def find(name: str) -> Path | None:
    """Where a file of this name lies, or None."""
    if not NAME.fullmatch(name):  # a name from a link must not leave the folders
        return None
    return next((p for p in (folder() / name, BUNDLED / name) if p.is_file()), None)


def read(path: Path) -> Arrays:
    """The arrays of a file; read-only. Raises LookupError when it is damaged or gone."""
    try:
        arrays = load_file(path)
        if path.parent != BUNDLED:
            with contextlib.suppress(OSError):
                os.utime(path)  # used last is dropped last
    except (OSError, SafetensorError) as error:
        raise LookupError(path.name) from error
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def load(name: str) -> Arrays:
    """The arrays of a file of this name; read-only. Raises LookupError where there are none."""
    for parent in (folder(), BUNDLED):
        with contextlib.suppress(LookupError):
            return read(parent / name)
    return _kept[name]


def exists(name: str) -> bool:
    """Whether `load` finds it."""
    return name in _kept or find(name) is not None


def content(name: str) -> Path | bytes:
    """The file of this name, or what would be in it. Raises LookupError where there is none."""
    return find(name) or save(_kept[name])


def length(name: str, array: str) -> int:
    """How many entries an array of a file has. Raises LookupError without the file."""
    path = find(name)
    if path is None:
        return len(_kept[name][array])
    try:
        with safe_open(path, framework="numpy") as file:
            return file.get_slice(array).get_shape()[0]
    except (OSError, SafetensorError) as error:
        raise LookupError(name) from error


def get(kind: str, parameters: dict) -> Arrays | None:
    """The stored arrays, or None when they are not there (or damaged)."""
    try:
        return load(file_name(kind, parameters))
    except LookupError:
        return None


def put(kind: str, parameters: dict, arrays: Arrays, parent: Path | None = None) -> None:
    """Store arrays; the least recently used ones give way above the size limit.

    Raises:
        OSError: with one sentence, when they are for a folder of the program (parent) that takes
            nothing.
    """
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    path = (parent or folder()) / file_name(kind, parameters)
    try:
        library.write_atomically(path, save(whole))
    except OSError as error:
        if parent is not None:
            raise
        _trouble[:] = [str(error)]
        _keep(path.name, whole)
        return
    _trouble.clear()
    if parent is None:
        _make_room(path)


def trouble() -> str | None:
    """Why the last product could not be written, in one sentence; None while all is well."""
    return _trouble[0] if _trouble else None


def _keep(name: str, arrays: Arrays) -> None:
    for array in arrays.values():
        array.setflags(write=False)
    _kept[name] = arrays
    sizes = {name: sum(a.nbytes for a in kept.values()) for name, kept in _kept.items()}
    while len(_kept) > 1 and sum(sizes.values()) > MOST_KEPT:
        sizes.pop(_kept.popitem(last=False)[0])


def _make_room(newest: Path) -> None:
    states = []
    for path in newest.parent.glob("*.safetensors"):
        with contextlib.suppress(OSError):  # another thread has dropped it
            states.append((path.stat().st_mtime, path.stat().st_size, path))
    total = sum(size for _, size, _ in states)
    for _, size, path in sorted(states):
        if total <= LARGEST_TOTAL or path == newest:
            break
        total -= size
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
