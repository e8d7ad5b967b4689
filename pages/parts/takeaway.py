"""Share what is on the screen, and take the selected images home."""

from __future__ import annotations

import streamlit as st

from deepsvdd_core import products, selection
from pages.parts import space, state, visitor, waiting
from pages.parts.subject import Subject


def show(subject: Subject, kind: str, threshold: float) -> None:
    """The link, a zip and a report of the selection; both are made by the engine when asked for."""
    st.markdown(
        "The address of this page holds model, images, map, threshold, selection and open image: "
        "copy it to show someone else the same."
    )
    chosen = state.selection(subject)
    if not chosen.any():
        st.info("Select images on the map to take them home as a zip or as a report.")
        return
    place = space.Place.of(subject, kind)
    asked = {
        **subject.parameters,
        "selection": selection.packed(chosen),
        "coordinates": place.name,
        "tensor": place.tensor,
    }
    link = {name: st.query_params[name] for name in sorted(st.query_params)}
    name = f"{subject.entry.name}-{int(chosen.sum())}-images"
    left, right = st.columns(2)
    with left:
        _offer(
            "bundle",
            "Zip: table, images, heatmaps, state",
            f"{name}.zip",
            {**asked, "state": link},
        )
    with right:
        _offer(
            "report",
            "Report: one HTML page that opens anywhere",
            f"{name}.html",
            {**asked, "projection": kind, "threshold": threshold},
        )


def _offer(kind: str, label: str, file_name: str, asked: dict) -> None:
    """A button that has the file made, then one that downloads it."""
    stored = products.file_name(kind, asked)
    if products.exists(stored):
        st.download_button(
            f"Download {file_name.rpartition('.')[2].upper()}",
            lambda: waiting.stored(stored)["file"].tobytes(),
            file_name=file_name,
            icon=":material/download:",
            on_click="ignore",
            key=f"download-{kind}",
        )
        return
    wanted = st.session_state.get(f"wanted-{kind}") == stored
    if wanted:
        if waiting.result(kind, label, **asked) is not None:
            st.rerun()  # it came while this run was waiting
    elif st.button(label, icon=":material/inventory_2:", key=f"make-{kind}"):
        st.session_state[f"wanted-{kind}"] = stored
        visitor.engine().submit(kind, asked)
        st.rerun(scope="fragment")
