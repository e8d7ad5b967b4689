"""Several spheres: which classes each holds, and how their radii moved in training."""

from __future__ import annotations

import numpy as np
import streamlit as st

from deepsvdd_core import figures, products
from deepsvdd_core.datasets import printable
from deepsvdd_core.sphere import TOLD_APART
from pages.parts.frame import NO_BAR
from pages.parts.subject import Subject


def are_several(subject: Subject) -> bool:
    """Whether the model has a few spheres rather than one or a covering of many."""
    return subject.has_sphere and 1 < len(subject.sphere.radii) <= TOLD_APART


def show(subject: Subject) -> None:
    """Classes against spheres: how many images of each class belong to which sphere."""
    radii = subject.sphere.radii
    counts = table(subject.labels, subject.view["nearest"], len(subject.class_names), len(radii))
    is_normal = _is_normal(subject)  # as far as it is known
    order = np.argsort(~is_normal, kind="stable")
    rows = [r for r in order if counts[r].sum()]
    names = [_name(subject, r, is_normal) for r in rows]
    st.plotly_chart(
        figures.shares(counts[rows], names, [f"{k + 1}" for k in range(len(radii))]),
        config=NO_BAR,
        key="classes-in-spheres",
        alt=f"Images of {len(rows)} classes in {len(radii)} spheres. " + told(counts[rows], names),
    )
    sizes = ", ".join(f"{k + 1}: {radius:.3g}" for k, radius in enumerate(radii))
    st.caption(
        f"{len(radii)} spheres, around clusters of the training images that FINCH found without "
        "seeing labels. Each image belongs to the sphere in which its score is lowest, whether it "
        f"lies inside or not. Colour: share of the class. Radii in embedding units: {sizes}."
    )


def table(labels: np.ndarray, nearest: np.ndarray, classes: int, spheres: int) -> np.ndarray:
    """Counts (classes, spheres) of images by class labels (N,) and sphere nearest (N,)."""
    counts = np.zeros((classes, spheres), np.int64)
    np.add.at(counts, (labels, nearest), 1)
    return counts


def told(counts: np.ndarray, names: list[str]) -> str:
    """In words: where most images of every class are."""
    return "; ".join(
        f"{name}: {row.max() / row.sum():.0%} in sphere {row.argmax() + 1}"
        for name, row in zip(names, counts, strict=True)
    )


def show_radii(recording: products.Arrays) -> None:
    """The radius of every sphere over the epochs, from a training's recording."""
    if "sphere_radii" not in recording:
        return
    names = recording["names"].tobytes().decode().splitlines()
    radii = recording["sphere_radii"]
    kept = np.isfinite(radii).any(axis=1)
    epochs = [
        int(name.rpartition(" ")[2]) for name, is_kept in zip(names, kept, strict=True) if is_kept
    ]
    draw_radii(epochs, radii[kept], "theatre-radii")


def draw_radii(epochs: list[int], radii: np.ndarray, key: str, last: int | None = None) -> None:
    """One line per sphere; radii (E, K) in embedding units; last: the epoch the axis ends at."""
    lines = {f"sphere {k + 1}": radii[:, k] for k in range(radii.shape[1])}
    now = ", ".join(f"{name} {values[-1]:.3g}" for name, values in lines.items())
    st.plotly_chart(
        figures.curves(epochs, lines, "radius (embedding units)", last),
        config=NO_BAR,
        key=key,
        alt=f"Radius of {len(lines)} spheres over {len(epochs)} epochs, last: {now}.",
    )


def _is_normal(subject: Subject) -> np.ndarray:
    if subject.is_anomaly is None:
        return np.zeros(len(subject.class_names), bool)
    normal = subject.entry.header["experiment"]["normal_classes"]
    return np.isin(np.array(subject.class_names, object), np.array(normal, object))


def _name(subject: Subject, row: int, is_normal: np.ndarray) -> str:
    return printable(subject.class_names[row]) + (" (normal)" if is_normal[row] else "")
