"""Clickable images, framed by the side of the threshold they lie on."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.parts import served
from pages.parts.components import component
from pages.parts.subject import Subject

BOX = 56  # pixels on the screen

_gallery = component("gallery", '<div class="gallery" role="group"></div>')


def show(
    subject: Subject,
    rows: np.ndarray,
    threshold: float,
    key: str,
    current: int | None = None,
    captions: dict[int, str] | None = None,
) -> int | None:
    """The images of these rows in this order; the row that was just clicked, or None.

    captions: by row, instead of the score.
    """
    if len(rows) == 0:
        st.caption("No images.")
        return None
    answer = _gallery(
        key=key,
        data={
            "sheets": served.image_sheets(subject.parameters, subject.images.shape[1:]),
            "box": BOX,
            "items": [_item(subject, int(row), threshold, current, captions or {}) for row in rows],
        },
        on_picked_change=lambda: None,
    )
    return None if answer.picked is None else int(answer.picked)


def _item(
    subject: Subject, row: int, threshold: float, current: int | None, captions: dict[int, str]
) -> dict[str, object]:
    score = subject.scores[row]
    outside = score > threshold
    name = subject.class_names[subject.labels[row]]
    place = "above" if outside else "not above"
    return {
        "row": row,
        "caption": captions.get(row, f"{score:.3g}"),
        "label": f"{name}, image {row}, score {score:.3g}, {place} the threshold",
        "side": "outside" if outside else "inside",
        "current": row == current,
    }


def legend() -> None:
    """What the frames and numbers mean."""
    st.caption(
        "Number: anomaly score, higher is stranger (a squared embedding distance for models with a "
        "sphere). Blue frame: not above the threshold, inside the sphere; orange frame: above, "
        "outside."
    )
