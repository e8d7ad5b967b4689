"""The frame: the pages of the explorer, and what the server does when it starts and ends."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
from collections.abc import AsyncIterator
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from deepsvdd_core import jobs
from pages.parts import frame, guard, served, visitor

ICON = Path(__file__).parent / "assets" / "icon.png"


def main() -> None:
    """Show the chosen page."""
    st.set_page_config(page_icon=ICON, layout="wide")
    st.navigation(frame.listed(), position="top").run()


@contextlib.asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Before the first visit: load modules and close a gap of `pages/`; in the end: the engine."""
    from streamlit.runtime.pages_manager import PagesManager

    from deepsvdd_core import evaluation, figures  # noqa: F401, so that no visitor waits for them

    # A first visit by the link of a page would otherwise run that file without this one.
    PagesManager.uses_pages_directory = False
    gc.collect()
    gc.freeze()  # what is loaded once need not be looked at by every garbage collection
    print(
        "The teacher, who may cancel and delete what others made, adds this to the address once: "
        f"/?{visitor.TEACHER}={visitor.teacher_key()}",
        flush=True,
    )
    yield
    jobs.engine().stop()


if get_script_run_ctx(suppress_warning=True):
    main()
elif multiprocessing.parent_process() is None:
    app = st.App(__file__, lifespan=lifespan, routes=served.routes(), middleware=guard.middleware())
    if __name__ == "__main__":
        app.run()
