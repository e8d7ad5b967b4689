"""The library of models as a table with its actions."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from deepsvdd_core import jobs, library
from deepsvdd_core.experiment import Experiment
from pages.parts import frame
from pages.parts.subject import choose, start_model, title
from pages.parts.training import save_again

CREATED = "Created (UTC)"


def unsaved() -> None:
    """Trained models that could not be written, most often because the disk is full."""
    engine = jobs.engine()
    for job in [job for job in engine.jobs.values() if job.content is not None]:
        st.error(f"{frame.plain(job.title)} is not saved yet: {frame.plain(job.message)}")
        if st.button("Save again", key=f"save-{job.id}", icon=":material/save:"):
            save_again(engine, job)
            st.rerun()


def table() -> None:
    """All models, the user's own first."""
    st.dataframe(
        pd.DataFrame([_row(entry) for entry in library.entries()]),
        hide_index=True,
        column_config={
            "AUROC": st.column_config.NumberColumn(format="percent"),
            CREATED: st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC"),
        },
        placeholder="not known",
        alt="Table of all models with their data set, normal classes, method and AUROC.",
    )


def _row(entry: library.ModelEntry) -> dict[str, object]:
    choices, provenance = entry.header["experiment"], entry.header["provenance"]
    return {
        "Data set": choices["dataset"],
        "Normal": ", ".join(choices["normal_classes"]),
        "Method": Experiment.from_dict(choices).method,
        "AUROC": provenance.get("auroc"),
        CREATED: pd.to_datetime(provenance.get("created"), utc=True, errors="coerce"),
        "Size (kB)": round(entry.path.stat().st_size / 1000),
        "From": "the program" if entry.bundled else "you",
        "Name": entry.name,
    }


def one_model() -> None:
    """Open, download or delete one model, and see how it was made."""
    models = {entry.name: entry for entry in library.entries()}
    st.subheader("One model")
    if not models:
        st.info("There is no model yet; train one on the Train page.")
        return
    default = start_model(models)
    entry = models[choose("model", "Model", list(models), default, lambda n: title(models[n]))]
    link = {"model": entry.name}
    st.page_link(frame.EXPLORE, label="Explore", icon=":material/open_in_new:", query_params=link)
    st.download_button(
        "Download",
        entry.path.read_bytes,
        file_name=entry.path.name,
        icon=":material/download:",
        on_click="ignore",
    )
    if not entry.bundled:
        with st.popover("Delete", icon=":material/delete:"):
            st.markdown("The file is removed for good.")
            st.button("Delete this model", on_click=_delete, args=(entry.name,), type="primary")
    with st.expander("How it was made"):
        st.json(entry.header)


def _delete(name: str) -> None:
    library.delete(name)
    del st.session_state["choose-model"]
    del st.query_params["model"]


def upload() -> None:
    """Take in a model file; anything else is refused in a sentence."""
    st.subheader("Add a model")
    with st.form("upload", clear_on_submit=True):
        file = st.file_uploader(
            "A .safetensors file made by this program", type="safetensors", max_upload_size=20
        )
        pressed = st.form_submit_button("Add", icon=":material/upload:")
    if pressed and file is None:
        st.warning("Choose a file first.")
    elif pressed:
        try:
            entry = library.add(file.name, file.getvalue())
        except (ValueError, OSError) as error:
            st.error(frame.plain(str(error)))
        else:
            st.success(f"Added {frame.plain(title(entry))}.")
            st.page_link(frame.EXPLORE, label="Explore it", query_params={"model": entry.name})
