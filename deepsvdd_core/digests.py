"""What files hold, as digests that are remembered until the files change."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

SETTLED = 2 * 10**9  # nanoseconds after its last change from which on a file's state tells it apart
MOST_KNOWN = 400_000  # files

State = tuple[int, int, int, int]

_known: dict[str, tuple[State, bytes]] = {}


def state(path: Path) -> State:
    """Size, times of change of content and of entry in ns, and inode: equal for an unchanged file.

    The second time is set by the system and cannot be put back, so a file that is replaced by one
    of its size and date counts as changed; on Windows it is the time of creation.

    Raises:
        OSError: there is no such file.
    """
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def of(path: Path) -> bytes:
    """SHA-256 of a file, read again only when its state is another than before.

    Raises:
        OSError: it cannot be read.
    """
    now, name = state(path), str(path)
    known = _known.get(name)
    if known is not None and known[0] == now:
        return known[1]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").digest()
    # Two changes within one tick of the file system's clock leave the same times.
    if time.time_ns() - max(now[1], now[2]) > SETTLED:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[name] = now, found
    return found
