"""A second model beside the first: linked maps, and the images they disagree on."""

from __future__ import annotations

import numpy as np
import streamlit as st

from deepsvdd_core import library
from pages.parts import gallery, space, state, threshold
from pages.parts.frame import plain
from pages.parts.subject import Subject, choose, subject, title

NOBODY = "none"
DISAGREEMENTS = 30  # images


def choose_second(first: Subject) -> Subject | None:
    """A menu of models that take the same images; None without a second one."""
    shape = list(first.images.shape[1:])
    models = {
        entry.name: entry
        for entry in library.entries()
        if entry.header["provenance"]["image_shape"] == shape and entry.name != first.entry.name
    }
    titles = {NOBODY: "no second model", **{name: title(entry) for name, entry in models.items()}}
    name = choose("versus", "Compare with", list(titles), NOBODY, titles.__getitem__)
    if name == NOBODY:
        return None
    if models[name].digest == first.entry.digest:
        st.info("Both files hold the same model; choose another one to compare with.")
        return None
    return subject(models[name], first.dataset, first.parameters["split"])


def limit_of(second: Subject, first: Subject, limit: float, rule: str) -> float:
    """The second model's threshold by the rule of the first.

    A threshold of the visitor's own, or a rule the second model does not have, stands for the
    number of images above it.
    """
    own = None if rule == "own" else threshold.value(second, rule)
    if own is not None:
        return own
    above = int((first.scores > limit).sum())
    ordered = np.sort(second.scores)
    return float(ordered[max(0, len(ordered) - 1 - above)])


def show(first: Subject, second: Subject, kind: str, limit: float, rule: str) -> None:
    """Both maps side by side, both counts, and where the rankings differ."""
    other = limit_of(second, first, limit, rule)
    for column, name, model, at in zip(
        st.columns(2, gap="medium"), "AB", (first, second), (limit, other), strict=True
    ):
        with column:
            st.markdown(f"**{name}**: {plain(title(model.entry))}")
            space.show(model, kind, at, key=f"map-{name}")
            threshold.histogram(model, at, key=f"scores-{name}", fixed=model is second)
            threshold.counts(model, at, columns=3)
            threshold.promise(model, rule, at)
    st.subheader("Where A and B disagree")
    places = [ranks(model.scores) for model in (first, second)]
    apart = np.abs(places[0] - places[1])
    rows = np.argsort(-apart, kind="stable")[:DISAGREEMENTS]
    captions = {int(r): f"{places[0][r]:.0%} | {places[1][r]:.0%}" for r in rows}
    current = state.focus(first)
    picked = gallery.show(first, rows, limit, "disagreements", current=current, captions=captions)
    if picked is not None and picked != current:
        state.focus_on(first, picked)
        st.rerun(scope="fragment")
    st.caption(
        "The images whose places in the two rankings differ most; numbers: share of images that A "
        "| B find less strange. Frames: threshold of A."
    )


def ranks(scores: np.ndarray) -> np.ndarray:
    """(N,) share of images with a lower score."""
    return np.searchsorted(np.sort(scores), scores) / len(scores)
