"""Images beside their relevance maps, one method in a column."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import streamlit as st

from deepsvdd_core import catalogue, figures, jobs
from deepsvdd_core.products import Arrays
from pages.parts import link, state, waiting
from pages.parts.frame import NO_BAR, plain
from pages.parts.subject import Subject

Answers = dict[tuple[str, int], Arrays | jobs.Job]  # by method and row
SCALE = -1  # where the scale of a method stands in place of a row
MASKS = ("", SCALE)  # where the masks of the data set stand
NARROWEST, WIDEST = 11, 24  # rem, of a column; four narrow ones fit on a screen of 800 pixels


class Look(NamedTuple):
    """How maps are drawn.

    opacity: of a map over its image; None shows the map alone. scale: what shares a colour scale:
    "image", "row" or "set". outlined: whether known masks are drawn.
    """

    opacity: float | None
    scale: str
    outlined: bool


def columns(name: str, widths: int | list[int]) -> list:
    """Columns of a page that go on in a new line where there is too little room for all.

    widths: a number of equal columns, or how wide each is beside the others.
    """
    size = f"min-width: {NARROWEST}rem"
    if isinstance(widths, int):  # equal also in a line that is not full
        size += f"; max-width: {WIDEST}rem; flex-grow: 0"
    st.html(f"<style>.st-key-{name} [data-testid=stColumn] {{ {size} }}</style>")
    with st.container(key=name):
        return st.columns(widths)


def choose_image(subject: Subject, order: np.ndarray) -> int:
    """The number of an image: from the link, typed, or a step along the ranking."""
    last = len(order) - 1
    row = state.focus(subject)
    if row is None:
        text = link.recall("image")
        if text is not None:
            st.warning(f"There is no image “{plain(text)}” here; choose 0 to {last}.")
        state.focus_on(subject, row := int(order[0]))
    place = int(np.flatnonzero(order == row)[0])

    def step(by: int) -> None:
        state.focus_on(subject, int(order[place + by]))

    def typed() -> None:
        state.focus_on(subject, int(st.session_state["image"]))

    st.session_state["image"] = row
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input("Image", 0, last, step=1, key="image", on_change=typed, width=160)
        st.button(
            "Stranger",
            on_click=step,
            args=(-1,),
            disabled=place == 0,
            icon=":material/arrow_upward:",
        )
        st.button(
            "More normal",
            on_click=step,
            args=(1,),
            disabled=place == last,
            icon=":material/arrow_downward:",
        )
        _about(subject, row, place)
    return row


def _about(subject: Subject, row: int, place: int) -> None:
    name = subject.class_names[subject.labels[row]]
    score, threshold = subject.scores[row], subject.threshold
    verdict = "above the threshold, so anomalous" if score > threshold else "not anomalous"
    st.markdown(
        f"**Image {row}**, class **{plain(name)}**: score {score:.4g}, {verdict} "
        f"(threshold {threshold:.4g}). Place {place + 1:,} of {len(subject.scores):,} from the "
        "strangest."
    )


def requests(
    subject: Subject, methods: dict[str, bool], rows: list[int], *, has_masks: bool
) -> dict[tuple[str, int], tuple[str, dict]]:
    """What to ask the engine for: maps of each method and row, their scales, and the masks."""
    asked = {
        (method, row): ("explain", {**subject.parameters, "index": row, "explainer": method})
        for row in rows
        for method in methods
    }
    scales = {
        (method, SCALE): ("scale", {**subject.parameters, "explainer": method})
        for method in methods
    }
    named = {name: subject.parameters[name] for name in ("dataset", "fingerprint")}
    masks = {MASKS: ("masks", named)} if has_masks else {}
    return {**asked, **scales, **masks}


def show(
    subject: Subject,
    rows: list[int],
    methods: dict[str, bool],
    look: Look,
    *,
    has_masks: bool,
    is_polling: bool,
) -> None:
    """A column of images, and one of maps for each method (name: whether it is never negative)."""
    answers = waiting.together(requests(subject, methods, rows, has_masks=has_masks), 0)
    still = any(map(waiting.is_active, answers.values()))
    _progress(answers)
    masks = _masks(answers, rows) if look.outlined else []
    first, *others = columns("bench-maps", 1 + len(methods))
    with first:
        _images(subject, rows, masks)
    summaries = catalogue.names("explainers", "EXPLAINERS")
    for column, (method, is_positive) in zip(others, methods.items(), strict=True):
        with column:
            st.markdown(f"**{method}**", help=summaries[method])
            _maps(subject, rows, method, is_positive, look, answers, masks)
    if is_polling and not still:
        st.rerun()


def _progress(answers: Answers) -> None:
    """How many maps are there, then how many of their scales, then what colours mean."""
    maps = [answer for (_, row), answer in answers.items() if row != SCALE]
    scales = [answers[key] for key in answers if key[1] == SCALE and key != MASKS]
    if any(map(waiting.is_active, maps)):
        waiting.follow_all(maps, "Computing maps, {done} of {count} are there")
    elif any(map(waiting.is_active, scales)):
        text = "Measuring colour scales on the whole data set, {done} of {count} are there"
        waiting.follow_all(scales, text)
    else:
        _legend()


def _legend() -> None:
    st.caption(
        "Red pushes towards anomalous, blue towards normal; maps that are never negative go from "
        "pale to red and say where, not in which direction. Values are in units of the score, but "
        "for Saliency (change of the score per unit of a pixel) and Grad-CAM (no unit). All come "
        "from the very model that gives the score."
    )


def _masks(answers: Answers, rows: list[int]) -> list[np.ndarray | None]:
    """(H, W) for each row; None where it is not known, as of training images."""
    found = answers.get(MASKS)
    if found is None or waiting.is_active(found):
        return []
    if isinstance(found, jobs.Job):
        waiting.explain_end(found)
        return []
    return [found["masks"][row] if row < len(found["masks"]) else None for row in rows]


def _images(subject: Subject, rows: list[int], masks: list[np.ndarray | None]) -> None:
    st.markdown("**Image**", help="Pixel values 0 to 255.")
    names = [plain(subject.class_names[label]) for label in subject.labels[rows]]
    notes = [
        f"image {row}, {name}<br>score {subject.scores[row]:.4g}"
        for row, name in zip(rows, names, strict=True)
    ]
    st.plotly_chart(
        figures.image_column(subject.images[rows], notes, masks),
        config=NO_BAR,
        alt="; ".join(f"Image {row}, class {name}" for row, name in zip(rows, names, strict=True)),
        key="image-figure",
    )


def _maps(
    subject: Subject,
    rows: list[int],
    method: str,
    is_positive: bool,
    look: Look,
    answers: Answers,
    masks: list[np.ndarray | None],
) -> None:
    found = [answers[method, row] for row in rows]
    maps = [None if isinstance(one, jobs.Job) else one["relevance"] for one in found]
    notes = [
        "computing …<br> " if waiting.is_active(one) else note(relevance)
        for one, relevance in zip(found, maps, strict=True)
    ]
    st.plotly_chart(
        figures.relevance_column(
            subject.images[rows],
            maps,
            _limits(maps, look.scale, answers[method, SCALE]),
            notes,
            is_positive=is_positive,
            opacity=look.opacity,
            masks=masks,
        ),
        config=NO_BAR,
        alt=f"{method} relevance of " + ", ".join(f"image {row}" for row in rows),
        key=f"relevance-{method}",
    )
    ended = [job for job in [*found, answers[method, SCALE]] if isinstance(job, jobs.Job)]
    ended = [job for job in ended if not job.is_active]
    if ended:
        waiting.explain_end(ended[0])


def note(relevance: np.ndarray | None) -> str:
    """The raw numbers of a map (H, W), or that there is none."""
    if relevance is None:
        return "no map<br> "
    if not np.isfinite(relevance).all():
        return "not a number in some pixels<br> "
    total = relevance.sum(dtype=np.float64)
    return f"raw {relevance.min():.3g} to {relevance.max():.3g}<br>sum {total:.4g}"


def _limits(maps: list[np.ndarray | None], scale: str, whole: Arrays | jobs.Job) -> list[float]:
    """The end of the colours of each map; the row decides while the data set's is not there."""
    own = [0.0 if one is None else greatest(one) for one in maps]
    if scale == "image":
        return [limit or 1.0 for limit in own]
    if scale == "set" and not isinstance(whole, jobs.Job):
        return [float(whole["limit"]) or 1.0] * len(maps)
    return [max(own) or 1.0] * len(maps)


def greatest(values: np.ndarray) -> float:
    """The largest absolute value that is a number, or 0."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0))
