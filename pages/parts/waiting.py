"""Show a result of the engine, or how far it is."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TypeVar

import streamlit as st

from deepsvdd_core import datasets, jobs, products
from deepsvdd_core.products import Arrays
from pages.parts.frame import plain

Key = TypeVar("Key")
PATIENCE = 0.4  # seconds a page waits for an answer before it shows progress


@st.cache_resource(max_entries=32, show_spinner=False)
def stored(name: str) -> Arrays:
    """A product by its file name, one copy for all sessions. Raises LookupError without a file."""
    return _read(name)


@st.cache_resource(max_entries=1024, show_spinner=False)
def small(name: str) -> Arrays:
    """As `stored`, for products of a few kilobytes, of which a page shows many."""
    return _read(name)


@st.cache_resource(max_entries=4, show_spinner=False)
def bundled(dataset: str) -> datasets.DataSet:
    """A data set that a page may read itself, one read-only copy for all sessions."""
    return datasets.load(dataset)


def result(kind: str, text: str, **parameters: object) -> Arrays | None:
    """The arrays asked for, or None while the page shows progress, or why there are none."""
    try:
        return stored(products.file_name(kind, parameters))
    except LookupError:
        pass
    engine = jobs.engine()
    answer = engine.request(kind, **parameters)
    if isinstance(answer, jobs.Job):
        deadline = time.monotonic() + PATIENCE
        while answer.is_active and time.monotonic() < deadline:
            time.sleep(0.02)
        if answer.state == "finished":
            return engine.request(kind, **parameters)
        if answer.is_active:
            follow(answer.id, text)
        else:
            explain_end(answer)
        return None
    return answer


def glance(kind: str, parameters: dict[str, object]) -> Arrays | jobs.Job:
    """The small product asked for, or the job that makes it (or did not); never waits."""
    try:
        return small(products.file_name(kind, parameters))
    except LookupError:
        return jobs.engine().request(kind, **parameters)


def together(asked: dict[Key, tuple[str, dict]], patience: float) -> dict[Key, Arrays | jobs.Job]:
    """Glances at several products, after so many seconds unless all are there before."""
    deadline = time.monotonic() + patience
    while True:
        found = {key: glance(kind, parameters) for key, (kind, parameters) in asked.items()}
        if time.monotonic() >= deadline or not any(map(is_active, found.values())):
            return found
        time.sleep(0.02)


def is_active(answer: Arrays | jobs.Job) -> bool:
    """Whether an answer is still being made."""
    return isinstance(answer, jobs.Job) and answer.is_active


@st.fragment(run_every=0.5)
def follow(job_id: str, text: str, *, is_narrow: bool = False) -> None:
    """Progress of a job with a button to cancel it; runs the page again when it has ended."""
    engine = jobs.engine()
    job = engine.jobs.get(job_id)
    if job is None or not job.is_active:
        st.rerun()
    last = job.reports[-1] if job.reports else {}
    fraction = last.get("fraction", 0.0)
    _line(stage(job, text), fraction, [job], f"cancel-{job_id}", is_narrow=is_narrow)


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
            jobs.engine().cancel(job)
        st.rerun()


def stage(job: jobs.Job, text: str) -> str:
    """What a job does, or what it waits for."""
    engine = jobs.engine()
    last = job.reports[-1] if job.reports else {}
    if job.state == "running":
        return last.get("stage") or text
    lane = _lane(job)
    others = [other for other in list(engine.jobs.values()) if _lane(other) == lane]
    if engine.state != "ready" or not any(o.state in ("running", "finished") for o in others):
        return "Starting the engine, a few seconds once"  # its worker of this lane still loads
    return text if job.future is not None else f"{text}: waits for other work"


def _lane(job: jobs.Job) -> str:
    return jobs.LANES.get(job.kind, "quick")


def explain_end(job: jobs.Job) -> None:
    """Why a job has no result, and a button to try again."""
    if job.state == "finished":  # since the page asked
        st.rerun()
    if job.state == "failed":
        st.error(plain(job.message))
    else:
        st.info("Cancelled.")
    if st.button("Try again", key=f"again-{job.id}"):
        jobs.engine().forget(job)
        st.rerun()


def _read(name: str) -> Arrays:
    path = products.find(name)
    if path is None:
        raise LookupError(name)
    return products.read(path)
