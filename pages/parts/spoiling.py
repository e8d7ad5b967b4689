"""Spoil images and watch score, place and map follow."""

from __future__ import annotations

import numpy as np
import streamlit as st

from deepsvdd_core import figures
from deepsvdd_core.corruptions import CORRUPTIONS
from deepsvdd_core.products import Arrays
from pages.parts import choices, heatmaps, waiting
from pages.parts.frame import NO_BAR
from pages.parts.subject import Subject, choose

FIELD = 240  # pixels, width of a menu
MOST_MARKED = 0.5  # of the pixels, for an outline


def choose_corruption(subject: Subject) -> dict[str, object]:
    """A corruption that suits the images, its severity and its seed, as a request has them."""
    grey = subject.images.shape[1] == 1
    options = [name for name, known in CORRUPTIONS.items() if grey or known.takes_colour]
    with st.container(horizontal=True, gap="medium", width="content"):
        default = "dotted line" if grey else "planted tag"
        name = choose(
            "spoil", "Corruption", options, default, on_change=_forget_severity, width=FIELD
        )
        known = CORRUPTIONS[name]
        severity = None
        if known.severity is None:
            st.caption("This corruption has one severity only.", width=FIELD)
        else:
            usual = known.severity
            high = usual if known.unit == "opacity" else 2 * usual
            label = f"Severity, {known.unit}"
            severity = choices.number(
                "severity", label, usual / 5, high, usual, of=name, width=FIELD
            )
        seed = choices.number("seed", "Seed", 0, 9999, 0, widget=st.number_input, width=140)
    return {"corruption": name, "severity": severity, "seed": seed}


def _forget_severity() -> None:
    st.query_params.pop("severity", None)


@st.fragment
def show(
    subject: Subject, rows: list[int], is_positive: dict[str, bool], *, outlined: bool
) -> None:
    """Before and after: images, scores, maps by one method (name: never negative), and places.

    outlined: draw a line around what changed.
    """
    st.subheader("Spoil it")
    with st.container(horizontal=True, gap="medium"):
        chosen = choose_corruption(subject)
        method = choose(
            "spoil-method", "Map by", list(is_positive), next(iter(is_positive)), width=FIELD
        )
    found = waiting.result(
        "spoil",
        "Spoiling and asking again",
        **subject.parameters,
        **chosen,
        rows=rows,
        explainer=method,
    )
    if found is None:
        return
    scores = list(zip(found["before"], found["after"], strict=True))
    masks = [local(mask) for mask in found["masks"]] if outlined else []
    before, after, was, now, place = heatmaps.columns("spoil-maps", [4, 4, 4, 4, 5])
    with before:
        told = zip(rows, found["before"], strict=True)
        notes = [f"image {row}<br>score {score:.4g}" for row, score in told]
        _pictures("Before", subject.images[rows], notes, [])
    with after:
        notes = [_after(subject, *pair) for pair in scores]
        _pictures("After", found["images"], notes, masks)
    limit = heatmaps.greatest(found["relevance"]) or 1.0
    for column, time, images, maps, lines in (
        (was, "before", subject.images[rows], found["relevance"][:, 0], []),
        (now, "after", found["images"], found["relevance"][:, 1], masks),
    ):
        with column:
            _maps(f"{method}, {time}", images, maps, limit, is_positive[method], lines)
    with place:
        _places(subject, rows, found)


def local(mask: np.ndarray) -> np.ndarray | None:
    """A mask (H, W) to outline; None for a change that is everywhere, such as fog."""
    return mask if mask.mean() <= MOST_MARKED else None


def _pictures(
    title: str, images: np.ndarray, notes: list[str], masks: list[np.ndarray | None]
) -> None:
    st.markdown(f"**{title}**")
    figure = figures.image_column(images, notes, masks)
    st.plotly_chart(figure, config=NO_BAR, alt=f"{title} spoiling", key=f"spoil-{title}")


def _after(subject: Subject, before: float, after: float) -> str:
    side = "above" if after > subject.threshold else "not above"
    return f"score {after:.4g} ({after - before:+.3g})<br>{side} the threshold"


def _maps(
    title: str,
    images: np.ndarray,
    maps: np.ndarray,
    limit: float,
    is_positive: bool,
    masks: list[np.ndarray | None],
) -> None:
    st.markdown(f"**{title}**")
    figure = figures.relevance_column(
        images,
        list(maps),
        [limit] * len(maps),
        [heatmaps.note(one) for one in maps],
        is_positive=is_positive,
        masks=masks,
    )
    st.plotly_chart(figure, config=NO_BAR, alt=f"Relevance by {title}", key=f"spoil-{title}")


def _places(subject: Subject, rows: list[int], found: Arrays) -> None:
    if "coordinates" not in found:
        st.caption("This model has no hypersphere, so there is no exact map to move on.")
        return
    st.markdown("**Place on the radial map**")
    ways = np.stack([subject.view["radial"][rows], found["coordinates"]], axis=1)
    figure = figures.journeys(subject.view["radial"], subject.is_anomaly, subject.scores, ways=ways)
    st.plotly_chart(
        figure,
        config=NO_BAR,
        alt=f"Radial map with {len(rows)} arrows from the images to the spoilt ones",
        key="spoil-place",
    )
