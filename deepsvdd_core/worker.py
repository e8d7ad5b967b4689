"""What a worker process does with one request; light until the request arrives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from distributed import get_worker

TOPIC = "reports"  # where workers publish what the server shows

_cancelled: set[str] = set()


class Cancelled(Exception):
    """The user pressed Cancel."""


class Refusal(NamedTuple):
    """The answer to a request that cannot be met: why, in one sentence for the user.

    An answer and no exception, since Dask would print its traceback. Empty after a cancellation.
    """

    reason: str


def warm_up_maps(projection: str, count: int) -> None:
    """Compile what the first map of so many points would otherwise wait for."""
    from deepsvdd_core.projections import PROJECTIONS
    from deepsvdd_core.sphere import Sphere

    points = np.random.default_rng(0).normal(size=(count, 32)).astype(np.float32)
    origin = Sphere(np.zeros((1, 32), np.float32), np.ones(1), "squared")
    PROJECTIONS[projection](points, origin)


def warm_up_models() -> None:
    """Import what the first training or question to a model would otherwise wait for."""
    import deepsvdd_core.pipeline  # noqa: F401
    from deepsvdd_core import detectors, explainers
    from deepsvdd_core.experiment import Experiment

    choices = Experiment("warm-up", ("0",), pretrain_epochs=1, epochs=1)
    detector = detectors.build(choices)
    zeros = np.zeros((2, *detector.encoder.input_shape), np.uint8)
    detector.anomaly_score(zeros)
    for name in explainers.supported(detector):
        explainers.EXPLAINERS[name](detector, zeros)


def warm_up_training() -> None:
    """Take the first step of a training, which imports a large part of torch."""
    from deepsvdd_core import detectors
    from deepsvdd_core.experiment import Experiment
    from deepsvdd_core.tasks import OneClassTask

    detector = detectors.build(Experiment("warm-up", ("0",), pretrain_epochs=0, epochs=1))
    images = np.random.default_rng(0).integers(0, 256, (4, *detector.encoder.input_shape), np.uint8)
    rows, truth = np.arange(4), np.arange(4) > 1
    task = OneClassTask(images, np.zeros(4, np.int64), images, truth, truth.astype(np.int64), rows)
    list(detector.fit(task))


# By lane; a request is done before the next step. UMAP takes another path above 4,096 points.
WARM_UP = {
    "quick": [warm_up_models],
    "explain": [warm_up_models],
    "map": [
        warm_up_models,
        partial(warm_up_maps, "umap", 500),
        partial(warm_up_maps, "umap", 5_000),
        partial(warm_up_maps, "sphere", 500),
    ],
    "train": [warm_up_models, warm_up_training],
}


def run(
    job: str, kind: str, parameters: dict, payload: Sequence[bytes] = ()
) -> dict[str, np.ndarray] | Refusal:
    """Do one piece of work of `pipeline.WORK`, reporting progress, until done or cancelled.

    payload: contents of files, for work that takes some.
    """
    from deepsvdd_core.pipeline import WORK

    worker = get_worker()

    def report(values: dict) -> None:
        worker.log_event(TOPIC, {"job": job, **values})

    def on_step() -> None:
        if job in _cancelled:
            raise Cancelled

    report({"started": time.time()})
    files = {"payload": payload} if payload else {}
    try:
        return WORK[kind](**parameters, **files, report=report, on_step=on_step)
    except Cancelled:
        return Refusal("")
    except (ValueError, OSError) as error:  # written for the reader
        return Refusal(" ".join(str(error).split()))


async def cancel(job: str) -> None:
    """Let the job stop at its next step. Harmless where the job does not run."""
    _cancelled.add(job)
