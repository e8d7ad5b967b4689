"""The bench: images in rows, methods in columns, and under each method how far to trust it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.parts import choices, heatmaps, spoiling, state, verdicts, waiting
from pages.parts.heatmaps import Look
from pages.parts.subject import Subject, choose

MOST = 8  # selected images at a time
FEW = 4  # images of one end of the ranking
FIRST = ("Integrated Gradients", "Grad-CAM")  # shown with the model's own method
ROWS = {
    "one": "Open image",
    "selection": "Selection",
    "strangest": f"{FEW} strangest",
    "normal": f"{FEW} most normal",
}
VIEWS = {"input": "Image", "overlay": "Map over image", "relevance": "Map"}
SCALES = {"image": "Each image", "row": "These images", "set": "Whole data set"}


@st.fragment
def show(subject: Subject, order: np.ndarray, row: int) -> None:
    """Choices, maps, verdicts and spoilt images; runs again by itself when a choice changes."""
    about = waiting.result("explainers", "Looking for what can explain it", **subject.parameters)
    if about is None:
        return
    names = about["names"].tobytes().decode().splitlines()
    is_positive = dict(zip(names, map(bool, about["is_positive"]), strict=True))
    left, right = st.columns([2, 3])
    with left:
        rows = _choose_rows(subject, order, row)
    with right:
        default = [names[0], *(name for name in FIRST if name in names[1:])]
        chosen = choices.several("methods", "Methods", names, default)
    look = _choose_look()
    if not rows or not chosen:
        st.info("Choose at least one image and one method.")
        return
    methods = {name: is_positive[name] for name in chosen}
    asked = heatmaps.requests(subject, methods, rows)
    found = waiting.together(asked, waiting.PATIENCE)
    still = any(map(waiting.is_active, found.values()))
    drawn = st.fragment(heatmaps.show, run_every=0.5 if still else None)
    drawn(subject, rows, methods, look, is_polling=still)
    _legend()
    verdicts.show(subject, rows[0], list(methods), has_masks=bool(about["has_masks"]))
    spoiling.show(subject, rows, is_positive)


def _choose_rows(subject: Subject, order: np.ndarray, row: int) -> list[int]:
    which = choose(
        "rows", "Images", list(ROWS), "one", ROWS.__getitem__, st.segmented_control, required=True
    )
    if which == "selection":
        selected = np.flatnonzero(state.selection(subject))
        if len(selected) == 0:
            st.caption("Nothing is selected; draw a lasso on the Explore page.")
        elif len(selected) > MOST:
            st.caption(f"The {MOST} strangest of {len(selected):,} selected images.")
        strangest = selected[np.argsort(-subject.scores[selected], kind="stable")]
        return strangest[:MOST].tolist()
    ends = {"one": [row], "strangest": order[:FEW].tolist(), "normal": order[-FEW:].tolist()}
    return ends[which]


def _choose_look() -> Look:
    left, middle, right = st.columns([2, 2, 3])
    segments = st.segmented_control
    with left:
        view = choose(
            "view", "Show", list(VIEWS), "overlay", VIEWS.__getitem__, segments, required=True
        )
    with middle:
        opacity = choices.number(
            "opacity", "Opacity of the map", 0.0, 1.0, 0.8, disabled=view != "overlay"
        )
    with right:
        scale = choose(
            "scale",
            "One colour scale for",
            list(SCALES),
            "set",
            SCALES.__getitem__,
            segments,
            required=True,
            help="Over the whole data set the colours end at the relevance that 1 of 1,000 pixels "
            "exceeds; until that is known, these images decide.",
        )
    return Look({"input": 0.0, "overlay": opacity, "relevance": None}[view], scale)


def _legend() -> None:
    st.caption(
        "Red pushes towards anomalous, blue towards normal; maps that are never negative go from "
        "pale to red and say where, not in which direction. Values are in units of the score, but "
        "for Saliency (change of the score per unit of a pixel) and Grad-CAM (no unit). All come "
        "from the very model that gives the score."
    )
