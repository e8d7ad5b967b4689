"""Images one below the other with maps over them, drawn by the browser from files it fetches."""

from __future__ import annotations

import base64
import time
from typing import NamedTuple

import numpy as np

from deepsvdd_core import figures, selection
from pages.parts import served
from pages.parts.components import component
from pages.parts.subject import Subject

_stack = component("stack", '<div class="stack"></div>')


class Stored(NamedTuple):
    """A part of an array of a product: `place` counts along its first axes."""

    address: str
    array: str
    place: tuple[int, ...] = ()


class Cell(NamedTuple):
    """One image of a stack.

    row: of the data set, the image itself unless `picture` (C, H, W) uint8 stands for it. label:
    for those who do not see it. note: up to two lines above it, by default the numbers of its map.
    relevance: where (H, W) float32 is found; None where it is not there (yet). mask (H, W) bool:
    the pixels to outline.
    """

    row: int
    label: str
    note: str | None = None
    picture: Stored | None = None
    relevance: Stored | None = None
    mask: np.ndarray | None = None


def show(
    key: str,
    subject: Subject,
    cells: list[Cell],
    *,
    limit: float | str = "all",
    is_positive: bool = False,
    opacity: float | None = None,
    ahead: dict[str, list[Cell]] | None = None,
) -> None:
    """Draw the cells; where all have one limit, they share one bar of colours.

    limit: the relevance at the end of the colours; "each" map or "all" together may decide it.
    is_positive: maps without a negative side. opacity: of a map over its image, transparent where
    nothing is relevant; None shows the map alone. ahead: by the key of a button, the cells that are
    drawn as soon as it is clicked.
    """
    _stack(
        key=key,
        data={
            "run": time.monotonic_ns(),  # the browser is to draw again also what it was told before
            "sheets": served.image_sheets(subject.parameters, subject.images.shape[1:]),
            "colours": figures.stops(is_positive=is_positive, transparent=opacity is not None),
            "positive": is_positive,
            "opacity": opacity,
            "limit": limit,
            "cells": [_described(cell) for cell in cells],
            "ahead": {
                button: [_described(cell) for cell in then]
                for button, then in (ahead or {}).items()
            },
        },
    )


def _described(cell: Cell) -> dict[str, object]:
    bits = b"" if cell.mask is None else selection.to_bits(cell.mask.astype(bool))
    return {
        "row": cell.row,
        "label": cell.label,
        "note": cell.note,
        "picture": cell.picture and cell.picture._asdict(),
        "map": cell.relevance and cell.relevance._asdict(),
        "marked": base64.b64encode(bits).decode(),
    }
