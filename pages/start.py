"""Show a model at once, and where to go from here."""

from __future__ import annotations

import streamlit as st

from deepsvdd_core import library
from pages.parts import card, frame, ranking, space, state
from pages.parts.subject import fitting_datasets, shown_first, start_model, subject, title

frame.heading(
    "Deep SVDD Explorer",
    "Pick what is *normal*. A network learns to map it into a small hypersphere; what falls far "
    "outside is anomalous. See the sphere, walk from the most normal to the strangest image, and "
    "ask why.",
)

entries = {entry.name: entry for entry in library.entries()}
bundled = {name: entry for name, entry in entries.items() if entry.bundled}
entry = bundled[start_model(bundled)]
shown = subject(entry, shown_first(entry.header["experiment"]["dataset"], fitting_datasets(entry)))

st.subheader(f"A ready-made model: {title(entry)}")
left, right = st.columns(2, gap="large")
with left:
    space.show(shown, "radial", shown.threshold)
with right:
    picked = ranking.show(shown, count=14)
    if picked is not None:
        state.focus_on(shown, picked)
    card.show(shown, shown.threshold)

columns = st.columns(3)
for column, page, label in (
    (columns[0], frame.TRAIN, "Train your own model"),
    (columns[1], frame.EXPLORE, "Explore this model"),
    (columns[2], frame.EXPLAIN, "Explain an image"),
):
    with column, st.container(border=True):
        st.page_link(page, label=label, icon=":material/arrow_forward:")
