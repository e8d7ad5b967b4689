"""Rows of clickable images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from deepsvdd_core import figures
from pages.parts.subject import Subject

ASSETS = Path(__file__).parents[2] / "assets" / "gallery"
SIZE = 64  # pixels on the screen

_component = st.components.v2.component(
    "gallery",
    html='<div class="gallery" role="group"></div>',
    css=(ASSETS / "gallery.css").read_text(encoding="utf-8"),
    js=(ASSETS / "gallery.js").read_text(encoding="utf-8"),
)


def show(subject: Subject, rows: np.ndarray, key: str) -> int | None:
    """The images of these rows in this order; the row that was just clicked, or None."""
    if len(rows) == 0:
        st.caption("No images.")
        return None
    columns = min(len(rows), 16)
    height, width = subject.images.shape[2:]
    answer = _component(
        key=key,
        data={
            "sprite": figures.sprite(subject.images[rows], columns),
            "columns": columns,
            "width": width,
            "height": height,
            "size": SIZE,
            "items": [_item(subject, int(row)) for row in rows],
        },
        on_picked_change=lambda: None,
    )
    return answer.picked


def _item(subject: Subject, row: int) -> dict[str, object]:
    score = subject.scores[row]
    outside = score > subject.threshold
    name = subject.class_names[subject.labels[row]]
    place = "above" if outside else "below"
    return {
        "id": row,
        "caption": f"{score:.3g}",
        "label": f"{name}, image {row}, score {score:.3g}, {place} the threshold",
        "side": "outside" if outside else "inside",
    }
