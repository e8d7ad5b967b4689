"""One piece of work, from the press of a button to its result."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from distributed import Future

from deepsvdd_core import datasets, products
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
LONG = ("train", "measure")  # goes on when its page is closed, and is remembered for its owner
SHORT, PRESSED = 10.0, 120.0  # seconds; what was pressed for may stand in a tab that is asleep
ENGINE_STOPPED = "The engine stopped before this was done; start it again."


def training(experiment: Experiment) -> dict:
    """What names a training in a request; it changes when the files of its data sets do."""
    there = datasets.available()
    known = datasets.fingerprints(name for name in experiment.datasets if name in there)
    return {"experiment": experiment.to_dict(), "fingerprints": known}


@dataclass
class Job:
    """What was asked for, who follows it, how far it is. Written by the engine's module only.

    followers: the visitors who asked for it and when they were last heard of, in seconds of
    `time.monotonic`. A script is the visitor "", who need not be heard of.
    """

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
    payload: list[bytes] = field(default_factory=list)  # files that the parameters name by digest
    followers: dict[str, float] = field(default_factory=dict)
    patience: float = SHORT  # seconds it goes on when nobody is heard of
    size: tuple[float, str] = (1.0, "")  # units and kind of the estimate, see `estimates`
    started: float = 0.0  # when, in seconds of `time.monotonic`
    ended: float = 0.0  # when, in seconds of `time.monotonic`
    future: Future | None = None

    @property
    def is_active(self) -> bool:
        return self.state in ("queued", "running")

    @property
    def epochs(self) -> list[dict]:
        """The reports that describe an epoch."""
        return [report for report in list(self.reports) if "epoch" in report]

    @property
    def lane(self) -> str:
        """The kind of worker that does it."""
        return LANES.get(self.kind, "quick")

    def asks_for(self, kind: str, parameters: dict) -> bool:
        """Whether it is the answer to this request."""
        return (self.kind, self.parameters) == (kind, parameters)

    def heard_of(self, visitor: str) -> None:
        """The visitor still wants it."""
        self.followers[visitor] = time.monotonic()

    @property
    def is_followed(self) -> bool:
        """Whether somebody was heard of lately."""
        oldest = time.monotonic() - self.patience
        heard = list(self.followers.items())
        return any(visitor == "" or when > oldest for visitor, when in heard)
