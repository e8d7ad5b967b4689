"""Pieces of a page that run in the browser; each is a module in assets/components."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.parts.served import COMPONENTS


def component(name: str, html: str, styles: tuple[str, ...] = ()) -> Callable[..., object]:
    """A component whose module the browser fetches by itself, so that messages stay small.

    styles: names of style sheets, its own where none are given.
    """
    loader = (COMPONENTS / "loader.js").read_text(encoding="utf-8")
    sheets = [(COMPONENTS / f"{s}.css").read_text(encoding="utf-8") for s in styles or (name,)]
    script = loader.replace("NAME", name)
    return st.components.v2.component(name, html=html, css="\n".join(sheets), js=script)
