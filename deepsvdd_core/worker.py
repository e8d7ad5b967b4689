"""What a worker process does with one request; light until the request arrives."""

from __future__ import annotations

import time

import numpy as np
from distributed import get_worker

TOPIC = "reports"  # where workers publish what the server shows

_cancelled: set[str] = set()


class Cancelled(Exception):
    """The user pressed Cancel."""


class Refused(Exception):
    """The request cannot be met; the text says why in one sentence for the user."""


def warm_up(lane: str) -> None:
    """Import and compile what the lane's first request would otherwise wait for."""
    import deepsvdd_core.pipeline  # noqa: F401
    from deepsvdd_core import detectors, explainers
    from deepsvdd_core.experiment import Experiment
    from deepsvdd_core.projections import PROJECTIONS
    from deepsvdd_core.sphere import Sphere

    if lane == "map":
        points = np.random.default_rng(0).normal(size=(5000, 32)).astype(np.float32)
        for count in (500, 5000):  # UMAP takes another path above 4,096 points
            PROJECTIONS["umap"](points[:count])
        origin = Sphere(np.zeros((1, 32), np.float32), np.ones(1), "squared")
        PROJECTIONS["sphere"](points[:500], origin)
        return
    choices = Experiment("warm-up", ("0",), pretrain_epochs=1, epochs=1)
    detector = detectors.build(choices)
    zeros = np.zeros((2, *detector.encoder.input_shape), np.uint8)
    detector.anomaly_score(zeros)
    for name in explainers.supported(detector):
        explainers.EXPLAINERS[name](detector, zeros)


def run(job: str, kind: str, parameters: dict) -> dict[str, np.ndarray]:
    """Do one piece of work of `pipeline.WORK`, reporting progress, until done or cancelled."""
    from deepsvdd_core.pipeline import WORK

    worker = get_worker()

    def report(values: dict) -> None:
        worker.log_event(TOPIC, {"job": job, **values})

    def on_step() -> None:
        if job in _cancelled:
            raise Cancelled

    report({"started": time.time()})
    try:
        return WORK[kind](**parameters, report=report, on_step=on_step)
    except (ValueError, OSError) as error:  # written for the reader
        raise Refused(str(error)) from None


async def cancel(job: str) -> None:
    """Let the job stop at its next step. Harmless where the job does not run."""
    _cancelled.add(job)
