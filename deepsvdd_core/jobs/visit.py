"""The engine as one visitor sees it: they may end and forget what they asked for, not more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from deepsvdd_core import products
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.jobs.engine import Engine
from deepsvdd_core.jobs.job import Job


class Visit(NamedTuple):
    """visitor: who it is; is_teacher: whether it is the person who started the server."""

    engine: Engine
    visitor: str
    is_teacher: bool = False

    @property
    def state(self) -> str:
        """Of the engine: stopped, starting, ready, failed."""
        return self.engine.state

    def start(self) -> None:
        """Begin to start the engine; returns at once."""
        self.engine.start()

    def find(self, job_id: str | None) -> Job | None:
        """A job by its id, whoever asked for it; a link may show how far it is."""
        return self.engine.jobs.get(job_id)

    def seconds(self, kind: str, units: float = 1, of: str = "") -> float:
        """How long work will take, see `estimates`."""
        return self.engine.estimates.seconds(kind, units, of)

    def owns(self, job: Job) -> bool:
        """Whether this visitor may end it."""
        return self.is_teacher or self.visitor in job.followers

    def own(self, *kinds: str) -> list[Job]:
        """The visitor's jobs of these kinds, in the order in which they were asked for."""
        return [job for job in self.engine.listed(*kinds) if self.owns(job)]

    def request(
        self, kind: str, *, payload: Sequence[bytes] = (), **parameters: object
    ) -> products.Arrays | Job:
        """As `Engine.request`, for this visitor."""
        return self.engine.request(kind, visitor=self.visitor, payload=payload, **parameters)

    def submit(self, kind: str, parameters: dict, title: str = "") -> Job:
        """As `Engine.submit`, for this visitor."""
        return self.engine.submit(kind, parameters, title, visitor=self.visitor)

    def train(self, experiment: Experiment) -> Job:
        """As `Engine.train`, for this visitor."""
        return self.engine.train(experiment, visitor=self.visitor)

    def follow(self, job: Job) -> None:
        """Say that a job one asked for is still wanted; a page does while it shows progress."""
        if self.visitor in job.followers:
            job.heard_of(self.visitor)

    def cancel(self, job: Job) -> Job:
        """End a job for this visitor; what now stands for it. Another's job goes on unchanged."""
        if not self.owns(job):
            return job
        return self.engine.cancel(job, self.visitor if self.visitor in job.followers else None)

    def forget(self, job: Job) -> None:
        """Drop a job that has ended, so that the same request is tried again."""
        if self.owns(job):
            self.engine.forget(job)
