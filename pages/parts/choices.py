"""Choices beside menus whose value stands in the link: several of a list, numbers, switches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from pages.parts.frame import plain


def several(
    name: str, label: str, options: Sequence[str], default: Sequence[str], **about: object
) -> list[str]:
    """Several options, in the link separated by commas; a sentence for those that are not there."""
    key, linked = f"choose-{name}", st.query_params.get(name)
    last = st.session_state.get(f"last-{name}", list(default))
    asked = linked.split(",") if linked is not None and key not in st.session_state else last
    wanted = st.session_state.get(key, asked)
    strange = [value for value in wanted if value and value not in options]
    if strange:
        st.warning(
            f"{plain(', '.join(strange))} cannot be had here; choose from {', '.join(options)}."
        )
    usable = [value for value in dict.fromkeys(wanted) if value in options]
    is_wrong = bool(strange) or key not in st.session_state
    # Sent with every run: a browser that still loads the widget can miss it once.
    st.session_state[key] = (usable or list(default)) if is_wrong else usable
    chosen = st.multiselect(label, options, key=key, **about)
    st.session_state[f"last-{name}"] = chosen
    st.query_params[name] = ",".join(chosen)
    return chosen


def number(
    name: str,
    label: str,
    low: float,
    high: float,
    default: float,
    *,
    of: str = "",
    widget: Callable[..., float] = st.slider,
    **about: object,
) -> float:
    """A number from low to high; one in the link that is none gets a sentence and the default.

    of: what the number belongs to, where another one is remembered for each.
    """
    key, linked = f"choose-{name}-{of}", st.query_params.get(name)
    kind = type(default)
    if key not in st.session_state:
        value = st.session_state.get(f"last-{name}-{of}", default)
        if linked is not None:
            try:
                value = kind(linked)
            except ValueError:
                value = None
            if value is None or not low <= value <= high:
                st.warning(
                    f"{label} cannot be “{plain(linked)}”; choose from {low:g} to {high:g}. "
                    f"This is {default:g}."
                )
                value = default
        st.session_state[key] = value
    st.session_state[key] = st.session_state[key]  # sent again, see `several`
    value = widget(label, low, high, key=key, **about)
    st.session_state[f"last-{name}-{of}"] = value
    st.query_params[name] = f"{value:g}" if kind is float else str(value)
    return value


def switch(name: str, label: str, default: bool, **about: object) -> bool:
    """On or off; another word in the link gets a sentence and the default."""
    key, linked = f"choose-{name}", st.query_params.get(name)
    words = {"on": True, "off": False}
    if key not in st.session_state:
        if linked is not None and linked not in words:
            st.warning(f"{label} is on or off, not “{plain(linked)}”.")
        last = st.session_state.get(f"last-{name}", default)
        st.session_state[key] = words.get(linked, last)
    st.session_state[key] = st.session_state[key]  # sent again, see `several`
    value = st.toggle(label, key=key, **about)
    st.session_state[f"last-{name}"] = value
    st.query_params[name] = "on" if value else "off"
    return value
