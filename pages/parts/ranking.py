"""The two ends of a ranking by anomaly score."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.parts import gallery
from pages.parts.subject import Subject


def show(subject: Subject, count: int = 16) -> int | None:
    """The most normal and the most anomalous images; the row that was just clicked, or None."""
    ordered = np.argsort(subject.scores, kind="stable")
    count = min(count, len(ordered))
    clicked = None
    for name, part in (("Most normal", ordered[:count]), ("Most anomalous", ordered[::-1][:count])):
        st.markdown(f"**{name}**")
        picked = gallery.show(subject, part, subject.threshold, key=f"gallery-{name}")
        clicked = clicked if picked is None else picked
    gallery.legend()
    return clicked
