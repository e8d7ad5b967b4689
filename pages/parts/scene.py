"""Maps of the embeddings; a click on a point asks why."""

from __future__ import annotations

import streamlit as st

from deepsvdd_core import figures
from pages.parts import ranking, waiting
from pages.parts.subject import Subject

NO_BAR = {"displaylogo": False}


def radial(subject: Subject) -> None:
    """Distances to the centre are exact; the hypersphere is a circle of radius 1."""
    if not subject.has_sphere:
        st.info(
            "This model's score is no distance to a centre, so it has no hypersphere to show; "
            "choose the UMAP."
        )
        return
    _clickable(
        subject,
        figures.radial_map(subject.view["radial"], subject.is_anomaly, subject.scores),
        "radial",
        f"Radial map of {len(subject.images)} test images around the hypersphere.",
    )
    st.caption(
        f"{len(subject.images):,} test images. The distance to the cross is the exact distance to "
        "the centre in units of the radius; the angle is a projection. Click a point to see why."
    )


def planar(subject: Subject) -> None:
    """Neighbourhoods by UMAP."""
    arrays = waiting.result(
        "project",
        f"UMAP of {len(subject.images):,} images, up to a minute the first time",
        **subject.parameters,
        projection="umap",
    )
    if arrays is None:
        return
    _clickable(
        subject,
        figures.planar_map(arrays["coordinates"], subject.is_anomaly, subject.scores),
        "planar",
        f"UMAP of {len(subject.images)} test images.",
    )
    st.caption(
        f"UMAP of all {len(subject.images):,} test images: neighbours stay neighbours; distances, "
        "the axes and the sphere have no meaning here. Click a point to see why."
    )


def _clickable(subject: Subject, figure: figures.go.Figure, key: str, alt: str) -> None:
    event = st.plotly_chart(
        figure,
        key=f"map-{key}-{subject.entry.digest}-{subject.dataset}",
        on_select="rerun",
        selection_mode="points",
        config=NO_BAR,
        alt=alt,
    )
    points = [point for point in event.selection.points if "customdata" in point]
    if points:
        ranking.ask_why(subject, int(points[0]["customdata"][0]))
