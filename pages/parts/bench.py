"""The bench: images in rows, methods in columns, and under each method how far to trust it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.parts import choices, heatmaps, spoiling, state, verdicts, waiting
from pages.parts.heatmaps import Look
from pages.parts.subject import Subject, choose

MOST = 8  # selected images at a time
FEW = 4  # images of one end of the ranking
FIRST = ("LRP-eps", "Grad-CAM")  # shown with the model's own method
METHODS, OPACITY = 640, 240  # widths in pixels
ROWS = {
    "one": "Open image",
    "selection": "Selection",
    "strangest": f"{FEW} strangest",
    "normal": f"{FEW} most normal",
}
VIEWS = {"input": "Image", "overlay": "Map over image", "relevance": "Map"}
SCALES = {"image": "Each image", "row": "These images", "set": "Whole data set"}


@st.fragment
def show(subject: Subject, order: np.ndarray) -> None:
    """Choices, maps, verdicts and spoilt images; runs again by itself when a choice changes.

    order: all images, strangest first.
    """
    row = heatmaps.choose_image(subject, order)
    about = waiting.result("explainers", "Looking for what can explain it", **subject.parameters)
    if about is None:
        return
    names = about["names"].tobytes().decode().splitlines()
    is_positive = dict(zip(names, map(bool, about["is_positive"]), strict=True))
    with st.container(horizontal=True, gap="medium"):  # wraps where there is little room
        rows, near = _choose_rows(subject, order, row)
        default = [names[0], *(name for name in FIRST if name in names[1:])]
        chosen = choices.several("methods", "Methods", names, default, width=METHODS)
    look = _choose_look()
    if not rows or not chosen:
        st.info("Choose at least one image and one method.")
        return
    methods = {name: is_positive[name] for name in chosen}
    has_masks = bool(about["has_masks"])
    asked = heatmaps.requests(subject, methods, rows, has_masks=has_masks)
    if not waiting.are_wanted(asked.values(), f"{len(asked)} maps"):
        return
    whole = heatmaps.scales(subject, methods) if look.scale == "set" else {}
    if waiting.are_wanted(whole.values(), "Colour scale of the whole data set"):
        asked |= whole
    found = waiting.together(asked, waiting.PATIENCE)
    still = any(map(waiting.is_active, found.values()))
    drawn = st.fragment(heatmaps.show, run_every=0.5 if still else None)
    drawn(subject, rows, methods, look, asked, near=near, is_polling=still)
    verdicts.show(subject, rows, list(methods), found, has_masks=has_masks)
    spoiling.show(subject, rows, is_positive, outlined=look.outlined)


def _choose_rows(subject: Subject, order: np.ndarray, row: int) -> tuple[list[int], dict[str, int]]:
    """The images to show, and where a step leads, by the key of its button."""
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
        return strangest[:MOST].tolist(), {}
    if which == "one":
        return [row], heatmaps.neighbours(order, row)
    return (order[:FEW] if which == "strangest" else order[-FEW:]).tolist(), {}


def _choose_look() -> Look:
    segments = st.segmented_control
    with st.container(horizontal=True, gap="medium"):
        view = choose(
            "view", "Show", list(VIEWS), "overlay", VIEWS.__getitem__, segments, required=True
        )
        opacity = choices.number(
            "opacity",
            "Opacity of the map",
            0.0,
            1.0,
            0.8,
            disabled=view != "overlay",
            width=OPACITY,
        )
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
        outlined = choices.switch(
            "outline",
            "Outline of the anomaly",
            True,
            help="A line around the pixels that changed under *Spoil it* and, where the data set "
            "comes with masks, around the marked ones.",
        )
    return Look({"input": 0.0, "overlay": opacity, "relevance": None}[view], scale, outlined)
