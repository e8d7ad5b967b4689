"""Show a result of the engine, or how far it is."""

from __future__ import annotations

import time
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
    stage = last.get("stage") or text
    if engine.state != "ready":
        stage = "Starting the engine, a few seconds once"
    if is_narrow:
        left = right = st.container()
    else:
        left, right = st.columns([5, 1], vertical_alignment="center")
    left.progress(float(last.get("fraction", 0.0)), text=f"{plain(stage)} …")
    if right.button("Cancel", key=f"cancel-{job_id}"):
        engine.cancel(job)
        st.rerun()


def explain_end(job: jobs.Job) -> None:
    """Why a job has no result, and a button to try again."""
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
