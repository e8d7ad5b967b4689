"""The normality ladder: all images by score, a page at a time."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.parts import gallery, state, waiting
from pages.parts.subject import Subject, choose

PAGE = 60  # images
SHOWN = {
    "all": "all images",
    "normals": "among normals",
    "anomalies": "among anomalies",
    "alarms": "false alarms",
    "misses": "misses",
    "cluster": "cluster of the open image",
    "selection": "selection",
}
ORDERS = {
    "strange": "strangest first",
    "normal": "most normal first",
    "border": "borderline first",
}


def show(subject: Subject, threshold: float) -> None:
    """Menus for which images and in which order, then one page of them."""
    which = choose(
        "show",
        "Images",
        _offered(subject),
        "all",
        SHOWN.__getitem__,
        widget=st.segmented_control,
        required=True,
    )
    left, right = st.columns([5, 2], vertical_alignment="bottom")
    with left:
        order = choose(
            "order",
            "Order",
            list(ORDERS),
            "strange",
            ORDERS.__getitem__,
            widget=st.segmented_control,
            required=True,
        )
    rows = rows_of(subject, which, threshold)
    if rows is None:
        return
    if len(rows) == 0:
        st.info(_empty(which))
        return
    ranked = ranking(subject.scores, rows, order, threshold)
    pages = -(-len(ranked) // PAGE)
    with right:
        page = st.number_input(f"Page of {pages:,}", 1, pages, key=f"page-{which}-{order}-{pages}")
    part = ranked[(page - 1) * PAGE : page * PAGE]
    picked = gallery.show(subject, part, threshold, key="ladder", current=state.focus(subject))
    if picked is not None and picked != state.focus(subject):
        state.focus_on(subject, picked)
        st.rerun(scope="fragment")
    gallery.legend()


def _offered(subject: Subject) -> list[str]:
    unlabelled = ("all", "cluster", "selection")
    return [name for name in SHOWN if subject.is_anomaly is not None or name in unlabelled]


def rows_of(subject: Subject, which: str, threshold: float) -> np.ndarray | None:
    """The images of a preset; None while they are being found."""
    outside = subject.scores > threshold
    if which == "all":
        return np.arange(len(outside))
    if which == "selection":
        return np.flatnonzero(state.selection(subject))
    if which == "cluster":
        return _cluster(subject)
    truth = subject.is_anomaly
    meant = {
        "normals": ~truth,
        "anomalies": truth,
        "alarms": outside & ~truth,
        "misses": ~outside & truth,
    }
    return np.flatnonzero(meant[which])


def _cluster(subject: Subject) -> np.ndarray | None:
    """Images in the sphere, or else in the cluster of embeddings, of the open image."""
    row = state.focus(subject)
    if row is None:
        return np.empty(0, int)
    if subject.has_sphere and len(subject.sphere.radii) > 1:
        labels = subject.view["nearest"]
    else:
        found = waiting.result(
            "clusters",
            "Clustering the embeddings",
            units=len(subject.scores),
            **subject.parameters,
        )
        if found is None:
            return None
        labels = found["clusters"]
    return np.flatnonzero(labels == labels[row])


def ranking(scores: np.ndarray, rows: np.ndarray, order: str, threshold: float) -> np.ndarray:
    """The rows in an order of ORDERS; equal scores keep the order of their numbers."""
    keys = {
        "strange": -scores[rows],
        "normal": scores[rows],
        "border": np.abs(scores[rows] - threshold),
    }
    return rows[np.argsort(keys[order], kind="stable")]


def _empty(which: str) -> str:
    return {
        "alarms": "No normal image lies above the threshold.",
        "misses": "No anomaly lies below the threshold.",
        "cluster": "Open an image first: click one on the map or below.",
        "selection": "Nothing is selected: draw a lasso or a box on the map.",
    }.get(which, "There is no such image.")
