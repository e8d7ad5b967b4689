"""Where on a page something stands: what may stand on it twice has a key for each place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_here: ContextVar[str] = ContextVar("here", default="")


@contextlib.contextmanager
def at(name: str) -> Iterator[None]:
    """What is drawn inside stands at this place."""
    before = _here.set(f"{name}-")
    try:
        yield
    finally:
        _here.reset(before)


def here() -> str:
    """What the keys at this place begin with; a fragment is told it, since it runs again alone."""
    return _here.get()
