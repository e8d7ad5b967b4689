"""Compare methods on the same classes, beside published values."""

from __future__ import annotations

import streamlit as st

from pages.parts import comparison, frame, measuring

frame.heading(
    "Compare",
    "See how well methods tell each class from all others, beside the published values, and "
    "measure what is missing.",
)
table = comparison.choose(measuring.results())
if table is not None:
    comparison.summary(table)
    comparison.classes(table)
    comparison.curves(table)
st.subheader("Measure more")
measuring.choose()
measuring.follow()
