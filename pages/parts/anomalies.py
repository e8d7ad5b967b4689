"""The choices about anomalies among the training images, known and hidden."""

from __future__ import annotations

import streamlit as st

from deepsvdd_core import datasets
from deepsvdd_core.corruptions import LOCAL
from pages.parts import fields


def choose(name: str, source: datasets.Source, normal: list[str]) -> dict[str, object]:
    """What is known or feared of anomalies among the training images."""
    others = [label for label in source.class_names if label not in normal]
    exposures = [other for other in datasets.available() if other != name]
    return {
        "labelled": fields.number(
            "Share of labelled anomalies among the training images",
            0.0,
            0.5,
            0.0,
            step=0.01,
            key="labelled",
            help="Deep SAD, HSC, FCDD and supervised learn from them.",
        ),
        "anomaly_classes": tuple(
            fields.menu(
                st.multiselect,
                "Their classes (none: all others)",
                others,
                key=f"anomalies-{name}",
                named="anomalous class",
            )
        ),
        "outlier_exposure": fields.menu(
            st.selectbox,
            "Outlier exposure: a data set whose images count as labelled anomalies",
            exposures,
            index=None,
            format_func=lambda option: datasets.source(option).title,
            key=f"exposure-{name}",
            named="data set",
        ),
        "spoilt": "+".join(
            fields.menu(
                st.multiselect,
                "Spoilt copies of the normal images that count as labelled anomalies",
                LOCAL[source.image_shape[0]],
                key=f"spoilt-{name}",
                named="corruption",
                help="fcdd-masks is also told which pixels were spoilt.",
            )
        )
        or None,
        "pollution": fields.number(
            "Share of anomalies that hide among the unlabelled training images",
            0.0,
            0.5,
            0.0,
            step=0.01,
            key="pollution",
            help="To see what a model makes of training data that are not clean.",
        ),
    }
