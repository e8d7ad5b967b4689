"""Results that come with the program or were measured here, and jobs that measure more."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from deepsvdd_core import benchmark, catalogue, datasets, jobs, library, products
from deepsvdd_core.experiment import SCHEDULES
from pages.parts import visitor
from pages.parts.frame import plain


def own_results() -> Path:
    """Where cells measured from the page are kept."""
    return library.home() / "results.csv"


def results() -> pd.DataFrame:
    """All complete lines that hold for the data as they are now, each cell once."""
    published = (benchmark.PUBLISHED, benchmark.PUBLISHED_MNIST_C)
    bundled = [file for file in benchmark.RESULTS.glob("*.csv") if file not in published]
    tables = [benchmark.read(file) for file in (own_results(), *sorted(bundled))]
    tables = [table for table in tables if len(table)]
    if not tables:
        return benchmark.read(own_results())
    held = benchmark.present(pd.concat(tables, ignore_index=True))
    return held.drop_duplicates("key", ignore_index=True)


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
        [
            *methods,
            *(f"knn@{seen}" for seen in catalogue.features("knn")[1:]),
            *(f"{name}@gradients" for name in ("mahalanobis", *catalogue.ON_GRADIENTS)),
        ],
        default=["knn"],
        key="measure-methods",
        persist_state="session",
        help="name@codes: on the codes of a Deep SVDD; name@gradients: on histograms of oriented "
        "gradients; name@network: on pretrained features.",
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
                if cell.experiment.key not in done and not _begin(cell):
                    return


def _begin(cell: benchmark.Cell) -> bool:
    """Hand a cell to the engine; whether there was room for it."""
    title = f"{cell.method}, {cell.dataset}, normal: {cell.normal_class}"
    try:
        visitor.engine().submit("measure", cell.request, title)
    except ValueError as error:
        st.warning(str(error))
        return False
    return True


def follow() -> None:
    """Measurements of this visitor under way or just ended; what others measured is kept, too."""
    if any([_keep(job) for job in jobs.engine().listed("measure") if job.state == "finished"]):
        st.rerun()
    measuring = _measuring()
    if measuring:
        polling = any(job.is_active for job in measuring)
        st.fragment(_show, run_every=0.5 if polling else None)(polling)


def _measuring() -> list[jobs.Job]:
    return visitor.engine().own("measure")


def _show(polling: bool) -> None:
    engine = visitor.engine()
    measuring = _measuring()
    active = [job for job in measuring if job.is_active]
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
    if polling and (not active or any(job.state == "finished" for job in measuring)):
        st.rerun()


def _keep(job: jobs.Job) -> bool:
    """Write a finished measurement into the user's results; whether it was new."""
    cell = benchmark.Cell(*job.parameters["cell"])
    arrays = products.get("measure", job.parameters)
    new = arrays is not None and cell.experiment.key not in set(results()["key"])
    if new:
        try:
            benchmark.append(own_results(), benchmark.row_of(cell, arrays))
        except OSError as error:
            st.error(f"The measurement could not be kept ({error.strerror}); free some space.")
            return False
    jobs.engine().forget(job)
    return new
