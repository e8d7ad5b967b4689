"""The server's side of the engine: start it, hand it work, follow it, stop it."""

from __future__ import annotations

import functools
import hashlib
import time

from deepsvdd_core import datasets, library
from deepsvdd_core.jobs.engine import Engine
from deepsvdd_core.jobs.estimates import in_words
from deepsvdd_core.jobs.job import ENGINE_STOPPED, LANES, LONG, PRESSED, Job, training
from deepsvdd_core.jobs.visit import Visit

__all__ = [
    "ENGINE_STOPPED",
    "LANES",
    "LONG",
    "PRESSED",
    "Engine",
    "Job",
    "Visit",
    "digest",
    "engine",
    "in_words",
    "subject",
    "training",
    "wait",
]


@functools.cache
def engine() -> Engine:
    """The one engine of this process."""
    return Engine()


def subject(entry: library.ModelEntry, dataset: str, split: str = "test") -> dict[str, str]:
    """What names a model and images of a data set in a request; it changes when the files do."""
    return {
        "model": entry.name,
        "digest": entry.digest,
        "dataset": dataset,
        "fingerprint": datasets.fingerprint(dataset),
        "split": split,
    }


def digest(content: bytes) -> str:
    """What names the content of a file in a request."""
    return hashlib.sha256(content).hexdigest()


def wait(job: Job, timeout: float = 600) -> Job:
    """Block until a job has ended; for scripts and tests, never for a page.

    Raises:
        TimeoutError: it has not ended in time (seconds).
    """
    deadline = time.monotonic() + timeout
    while job.is_active:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{job.title} has not ended after {timeout:.0f} s")
        time.sleep(0.02)
    return job
