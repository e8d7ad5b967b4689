"""One image close up: score, heatmaps, and the training images it is most like."""

from __future__ import annotations

import numpy as np
import streamlit as st

from deepsvdd_core import figures
from pages.parts import account, frame, state, waiting
from pages.parts.frame import plain
from pages.parts.subject import Subject


def show(subject: Subject, threshold: float) -> None:
    """The image that is looked at, or how to open one."""
    row = state.focus(subject)
    if row is None:
        st.info("Click a point on the map or one of the images to open it here.")
        return
    score = subject.scores[row]
    name = plain(subject.class_names[subject.labels[row]])
    below = float((subject.scores < score).mean())
    verdict = "above the threshold" if score > threshold else "not above the threshold"
    st.markdown(f"**{name}**, image {row}: score **{score:.4g}**, {verdict}")
    st.caption(f"Stranger than {below:.1%} of the images shown.")
    left, right = st.columns(2)
    with left:
        picture = enlarged(subject.images[row])
        st.image(picture, width="stretch", output_format="PNG", caption="image")
    with right:
        _heatmap(subject, row)
    _neighbours(subject, row)
    st.page_link(
        frame.EXPLAIN,
        label="Ask why",
        icon=":material/search_insights:",
        query_params={
            "model": subject.entry.name,
            "data": subject.dataset,
            "split": subject.parameters["split"],
            "image": str(row),
        },
    )


def _heatmap(subject: Subject, row: int) -> None:
    """The map of an image on the colour scale of its data set, and what it explains."""
    explainer = subject.explainer
    if not explainer:
        st.caption("There is no heatmap for this kind of model.")
        return
    asked = {**subject.parameters, "explainer": explainer}
    found = waiting.result("explain", "Heatmap", of=explainer, is_narrow=True, **asked, index=row)
    if found is None:
        return
    picture = st.container()
    text = "Measuring the colours of all heatmaps"
    scale = waiting.result("scale", text, of=explainer, is_narrow=True, **asked)
    if scale is None:
        limit, whose = float(np.abs(found["relevance"]).max()), "on its own scale so far"
    else:
        limit, whose = float(scale["limit"]), "the same for all images of the data set"
    limit = limit or 1.0
    with picture:
        colours = figures.diverging(found["relevance"][None], limit)[0]
        caption = f"relevance by {explainer}"
        st.image(enlarged(colours), width="stretch", output_format="PNG", caption=caption)
        account.show(found)
        st.caption(f"Red pushes towards anomalous; full colour at ±{limit:.2g}, {whose}.")


def _neighbours(subject: Subject, row: int) -> None:
    if subject.is_anomaly is None:
        return  # there are no images of the normal class to compare with
    found = waiting.result("neighbours", "Nearest training images", **subject.parameters, index=row)
    if found is None:
        return
    st.caption("Nearest normal training images of this data set, by distance in the embedding:")
    for column, image, apart in zip(
        st.columns(len(found["images"])), found["images"], found["distances"], strict=True
    ):
        column.image(enlarged(image), output_format="PNG", caption=f"{apart:.3g}")


def enlarged(image: np.ndarray, times: int = 4) -> np.ndarray:
    """A uint8 image (C, H, W) as (H, W, C) with larger pixels, for a sharp picture."""
    large = image.repeat(times, axis=1).repeat(times, axis=2)
    return large[0] if len(large) == 1 else large.transpose(1, 2, 0)
