"""The library of models as a table with its actions."""

from __future__ import annotations

import functools
import os

import pandas as pd
import streamlit as st

from deepsvdd_core import datasets, jobs, library
from deepsvdd_core.experiment import Experiment
from pages.parts import fields, frame, visitor, waiting
from pages.parts.subject import choose, start_model, title
from pages.parts.training import save_again

CREATED = "Created (UTC)"
UPLOAD = 20  # MB


def unsaved() -> None:
    """The visitor's models that could not be written, most often because the disk is full."""
    engine = visitor.engine()
    for job in engine.own("train"):
        if job.state == "failed" and job.content is not None:
            st.error(f"{frame.plain(job.title)} is not saved yet: {frame.plain(job.message)}")
            if st.button("Save again", key=f"save-{job.id}", icon=":material/save:"):
                save_again(job)
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
    used = library.usage(visitor.name())
    st.caption(
        f"You keep {used.models} of at most {library.MOST_MODELS} models here, "
        f"{used.size / 1e6:,.1f} of {library.MOST_BYTES / 1e6:,.0f} MB."
    )


def _row(entry: library.ModelEntry) -> dict[str, object]:
    choices, provenance = entry.header["experiment"], entry.header["provenance"]
    mine = "you" if visitor.name() in entry.owners else "a visitor"
    return {
        "Data set": choices["dataset"],
        "Normal": datasets.printable(", ".join(choices["normal_classes"])),
        "Method": Experiment.from_dict(choices).method,
        "AUROC": provenance.get("auroc"),
        CREATED: pd.to_datetime(provenance.get("created"), utc=True, errors="coerce"),
        "Size (kB)": round(entry.size / 1000),
        "From": "the program" if entry.bundled else mine,
        "Name": entry.name,
    }


def broken() -> None:
    """Files among the models that are none, each with the reason and, where one may, a Delete."""
    for file in library.broken():
        left, right = st.columns([5, 1], vertical_alignment="center")
        left.warning(frame.plain(f"{library.shortened(file.name)}: {file.reason}"))
        if visitor.may_delete(file.owners):
            right.button(
                "Delete",
                key=f"delete-broken-{os.fsencode(file.name).hex()}",  # whatever it is called
                icon=":material/delete:",
                on_click=_delete,
                args=(file.name,),
            )


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
        functools.partial(_content, entry),
        file_name=entry.path.name,
        icon=":material/download:",
        on_click="ignore",
    )
    if not entry.bundled and visitor.may_delete(entry.owners):
        with st.popover("Delete", icon=":material/delete:"):
            st.markdown("The file is removed for good.")
            st.button("Delete this model", on_click=_delete, args=(entry.name,), type="primary")
    box = st.expander("How it was made", on_change="rerun")
    with box:
        if box.open:
            _made(entry)


def _made(entry: library.ModelEntry) -> None:
    """All that its file says of a model."""
    try:
        st.json(entry.whole_header)
    except (ValueError, OSError) as error:
        st.warning(frame.plain(str(error)))


def _content(entry: library.ModelEntry) -> bytes:
    """Of a model file; nothing when somebody has deleted it meanwhile."""
    try:
        return entry.path.read_bytes()
    except OSError:
        return b""


def _delete(name: str) -> None:
    """Before the page runs again; what cannot be done gets a sentence on it."""
    engine = visitor.engine()
    try:
        library.delete(name, None if engine.is_teacher else engine.visitor)
    except (ValueError, OSError) as error:
        st.session_state["not-deleted"] = str(error)
    else:
        st.session_state.pop("added", None)
        st.session_state.pop(fields.key("choose-model"), None)
        st.query_params.pop("model", None)


def refusals() -> None:
    """Why the last press of Delete did nothing."""
    reason = st.session_state.pop("not-deleted", None)
    if reason is not None:
        st.error(frame.plain(reason))


def upload() -> None:
    """Take in a model file; anything else is refused in a sentence."""
    st.subheader("Add a model")
    with st.form("upload", clear_on_submit=True):
        file = st.file_uploader(
            "A .safetensors file made by this program", type="safetensors", max_upload_size=UPLOAD
        )
        pressed = st.form_submit_button("Add", icon=":material/upload:")
    if pressed and file is None:
        st.warning("Choose a file first.")
    elif pressed:
        st.session_state.pop("added", None)
        st.session_state["adding"] = (file.name, file.getvalue())
    if "adding" in st.session_state:
        _add(*st.session_state["adding"])
    if "added" in st.session_state:
        name, words = st.session_state["added"]
        st.success(f"Added {frame.plain(words)}.")
        st.page_link(frame.EXPLORE, label="Explore it", query_params={"model": name})


def _add(name: str, content: bytes) -> None:
    """Check the file here and its weights in the engine, then keep it."""
    try:
        library.check_upload(name, content, visitor.name())
        answer = waiting.ask(
            waiting.Asked("admit", {"digest": jobs.digest(content)}), payload=[content]
        )
        if waiting.is_active(answer):
            waiting.follow(answer.id, "Trying the model")
            return
        if isinstance(answer, jobs.Job):
            visitor.engine().forget(answer)
            raise ValueError(answer.message or "Cancelled; the model was not added.")
        entry = library.add(name, content, visitor.name())
    except (ValueError, OSError) as error:
        st.error(frame.plain(str(error)))
        del st.session_state["adding"]
    else:
        st.session_state["added"] = (entry.name, title(entry))
        del st.session_state["adding"]
        st.rerun()  # the table above has one line more
