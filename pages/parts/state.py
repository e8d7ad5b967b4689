"""Which images are selected and which one is looked at; the same on every page and map."""

from __future__ import annotations

import re

import numpy as np
import streamlit as st

from deepsvdd_core import selection as codec
from pages.parts import fields, link
from pages.parts.subject import Subject


def selection(subject: Subject) -> np.ndarray:
    """(N,) bool: the selected images of the data set."""
    text = link.recall("selection", subject.shown)
    try:
        return codec.unpacked(text, len(subject.scores))
    except ValueError as error:
        link.remember("selection", None, subject.shown)
        st.warning(str(error))
        return np.zeros(len(subject.scores), bool)


def select(subject: Subject, chosen: np.ndarray | None) -> None:
    """Select these images (N,) bool, or none."""
    none = chosen is None or not chosen.any()
    link.remember("selection", None if none else codec.packed(chosen), subject.shown)
    if not none:
        fields.set_value("choose-show", "selection")


def focus(subject: Subject) -> int | None:
    """The image that is looked at, where there is one."""
    text = link.recall("image", subject.shown)
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", text) and int(text) < len(subject.scores):
        return int(text)
    return None


def focus_on(subject: Subject, row: int) -> None:
    """Look at an image."""
    link.remember("image", str(row), subject.shown)
