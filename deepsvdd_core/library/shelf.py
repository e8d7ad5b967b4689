"""The models there are: listed, found by name, taken in, deleted, and whose they are.

Beside a model lies, where it is known, who made or brought it: `<name>.owners`, a visitor a line.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import tempfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load

from deepsvdd_core import digests
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.library.files import (
    SUFFIX,
    UNREADABLE,
    header_of,
    read,
    read_header,
    write_atomically,
)
from deepsvdd_core.library.names import BUNDLED, check_name, folder, names, shipped, shortened

OWNERS = ".owners"
MOST_MODELS, MOST_BYTES = 100, 1_000_000_000  # of one visitor
MOST_MODELS_IN_ALL, MOST_BYTES_IN_ALL = 2_000, 20_000_000_000


class ModelEntry(NamedTuple):
    """One line of the library."""

    name: str  # file name without suffix; the model's id in links
    path: Path
    header: dict  # of all who look at it, never to be changed; of its history the last line
    bundled: bool

    @property
    def whole_header(self) -> dict:
        """With all of its history. Raises ValueError, in one sentence, where the file is gone."""
        return read_header(self.path)

    @property
    def experiment(self) -> Experiment:
        """All choices of its training."""
        return Experiment.from_dict(self.header["experiment"])

    @property
    def fault(self) -> str:
        """What was found wrong when it had been trained, in a sentence; empty where nothing was."""
        found = self.header["provenance"].get("health", "")
        return "" if found == "sound" else found

    @property
    def fingerprints(self) -> dict[str, str]:
        """Of the data sets it was trained on, as they were then, by name; older files have none."""
        return self.header["provenance"].get("fingerprints", {})

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits of the file's content; none when somebody has deleted it."""
        try:
            return digests.of(self.path).hex()[:16]
        except OSError:
            return ""

    @property
    def owners(self) -> frozenset[str]:
        """The visitors it belongs to; none where nobody knows."""
        return owners_of(self.path)

    @property
    def size(self) -> int:
        """Bytes of the file; 0 when it is gone."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


class BrokenFile(NamedTuple):
    """A file among the user's models that is none; reason: a sentence."""

    path: Path
    reason: str

    @property
    def name(self) -> str:
        """The file's name without suffix."""
        return self.path.name.removesuffix(SUFFIX)

    @property
    def owners(self) -> frozenset[str]:
        """The visitors it belongs to; none where nobody knows."""
        return owners_of(self.path)


class Usage(NamedTuple):
    """How many models, and their bytes."""

    models: int
    size: int


def entries() -> list[ModelEntry]:
    """Every readable model, the user's newest first, then the bundled ones by name."""
    found = [_entry(name, False) for name in names(folder())]
    found += [_entry(name, True) for name in sorted(names(BUNDLED))]
    return [entry for entry in found if isinstance(entry, ModelEntry)]


def broken() -> list[BrokenFile]:
    """Files among the user's models that are none, with the reason."""
    found = [_entry(name, False) for name in names(folder())]
    return [entry for entry in found if isinstance(entry, BrokenFile)]


def _entry(name: str, bundled: bool) -> ModelEntry | BrokenFile:
    path = (BUNDLED if bundled else folder()) / f"{name}{SUFFIX}"
    try:
        if not bundled:
            check_name(name)
        found = _about(path, _state(path))
    except ValueError as error:
        return BrokenFile(path, str(error))
    return (
        BrokenFile(path, found)
        if isinstance(found, str)
        else ModelEntry(name, path, found, bundled)
    )


def find(name: str) -> ModelEntry:
    """The model of this name, the only place that turns a name into a file.

    Raises:
        ValueError: when there is none.
    """
    for bundled in (True, False):
        if bundled and name not in shipped():
            continue
        entry = _entry(name, bundled)
        if isinstance(entry, ModelEntry):
            return entry
    raise ValueError(f"There is no model {shortened(name)!r}; choose one from the list.")


def trained(experiment: Experiment, fingerprints: dict[str, str]) -> ModelEntry | None:
    """A model of an experiment on data sets of these fingerprints; None where there is none."""
    for entry in entries():
        if entry.fingerprints == fingerprints and entry.experiment == experiment:
            return entry
    return None


def put(name: str, content: bytes, owners: Iterable[str] = ()) -> ModelEntry:
    """Store the content of a freshly trained model; training it again replaces it.

    Where another's model has this name and other weights, or was trained on other images, it gets
    a number behind the name.

    Raises:
        OSError: with one sentence, when the disk is full.
    """
    owners, free = frozenset(owners), name
    for number in itertools.count(2):
        path = folder() / f"{free}{SUFFIX}"
        known = owners_of(path)
        if free not in shipped():
            if not path.exists() or known <= owners:
                break
            if _is_same(path, content):  # what others look at stays as it is
                _write_owners(path, known | owners)
                return ModelEntry(free, path, read_header(path), bundled=False)
        free = f"{name}-{number}"
    write_atomically(path, content)
    _write_owners(path, owners)
    return ModelEntry(free, path, read_header(path), bundled=False)


