"""Fields whose value the program sets.

A browser sends the values of all fields with everything that it asks for, and may do so before it
has heard of a new one. So a field gets another key whenever its value is set: what comes late under
the old key counts no more.
"""

from __future__ import annotations

import streamlit as st

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
