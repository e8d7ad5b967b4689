"""The server's side of the engine: start it, hand it work, follow it, stop it."""

from __future__ import annotations

import functools
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from distributed import Client, Future

from deepsvdd_core import datasets, library, products, worker
from deepsvdd_core.experiment import Experiment

LANES = {
    "train": "train",
    "measure": "train",
    "bundle": "train",
    "report": "train",
    "project": "map",
    "trust": "map",
    "scale": "explain",
    "judge": "explain",
    "localise": "explain",
    "clever_hans": "explain",
    "strategies": "explain",
    "find_mark": "explain",
    "remove_mark": "explain",
}  # every other kind of work is quick
START_TIMEOUT = 60  # seconds
POLL = 0.5  # seconds between two looks for a free worker
START, WAKE = "start", "wake"  # events besides a new job
ENGINE_STOPPED = "The engine stopped before this was done; start it again."


@dataclass
class Job:
    """One piece of work, from the press of a button to its result. Written by this module only."""

    kind: str
    parameters: dict
    title: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    state: str = "queued"  # queued, running, finished, failed, cancelled
    reports: list[dict] = field(default_factory=list)
    message: str = ""  # why it failed, in one sentence
    model: str | None = None  # name in the library, when a training has finished
    content: bytes | None = None  # the model file, when it could not be written
    theatre: products.Arrays = field(default_factory=dict)  # how it was trained, likewise
    future: Future | None = None

    @property
    def is_active(self) -> bool:
        return self.state in ("queued", "running")

    @property
    def epochs(self) -> list[dict]:
        """The reports that describe an epoch."""
        return [report for report in self.reports if "epoch" in report]


