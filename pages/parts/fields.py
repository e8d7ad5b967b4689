"""Fields whose value the program sets.

A browser sends the values of all fields with everything that it asks for, and may do so before it
has heard of a new one. So a field gets another key whenever its value is set: what comes late under
the old key counts no more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

import streamlit as st

from pages.parts import link
from pages.parts.frame import plain

Chosen = TypeVar("Chosen")
# Of a training's form: its values stand in the link, so that a reload shows what trains.
FORM = {"persist_state": "session", "bind": "query-params"}


def key(name: str) -> str:
    """What the field of this name is called until its value is set the next time."""
    turn = st.session_state.get(f"turn-{name}", 0)
    return f"{name}-{turn}" if turn else name


def set_value(name: str, value: object) -> None:
    """Set the value of a field, shown in this run or another."""
    st.session_state[f"turn-{name}"] = st.session_state.get(f"turn-{name}", 0) + 1
    st.session_state[key(name)] = value


def number(
    label: str, low: float, high: float, usual: float | None, *, key: str, **about: object
) -> float | None:
    """A number of a training's form; one in the link that is none gets a sentence."""
    linked, wrong = st.query_params.get(key), None
    if linked and not _is_between(linked, low, high):
        st.query_params.pop(key)
        wrong = f"{label} cannot be “{plain(linked)}”; choose from {low:,} to {high:,}."
    # A field that is bound would read what is no number for itself, and end the page at infinity.
    kept = FORM if wrong is None else {"persist_state": "session"}
    value = st.number_input(label, low, high, usual, key=key, **kept, **about)
    link.tell(key, str(value), wrong)
    return value


def menu(
    widget: Callable[..., Chosen],
    label: str,
    options: Iterable[str],
    *,
    key: str,
    named: str | None = None,
    **about: object,
) -> Chosen:
    """A menu of a training's form; what the link chooses and cannot be had gets a sentence.

    named: what an option is, by default the label.
    """
    known = {about.get("format_func", str)(option) for option in options}
    strange = [text for text in st.query_params.get_all(key) if text and text not in known]
    wrong = None
    if strange:
        st.query_params.pop(key)
        wrong = f"There is no {(named or label).lower()} “{plain(', '.join(strange))}” here."
    value = widget(label, options, key=key, **FORM, **about)
    link.tell(key, str(value), wrong)
    return value


def _is_between(text: str, low: float, high: float) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and low <= value <= high
