"""Ask a model why an image is strange."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.parts import bench, frame, ranking, state
from pages.parts.subject import choose_subject

frame.heading(
    "Explain",
    "Ask a model why it calls an image strange: which pixels push its code away from the centre, "
    "and how far such a map can be trusted.",
)
subject = choose_subject()
order = np.argsort(-subject.scores, kind="stable")
bench.show(subject, order)

st.subheader("Other images")
picked = ranking.show(subject)
if picked is not None:
    state.focus_on(subject, picked)
    st.rerun()