class Engine:
    """Owns the engine process (or the connection to a cluster) and all jobs of this server.

    lanes: what kinds of workers to start; without any, all of them.
    """

    def __init__(self, *lanes: str) -> None:
        self.lanes = lanes
        self.jobs: dict[str, Job] = {}
        self.state = "stopped"  # stopped, starting, ready, failed
        self.message = ""
        self._events: queue.SimpleQueue[Job | str] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._client: Client | None = None
        threading.Thread(target=self._dispatch, name="jobs", daemon=True).start()

    def start(self) -> None:
        """Begin to start the engine; returns at once."""
        self._events.put(START)

    def submit(self, kind: str, parameters: dict, title: str = "") -> Job:
        """Hand over work; equal work that is under way is shared instead of repeated."""
        with self._lock:
            for job in self.jobs.values():
                if job.is_active and (job.kind, job.parameters) == (kind, parameters):
                    return job
            job = Job(kind, parameters, title or kind)
            self.jobs[job.id] = job
            self._forget_old_jobs()
        self._events.put(job)
        return job

    def train(self, experiment: Experiment) -> Job:
        """Train a model; it lands in the library."""
        return self.submit("train", {"experiment": experiment.to_dict()}, experiment.title)

    def request(self, kind: str, **parameters: object) -> products.Arrays | Job:
        """The stored product of this request, or the job that makes it (or did not).

        A page asks on every run, so a failed or cancelled job is remembered until `forget`.
        """
        stored = products.get(kind, parameters)
        if stored is not None:
            return stored
        for job in list(self.jobs.values()):
            same = (job.kind, job.parameters) == (kind, parameters)
            if same and job.state in ("failed", "cancelled"):
                return job
        return self.submit(kind, parameters)

    def forget(self, job: Job) -> None:
        """Drop a job that has ended, so that the same request is tried again."""
        if not job.is_active:
            self.jobs.pop(job.id, None)

    def cancel(self, job: Job) -> None:
        """Stop a job: at once when it waits, at its next step when it runs."""
        if job.is_active:
            job.state = "cancelled"
            client, future = self._client, job.future
            if client is not None and future is not None:
                future.cancel()
                client.run(worker.cancel, job.id, wait=False)

    def stop(self) -> None:
        """End the engine process, and with it everything that runs."""
        for job in list(self.jobs.values()):
            if job.is_active:
                self._end(job, "failed", ENGINE_STOPPED)
        if self._client is not None:
            self._client.close()
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait(timeout=20)

    def _dispatch(self) -> None:
        pending: list[Job] = []
        while True:
            try:
                event = self._events.get(timeout=POLL if pending else None)
            except queue.Empty:
                event = WAKE
            if isinstance(event, Job):
                pending.append(event)
            if not pending and event is not START:
                continue
            try:
                self._connect()
            except (OSError, TimeoutError, RuntimeError) as error:
                self.state = "failed"
                self.message = f"The engine could not be started ({error})."
                for job in pending:
                    self._end(job, "failed", self.message)
                pending = []
            pending = [job for job in pending if job.state == "queued" and not self._send(job)]

    def _connect(self) -> None:
        if self.state == "ready":
            return
        self.state = "starting"
        address = os.environ.get("DASK_SCHEDULER_ADDRESS") or self._spawn()
        self._client = Client(address, timeout=START_TIMEOUT, set_as_default=False)
        self._client.subscribe_topic(worker.TOPIC, self._on_report)
        self.state = "ready"

    def _spawn(self) -> str:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deepsvdd_core.engine", *self.lanes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"DASK_LOGGING__DISTRIBUTED": "error"},
            cwd=Path(__file__).parents[1],
        )
        address = self._process.stdout.readline().strip()
        if not address:
            raise RuntimeError("its process ended at once; its log says why")
        threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()
        return address

    def _watch(self, process: subprocess.Popen) -> None:
        process.wait()
        client, self._client, self.state = self._client, None, "stopped"
        for job in list(self.jobs.values()):
            if job.is_active and job.future is not None:
                self._end(job, "failed", ENGINE_STOPPED)
        if client is not None:
            client.close(timeout=1)

    def _send(self, job: Job) -> bool:
        """Hand the job to the scheduler if a worker of its lane is free; whether there was one.

        Jobs that wait at the scheduler would queue behind a busy worker while another is idle.
        """
        client, lane = self._client, LANES.get(job.kind, "quick")
        if client is None:
            return False
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        sent = [other for other in list(self.jobs.values()) if other.future is not None]
        taken = sum(LANES.get(other.kind, "quick") == lane for other in sent)
        if taken >= sum(lane in about["resources"] for about in workers):
            return False
        job.future = client.submit(
            worker.run,
            job.id,
            job.kind,
            job.parameters,
            key=f"{job.kind}-{job.id}",
            resources={lane: 1},
        )
        job.future.add_done_callback(functools.partial(self._on_done, job))
        return True

    def _on_report(self, event: tuple[float, dict]) -> None:
        values = dict(event[1])
        job = self.jobs.get(values.pop("job"))
        if job is None or not job.is_active:
            return
        if "started" in values:  # also after a worker died and the work began anew
            job.state = "running"
            job.reports.clear()
        else:
            job.reports.append(values)

    def _on_done(self, job: Job, future: Future) -> None:
        if not job.is_active:
            job.future = None
            self._events.put(WAKE)
            return
        try:
            arrays = future.result()
            self._keep(job, arrays)
        except (worker.Refused, OSError) as error:
            self._end(job, "failed", str(error))
        except worker.Cancelled:
            self._end(job, "cancelled")
        except CancelledError:  # not by this program: the scheduler is gone
            self._end(job, "failed", ENGINE_STOPPED)
        except Exception as error:  # whatever broke, the page must hear of it
            print(f"job {job.id} ({job.kind}) failed: {error!r}", file=sys.stderr)
            self._end(job, "failed", f"This failed unexpectedly ({type(error).__name__}).")
        else:
            self._end(job, "finished")
        finally:
            job.future = None
            self._events.put(WAKE)

    def _keep(self, job: Job, arrays: dict[str, np.ndarray]) -> None:
        if job.kind != "train":
            products.put(job.kind, job.parameters, arrays)
            return
        job.content = arrays.pop("file").tobytes()
        job.theatre = arrays
        self.save(job)

    def save(self, job: Job) -> None:
        """Put a trained model into the library, again if it failed before (a full disk)."""
        name = Experiment.from_dict(job.parameters["experiment"]).name
        entry = library.put(name, job.content)
        if job.theatre:
            products.put("theatre", {"model": name, "digest": entry.digest}, job.theatre)
        job.model = name
        job.content, job.theatre = None, {}
        job.state, job.message = "finished", ""

    def _end(self, job: Job, state: str, message: str = "") -> None:
        job.message = message
        job.state = state

    def _forget_old_jobs(self) -> None:
        done = [job for job in self.jobs.values() if not job.is_active and job.content is None]
        for job in done[:-50]:
            del self.jobs[job.id]


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
