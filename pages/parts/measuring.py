"""Results that come with the program or were measured here, and jobs that measure more."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from deepsvdd_core import benchmark, catalogue, datasets, jobs, library, products
from deepsvdd_core.experiment import SCHEDULES
from pages.parts.frame import plain


def own_results() -> Path:
    """Where cells measured from the page are kept."""
    return library.home() / "results.csv"


def results() -> pd.DataFrame:
    """All complete lines; a cell that was measured twice counts once."""
    published = (benchmark.PUBLISHED, benchmark.PUBLISHED_MNIST_C)
    bundled = [file for file in benchmark.RESULTS.glob("*.csv") if file not in published]
    tables = [benchmark.read(file) for file in (own_results(), *sorted(bundled))]
    tables = [table for table in tables if len(table)]
    if not tables:
        return benchmark.read(own_results())
    return pd.concat(tables, ignore_index=True).drop_duplicates("key", ignore_index=True)


def choose() -> None:
    """Menus for cells and a button that measures those that are missing."""
    name = st.selectbox(
        "Data set to measure on",
        datasets.available(),
        format_func=lambda option: datasets.source(option).title,
        key="measure-data",
        persist_state="session",
    )
    labels = datasets.source(name).class_names
    methods = [m for m in catalogue.methods() if m not in catalogue.NEEDS_ANOMALIES]
    left, middle, right = st.columns(3)
    chosen = left.multiselect(
        "Methods to measure",
        [*methods, *(f"knn@{seen}" for seen in catalogue.features()[1:])],
        default=["knn"],
        key="measure-methods",
        persist_state="session",
        help="name@codes: on the codes of a Deep SVDD; name@network: on pretrained features.",
    )
    normal = middle.multiselect(
        "Normal classes, one at a time", labels, default=labels[:1], key=f"measure-classes-{name}"
    )
    schedule = right.selectbox(
        "Schedule", list(SCHEDULES), key="measure-schedule", persist_state="session"
    )
    seed = right.number_input("Seed of the measurement", 0, 2**32 - 1, 0, key="measure-seed")
    if st.button("Measure", icon=":material/play_arrow:", disabled=not (chosen and normal)):
        done = set(results()["key"])
        for method in chosen:
            for label in normal:
                cell = benchmark.Cell(method, name, label, int(seed), schedule)
                if cell.experiment.key not in done:
                    title = f"{method}, {name}, normal: {label}"
                    jobs.engine().submit("measure", cell.request, title)


def follow() -> None:
    """Measurements under way or just ended."""
    measuring = _measuring()
    if measuring:
        polling = any(job.is_active for job in measuring)
        st.fragment(_show, run_every=0.5 if polling else None)(polling)


def _measuring() -> list[jobs.Job]:
    return [job for job in jobs.engine().jobs.values() if job.kind == "measure"]


def _show(polling: bool) -> None:
    engine = jobs.engine()
    measuring = _measuring()
    active = [job for job in measuring if job.is_active]
    kept = [_keep(job) for job in measuring if job.state == "finished"]
    for job in active[:8]:
        last = job.epochs[-1] if job.epochs else None
        share = last["epoch"] / max(1, last["epochs"]) if last else 0.0
        stage = "waiting" if job.state == "queued" else last["stage"] if last else "reading"
        left, right = st.columns([5, 1], vertical_alignment="center")
        left.progress(min(1.0, share), text=f"{plain(job.title)}: {stage} …")
        if right.button("Cancel", key=f"cancel-{job.id}"):
            engine.cancel(job)
    if len(active) > 8:
        st.caption(f"and {len(active) - 8} more")
    for job in measuring:
        if job.state == "failed":
            st.error(f"{plain(job.title)}: {plain(job.message)}")
            if st.button("Dismiss", key=f"dismiss-{job.id}"):
                engine.forget(job)
    if any(kept) or (polling and not active):
        st.rerun()


def _keep(job: jobs.Job) -> bool:
    """Write a finished measurement into the user's results; whether it was new."""
    cell = benchmark.Cell(*job.parameters["cell"])
    arrays = products.get("measure", job.parameters)
    new = arrays is not None and cell.experiment.key not in set(results()["key"])
    if new:
        benchmark.append(own_results(), benchmark.row_of(cell, arrays))
    jobs.engine().forget(job)
    return new
