"""What a visitor has chosen; it stands in the link and outlives a change of page.

A browser sends its address with everything that it asks for, and may do so before it has heard of
the last change. So a value in the link counts as new only when this page has not written it.
"""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

LATE = 8  # values of a name that a browser may still send


def recall(name: str) -> str | None:
    """The value of this name: from the link when it is new there, else from this visit."""
    linked = st.query_params.get(name)
    if linked is not None and linked not in _written(name):
        st.session_state[f"state-{name}"] = linked
    value = st.session_state.get(f"state-{name}")
    remember(name, value)
    return value


def remember(name: str, value: str | None) -> None:
    """Keep a value for this visit and write it into the link; None takes it out."""
    st.session_state[f"state-{name}"] = value
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
