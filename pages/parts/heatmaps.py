"""Images beside their relevance maps, one method in a column."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import streamlit as st

from deepsvdd_core import catalogue, jobs
from deepsvdd_core.products import Arrays
from pages.parts import fields, link, served, stack, state, waiting
from pages.parts.frame import plain
from pages.parts.stack import Cell, Stored
from pages.parts.subject import Subject
from pages.parts.waiting import Asked

Answers = dict[tuple[str, int], Arrays | jobs.Job]  # by method and row
Masks = dict[int, np.ndarray]  # (H, W) by row
SCALE = -1  # where the scale of a method stands in place of a row
MASKS = ("", SCALE)  # where the masks of the data set stand
STRANGER, NORMAL = "step-stranger", "step-normal"  # keys of buttons
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
    row, wrong = state.focus(subject), None
    if row is None:
        text = link.recall("image", subject.shown)
        if text is not None:
            wrong = f"There is no image “{plain(text)}” here; choose 0 to {last}."
        state.focus_on(subject, row := int(order[0]))
    link.tell("image", str(row), wrong)
    place = int(np.flatnonzero(order == row)[0])

    def step(by: int) -> None:
        state.focus_on(subject, int(order[place + by]))

    if st.session_state.get(fields.key("image")) != row:
        fields.set_value("image", row)
    key = fields.key("image")

    def typed() -> None:
        if key == fields.key("image"):  # or it comes late, from a field that is gone
            state.focus_on(subject, int(st.session_state[key]))

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input("Image", 0, last, step=1, key=key, on_change=typed, width=160)
        st.button(
            "Stranger",
            key=STRANGER,
            on_click=step,
            args=(-1,),
            disabled=place == 0,
            icon=":material/arrow_upward:",
        )
        st.button(
            "More normal",
            key=NORMAL,
            on_click=step,
            args=(1,),
            disabled=place == last,
            icon=":material/arrow_downward:",
        )
        _about(subject, row, place)
    return row


def neighbours(order: np.ndarray, row: int) -> dict[str, int]:
    """The rows beside an image in the ranking, by the key of the button that leads there."""
    place = int(np.flatnonzero(order == row)[0])
    beside = {STRANGER: place - 1, NORMAL: place + 1}
    return {button: int(order[at]) for button, at in beside.items() if 0 <= at < len(order)}


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
) -> dict[tuple[str, int], Asked]:
    """What to ask the engine for: maps of each method and row, and the masks."""
    asked = {
        (method, row): Asked("explain", _asked(subject, method, row), of=method)
        for row in rows
        for method in methods
    }
    named = {name: subject.parameters[name] for name in ("dataset", "fingerprint")}
    masks = {MASKS: Asked("masks", named)} if has_masks else {}
    return {**asked, **masks}


def scales(subject: Subject, methods: dict[str, bool]) -> dict[tuple[str, int], Asked]:
    """What to ask the engine for to know the colour scale of the whole data set."""
    return {
        (method, SCALE): Asked("scale", {**subject.parameters, "explainer": method}, of=method)
        for method in methods
    }


def _asked(subject: Subject, method: str, row: int) -> dict[str, object]:
    return {**subject.parameters, "index": row, "explainer": method}


def show(
    subject: Subject,
    rows: list[int],
    methods: dict[str, bool],
    look: Look,
    asked: dict[tuple[str, int], Asked],
    *,
    near: dict[str, int],
    is_polling: bool,
) -> None:
    """A column of images, and one of maps for each method (name: whether it is never negative).

    asked: `requests`, with `scales` where they are wanted. near: rows that are shown next, by the
    key of the button that leads there.
    """
    answers = waiting.together(asked, 0)
    still = any(map(waiting.is_active, answers.values()))
    _progress(answers)
    masks = _masks(answers, [*rows, *near.values()]) if look.outlined else {}
    first, *others = columns("bench-maps", 1 + len(methods))
    with first:
        _images(subject, rows, near, masks)
    summaries = catalogue.names("explainers", "EXPLAINERS")
    for column, (method, is_positive) in zip(others, methods.items(), strict=True):
        with column:
            st.markdown(f"**{method}**", help=summaries[method])
            _maps(subject, rows, near, method, is_positive, look, answers, masks)
    if is_polling and not still:
        st.rerun()


def _progress(answers: Answers) -> None:
    """How many maps are there, then how many of their scales, then what colours mean."""
    maps = [answer for (_, row), answer in answers.items() if row != SCALE]
    limits = [answers[key] for key in answers if key[1] == SCALE and key != MASKS]
    if any(map(waiting.is_active, maps)):
        waiting.follow_all(maps, "Computing maps, {done} of {count} are there")
    elif any(map(waiting.is_active, limits)):
        text = "Measuring colour scales on the whole data set, {done} of {count} are there"
        waiting.follow_all(limits, text)
    else:
        _legend()


def _legend() -> None:
    st.caption(
        "Red pushes towards anomalous, blue towards normal; maps that are never negative go from "
        "pale to red and say where, not in which direction. Values are in units of the score, but "
        "for Saliency (change of the score per unit of a pixel) and Grad-CAM (no unit). All come "
        "from the very model that gives the score."
    )


def _masks(answers: Answers, rows: list[int]) -> Masks:
    """Of those rows whose masks are known; those of training images are not."""
    found = answers.get(MASKS)
    if found is None or waiting.is_active(found):
        return {}
    if isinstance(found, jobs.Job):
        waiting.explain_end(found)
        return {}
    return {row: found["masks"][row] for row in rows if row < len(found["masks"])}


def _images(subject: Subject, rows: list[int], near: dict[str, int], masks: Masks) -> None:
    st.markdown("**Image**", help="Pixel values 0 to 255.")

    def cell(row: int) -> Cell:
        name = subject.class_names[subject.labels[row]]
        told = f"image {row}, {name}\nscore {subject.scores[row]:.4g}"
        return Cell(row, f"Image {row}", told, mask=masks.get(row))

    ahead = {button: [cell(row)] for button, row in near.items()}
    stack.show("bench-images", subject, [cell(row) for row in rows], ahead=ahead)


def _maps(
    subject: Subject,
    rows: list[int],
    near: dict[str, int],
    method: str,
    is_positive: bool,
    look: Look,
    answers: Answers,
    masks: Masks,
) -> None:
    def cell(row: int, note: str | None = None) -> Cell:
        file = served.relevance_address(_asked(subject, method, row))
        where = Stored(file, "relevance") if note is None else None
        return Cell(
            row, f"Relevance of image {row} by {method}", note, relevance=where, mask=masks.get(row)
        )

    found = [answers[method, row] for row in rows]
    whole = answers.get((method, SCALE))
    limit = {"image": "each", "row": "all", "set": "all"}[look.scale]
    if whole is not None and not isinstance(whole, jobs.Job):
        limit = float(whole["limit"]) or 1.0
    stack.show(
        f"relevance-{method}",
        subject,
        [cell(row, _missing(one)) for row, one in zip(rows, found, strict=True)],
        limit=limit,
        is_positive=is_positive,
        opacity=look.opacity,
        ahead={button: [cell(row)] for button, row in near.items()},
    )
    ended = [job for job in [*found, whole] if isinstance(job, jobs.Job) and not job.is_active]
    if ended:
        waiting.explain_end(ended[0])


def _missing(answer: Arrays | jobs.Job) -> str | None:
    if waiting.is_active(answer):
        return "computing …"
    return "no map" if isinstance(answer, jobs.Job) else None
