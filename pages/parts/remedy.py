"""An ensemble of models that differ in structure, beside its members."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from deepsvdd_core import library
from pages.parts import laboratory, reasons, waiting
from pages.parts.subject import Subject

SHORT = {"kde": "KDE", "one-class": "SVDD", "reconstruction": "AE"}  # in headings
NUMBER = st.column_config.NumberColumn(format="%.1f")


def show(subject: Subject) -> None:
    """Train what is missing, then one table of three models and their ensemble."""
    left, right = st.columns(2)
    with left:
        classes = laboratory.choose_normal("remedy-class", subject.dataset)
    with right:
        count = laboratory.choose_count(
            "remedy-count", "Normal images to spoil, at most", "100", "As in step 1."
        )
    entries = {}
    for method, label in laboratory.MODELS.items():
        wanted = laboratory.experiment(method, subject.dataset, classes)
        entry = laboratory.trained(wanted, f"Train {label}")
        if entry is not None:
            entries[method] = entry
    if len(entries) < len(laboratory.MODELS):
        st.caption("The ensemble needs all three models.")
        return
    _table(subject, entries, count)


def _table(subject: Subject, entries: dict[str, library.ModelEntry], count: int) -> None:
    members = list(entries.values())
    teams = {SHORT[method]: (entry, ()) for method, entry in entries.items()}
    teams["Ensemble"] = (members[0], tuple(members[1:]))
    detection: dict[str, list[float]] = {}
    hans: dict[str, list[float]] = {}
    for label, (entry, others) in teams.items():
        found = waiting.result(
            "clever_hans",
            f"Spoiling images and explaining them: {label}",
            units=16 * min(count, subject.normals) * (1 + len(others)),
            of=label,
            **subject.parameters | {"model": entry.name, "digest": entry.digest},
            others=[[other.name, other.digest] for other in others],
            count=count,
        )
        if found is None:
            return
        names = [*reasons.lines(found), "mean"]
        detection[f"{label} AUROC"] = [*(100 * found["auroc"]), 100 * found["auroc"].mean()]
        hans[f"{label} Hans"] = [*(100 * found["score"]), 100 * found["score"].mean()]
    st.dataframe(
        pd.DataFrame({"Corruption": names, **detection, **hans}),
        hide_index=True,
        height="content",
        column_config=dict.fromkeys((*detection, *hans), NUMBER),
        alt="AUROC and Clever Hans score of three models and their ensemble.",
    )
    st.caption(
        "The ensemble's score is the mean share of normal training images that score lower, over "
        "its models; its map is the mean of their maps, each brought to the same length. AUROC in "
        "per cent. Hans, the Clever Hans score: AUROC minus cosine of map and true change, times "
        "100; lower is better where the AUROC is as high."
    )
