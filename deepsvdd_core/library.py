"""Keep models as files: one safetensors file each, tensors and a JSON header, never pickle."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from deepsvdd_core.experiment import Experiment

FORMAT = "deepsvdd-explorer/1"
SUFFIX = ".safetensors"
BUNDLED = Path(__file__).parents[1] / "assets" / "models"
LARGEST_FILE = 200_000_000  # bytes


class ModelFile(NamedTuple):
    """header: detector, experiment, provenance. tensors: name to array."""

    header: dict
    tensors: dict[str, np.ndarray]


class ModelEntry(NamedTuple):
    """One line of the library."""

    name: str  # file name without suffix; the model's id in links
    path: Path
    header: dict
    bundled: bool

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits of the file's content."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]


def home() -> Path:
    """The folder of everything a user makes: DEEPSVDD_HOME, or a folder of the user."""
    if "DEEPSVDD_HOME" in os.environ:
        return Path(os.environ["DEEPSVDD_HOME"])
    if os.name == "nt":
        return Path(os.environ["LOCALAPPDATA"]) / "deepsvdd-explorer"
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "deepsvdd-explorer"


def folder() -> Path:
    """Where the user's own models are kept."""
    return home() / "models"


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


def read(path: Path) -> ModelFile:
    """Read and check a model file.

    Raises:
        ValueError: one sentence for a missing, truncated, foreign or damaged file.
    """
    if not path.is_file():
        raise ValueError(f"There is no model {path.stem}.")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{path.name} is larger than {LARGEST_FILE // 10**6} MB; not a model.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path.name} is not a readable safetensors file (cut short, damaged, or of another "
            "kind); download or save it again."
        ) from error
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path.name} is a safetensors file, but not a model of this program.")
    header = _parse_header(path, metadata.get("header", ""))
    _check_finite(path.name, tensors)
    return ModelFile(header, tensors)


def entries() -> list[ModelEntry]:
    """Every readable model, the user's newest first, then the bundled ones by name."""
    own = sorted(folder().glob(f"*{SUFFIX}"), key=lambda path: -path.stat().st_mtime)
    bundled = sorted(BUNDLED.glob(f"*{SUFFIX}"))
    rows = [(path, False) for path in own] + [(path, True) for path in bundled]
    return [ModelEntry(p.stem, p, h, b) for p, b in rows if (h := _header_or_none(p)) is not None]


def find(name: str) -> ModelEntry:
    """The model of this name, the user's before a bundled one.

    Raises:
        ValueError: when there is none.
    """
    if name and name == Path(name).name:  # a name from a link must not leave the folders
        for parent, bundled in ((folder(), False), (BUNDLED, True)):
            path = parent / f"{name}{SUFFIX}"
            header = _header_or_none(path) if path.is_file() else None
            if header is not None:
                return ModelEntry(name, path, header, bundled)
    raise ValueError(f"There is no model {name!r}; choose one from the list.")


def put(name: str, content: bytes) -> ModelEntry:
    """Store the content of a freshly trained model; training it again replaces it.

    Raises:
        OSError: with one sentence, when the disk is full.
    """
    target = folder() / f"{name}{SUFFIX}"
    write_atomically(target, content)
    return ModelEntry(name, target, read(target).header, bundled=False)


def add(name: str, content: bytes) -> ModelEntry:
    """Take in a model file, for example an upload; the library is unchanged if it is not one.

    Raises:
        ValueError: the file is not a complete model, or a different model has this name.
        OSError: it cannot be written.
    """
    stem = Path(name).name.removesuffix(SUFFIX)
    target = folder() / f"{stem}{SUFFIX}"
    with tempfile.TemporaryDirectory() as temporary:
        candidate = Path(temporary) / target.name
        candidate.write_bytes(content)
        header = read(candidate).header
    if target.exists() and target.read_bytes() != content:
        raise ValueError(f"Another model is called {stem}; rename the file and try again.")
    write_atomically(target, content)
    return ModelEntry(stem, target, header, bundled=False)


def delete(name: str) -> None:
    """Remove one of the user's own models. Raises ValueError for any other."""
    entry = find(name)
    if entry.bundled:
        raise ValueError(f"{name} comes with the program and cannot be deleted.")
    entry.path.unlink()


def _check_finite(name: str, tensors: dict[str, np.ndarray]) -> None:
    for tensor, values in tensors.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds values that are not finite numbers (in {tensor}).")


def _parse_header(path: Path, text: str) -> dict:
    try:
        header = json.loads(text)
        Experiment.from_dict(header["experiment"])
        shape = header["provenance"]["image_shape"]
        complete = isinstance(header["detector"], str) and [*map(type, shape)] == [int] * 3
    except (ValueError, TypeError, KeyError, AttributeError):
        complete = False
    if not complete:
        raise ValueError(f"{path.name} has a damaged header; download or save it again.")
    return header


def _header_or_none(path: Path) -> dict | None:
    """The header alone, or None for a file that is not a model: lists skip it."""
    try:
        state = path.stat()
        return copy.deepcopy(_header(path, state.st_mtime_ns, state.st_size))
    except (SafetensorError, OSError, ValueError):
        return None


@functools.lru_cache(maxsize=512)
def _header(path: Path, changed: int, size: int) -> dict | None:
    """Read once as long as the file does not change; pages list all models on every run."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
    if metadata.get("format") != FORMAT:
        return None
    return _parse_header(path, metadata.get("header", ""))
