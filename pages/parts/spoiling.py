"""Spoil images and watch score, place and map follow."""

from __future__ import annotations

import numpy as np
import streamlit as st

from deepsvdd_core import figures
from deepsvdd_core.corruptions import CORRUPTIONS
from deepsvdd_core.products import Arrays
from pages.parts import choices, heatmaps, served, stack, waiting
from pages.parts.frame import NO_BAR
from pages.parts.stack import Cell, Stored
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
    asked = {**subject.parameters, **chosen, "rows": rows, "explainer": method}
    found = waiting.result(
        "spoil", "Spoiling and asking again", units=len(rows), of=method, **asked
    )
    if found is None:
        return
    file = served.array_address("spoil", asked)
    masks = [local(mask) if outlined else None for mask in found["masks"]]
    before, after, was, now, place = heatmaps.columns("spoil-maps", [4, 4, 4, 4, 5])
    limit = float(np.abs(found["relevance"]).max(where=np.isfinite(found["relevance"]), initial=0))
    pairs = list(zip(rows, found["before"], found["after"], strict=True))
    spoilt = [
        {"picture": Stored(file, "images", (at,)), "mask": mask} for at, mask in enumerate(masks)
    ]
    with before:
        notes = [f"image {row}\nscore {score:.4g}" for row, score, _ in pairs]
        _stack(subject, "Before", rows, notes, [{}] * len(rows))
    with after:
        notes = [_after(subject, *scores) for _, *scores in pairs]
        _stack(subject, "After", rows, notes, spoilt)
    for column, time, which in ((was, "before", 0), (now, "after", 1)):
        places = [(at, which) for at in range(len(rows))]
        maps = [{"relevance": Stored(file, "relevance", place)} for place in places]
        if time == "after":
            maps = [one | other for one, other in zip(spoilt, maps, strict=True)]
        about = {"limit": limit or 1.0, "is_positive": is_positive[method]}
        with column:
            _stack(subject, f"{method}, {time}", rows, [None] * len(rows), maps, **about)
    with place:
        _places(subject, rows, found)


def local(mask: np.ndarray) -> np.ndarray | None:
    """A mask (H, W) to outline; None for a change that is everywhere, such as fog."""
    return mask if mask.mean() <= MOST_MARKED else None


def _stack(
    subject: Subject,
    title: str,
    rows: list[int],
    notes: list[str | None],
    more: list[dict[str, object]],
    **about: object,
) -> None:
    """A heading and a column of images; more: what else each cell has."""
    st.markdown(f"**{title}**")
    cells = [
        Cell(row, f"{title}, image {row}", note, **own)
        for row, note, own in zip(rows, notes, more, strict=True)
    ]
    stack.show(f"spoil-{title}", subject, cells, **about)


def _after(subject: Subject, before: float, after: float) -> str:
    side = "above" if after > subject.threshold else "not above"
    return f"score {after:.4g} ({after - before:+.3g})\n{side} the threshold"


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
