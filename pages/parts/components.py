"""Pieces of a page that run in the browser; each is a module in assets/components."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

COMPONENTS = Path(__file__).parents[2] / "assets" / "components"


def component(name: str, html: str, styles: tuple[str, ...] | None = None) -> Callable[..., object]:
    """A component whose module the browser fetches by itself, so that messages stay small.

    styles: names of style sheets; None: its own.
    """
    loader = (COMPONENTS / "loader.js").read_text(encoding="utf-8")
    sheets = [
        (COMPONENTS / f"{s}.css").read_text(encoding="utf-8")
        for s in ((name,) if styles is None else styles)
    ]
    script = loader.replace("NAME", name)
    return st.components.v2.component(name, html=html, css="\n".join(sheets), js=script)
