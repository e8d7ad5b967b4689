"""See where a model puts the images of a data set."""

from __future__ import annotations

import numpy as np
import streamlit as st

from deepsvdd_core import figures
from pages.parts import facts, frame, ranking, scene
from pages.parts.subject import choose_subject

frame.heading(
    "Explore",
    "See where a model puts images it was not trained on: the map, the scores, and both ends of "
    "the ranking.",
)
subject = choose_subject()
facts.show(subject)

kind = st.segmented_control(
    "Map", ["Radial", "UMAP"], default="Radial", required=True, persist_state="session", key="map"
)
{"Radial": scene.radial, "UMAP": scene.planar}[kind](subject)

st.subheader("Scores")
st.plotly_chart(
    figures.histogram(subject.scores, subject.is_anomaly, subject.threshold),
    config=scene.NO_BAR,
    alt=f"Histogram of {len(subject.scores)} anomaly scores; threshold {subject.threshold:.3g}.",
)
st.caption(
    "The threshold comes from training images alone: the share ν of them lies above it. "
    "Everything above it counts as anomalous."
)

st.subheader("Ranking")
ranking.legend()
if subject.is_anomaly is not None:
    ranking.show(subject, np.flatnonzero(~subject.is_anomaly), "among the normal class")
ranking.show(subject, np.arange(len(subject.scores)), "among all images")
