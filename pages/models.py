"""Keep, share and remove models."""

from __future__ import annotations

import streamlit as st

from pages.parts import frame, shelf

frame.heading("Models", "Keep models, look at where they come from, share them as files.")
shelf.refusals()
shelf.unsaved()
shelf.table()
shelf.broken()
left, right = st.columns(2, gap="large")
with left:
    shelf.one_model()
with right:
    shelf.upload()
