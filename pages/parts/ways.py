"""The strategies by which a model decides about one class."""

from __future__ import annotations

import numpy as np
import streamlit as st

from deepsvdd_core.products import Arrays
from pages.parts import frame, gallery, laboratory, places, spectra, state, waiting
from pages.parts.subject import Subject, choose


def show(subject: Subject) -> None:
    """Menus, the eigengap, and one row per strategy."""
    normal = subject.entry.header["experiment"]["normal_classes"]
    default = next((n for n in normal if n in subject.class_names), subject.class_names[0])
    left, right = st.columns(2)
    with left:
        label = choose("class", "Class", list(subject.class_names), default, of=subject.shown)
    with right:
        count = laboratory.choose_count(
            "maps", "Images of the class, at most", "200", "At least 20 are needed."
        )
    found = waiting.result(
        "strategies",
        "Explaining images",
        units=min(count, int((subject.labels == subject.class_names.index(label)).sum())),
        of=subject.method,
        **subject.parameters,
        label=label,
        count=count,
    )
    if found is None:
        return
    gap(found)
    limit = laboratory.limit_of(found["mean_maps"])
    for k, rows in enumerate(found["typical"]):
        size = int((found["labels"] == k).sum())
        left, right = st.columns([1, 5])
        laboratory.relevance(left, found["mean_maps"][k], limit, "mean map")
        with right:
            share = size / len(found["labels"])
            st.markdown(
                f"**Strategy {k + 1}**: {size} of {len(found['labels'])} images, {share:.0%}"
            )
            picked = gallery.show(subject, rows[rows >= 0], subject.threshold, key=f"strategy-{k}")
        if picked is not None:
            _open(subject, picked)
    laboratory.scale(limit, found["explainer"].tobytes().decode())
    gallery.legend()
    st.caption("The twelve most typical images of each strategy; a click opens one in Explore.")


def gap(found: Arrays) -> None:
    """The number of strategies, and the eigenvalues that say so."""
    count, values = int(found["count"]), found["eigenvalues"]
    leap = float(np.diff(values).max())
    st.markdown(
        f"**{count} {'strategy' if count == 1 else 'strategies'}** among {len(found['labels'])} "
        f"images: the largest leap, {leap:.3f}, follows eigenvalue {count}."
    )
    st.plotly_chart(
        spectra.eigenvalues(values, count),
        config=frame.NO_BAR,
        key=f"{places.here()}gap-{len(values)}-{len(found['labels'])}-{leap}",
        alt=f"{len(values)} eigenvalues; the largest leap follows number {count}.",
    )
    st.caption(
        "Each map is linked to its ten nearest; the graph of links has as many eigenvalues near "
        "zero as it has loosely connected parts. Whether a part is a wrong reason, only a person "
        "can say."
    )


def _open(subject: Subject, row: int) -> None:
    state.focus_on(subject, row)
    link = {
        "model": subject.entry.name,
        "data": subject.dataset,
        "split": subject.parameters["split"],
        "image": str(row),
    }
    st.switch_page(frame.EXPLORE, query_params=link)
