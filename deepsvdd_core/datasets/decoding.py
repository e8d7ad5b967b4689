"""Have pictures decoded by a process of their own, which may die of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

SMALLEST_SIDE = 8  # pixels of a picture
TIME_LIMIT = 1.2  # seconds of processor time for one picture
WAIT_LIMIT = 10  # seconds by the clock
MEMORY_LIMIT = 400 * 2**20  # bytes
MOST_AT_ONCE, QUICK = 500, 0.2  # files in a batch, and the seconds after which it is a long one

TOO_SLOW = "it takes too long to read"
BROKEN = "not a readable image"

Shape = tuple[int, int, int]
Scale = tuple[float, float]  # the values that become black and white
File = Path | bytes  # where it lies, or its content


class Decoder:
    """One process, started when first needed and anew after a picture has ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._lock = threading.Lock()

    def ask(
        self, task: str, shape: Shape, files: list[File], scale: Scale | None = None
    ) -> list[bytes | str]:
        """For each file the answer to a task of `pictures.TASKS`, or why there is none.

        scale: see `pictures.do`.

        Raises:
            OSError: the process cannot be started.
        """
        answers: list[bytes | str] = []
        with self._lock:
            try:
                while len(answers) < len(files):
                    self._start()
                    try:
                        self._send(task, shape, scale, files[len(answers) :])
                        while len(answers) < len(files):
                            answers.append(self._receive())
                    except (EOFError, OSError):
                        answers.append(TOO_SLOW if self._end() else BROKEN)
            except BaseException:  # answers that are left would be taken for the next ones
                self._end()
                raise
        return answers

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._end()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deepsvdd_core.datasets.decoder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd=Path(__file__).parents[2],
        )
        if not self._process.stdout.read(1):
            raise OSError("The process that reads pictures cannot be started; try again.")

    def _send(self, task: str, shape: Shape, scale: Scale | None, files: list[File]) -> None:
        named = [len(file) if isinstance(file, bytes) else str(file.absolute()) for file in files]
        request = json.dumps({"task": task, "shape": shape, "scale": scale, "files": named})
        self._process.stdin.write(request.encode() + b"\n")
        for file in files:
            if isinstance(file, bytes):
                self._process.stdin.write(file)
        self._process.stdin.flush()

    def _receive(self) -> bytes | str:
        is_success, length = struct.unpack(">BI", self._exactly(5))
        content = self._exactly(length)
        return content if is_success else content.decode()

    def _exactly(self, count: int) -> bytes:
        content = self._process.stdout.read(count)
        if len(content) < count:
            raise EOFError
        return content

    def _end(self) -> bool:
        """End the process; whether its own clock had."""
        process, self._process = self._process, None
        if process is None:
            return False
        process.stdout.close()
        with contextlib.suppress(OSError):  # what was left to write has no reader
            process.stdin.close()
        process.kill()
        code = process.wait()
        return code in (1, -getattr(signal, "SIGPROF", 1))


def _environment() -> dict[str, str]:
    """As here, without what makes a process of the engine keep memory for its next step."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    return kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


_decoder = Decoder()


def read_pictures(
    files: Iterable[File], shape: Shape, scale: Scale | None = None
) -> Iterator[np.ndarray | str]:
    """For each file a uint8 array (C, H, W), or a few words on why it cannot be used.

    scale: of pictures of more than 8 bits, see `common_scale`; None: each by its kind.

    Raises:
        OSError: with one sentence, when no process can be started.
    """
    for answer in _answers("picture", shape, files, scale):
        if isinstance(answer, str):
            yield answer
        else:
            pixels = np.frombuffer(answer, np.uint8).reshape(*shape[1:], shape[0])
            yield pixels.transpose(2, 0, 1)


def read_masks(files: Iterable[File], shape: Shape) -> Iterator[np.ndarray | str]:
    """As `read_pictures`, (H, W) bool: the pixels any part of which is marked."""
    for answer in _answers("mask", shape, files):
        if isinstance(answer, str):
            yield answer
        else:
            yield np.frombuffer(answer, np.uint8).reshape(shape[1:]) > 0


def is_grey(path: Path) -> bool | str:
    """Whether a picture has no colours, or why nobody can tell."""
    (answer,) = _decoder.ask("is_grey", (1, 1, 1), [path])
    return answer if isinstance(answer, str) else answer == b"\1"


def ranges(files: Iterable[File]) -> Iterator[tuple[float, float, bool] | None]:
    """For each file its least and largest value and whether they are fractions.

    None for pictures of 8 bits and for what cannot be read.

    Raises:
        OSError: with one sentence, when no process can be started.
    """
    for answer in _answers("range", (1, 1, 1), files):
        if isinstance(answer, str) or not answer:
            yield None
        else:
            low, high, is_fraction = struct.unpack("3d", answer)
            yield low, high, bool(is_fraction)


def common_scale(found: Iterable[tuple[float, float, bool] | None]) -> Scale | None:
    """The values that become black and white in all pictures of more than 8 bits of a data set.

    0 and 255 where no value is larger, 0 and 1 for fractions up to 1; otherwise 0, or the least
    value below, and the largest. None without such pictures.
    """
    known = [one for one in found if one is not None]
    if not known:
        return None
    low, high = min(0.0, *(one[0] for one in known)), max(one[1] for one in known)
    if low == 0 and high <= 1 and all(one[2] for one in known):
        return 0.0, 1.0
    return (0.0, 255.0) if low == 0 and high <= 255 else (low, high)


def _answers(
    task: str, shape: Shape, files: Iterable[File], scale: Scale | None = None
) -> Iterator[bytes | str]:
    """Small files are sent in large batches; a content goes alone, both ends must not write."""
    files, place, count = list(files), 0, 1
    while place < len(files):
        began = time.monotonic()
        batch = files[place : place + count]
        answers = _decoder.ask(task, shape, batch, scale)
        place += len(batch)
        is_quick = time.monotonic() - began < QUICK and not isinstance(batch[0], bytes)
        count = min(2 * count, MOST_AT_ONCE) if is_quick else 1
        yield from answers
