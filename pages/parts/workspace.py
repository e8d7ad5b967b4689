"""Map, threshold, gallery and card as one instrument."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.parts import (
    card,
    ladder,
    newcomers,
    space,
    spheres,
    takeaway,
    theatre,
    threshold,
    versus,
)
from pages.parts.subject import Subject, choose


@st.fragment
def show(subject: Subject) -> None:
    """Everything that a threshold, a selection or a click changes; runs again by itself."""
    with st.container(horizontal=True, gap="medium"):  # wraps where there is little room
        kind = choose(
            "map",
            "Map",
            list(space.MAPS),
            "radial" if subject.has_sphere else "umap",
            space.MAPS.__getitem__,
            widget=st.segmented_control,
            required=True,
        )
        rule, limit = threshold.choose_rule(subject)
        second = versus.choose_second(subject)
    if second is not None:
        versus.show(subject, second, kind, limit, rule)
        card.show(subject, limit)
    else:
        _alone(subject, kind, rule, limit)
    st.subheader("Ladder of normality")
    ladder.show(subject, limit)
    if second is None and spheres.are_several(subject):
        box = st.expander("Spheres: which classes they hold", key="spheres", bind="query-params")
        with box:
            if box.open:
                spheres.show(subject)
    film = st.expander("Training theatre: how it came to this", on_change="rerun")
    with film:
        if film.open:
            theatre.show(subject)
    share = st.expander("Share and take away", on_change="rerun")
    with share:
        if share.open:
            takeaway.show(subject, kind, limit)


def _alone(subject: Subject, kind: str, rule: str, limit: float) -> None:
    picture, about = st.columns([5, 2], gap="medium")
    with st.container():  # filled first: what a moved threshold changes most
        threshold.counts(subject, limit)
        threshold.promise(subject, rule, limit)
    with picture:
        drawn = st.container()
        threshold.histogram(subject, limit)
        new = _newcomers(subject)
        space.choose_plain()
    with drawn:
        space.show(subject, kind, limit, newcomers=new)
    with about:
        card.show(subject, limit)


def _newcomers(subject: Subject) -> Callable[[space.Place, str], list[dict]] | None:
    """The new images a visitor has brought, as what puts them on a map."""
    box = st.expander("Place a new image on the map", on_change="rerun")
    if not box.open:
        return None
    with box:
        brought = newcomers.choose_images(subject)
        answers = st.container()
    if brought is None:
        return None

    def arrows(place: space.Place, kind: str) -> list[dict]:
        with answers:
            return newcomers.placed(subject, kind, place, brought)

    return arrows
