"""Tables and figures of measured methods."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import streamlit as st

from deepsvdd_core import benchmark, figures
from pages.parts.frame import NO_BAR, plain
from pages.parts.subject import choose as choose_one

PERCENT = st.column_config.NumberColumn(format="%.2f")
HEADINGS = {
    "name": st.column_config.TextColumn("Method", width=195),
    "classes": st.column_config.NumberColumn("Classes", width=65),
    "seeds": st.column_config.NumberColumn("Seeds", width=55),
    "mean": st.column_config.NumberColumn("AUROC %", format="%.2f", width=72),
    "std_seeds": st.column_config.NumberColumn(
        "± seeds", format="%.2f", width=66, help="Standard deviation over seeds."
    ),
    "std_classes": st.column_config.NumberColumn(
        "± classes", format="%.2f", width=76, help="Standard deviation over classes."
    ),
    "published": st.column_config.NumberColumn("Published %", format="%.2f", width=86),
    "difference": st.column_config.NumberColumn("Difference", format="%+.2f", width=80),
    "seconds": st.column_config.NumberColumn(
        "Seconds", format="%.1f", width=68, help="Mean time to train a model."
    ),
}


def named(table: pd.DataFrame) -> pd.DataFrame:
    """With a column `name`: method, schedule and further choices in one line."""
    further = table["choices"].str.strip("{}").str.replace('"', "")
    name = table["method"] + ", " + table["schedule"] + ", " + further
    return table.assign(name=name.str.rstrip(", "))


def short_names(table: pd.DataFrame) -> dict[str, str]:
    """By `name`: the method, and of its other choices as many as tell it from the others."""
    short = {}
    for method, kinds in table.drop_duplicates("name").groupby("method", sort=False):
        choices = [
            {"schedule": kind.schedule, **json.loads(kind.choices)} for kind in kinds.itertuples()
        ]
        texts = [str(method)] * len(kinds)
        for key in dict.fromkeys(key for each in choices for key in each):
            values = [each.get(key) for each in choices]
            if len(set(texts)) < len(texts) and any(value != values[0] for value in values):
                texts = [
                    text + _choice(key, value) for text, value in zip(texts, values, strict=True)
                ]
        short |= dict(zip(kinds["name"], texts, strict=True))
    return short


def _choice(key: str, value: object) -> str:
    if value is None:
        return ""
    return f", {value}" if key == "schedule" else f", {key}: {json.dumps(value)}"


def choose(table: pd.DataFrame) -> pd.DataFrame | None:
    """Menus for data set and methods; None, with a sentence, while nothing is chosen."""
    if table.empty:
        st.info("Nothing has been measured yet; choose methods below.")
        return None
    table = named(table.assign(normal=benchmark.normal(table)))
    measured = list(table["dataset"].value_counts().index)  # most often first
    dataset = choose_one("data", "Data set", measured, measured[0])
    table = table[table["dataset"] == dataset]
    kinds = sorted(table["normal"].unique())
    if len(kinds) > 1:
        kind = st.segmented_control(
            "Normal at a time", kinds, default=kinds[0], required=True, key=f"normal-at-{dataset}"
        )
        table = table[table["normal"] == kind]
    names = list(table["name"].unique())
    chosen = st.multiselect(
        "Methods",
        names,
        default=names,
        key=f"methods-{dataset}-{len(names)}",
        persist_state="session",
    )
    if not chosen:
        st.info("Choose at least one method.")
        return None
    table = table[table["name"].isin(chosen)]
    return table.assign(short=table["name"].map(short_names(table)))


def summary(table: pd.DataFrame) -> None:
    """One line per method: means and both spreads, beside the published mean."""
    lines = named(benchmark.summary(table)).sort_values("mean", ascending=False)
    st.dataframe(
        lines[list(HEADINGS)],
        hide_index=True,
        height="content",
        column_config=HEADINGS,
        placeholder="",
        alt="Mean AUROC of each method with its spread over seeds and classes.",
    )
    st.caption(
        "Each class is normal once and all others are anomalous; AUROC on all test images. "
        "Methods named oracle chose a parameter with test labels. Empty: one seed alone has no "
        "spread, or nothing is published. Published values and their sources are in "
        "assets/results/published.csv."
    )


def classes(table: pd.DataFrame) -> None:
    """A bar per class and method, a diamond for the published value."""
    st.subheader("Class by class")
    groups = table.groupby(["short", "normal_class"], sort=False)
    means = groups.agg(
        auroc=("auroc", "mean"), std=("auroc", "std"), published=("published", "first")
    ).reset_index(names=["name", "normal_class"])
    st.plotly_chart(
        figures.class_bars(means),
        config=NO_BAR,
        alt="AUROC of each class and method, with published values as diamonds.",
    )
    st.caption(
        "Bars: mean over seeds, with one standard deviation where there are several. Diamonds: "
        "published for the same method. The axis begins at 50 %, the value of guessing; what is "
        "worse has no bar. Names tell only what differs; the table above has all choices."
    )


def curves(table: pd.DataFrame) -> None:
    """ROC and precision-recall of one class."""
    st.subheader("Curves of one class")
    labels = sorted(table["normal_class"].unique())
    label = st.selectbox("Normal class", labels, key="curve-class", persist_state="session")
    part = table[table["normal_class"] == label]
    names = list(table["short"].unique())
    columns = st.columns(2)
    for column, name, x, y, title in (
        (columns[0], "tpr", "false positive rate", "true positive rate", "ROC curve"),
        (columns[1], "precision", "recall", "precision", "Precision and recall"),
    ):
        lines = {
            str(method): np.mean([benchmark.curve(text) for text in rows[name]], axis=0)
            for method, rows in part.groupby("short", sort=False)
        }
        with column:
            st.markdown(f"**{title}**, normal: {plain(label)}")
            st.plotly_chart(
                figures.rate_curves(lines, names, x, y),
                config=NO_BAR,
                alt=f"{title} of {len(lines)} methods.",
            )
    st.caption("Mean over seeds. Positive means anomalous.")
