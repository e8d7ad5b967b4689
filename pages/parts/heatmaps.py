"""One image beside its relevance maps."""

from __future__ import annotations

import numpy as np
import streamlit as st

from deepsvdd_core import catalogue, figures
from deepsvdd_core.products import Arrays
from pages.parts import link, state
from pages.parts.frame import NO_BAR, plain
from pages.parts.subject import Subject


def choose_image(subject: Subject, order: np.ndarray) -> int:
    """The number of an image: from the link, typed, or a step along the ranking."""
    last = len(order) - 1
    row = state.focus(subject)
    if row is None:
        text = link.recall("image")
        if text is not None:
            st.warning(f"There is no image “{plain(text)}” here; choose 0 to {last}.")
        state.focus_on(subject, row := int(order[0]))
    place = int(np.flatnonzero(order == row)[0])

    def step(by: int) -> None:
        state.focus_on(subject, int(order[place + by]))

    def typed() -> None:
        state.focus_on(subject, int(st.session_state["image"]))

    st.session_state["image"] = row
    number, stranger, calmer = st.columns([2, 1, 1], vertical_alignment="bottom")
    number.number_input("Image", 0, last, step=1, key="image", on_change=typed)
    stranger.button(
        "Stranger", on_click=step, args=(-1,), disabled=place == 0, icon=":material/arrow_upward:"
    )
    calmer.button(
        "More normal",
        on_click=step,
        args=(1,),
        disabled=place == last,
        icon=":material/arrow_downward:",
    )
    return row


def show(subject: Subject, row: int, place: int, arrays: Arrays) -> None:
    """The image, its score, and one map per explainer on one colour scale."""
    name = subject.class_names[subject.labels[row]]
    score, threshold = subject.scores[row], subject.threshold
    verdict = "above the threshold, so anomalous" if score > threshold else "not anomalous"
    st.markdown(
        f"**Image {row}**, class **{plain(name)}**: score {score:.4g}, {verdict} "
        f"(threshold {threshold:.4g}). Place {place + 1:,} of {len(subject.scores):,} from the "
        "strangest."
    )
    summaries = catalogue.names("explainers", "EXPLAINERS")
    explainers = {name: text for name, text in summaries.items() if name in arrays}
    columns = st.columns(1 + len(explainers))
    with columns[0]:
        st.markdown("**Image**")
        figure = figures.image_figure(subject.images[row])
        st.plotly_chart(figure, config=NO_BAR, alt=f"Image {row}, class {name}", key="image-figure")
        st.caption("Pixel values 0 to 255.")
    for column, (explainer, summary) in zip(columns[1:], explainers.items(), strict=True):
        relevance = arrays[explainer]
        with column:
            st.markdown(f"**{explainer}**", help=summary)
            st.plotly_chart(
                figures.relevance_map(relevance),
                config=NO_BAR,
                alt=f"{explainer} relevance of image {row}",
                key=f"relevance-{explainer}",
            )
            st.caption(
                f"Raw values {relevance.min():.3g} to {relevance.max():.3g}, sum "
                f"{relevance.sum():.3g}."
            )
    st.caption(
        "One colour scale for all maps: red pushes towards anomalous, blue towards normal, each "
        "map in shares of its own largest absolute value. LRP values are in score units; what "
        "their sum lacks of the squared distance went into the constants of batch norm and "
        "centre. Grad-CAM values have no unit. Both come from the very network that gives the "
        "score."
    )
