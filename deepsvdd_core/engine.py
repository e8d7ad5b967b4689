"""The process that computes: a Dask scheduler and one-thread workers in lanes.

`python -m deepsvdd_core.engine [lanes]` prints the scheduler's address and runs until its standard
input ends, so it never outlives the server that started it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys

import dask
from distributed import Client, Nanny, Scheduler, SpecCluster
from distributed.utils import get_mp_context

from deepsvdd_core import worker

# One thread per process: two training threads and one other busy process cost tenfold on two cores.
THREADS = {
    name: "1"
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
} | {"OMP_WAIT_POLICY": "PASSIVE"}

# A training needs the same memory in every step. What it frees up to these bytes stays with the
# process (glibc); given back and taken anew each time, it would take up to twice as long.
MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**28), "MALLOC_MMAP_THRESHOLD_": str(2**25)}

SHARED = ["distributed", "deepsvdd_core.pipeline"]  # a name that is not there is passed over

SETTINGS = {
    "distributed.nanny.pre-spawn-environ": THREADS | MEMORY,
    # A worker that trains counts as busier than one that still warms up.
    "distributed.scheduler.default-task-durations": {
        "warm_up": "1s",
        "train": "1h",
        "measure": "1h",
    },
}


def lanes(wanted: list[str]) -> list[str]:
    """One worker answers short questions, one draws maps, one explains, one per core trains.

    wanted: names of lanes; without any, all of them.
    """
    every = ["quick", "map", "explain"] + ["train"] * (os.cpu_count() or 1)
    return [lane for lane in every if lane in wanted] if wanted else every


def specification(workers: list[str]) -> dict[str, dict]:
    """What SpecCluster starts: a supervised worker process per lane, restarted when it dies."""
    return {
        f"{lane}-{number}": {
            "cls": Nanny,
            "options": {
                "nthreads": 1,
                "resources": {lane: 1},
                "memory_limit": 0,
                "dashboard_address": "127.0.0.1:0",
            },
        }
        for number, lane in enumerate(workers)
    }


def share_imports() -> None:
    """Let all workers be copies of one process that has imported most of what they need.

    On Linux alone: Windows cannot copy a process, and on macOS it is not safe.
    """
    if sys.platform == "linux":
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
        context = get_mp_context()  # Dask's own, whose first call sets another list
        context.set_forkserver_preload(SHARED)


async def serve() -> None:
    """Start everything, print the address, and wait for the end of standard input."""
    workers = lanes(sys.argv[1:])
    scheduler = {
        "cls": Scheduler,
        "options": {"host": "127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0"},
    }
    dask.config.set(SETTINGS)
    share_imports()
    async with (
        SpecCluster(
            scheduler=scheduler,
            workers=specification(workers),
            asynchronous=True,
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster, asynchronous=True) as client,
    ):
        print(cluster.scheduler_address, flush=True)
        warm = [  # kept, because a future that is dropped is cancelled
            client.submit(
                step, resources={lane: 1}, key=f"warm_up-{n}-{place}", priority=-1 - place
            )
            for n, lane in enumerate(workers)
            for place, step in enumerate(worker.WARM_UP[lane])
        ]
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        del warm


if __name__ == "__main__":
    asyncio.run(serve())
