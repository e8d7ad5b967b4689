"""What a visitor has chosen; it stands in the link and outlives a change of page.

One rule for all state: what one looks at (model, data set, image, selection, threshold, views) is
in the link, and so is the form of a training; other forms stay in the session. What belongs to
something, as an image to a data set, is remembered for each and never taken over by another.

A browser sends its address with everything that it asks for, and may do so before it has heard of
the last change. So a value in the link counts as new only when this page has not written it.
"""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

LATE = 8  # values of a name that a browser may still send


def new(name: str) -> str | None:
    """The value of this name in the link, where it is one that this page has not written."""
    linked = st.query_params.get(name)
    return None if linked in _written(name) else linked


def owns(name: str, of: str) -> bool:
    """Whether what the link says of this name belongs to this one: until another is told here."""
    is_same = st.session_state.get(f"owner-{name}", of) == of
    st.session_state[f"owner-{name}"] = of
    return is_same


def recall(name: str, of: str = "") -> str | None:
    """The value of this name: from the link when it is new there, else from this visit.

    of: what the value belongs to; each has its own.
    """
    linked = new(name)
    if linked is not None:
        st.session_state[f"state-{name}-{of}"] = linked
    value = st.session_state.get(f"state-{name}-{of}")
    remember(name, value, of)
    return value


def remember(name: str, value: str | None, of: str = "") -> None:
    """Keep a value for this visit and write it into the link; None takes it out."""
    st.session_state[f"state-{name}-{of}"] = value
    write(name, value)


def tell(name: str, value: str, sentence: str | None = None) -> None:
    """Say what is wrong with the link; again in later runs of this page, until the value changes.

    value: what stands instead. sentence: None where this run has found nothing.
    """
    key = f"told-{name}"
    if sentence is not None:
        st.session_state[key] = (_opened(), value, sentence)
    told = st.session_state.get(key)
    if told is None:
        return
    if told[:2] == (_opened(), value):
        st.warning(told[2])
    else:
        del st.session_state[key]


def write(name: str, value: str | None) -> None:
    """Write a value into the link; None takes it out."""
    written = _written(name)
    if value is not None and value not in written[-1:]:
        st.session_state[f"written-{name}"] = (_opened(), [*written, value][-LATE:])
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def _written(name: str) -> list[str]:
    """What was written for a name while this page is open, the last at the end."""
    opened, values = st.session_state.get(f"written-{name}", ("", []))
    return values if opened == _opened() else []


def _opened() -> str:
    """The page that is open; empty right after a step back, when every value is new."""
    context = get_script_run_ctx()
    return "" if context is None or context.is_history_navigation else context.page_script_hash
