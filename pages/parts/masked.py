"""FCDD trained with and without masks on the same spoilt images, beside each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from deepsvdd_core.products import Arrays
from pages.parts import card, laboratory, reasons, waiting
from pages.parts.subject import Subject, choose

TRAINED_ON = tuple(laboratory.SMALL_FCDD["spoilt"].split("+"))
OBJECTIVES = {"fcdd": "FCDD without masks", "fcdd-masks": "FCDD with masks"}
SHORT = {"fcdd": "without", "fcdd-masks": "with"}  # in headings
NUMBER = st.column_config.NumberColumn(format="%.1f")


def show(subject: Subject) -> None:
    """Train what is missing, then one table of both."""
    if subject.images.shape[1] > 1:
        st.info("The corruptions here are defined on grey images; choose a grey data set above.")
        return
    left, right = st.columns(2)
    with left:
        classes = laboratory.choose_normal("masks-class", subject.dataset)
    with right:
        count = laboratory.choose_count(
            "masks-count", "Normal images to spoil, at most", "100", "As in step 1."
        )
    entries = {}
    for objective, label in OBJECTIVES.items():
        wanted = laboratory.experiment(objective, subject.dataset, classes)
        entry = laboratory.trained(wanted, f"Train {label}")
        if entry is not None:
            entries[objective] = entry
    if len(entries) < len(OBJECTIVES):
        st.caption(
            f"Both learn from the normal images and a copy of each with a {TRAINED_ON[0]} or a "
            f"{TRAINED_ON[1]}. One is told which images were spoilt, the other also which pixels. "
            "A minute at most for each on the samples."
        )
        return
    found = {}
    for objective, entry in entries.items():
        answer = waiting.result(
            "clever_hans",
            f"Spoiling images and explaining them: {OBJECTIVES[objective]}",
            units=16 * min(count, subject.normals),
            of=objective,
            **subject.parameters | {"model": entry.name, "digest": entry.digest},
            others=[],
            count=count,
        )
        if answer is None:
            return
        found[objective] = answer
    _table(found)
    _example(found)


def _table(found: dict[str, Arrays]) -> None:
    first = found["fcdd"]
    names = reasons.lines(first)
    known = np.isin(names, TRAINED_ON)
    order = np.argsort(~known, kind="stable")

    def column(values: np.ndarray) -> list[float]:
        """Corruption by corruption, those trained on first, then the means of both kinds."""
        return [*(100 * values[order]), 100 * values[known].mean(), 100 * values[~known].mean()]

    columns = {
        f"{heading} {short}": column(found[objective][quantity])
        for heading, quantity in (("AUROC", "auroc"), ("Cosine", "cosine"), ("Hans", "score"))
        for objective, short in SHORT.items()
    }
    columns["Random map"] = column(first["chance"])
    st.dataframe(
        pd.DataFrame(
            {
                "Corruption": [*np.array(names)[order], "mean", "mean"],
                "Trained on": [*np.where(known[order], "trained on", ""), "trained on", "others"],
                **columns,
            }
        ),
        hide_index=True,
        height="content",
        column_config=dict.fromkeys(columns, NUMBER),
        alt="AUROC, cosine and Clever Hans score of FCDD with and without masks.",
    )
    st.caption(
        f"{int(first['used'])} normal test images, each spoilt in fifteen ways; both models saw "
        "the same training images, spoilt by other draws. AUROC in per cent; cosine of FCDD's own "
        "map and true change, times 100; random map: the cosine of random numbers. Hans, the "
        "Clever Hans score: AUROC minus cosine; lower is better where the AUROC is as high. Masks "
        "teach where the corruptions trained on lie, as fine as cells of 4x4 pixels allow. They do "
        "not teach where others lie: there the cosine may as well fall, so judge by both means."
    )


def _example(found: dict[str, Arrays]) -> None:
    """One spoilt image, what was changed, and both maps."""
    first = found["fcdd"]
    names = reasons.lines(first)
    place = names.index(choose("masks-look", "Look at one image", names, TRAINED_ON[0]))
    columns = st.columns(5)
    truth = np.round(255 * first["truth"][place]).astype(np.uint8)
    for column, image, caption in (
        (columns[0], first["spoilt"][place], names[place]),
        (columns[1], truth[None], "true change"),
    ):
        column.image(
            card.enlarged(image), width=laboratory.WIDTH, output_format="PNG", caption=caption
        )
    for column, (objective, arrays) in zip(columns[2:], found.items(), strict=False):
        relevance = arrays["relevance"][place]
        limit = laboratory.limit_of(relevance)
        laboratory.relevance(column, relevance, limit, f"map {SHORT[objective]} masks")
    st.caption("Each map on its own scale: full red where it is largest.")
