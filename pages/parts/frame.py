"""The list of pages, in the order of a visit."""

from __future__ import annotations

import streamlit as st

from deepsvdd_core import products
from pages.parts.components import component

START = "pages/start.py"
TRAIN = "pages/train.py"
EXPLORE = "pages/explore.py"
EXPLAIN = "pages/explain.py"
HANS = "pages/hans.py"
COMPARE = "pages/compare.py"
MODELS = "pages/models.py"
_address = component("address", "<i></i>", styles=())
NO_BAR = {"displayModeBar": False}  # of Plotly charts: it would lie over the legend


def listed() -> list[st.Page]:
    """For the navigation; each page's link is its file name."""
    return [
        st.Page(START, title="Start", icon=":material/home:", default=True),
        st.Page(TRAIN, title="Train", icon=":material/model_training:"),
        st.Page(EXPLORE, title="Explore", icon=":material/blur_circular:"),
        st.Page(EXPLAIN, title="Explain", icon=":material/search_insights:"),
        st.Page(HANS, title="Clever Hans", icon=":material/psychology_alt:"),
        st.Page(COMPARE, title="Compare", icon=":material/leaderboard:"),
        st.Page(MODELS, title="Models", icon=":material/inventory_2:"),
    ]


def heading(title: str, purpose: str) -> None:
    """The title of a page and its one sentence of purpose."""
    st.set_page_config(page_title=f"{title} · Deep SVDD Explorer")
    st.html(
        "<style>.stMainBlockContainer { padding-top: 4rem; } "
        ".st-key-address { display: none; }</style>"
    )
    st.title(title)
    st.markdown(purpose)
    with st.container(key="address"):
        _address()
    trouble = products.trouble()
    if trouble is not None:
        st.warning(f"Results are shown, but cannot be kept: {plain(trouble)}")


def plain(text: str) -> str:
    """A name from a file or a folder, without meaning as Markdown."""
    shown = (sign if sign.isprintable() else "�" for sign in text)
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()<>#+!|~:$" else sign for sign in shown)
