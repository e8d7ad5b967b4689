"""The figures of a model on a data set."""

from __future__ import annotations

import streamlit as st

from deepsvdd_core.evaluation import evaluate
from pages.parts.subject import Subject


def show(subject: Subject) -> None:
    """AUROC, average precision and what the threshold does; a sentence where they are undefined."""
    if subject.is_anomaly is None:
        st.info("This data set does not have the model's normal class, so nothing is anomalous.")
        return
    result = evaluate(subject.scores, subject.is_anomaly, subject.threshold)
    confusion = result.confusion
    normal = confusion.false_positives + confusion.true_negatives
    anomalous = confusion.true_positives + confusion.false_negatives
    rows = [
        ("AUROC", _percent(result.auroc), "Chance that an anomaly scores above a normal image."),
        ("Average precision", _percent(result.average_precision), "Mean precision over recall."),
        (
            "Anomalies found",
            f"{confusion.true_positives:,} of {anomalous:,}",
            "Anomalous test images with a score above the threshold.",
        ),
        (
            "False alarms",
            f"{confusion.false_positives:,} of {normal:,}",
            "Normal test images with a score above the threshold.",
        ),
    ]
    for column, (label, value, meaning) in zip(st.columns(4), rows, strict=True):
        column.metric(label, value, help=meaning)


def _percent(fraction: float | None) -> str:
    return "not defined" if fraction is None else f"{fraction:.1%}"
