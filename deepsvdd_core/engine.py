"""The process that computes: a Dask scheduler and one-thread workers in lanes.

`python -m deepsvdd_core.engine [lanes]` prints one line of JSON, the scheduler's address with the
key and certificate of this run, and works until its standard input ends, so it never outlives the
server that started it. Every part listens on this computer alone and speaks TLS; who does not hold
the key, another user of this computer included, is refused.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys

import dask
from distributed import Client, Nanny, Scheduler, Security, SpecCluster
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

HOST = "127.0.0.1"
# Scheduler and workers would each open an HTTP server; it has nothing to show and stays here.
HTTP = {"dashboard": False, "dashboard_address": f"{HOST}:0"}

SETTINGS = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
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


def specification(workers: list[str], security: Security) -> dict[str, dict]:
    """What SpecCluster starts: a supervised worker process per lane, restarted when it dies."""
    return {
        f"{lane}-{number}": {
            "cls": Nanny,
            "options": {
                "nthreads": 1,
                "resources": {lane: 1},
                "memory_limit": 0,
                "host": HOST,
                "security": security,
                **HTTP,
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
    """Start everything, print address and key, and wait for the end of standard input."""
    workers = lanes(sys.argv[1:])
    security = Security.temporary()
    scheduler = {
        "cls": Scheduler,
        "options": {"protocol": "tls", "host": HOST, "port": 0, "security": security, **HTTP},
    }
    dask.config.set(SETTINGS)
    share_imports()
    async with (
        SpecCluster(
            scheduler=scheduler,
            workers=specification(workers, security),
            security=security,
            asynchronous=True,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, asynchronous=True) as client,
    ):
        key, certificate = security.tls_client_key, security.tls_client_cert
        said = {"address": cluster.scheduler_address, "key": key, "certificate": certificate}
        print(json.dumps(said), flush=True)
        warm = [  # kept, because a future that is dropped is cancelled
            client.submit(
                step, resources={lane: 1}, key=f"warm_up-{n}-{place}", priority=-1 - place
            )
            for n, lane in enumerate(workers)
            for place, step in enumerate(worker.WARM_UP[lane])
        ]
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        logging.disable()  # what is cut off now is meant to be
        del warm


if __name__ == "__main__":
    asyncio.run(serve())
