"""What a planted mark is worth: images with it, and after it is taken away."""

from __future__ import annotations

import numpy as np
import streamlit as st

from deepsvdd_core import figures, library
from deepsvdd_core.products import Arrays
from pages.parts import frame, laboratory, spectra, waiting
from pages.parts.subject import choose, fitting_datasets, title

MEANS = {"removed": "Put the original pixels back", "masked": "Mask with the mean image"}
COUNT = 200  # images with a mark, at most
SHOWN = 8  # images before and after


def show() -> None:
    """Menus, medians, histograms and map before and after."""
    models = {
        entry.name: entry
        for entry in library.entries()
        if entry.header["experiment"].get("artefact") and fitting_datasets(entry)
    }
    if not models:
        st.info("No model has a planted mark yet; plant one in step 3.")
        return
    left, right = st.columns([3, 2])
    with left:
        name = choose(
            "planted",
            "Model with a planted mark",
            list(models),
            next(iter(models)),
            lambda option: title(models[option]),
        )
    with right:
        means = choose(
            "means",
            "How",
            list(MEANS),
            "removed",
            MEANS.__getitem__,
            widget=st.segmented_control,
            required=True,
        )
    found = waiting.result(
        "remove_mark",
        "Scoring images with and without the mark",
        units=COUNT,
        **laboratory.subject_of(models[name]),
        count=COUNT,
    )
    if found is not None:
        _scores(found, means)
        _map(found, means)


def _scores(found: Arrays, means: str) -> None:
    before, after, without = found["before"], found[means], found["without"]
    medians = [float(np.median(values)) for values in (before, after, without)]
    columns = st.columns(3)
    columns[0].metric("Median score with the mark", f"{medians[0]:.6g}")
    columns[1].metric(
        "Mark taken away",
        f"{medians[1]:.6g}",
        f"{medians[1] - medians[0]:+.3g}",
        delta_color="off",
    )
    columns[2].metric("Images that never had it", f"{medians[2]:.6g}")
    fallen = float((after < before).mean())
    st.markdown(
        f"The score falls for **{fallen:.0%}** of {len(before)} training images when the mark is "
        "taken away."
    )
    side = found["images"].shape[-1]
    times = max(1, 56 // side)
    pairs = np.concatenate([found["images"][:SHOWN], found[f"images_{means}"][:SHOWN]])
    large = pairs.repeat(times, axis=2).repeat(times, axis=3)
    st.image(
        figures.sheet(large, min(SHOWN, len(before))), caption="above with the mark, below without"
    )
    groups = {"with the mark": before, "mark taken away": after, "without a mark": without}
    st.plotly_chart(
        spectra.scores(groups, float(found["threshold"])),
        config=frame.NO_BAR,
        key="scores-with-and-without",
        alt=f"Scores with the mark (median {medians[0]:.3g}) and without ({medians[1]:.3g}).",
    )


def _map(found: Arrays, means: str) -> None:
    radial = bool(found["radial"])
    st.plotly_chart(
        spectra.moves(found["at_before"], found[f"at_{means}"], found["at_without"], radial),
        config=frame.NO_BAR,
        key="moves",
        alt=f"Places of {len(found['before'])} images with the mark and after it is taken away.",
    )
    if radial:
        st.caption(
            "The radial map: the distance to the middle is exact, in units of the radius; the "
            "circle is the hypersphere. A line joins the two places of an image."
        )
    else:
        st.caption(
            "The plane of the two strongest principal components of what the model measures in; "
            "this model has no hypersphere. A line joins the two places of an image."
        )
