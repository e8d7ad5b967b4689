"""The two ends of a ranking by anomaly score; a click on an image asks why."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.parts import frame, gallery
from pages.parts.subject import Subject


def show(subject: Subject, rows: np.ndarray, group: str, count: int = 16) -> None:
    """The most normal and the most anomalous of these rows, each ordered towards the extreme."""
    ordered = rows[np.argsort(subject.scores[rows], kind="stable")]
    count = min(count, len(ordered))
    for name, part in (("Most normal", ordered[:count]), ("Most anomalous", ordered[::-1][:count])):
        st.markdown(f"**{name}** {group}")
        picked = gallery.show(subject, part, key=f"gallery-{name}-{group}")
        if picked is not None:
            ask_why(subject, picked)


def ask_why(subject: Subject, row: int) -> None:
    """Go to the explanation of an image."""
    st.switch_page(
        frame.EXPLAIN,
        query_params={"model": subject.entry.name, "data": subject.dataset, "image": str(row)},
    )


def legend() -> None:
    """What the frames and numbers of a gallery mean."""
    st.caption(
        "Number: anomaly score, higher is stranger (a squared embedding distance for models with a "
        "sphere). Blue frame: below the threshold, inside the sphere; orange frame: above, "
        "outside. Click an image to see why."
    )
