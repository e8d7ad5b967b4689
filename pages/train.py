"""Choose what is normal, train, and watch."""

from __future__ import annotations

import streamlit as st

from pages.parts import frame, training, visitor

frame.heading(
    "Train",
    "Choose what is normal, train a model on it, and watch the sphere take shape epoch by epoch.",
)
visitor.engine().start()

form, progress = st.columns([1, 2], gap="large")
with form:
    experiment = training.choose_experiment()
    if st.button("Train", type="primary", icon=":material/play_arrow:", disabled=not experiment):
        job = training.begin(experiment)
        if job is not None:
            st.query_params["job"] = job.id
with progress, st.container(key="training"):  # in sight, however long the form is
    st.html(
        "<style>[data-testid=stColumn]:has(.st-key-training) "
        "{ position: sticky; top: 4rem; align-self: flex-start }</style>"
    )
    training.follow(st.query_params.get("job"))
