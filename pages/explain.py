"""Ask a model why an image is strange."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.parts import frame, heatmaps, ranking, state, waiting
from pages.parts.subject import choose_subject

frame.heading(
    "Explain",
    "Ask a model why it calls an image strange: which pixels push its code away from the centre.",
)
subject = choose_subject()
order = np.argsort(-subject.scores, kind="stable")
row = heatmaps.choose_image(subject, order)

arrays = waiting.result("explain", f"Explaining image {row}", **subject.parameters, index=row)
if arrays is not None:
    heatmaps.show(subject, row, int(np.flatnonzero(order == row)[0]), arrays)

st.subheader("Other images")
picked = ranking.show(subject)
if picked is not None:
    state.focus_on(subject, picked)
    st.rerun()
