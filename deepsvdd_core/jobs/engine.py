"""The engine's process or cluster, all jobs of this server, and who follows them."""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError

import numpy as np
from distributed import Client, Future

from deepsvdd_core import library, products, worker
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.jobs import process
from deepsvdd_core.jobs.estimates import Estimates
from deepsvdd_core.jobs.job import ENGINE_STOPPED, LONG, Job, training

START_TIMEOUT = 60  # seconds
POLL = 0.5  # seconds between two looks for a free worker
REMEMBERED = {True: 500, False: 200}  # jobs that have ended: of long kinds, of others
MOST_WAITING = 60  # long jobs of one visitor that have not ended
START, WAKE = "start", "wake"  # events besides a new job


class Engine:
    """Owns the engine process (or the connection to a cluster) and all jobs of this server.

    lanes: what kinds of workers to start; without any, all of them.
    """

    def __init__(self, *lanes: str) -> None:
        self.lanes = lanes
        self.jobs: dict[str, Job] = {}
        self.state = "stopped"  # stopped, starting, ready, failed
        self.message = ""
        self.estimates = Estimates()
        self._events: queue.SimpleQueue[Job | str] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._client: Client | None = None
        self._sent: list[Job] = []  # handed to the scheduler; some may have come back
        self._stopping = False
        threading.Thread(target=self._dispatch, name="jobs", daemon=True).start()

    def start(self) -> None:
        """Begin to start the engine; returns at once."""
        self._events.put(START)

    def listed(self, *kinds: str) -> list[Job]:
        """All jobs, or those of these kinds, in the order in which they were asked for."""
        return [job for job in list(self.jobs.values()) if not kinds or job.kind in kinds]

    def submit(
        self,
        kind: str,
        parameters: dict,
        title: str = "",
        *,
        visitor: str = "",
        payload: Sequence[bytes] = (),
    ) -> Job:
        """Hand over work; equal work that is under way is shared instead of repeated.

        visitor: who asks; it ends with the last of those who asked for it. payload: contents of
        files, which the parameters name by `digest`.

        Raises:
            ValueError: the visitor has too much long work under way.
        """
        with self._lock:
            for job in self.listed(kind):
                if job.is_active and job.asks_for(kind, parameters):
                    job.heard_of(visitor)
                    return job
            if kind in LONG and visitor:
                under_way = [
                    j for j in self.listed(*LONG) if j.is_active and visitor in j.followers
                ]
                if len(under_way) >= MOST_WAITING:
                    raise ValueError(
                        f"{MOST_WAITING} trainings and measurements of yours have not ended yet; "
                        "wait for some of them or cancel them."
                    )
            job = Job(kind, parameters, title or kind, payload=list(payload))
            job.heard_of(visitor)
            self.jobs[job.id] = job
        self._events.put(job)
        return job

    def train(self, experiment: Experiment, visitor: str = "") -> Job:
        """Train a model; it lands in the library. Raises ValueError as `submit`."""
        return self.submit("train", training(experiment), experiment.title, visitor=visitor)

    def request(
        self,
        kind: str,
        *,
        visitor: str = "",
        payload: Sequence[bytes] = (),
        **parameters: object,
    ) -> products.Arrays | Job:
        """The stored product of this request, or the job that makes it (or did not).

        A page asks on every run, so a failed job is remembered until `forget`, and a cancelled one
        for who cancelled it.
        """
        stored = products.get(kind, parameters)
        if stored is not None:
            return stored
        for job in self.listed(kind):
            is_over = job.state == "failed" or (
                job.state == "cancelled" and visitor in job.followers
            )
            if is_over and job.asks_for(kind, parameters):
                job.heard_of(visitor)
                return job
        return self.submit(kind, parameters, visitor=visitor, payload=payload)

    def forget(self, job: Job) -> None:
        """Drop a job that has ended, so that the same request is tried again."""
        if not job.is_active:
            self.jobs.pop(job.id, None)

    def cancel(self, job: Job, visitor: str | None = "") -> Job:
        """Stop a job for a visitor: it ends with the last one, at once or at its next step.

        visitor: None stops it for all. Returns the job that stands for it now, a cancelled one
        where it goes on for others.
        """
        with self._lock:
            if not job.is_active:
                return job
            if visitor is not None and job.followers.keys() - {visitor}:
                job.followers.pop(visitor, None)
                left = Job(job.kind, job.parameters, job.title, state="cancelled")
                left.heard_of(visitor)
                left.ended = time.monotonic()
                self.jobs[left.id] = left
                return left
        self._end(job, "cancelled")
        client, future = self._client, job.future
        if client is not None and future is not None:
            with contextlib.suppress(OSError, RuntimeError):  # it is gone, and all its work too
                future.cancel()
                client.run(worker.cancel, job.id, wait=False)
        return job

    def stop(self) -> None:
        """End the engine process, and with it everything that runs."""
        self._stopping = True
        for job in self.listed():
            if job.is_active:
                self._end(job, "failed", ENGINE_STOPPED)
        is_ready = self.state == "ready"
        if self._client is not None:
            self._client.close(timeout=2)
        if self._process is not None:
            process.end(self._process, is_ready=is_ready)

    def _dispatch(self) -> None:
        pending: list[Job] = []
        while not self._stopping:
            waits = any(job.is_active and job.kind not in LONG for job in self.listed())
            try:
                event = self._events.get(timeout=POLL if pending or waits else None)
            except queue.Empty:
                event = WAKE
            if isinstance(event, Job):
                pending.append(event)
            self._drop_old_jobs()
            if not pending and event is not START:
                continue
            try:
                self._connect()
                pending = [job for job in pending if job.state == "queued" and not self._send(job)]
            except Exception as error:  # this thread serves everybody and must not end
                if self._stopping:
                    return
                self.state = "failed"
                self.message = f"The engine could not be started ({error})."
                for job in pending:
                    self._end(job, "failed", self.message)
                pending = []

    def _connect(self) -> None:
        if self.state == "ready":
            return
        self.state = "starting"
        address, security = os.environ.get("DASK_SCHEDULER_ADDRESS"), None
        if not address:
            self._process = process.start(self.lanes)
            address, security = process.address(self._process)
            threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()
        self._client = Client(
            address, timeout=START_TIMEOUT, set_as_default=False, security=security
        )
        self._client.subscribe_topic(worker.TOPIC, self._on_report)
        self.state = "ready"

    def _watch(self, started: subprocess.Popen) -> None:
        started.wait()
        client, self._client, self.state = self._client, None, "stopped"
        for job in self.listed():
            if job.is_active and job.future is not None:
                self._end(job, "failed", ENGINE_STOPPED)
        if client is not None:
            client.close(timeout=1)

    def _send(self, job: Job) -> bool:
        """Hand the job to the scheduler if a worker of its lane is free; whether there was one.

        Jobs that wait at the scheduler would queue behind a busy worker while another is idle.
        """
        client, lane = self._client, job.lane
        if client is None:
            return False
        workers = client.scheduler_info(n_workers=-1).get("workers", {}).values()  # none: it ends
        taken = sum(other.future is not None and other.lane == lane for other in self._sent)
        if taken >= sum(lane in about["resources"] for about in workers):
            return False
        self._sent = [other for other in self._sent if other.future is not None] + [job]
        job.future = client.submit(
            worker.run,
            job.id,
            job.kind,
            job.parameters,
            job.payload,
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
            job.state, job.started = "running", time.monotonic()
            job.reports.clear()
        else:
            job.reports.append(values)

    def _on_done(self, job: Job, future: Future) -> None:
        if not job.is_active:
            job.future = None
            self._events.put(WAKE)
            return
        try:
            answer = future.result()
            if isinstance(answer, worker.Refusal):
                self._end(job, "failed" if answer.reason else "cancelled", answer.reason)
                return
            self._keep(job, answer)
        except OSError as error:
            self._end(job, "failed", str(error))
        except CancelledError:  # not by this program: the scheduler is gone
            self._end(job, "failed", ENGINE_STOPPED)
        except Exception as error:  # whatever broke, the page must hear of it
            print(f"job {job.id} ({job.kind}) failed: {error!r}", file=sys.stderr)
            self._end(job, "failed", f"This failed unexpectedly ({type(error).__name__}).")
        else:
            self._end(job, "finished")
            if job.started:
                self.estimates.learn(job.kind, *job.size, job.ended - job.started)
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
        """Put a trained model into the library, again if it failed before (a full disk).

        Raises:
            OSError: with one sentence; the job keeps the model.
        """
        name = Experiment.from_dict(job.parameters["experiment"]).name
        entry = library.put(name, job.content, owners=job.followers.keys() - {""})
        if job.theatre:
            products.put("theatre", {"model": entry.name, "digest": entry.digest}, job.theatre)
        job.model = entry.name
        job.content, job.theatre = None, {}
        self._end(job, "finished")

    def _end(self, job: Job, state: str, message: str = "") -> None:
        job.message, job.payload, job.ended = message, [], time.monotonic()
        job.state = state

    def _drop_old_jobs(self) -> None:
        """Cancel short work that nobody follows any more, and forget what ended long ago."""
        for job in self.listed():
            if job.is_active and job.kind not in LONG and not job.is_followed:
                self.jobs.pop(job.id, None)  # first, so that no page is told of it
                self.cancel(job, None)
        over = [job for job in self.listed() if not job.is_active and job.content is None]
        for is_long, most in REMEMBERED.items():
            ended = sorted(
                (job for job in over if (job.kind in LONG) == is_long), key=lambda job: job.ended
            )
            for job in ended[:-most]:
                self.jobs.pop(job.id, None)
