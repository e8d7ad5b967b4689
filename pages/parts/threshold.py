"""The threshold: one number that circle, histogram, frames and counts follow."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from deepsvdd_core import evaluation, figures, products
from pages.parts import link
from pages.parts.components import component
from pages.parts.subject import Subject, choose

RULES = {
    "nu": "ν-quantile of training",
    "keep95": "95 % of normals kept",
    "keep99": "99 % of normals kept",
    "f1": "best F1 (oracle)",
    "own": "own",
}
OWN = "threshold"  # its name in the link, as "digest:value": it belongs to one model
BINS = 80

_histogram = component("scores", '<div class="scores"></div>')


def choose_rule(subject: Subject) -> tuple[str, float]:
    """Buttons for the rules; the chosen one and its threshold."""
    options = [name for name in RULES if value(subject, name) is not None]
    rule = choose(
        "rule",
        "Threshold",
        options,
        "nu",
        RULES.__getitem__,
        widget=st.segmented_control,
        required=True,
        help="From scores of training images alone, but for the oracle, which looks at the labels "
        "of the images shown. Drag the line in the histogram for one of your own.",
    )
    return rule, value(subject, rule)


def value(subject: Subject, rule: str) -> float | None:
    """The threshold by a rule; None where it is not defined."""
    if rule == "nu":
        return float(subject.view["threshold"])
    if rule == "own":
        return _own(subject)
    if rule == "f1":
        truth = subject.is_anomaly
        if truth is None or truth.all() or not truth.any():
            return None
        return evaluation.threshold_for_f1(subject.scores, truth)
    kept = subject.entry.header["provenance"].get("training_quantiles")
    return None if kept is None else kept[int(rule.removeprefix("keep"))]


def _own(subject: Subject) -> float | None:
    digest, _, text = (link.recall(OWN) or "").partition(":")
    try:
        own = float(text)
    except ValueError:
        return None
    return own if digest == subject.entry.digest and math.isfinite(own) else None


def set_own(subject: Subject, score: float) -> None:
    """Take a threshold of the visitor's own."""
    link.remember(OWN, f"{subject.entry.digest}:{score!r}")
    st.session_state["choose-rule"] = "own"


def histogram(subject: Subject, threshold: float, key: str = "scores", fixed: bool = False) -> None:
    """How many images have which score; the line can be dragged unless it is fixed."""
    edges = bin_edges(subject.scores, threshold)
    inside = subject.scores.clip(edges[0], edges[-1])
    groups = [
        {"name": name, "colour": colour, "counts": np.histogram(inside[rows], edges)[0].tolist()}
        for name, colour, rows in figures.groups(subject.is_anomaly, len(inside))
    ]

    def moved() -> None:
        score = st.session_state[key].moved
        if score is not None:
            set_own(subject, float(score))

    _histogram(
        key=key,
        data={
            "edges": edges.tolist(),
            "groups": groups,
            "threshold": threshold,
            "line": figures.SPHERE,
            "fixed": fixed,
            "title": "anomaly score, higher is stranger; the last bar holds all beyond",
        },
        on_moved_change=moved,
    )


def bin_edges(scores: np.ndarray, threshold: float) -> np.ndarray:
    """(BINS + 1,) edges from the lowest score to one that few images exceed, and the threshold.

    They grow quadratically: squared distances crowd near the lowest.
    """
    low = min(float(scores.min()), threshold)
    high = max(float(np.quantile(scores, 0.995)), threshold + 0.1 * (threshold - low))
    return low + ((high - low) or 1.0) * np.square(np.linspace(0, 1, BINS + 1))


@st.cache_data(max_entries=64, show_spinner=False)
def _of_ranking(
    name: str, _scores: np.ndarray, _truth: np.ndarray
) -> tuple[float | None, float | None]:
    """AUROC and average precision, which no threshold changes; name: of the scores' product."""
    return evaluation.auroc(_scores, _truth), evaluation.average_precision(_scores, _truth)


def counts(subject: Subject, threshold: float, columns: int = 6) -> None:
    """What the threshold does to the images shown, where it is known which are anomalous."""
    outside = int((subject.scores > threshold).sum())
    if subject.is_anomaly is None:
        st.info("This data set does not have the model's normal class, so nothing is anomalous.")
        st.metric("Above the threshold", f"{outside:,} of {len(subject.scores):,}")
        return
    table = evaluation.confusion(subject.scores, subject.is_anomaly, threshold)
    name = products.file_name("view", subject.parameters)
    auroc, average_precision = _of_ranking(name, subject.scores, subject.is_anomaly)
    rows = [
        ("AUROC", auroc, "", "Chance that an anomaly scores above a normal image."),
        ("AP", average_precision, "", "Average precision: the mean precision over all recalls."),
        (
            "Recall",
            table.recall,
            f"{table.true_positives:,} TP, {table.false_negatives:,} FN",
            "Share of anomalous images above the threshold.",
        ),
        (
            "False alarms",
            table.false_alarm_rate,
            f"{table.false_positives:,} FP, {table.true_negatives:,} TN",
            "Share of normal images above the threshold.",
        ),
        ("Precision", table.precision, "", "Share of anomalies among images above the threshold."),
        ("F1", table.f1, "", "Harmonic mean of precision and recall."),
    ]
    for place, (label, share, count, meaning) in enumerate(rows):
        if place % columns == 0:
            row = st.columns(columns)
        row[place % columns].metric(
            label,
            "not defined" if share is None else f"{share:.1%}",
            count or None,
            delta_color="off",
            delta_arrow="off",
            help=meaning,
        )
