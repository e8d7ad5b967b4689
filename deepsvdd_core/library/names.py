"""What a model may be called: one rule, for uploads, files that lie there, and links."""

from __future__ import annotations

import contextlib
import functools
import re
import unicodedata
from pathlib import Path

from deepsvdd_core.library.files import SUFFIX, home

BUNDLED = Path(__file__).parents[2] / "assets" / "models"
LONGEST = 120  # characters
# Letters and digits of any language and a few signs, which every file system and link can hold.
NAME = re.compile(r"[^\W_][\w +.()\[\]-]*(?<![ .])")
RESERVED = {"con", "prn", "aux", "nul"} | {f"{p}{n}" for p in ("com", "lpt") for n in range(10)}


def folder() -> Path:
    """Where the user's own models are kept."""
    return home() / "models"


def names(parent: Path) -> list[str]:
    """Of the model files in a folder, the last changed first; whatever lies there."""
    found = []
    try:
        for path in parent.glob(f"*{SUFFIX}"):
            with contextlib.suppress(OSError):
                found.append((-path.stat().st_mtime, path.name.removesuffix(SUFFIX)))
    except OSError:
        return []
    return [name for _, name in sorted(found)]


def shipped() -> frozenset[str]:
    """Names of the models that come with the program."""
    return _shipped(BUNDLED.stat().st_mtime_ns if BUNDLED.is_dir() else 0)


@functools.lru_cache(maxsize=1)
def _shipped(changed: int) -> frozenset[str]:
    return frozenset(names(BUNDLED))


def check_name(name: str) -> str:
    """A name that a model of a user may have, as it is.

    Raises:
        ValueError: one sentence on what is wrong with it.
    """
    whole = unicodedata.normalize("NFC", name)
    if whole.casefold() in {known.casefold() for known in shipped()}:
        raise ValueError(f"A model that comes with the program is called {name}; rename the file.")
    if len(whole) > LONGEST or len(whole.encode("utf-8", "replace")) > 2 * LONGEST:
        raise ValueError(
            f"The name {shortened(name)!r} is too long; rename the file to at most {LONGEST} "
            "letters."
        )
    bad = not NAME.fullmatch(whole) or whole.casefold().endswith(SUFFIX)
    if bad or whole != name or whole.split(".")[0].casefold() in RESERVED:
        raise ValueError(
            f"A model cannot be called {shortened(name)!r}; rename the file with letters, digits, "
            "spaces and + - _ . ( ) alone, beginning with a letter or digit."
        )
    return name


def shortened(name: str) -> str:
    """A name for a sentence, however long it is."""
    return name if len(name) <= 60 else f"{name[:57]}…"
