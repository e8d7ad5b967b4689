"""What a visitor has chosen; it stands in the link and outlives a change of page."""

from __future__ import annotations

import streamlit as st


def recall(name: str) -> str | None:
    """The value of this name: from the link when it is new there, else from this visit."""
    linked = st.query_params.get(name)
    if linked is not None and linked != st.session_state.get(f"written-{name}"):
        st.session_state[f"state-{name}"] = linked
    value = st.session_state.get(f"state-{name}")
    remember(name, value)
    return value


def remember(name: str, value: str | None) -> None:
    """Keep a value for this visit and write it into the link; None takes it out."""
    st.session_state[f"state-{name}"] = st.session_state[f"written-{name}"] = value
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value
