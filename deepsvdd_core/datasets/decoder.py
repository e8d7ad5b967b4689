"""The process that decodes pictures: `python -m deepsvdd_core.datasets.decoder`.

It reads one line of JSON per request, {"task", "shape", "scale", "files"}: a file is a path, or the
number of bytes of its content, which follows the line. It writes an answer per file: one byte, 1
for success, four for a length, then so many of the result or of a sentence. It takes neither more
memory nor more time than its limits and writes no file, so a hostile picture ends this process
and nothing else. It runs until its standard input ends.
"""

from __future__ import annotations

import faulthandler
import io
import json
import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import BinaryIO

from deepsvdd_core.datasets import pictures
from deepsvdd_core.datasets.decoding import MEMORY_LIMIT, TIME_LIMIT, WAIT_LIMIT


def limit_resources() -> None:
    """No more memory than MEMORY_LIMIT, and not a byte to any file; on Linux."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
        for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
            resource.setrlimit(kind, (0, 0))


class Clock:
    """Ends the process, even inside a decoder, when one picture takes too long.

    Processor time is what counts where it can be measured: the same picture must not be refused
    only because the computer is busy. What waits without computing ends later.
    """

    def __init__(self) -> None:
        self._nowhere = os.open(os.devnull, os.O_WRONLY)  # faulthandler tells where it was
        self._set = float("-inf")
        if hasattr(signal, "SIGPROF"):
            signal.signal(signal.SIGPROF, signal.SIG_DFL)  # which ends a process

    def start(self) -> None:
        """A picture begins."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, TIME_LIMIT)
            if time.monotonic() - self._set > 1:  # it starts a thread: not for every small file
                self._set = time.monotonic()
                faulthandler.dump_traceback_later(WAIT_LIMIT, exit=True, file=self._nowhere)
        else:
            faulthandler.dump_traceback_later(TIME_LIMIT, exit=True, file=self._nowhere)

    def stop(self) -> None:
        """Nothing is to be done now."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        self._set = float("-inf")


def answer(request: dict, file: str | int, asked: BinaryIO) -> bytes:
    """What is written for one file."""
    try:
        is_content = isinstance(file, int)
        with io.BytesIO(asked.read(file)) if is_content else pictures.opened(Path(file)) as source:
            shape, scale = tuple(request["shape"]), request["scale"]
            found = pictures.do(request["task"], source, shape, scale and tuple(scale))
        return struct.pack(">BI", 1, len(found)) + found
    except pictures.Unusable as error:
        reason = str(error).encode()
        return struct.pack(">BI", 0, len(reason)) + reason


def main() -> None:
    """Answer until there are no more requests."""
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a decoder prints is no answer
    pictures.AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    limit_resources()
    clock = Clock()
    answers.write(b"\0")  # ready
    answers.flush()
    for line in asked:
        request = json.loads(line)
        for file in request["files"]:
            clock.start()
            answers.write(answer(request, file, asked))
            answers.flush()
        clock.stop()


if __name__ == "__main__":
    main()
