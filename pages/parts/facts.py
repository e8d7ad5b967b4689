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
        ("AUROC", result.auroc, "", "Chance that an anomaly scores above a normal image."),
        ("Average precision", result.average_precision, "", "Mean precision over all recalls."),
        (
            "Anomalies found",
            confusion.true_positives / anomalous if anomalous else None,
            f"{confusion.true_positives:,} of {anomalous:,}",
            "Anomalous test images with a score above the threshold.",
        ),
        (
            "False alarms",
            confusion.false_positives / normal if normal else None,
            f"{confusion.false_positives:,} of {normal:,}",
            "Normal test images with a score above the threshold.",
        ),
    ]
    for column, (label, value, count, meaning) in zip(st.columns(4), rows, strict=True):
        column.metric(
            label,
            "not defined" if value is None else f"{value:.1%}",
            count or None,
            delta_color="off",
            delta_arrow="off",
            help=meaning,
        )