def add(name: str, content: bytes, owner: str = "") -> ModelEntry:
    """Take in a model file, for example an upload; the library is unchanged if it is not one.

    Raises:
        ValueError: the file is not a complete model, its name cannot be used, a different model has
            this name, or the owner has too many models.
        OSError: it cannot be written.
    """
    target, header = check_upload(name, content, owner)
    if not target.exists():
        write_atomically(target, content)
    _write_owners(target, owners_of(target) | ({owner} - {""}))
    return ModelEntry(target.name.removesuffix(SUFFIX), target, header, bundled=False)


def check_upload(name: str, content: bytes, owner: str = "") -> tuple[Path, dict]:
    """Where `add` would put a file, and its header. Raises ValueError as `add`."""
    stem = unicodedata.normalize("NFC", Path(name).name.removesuffix(SUFFIX))
    check_name(stem)
    target = folder() / f"{stem}{SUFFIX}"
    with tempfile.TemporaryDirectory() as temporary:
        candidate = Path(temporary) / target.name
        candidate.write_bytes(content)
        header = read(candidate).header
    if not target.exists():
        check_room(owner, len(content))
    elif target.read_bytes() != content:
        raise ValueError(f"Another model is called {stem}; rename the file and try again.")
    return target, header


def delete(name: str, owner: str | None = None) -> None:
    """Remove one of the user's own models; a file that is no model, too.

    owner: who wants it away; where it also belongs to others, it stays for these. None: for all.

    Raises:
        ValueError: there is no such file, or it comes with the program.
        OSError: with one sentence, it cannot be removed.
    """
    if name not in names(folder()):  # a file of the user may be called like a shipped model
        if name in shipped():
            raise ValueError(f"{name} comes with the program and cannot be deleted.")
        raise ValueError(f"There is no model {shortened(name)!r} any more.")
    path = folder() / f"{name}{SUFFIX}"
    others = owners_of(path) - {owner}
    try:
        if owner is not None and others:
            _write_owners(path, others)
            return
        path.unlink()
        path.with_suffix(OWNERS).unlink(missing_ok=True)
    except OSError as error:
        raise OSError(f"{path.name} could not be deleted ({error.strerror}).") from error


def usage(owner: str | None = None) -> Usage:
    """What the models of a visitor, or all of the users' models, take."""
    sizes = []
    for name in names(folder()):
        path = folder() / f"{name}{SUFFIX}"
        if owner is None or owner in owners_of(path):
            with contextlib.suppress(OSError):
                sizes.append(path.stat().st_size)
    return Usage(len(sizes), sum(sizes))


def check_room(owner: str, size: int = 0) -> None:
    """Raises ValueError, in one sentence, unless a visitor may keep another model of this size."""
    limits = [(usage(), MOST_MODELS_IN_ALL, MOST_BYTES_IN_ALL, "The models of all visitors")]
    if owner:
        limits.insert(0, (usage(owner), MOST_MODELS, MOST_BYTES, "Your models"))
    for used, most, bytes_, whose in limits:
        if used.models >= most or used.size + size > bytes_:
            raise ValueError(
                f"{whose} are {used.models} and take {used.size / 1e6:.0f} MB; {most} and "
                f"{bytes_ / 1e6:.0f} MB are allowed. Delete some first."
            )


def owners_of(path: Path) -> frozenset[str]:
    """The visitors a model file belongs to."""
    try:
        return frozenset(path.with_suffix(OWNERS).read_text(encoding="utf-8").split())
    except (OSError, ValueError):
        return frozenset()


def _write_owners(path: Path, owners: frozenset[str]) -> None:
    if owners:
        write_atomically(path.with_suffix(OWNERS), "\n".join(sorted(owners)).encode())


def _is_same(path: Path, content: bytes) -> bool:
    """Whether a file holds the same weights, trained on the same images."""
    try:
        mine, (header, other) = load(content), read(path)
    except UNREADABLE:
        return False
    versions = (about["provenance"].get("fingerprints") for about in (header, header_of(content)))
    return (
        len(set(map(str, versions))) == 1
        and mine.keys() == other.keys()
        and all(np.array_equal(mine[name], other[name]) for name in mine)
    )


def _state(path: Path) -> digests.State:
    """What changes with a file. Raises ValueError where there is none."""
    try:
        return digests.state(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"There is no model {shortened(path.stem)!r}.") from error


@functools.lru_cache(maxsize=4096)
def _about(path: Path, state: digests.State) -> dict | str:
    """The header with the last line of its history, or in a sentence why there is none.

    Read once as long as the file does not change; pages list all models on every run.
    """
    try:
        header = read_header(path)
    except (ValueError, OSError) as error:
        return str(error)
    header["provenance"]["history"] = header["provenance"].get("history", [])[-1:]
    return header
