"""Show a result of the engine, how far it is, or a button that begins what takes long."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import streamlit as st

from deepsvdd_core import datasets, jobs, products
from deepsvdd_core.products import Arrays
from pages.parts import places, visitor
from pages.parts.frame import plain

Key = TypeVar("Key")
PATIENCE = 0.4  # seconds a page waits for an answer before it shows progress
PROMPT = 2.0  # seconds of work that a page begins by itself


@st.cache_resource(max_entries=32, show_spinner=False)
def stored(name: str) -> Arrays:
    """A product by its file name, one copy for all sessions. Raises LookupError without a file."""
    return products.load(name)


@st.cache_resource(max_entries=1024, show_spinner=False)
def small(name: str) -> Arrays:
    """As `stored`, for products of a few kilobytes, of which a page shows many."""
    return products.load(name)


@st.cache_resource(max_entries=4, show_spinner=False)
def bundled(dataset: str, fingerprint: str) -> datasets.DataSet:
    """A data set that a page may read itself, one read-only copy for all sessions."""
    return datasets.load(dataset)


class Asked(NamedTuple):
    """A request, and how much work it is: so many units of a kind, see `jobs.estimates`."""

    kind: str
    parameters: dict[str, object]
    units: float = 1
    of: str = ""

    @property
    def name(self) -> str:
        """Of the file that holds the answer."""
        return products.file_name(self.kind, self.parameters)


def result(
    kind: str,
    text: str,
    *,
    units: float = 1,
    of: str = "",
    is_narrow: bool = False,
    **parameters: object,
) -> Arrays | None:
    """The arrays asked for, or None while the page shows progress, or why there are none.

    units, of: as in `Asked`; what takes long begins with a press. is_narrow: there is no room for
    Cancel beside the progress.
    """
    asked = Asked(kind, parameters, units, of)
    try:
        return stored(asked.name)
    except LookupError:
        pass
    if not are_wanted([asked], text):
        return None
    return shown(ask(asked), text, is_narrow=is_narrow)


def shown(answer: Arrays | jobs.Job, text: str, *, is_narrow: bool = False) -> Arrays | None:
    """The arrays of an answer; for a job its progress, or why it has none."""
    if not isinstance(answer, jobs.Job):
        return answer
    if answer.is_active:
        follow(answer.id, text, is_narrow=is_narrow, place=places.here())
    else:
        explain_end(answer)
    return None


def ask(asked: Asked, payload: Sequence[bytes] = ()) -> Arrays | jobs.Job:
    """The arrays asked for where they come at once, else the job that makes them, or did not.

    payload: contents of files, which the parameters name by their digests.
    """
    answer = _request(asked, payload)
    if isinstance(answer, jobs.Job):
        deadline = time.monotonic() + PATIENCE
        while answer.is_active and time.monotonic() < deadline:
            time.sleep(0.02)
        if answer.state == "finished":
            return _request(asked)
    return answer


def are_wanted(asked: Iterable[Asked], text: str) -> bool:
    """Whether this work may begin: it is short, under way, or the visitor has pressed for it.

    Otherwise a button with the time it will take. What is there already costs nothing.
    """
    engine = visitor.engine()
    missing = [one for one in asked if _is_missing(engine, one)]
    seconds = sum(engine.seconds(one.kind, one.units, one.of) for one in missing)
    if seconds <= PROMPT:
        return True
    names = {one.name for one in missing}
    pressed = st.session_state.setdefault("pressed", set())
    if not names <= pressed:
        label = f"{text}: start, {jobs.in_words(seconds)}"
        if not st.button(
            label, key=f"{places.here()}start-{min(names)}", icon=":material/play_arrow:"
        ):
            return False
        pressed |= names
    for one in missing:
        answer = _request(one)
        if isinstance(answer, jobs.Job):
            answer.patience = jobs.PRESSED
    return True


def _request(asked: Asked, payload: Sequence[bytes] = ()) -> Arrays | jobs.Job:
    answer = visitor.engine().request(asked.kind, payload=payload, **asked.parameters)
    if isinstance(answer, jobs.Job):
        answer.size = (asked.units, asked.of)
    return answer


def _is_missing(engine: jobs.Visit, asked: Asked) -> bool:
    """Whether an answer is neither there nor under way for this visitor."""
    if products.exists(asked.name):
        return False
    return not any(job.asks_for(asked.kind, asked.parameters) for job in engine.own(asked.kind))


def glance(asked: Asked) -> Arrays | jobs.Job:
    """The small product asked for, or the job that makes it (or did not); never waits."""
    try:
        return small(asked.name)
    except LookupError:
        return _request(asked)


def together(asked: dict[Key, Asked], patience: float) -> dict[Key, Arrays | jobs.Job]:
    """Glances at several products, after so many seconds unless all are there before."""
    deadline = time.monotonic() + patience
    while True:
        found = {key: glance(one) for key, one in asked.items()}
        if time.monotonic() >= deadline or not any(map(is_active, found.values())):
            return found
        time.sleep(0.02)


def is_active(answer: Arrays | jobs.Job) -> bool:
    """Whether an answer is still being made."""
    return isinstance(answer, jobs.Job) and answer.is_active


@st.fragment(run_every=0.5)
def follow(job_id: str, text: str, *, is_narrow: bool = False, place: str = "") -> None:
    """Progress of a job with a button to cancel it; runs the page again when it has ended.

    place: as `places.here` has it.
    """
    engine = visitor.engine()
    job = engine.find(job_id)
    if job is None or not job.is_active:
        st.rerun()
    engine.follow(job)
    last = job.reports[-1] if job.reports else {}
    fraction = last.get("fraction", 0.0)
    _line(stage(job, text), fraction, [job], f"{place}cancel-{job_id}", is_narrow=is_narrow)


def follow_all(answers: Iterable[Arrays | jobs.Job], text: str) -> None:
    """Progress of answers that a page shows together, in a fragment that asks for them again.

    text: what is made, "{done}" and "{count}" in it tell how many are there and wanted.
    """
    answers = list(answers)
    active = [answer for answer in answers if is_active(answer)]
    if active:
        done = len(answers) - len(active)
        first = next((job for job in active if job.state == "running"), active[0])
        text = text.format(done=done, count=len(answers))
        _line(stage(first, text), done / len(answers), active, "cancel-together")


def _line(
    said: str, fraction: float, made: list[jobs.Job], key: str, *, is_narrow: bool = False
) -> None:
    """A bar, and a button that cancels these jobs."""
    if is_narrow:
        left = right = st.container()
    else:
        left, right = st.columns([5, 1], vertical_alignment="center")
    left.progress(float(fraction), text=f"{plain(said)} …")
    if right.button("Cancel", key=key):
        for job in made:
            visitor.engine().cancel(job)
        st.rerun()


def stage(job: jobs.Job, text: str) -> str:
    """What a job does, or what it waits for."""
    engine = jobs.engine()
    last = job.reports[-1] if job.reports else {}
    if job.state == "running":
        return last.get("stage") or text
    others = [other for other in engine.listed() if other.lane == job.lane]
    if engine.state != "ready" or not any(o.state in ("running", "finished") for o in others):
        return "Starting the engine, once"  # its worker of this lane still loads
    return text if job.future is not None else f"{text}: waits for other work"


def explain_end(job: jobs.Job) -> None:
    """Why a job has no result, and a button to try again."""
    if job.state == "finished":  # since the page asked
        st.rerun()
    if job.state == "failed":
        st.error(plain(job.message))
    else:
        st.info("Cancelled.")
    if st.button("Try again", key=f"{places.here()}again-{job.id}"):
        visitor.engine().forget(job)
        st.rerun()
