"""New images on the map: uploaded, drawn, or changed, with an arrow from where they were."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import streamlit as st

from deepsvdd_core import datasets, figures, jobs
from pages.parts import account, card, spoiling, state, waiting
from pages.parts.components import component
from pages.parts.frame import plain
from pages.parts.space import Place
from pages.parts.subject import Subject, choose

MOST = 50  # images at a time

_pad = component(
    "pad",
    '<div class="pad"><canvas tabindex="0" aria-label="Draw here; Shift erases; arrow keys draw">'
    '</canvas><div class="row"><button data-do="place">Place it</button>'
    '<button data-do="erase">Erase all</button></div></div>',
)


class Newcomers(NamedTuple):
    """images (M, C, H, W) uint8; origin: the shown image they were made of, or None."""

    images: np.ndarray
    origin: int | None


def choose_images(subject: Subject) -> Newcomers | None:
    """Ways to bring an image; None while there is none."""
    kinds: dict[str, Callable[[Subject], Newcomers | None]] = {"Upload": _upload}
    if subject.images.shape[1] == 1:
        kinds |= {"Draw": _draw, "Corrupt": _corrupt}
    way = choose("new", "New image", list(kinds), "Upload", widget=st.segmented_control)
    return None if way is None else kinds[way](subject)


def _upload(subject: Subject) -> Newcomers | None:
    files = st.file_uploader(
        "Pictures (PNG, JPEG, …), brought to the size the model takes",
        accept_multiple_files=True,
        max_upload_size=20,
        key="new-files",
    )
    if len(files) > MOST:
        st.warning(f"Only the first {MOST} pictures are placed.")
    if not files:
        return None
    contents = [file.getvalue() for file in files[:MOST]]
    digests = [jobs.digest(content) for content in contents]
    about = {"digests": digests, "shape": list(subject.images.shape[1:])}
    answer = waiting.ask(waiting.Asked("pictures", about), payload=contents)
    found = waiting.shown(answer, "Reading the pictures")
    if found is None:
        return None
    reasons = found["refused"].tobytes().decode().split("\n")
    for file, reason in zip(files[:MOST], reasons, strict=True):
        if reason:
            name = plain(datasets.printable(file.name))
            st.error(f"{name} cannot be used: {reason}. Choose another picture.")
    return Newcomers(found["images"], None) if len(found["images"]) else None


def _draw(subject: Subject) -> Newcomers | None:
    side = subject.images.shape[-1]
    row = state.focus(subject)
    begin = st.checkbox("Begin with the open image", key="draw-on-image", disabled=row is None)
    start = subject.images[row].tobytes() if begin and row is not None else b""

    def drawn() -> None:
        if st.session_state["pad"].drawn is not None:
            st.session_state["drawing"] = st.session_state["pad"].drawn

    _pad(
        key="pad",
        data={"side": side, "start": base64.b64encode(start).decode()},
        on_drawn_change=drawn,
    )
    text = st.session_state.get("drawing")
    if text is None:
        st.caption("Draw with the pointer, then press *Place it*.")
        return None
    pixels = np.frombuffer(base64.b64decode(text), np.uint8)
    if pixels.size != side * side:
        return None
    return Newcomers(pixels.reshape(1, 1, side, side), row if begin else None)


def _corrupt(subject: Subject) -> Newcomers | None:
    row = state.focus(subject)
    if row is None:
        st.caption("Click a point on the map or an image to open what is to be spoilt.")
        return None
    found = waiting.result(
        "spoil",
        "Spoiling the open image",
        **subject.parameters,
        **spoiling.choose_corruption(subject),
        rows=[row],
        explainer=None,
    )
    return None if found is None else Newcomers(found["images"], row)


def placed(subject: Subject, kind: str, place: Place, newcomers: Newcomers) -> list[dict]:
    """Arrows for the map: where each new image falls, and from where."""
    images = np.ascontiguousarray(newcomers.images)
    found = waiting.result(
        "place",
        "Placing the new images",
        **subject.parameters,
        projection=kind,
        coordinates=place.name,
        images=base64.b64encode(images).decode(),
        count=len(images),
    )
    if found is None:
        return []
    _describe(subject, newcomers, found)
    start = None
    if newcomers.origin is not None:
        start = place.arrays[place.tensor][newcomers.origin].tolist()
    return [{"from": start, "to": at.tolist()} for at in found["coordinates"]]


def _describe(subject: Subject, newcomers: Newcomers, found: dict[str, np.ndarray]) -> None:
    columns = st.columns(6)
    for place, (image, score) in enumerate(zip(newcomers.images, found["scores"], strict=True)):
        column = columns[place % 6]
        side = "above" if score > subject.threshold else "not above"
        column.image(card.enlarged(image), width=96, output_format="PNG")
        column.caption(f"score {score:.4g}, {side} the threshold")
        if "relevance" in found:
            limit = float(found["limit"]) or 1.0
            colours = figures.diverging(found["relevance"][place : place + 1], limit)
            column.image(
                card.enlarged(colours[0]),
                width=96,
                output_format="PNG",
                caption=f"by {subject.explainer}",
            )
            with column:
                account.show(found, place)
