"""What of a score the pixels of a map explain, and what none does."""

from __future__ import annotations

import streamlit as st

from deepsvdd_core import figures
from deepsvdd_core.products import Arrays


def show(found: Arrays, place: int | None = None) -> None:
    """A bar for a map whose explainer keeps an account.

    found: relevance (H, W), score and constants, or (n, H, W) and scores (n,), of which the one at
    `place`.
    """
    if "constants" not in found:
        st.caption("Its sum has no meaning, so there is no account of the score.")
        return
    if place is None:
        relevance, score = found["relevance"], found["score"]
    else:
        relevance, score = found["relevance"][place], found["scores"][place]
    st.html(figures.account(float(relevance.sum(dtype=float)), float(score)))
