"""The maps: where a model puts images, drawn by one component with a plain chart as fallback."""

from __future__ import annotations

import base64
from collections.abc import Callable

import numpy as np
import streamlit as st

from deepsvdd_core import figures, jobs, products, selection
from deepsvdd_core.projections import score_field
from deepsvdd_core.sphere import TOLD_APART
from pages.parts import served, state, visitor, waiting
from pages.parts.components import component
from pages.parts.subject import Subject

MAPS = {"radial": "Radial (exact)", "sphere": "Sphere (3-D)", "umap": "UMAP"}
PLAIN = "plain-charts"  # key of the switch
MARKUP = """
<div class="map">
  <div class="tools" role="toolbar" aria-label="Map tools">
    <button data-tool="move">Move</button>
    <button data-tool="lasso">Lasso</button>
    <button data-tool="box">Box</button>
    <button data-do="fit">Everything</button>
    <button data-do="sphere">Sphere</button>
    <button data-do="clear">Clear selection</button>
    <span class="count" role="status"></span>
  </div>
  <div class="stage">
    <canvas class="points" aria-hidden="true"></canvas>
    <canvas class="marks" tabindex="0" role="application"></canvas>
    <p class="sentence">The map is loading. Should it stay away, switch on “Plain charts” below.</p>
    <div class="card"><div class="pictures"><div class="picture"></div><div class="picture"></div>
    </div><b></b><small></small></div>
  </div>
  <div class="legend"></div>
</div>
"""
_map = component("map", MARKUP)


def show(
    subject: Subject,
    kind: str,
    threshold: float,
    key: str = "map",
    newcomers: Callable[[Place, str], list[dict]] | None = None,
) -> None:
    """The map of this kind; while it is being computed, the plane of the principal components.

    newcomers: gives arrows to where new images fall on the map at a place.
    """
    if kind != "umap" and not subject.has_sphere:
        st.info(
            "This model's score is no distance to a centre, so it has no hypersphere to show; "
            "choose the UMAP."
        )
        return
    place = coordinates(subject, kind)
    plain = st.session_state.get("map-failed") or st.session_state.get(PLAIN)
    if plain:
        _plain(subject, kind, place, threshold, key)
    else:
        arrows = newcomers(place, kind) if newcomers and not place.is_meanwhile else []
        _linked(subject, kind, place, threshold, key, arrows)
    if place.is_meanwhile:
        st.caption("Meanwhile: the two strongest principal components of the embeddings.")
    else:
        _trust(subject, kind, place)


class Place:
    """Where the coordinates of a map lie: a stored product, and one of its arrays."""

    def __init__(self, kind: str, parameters: dict, tensor: str) -> None:
        self.name = products.file_name(kind, parameters)
        self.address = served.array_address(kind, parameters)
        self.tensor = tensor

    @classmethod
    def of(cls, subject: Subject, kind: str) -> Place:
        """The map of this kind as far as it is there."""
        asked = {**subject.parameters, "projection": kind}
        if kind != "radial" and products.exists(products.file_name("project", asked)):
            return cls("project", asked, "coordinates")
        return cls("view", subject.parameters, "radial" if kind == "radial" else "plane")

    @property
    def is_meanwhile(self) -> bool:
        """Whether this is the principal plane, shown until the map is there."""
        return self.tensor == "plane"

    @property
    def arrays(self) -> products.Arrays:
        return waiting.stored(self.name)


def coordinates(subject: Subject, kind: str) -> Place:
    """The coordinates of a map, or of the principal plane until they are there."""
    if kind != "radial":
        count = len(subject.scores)
        text = f"{MAPS[kind]} of {count:,} images"
        waiting.result("project", text, units=count, **subject.parameters, projection=kind)
    return Place.of(subject, kind)


def _linked(
    subject: Subject, kind: str, place: Place, threshold: float, key: str, arrows: list[dict]
) -> None:
    shape = subject.images.shape[1:]
    radii = subject.sphere.radii_at(threshold) / subject.sphere.units if subject.has_sphere else []
    drawn = "umap" if place.is_meanwhile else kind

    def picked() -> None:
        row = st.session_state[key].picked
        if row is not None:
            state.focus_on(subject, int(row))

    def selected() -> None:
        bits = st.session_state[key].selected
        if bits is not None:
            chosen = (
                selection.from_bits(base64.b64decode(bits), len(subject.scores)) if bits else None
            )
            state.select(subject, chosen)

    def failed() -> None:
        if st.session_state[key].failed is not None:
            st.session_state["map-failed"] = True

    chosen = state.selection(subject)
    _map(
        key=key,
        data={
            "view": served.array_address("view", subject.parameters),
            "arrays": place.address,
            "tensor": place.tensor,
            "kind": drawn,
            "label": f"{MAPS[kind]} of {len(subject.scores)} images. Arrow keys walk along the "
            "ranking, Enter opens an image, Space selects it, Escape clears the selection.",
            "radii": [float(radius) for radius in radii],
            "dials": dials(subject) if drawn != "umap" else None,
            "colours": _colours(subject, drawn),
            "legend": _legend(subject, drawn),
            "contours": contours(place, subject.scores, threshold)
            if drawn == "umap" and not place.is_meanwhile
            else [],
            "arrows": arrows,
            "names": list(subject.class_names),
            "pictures": served.image_sheets(subject.parameters, shape),
            "heatmaps": served.heatmap_sheets(subject.parameters, shape)
            if subject.explainer
            else None,
            "explainer": subject.explainer,
            "threshold": threshold,
            "selection": base64.b64encode(selection.to_bits(chosen)).decode()
            if chosen.any()
            else "",
            "focus": state.focus(subject),
        },
        on_picked_change=picked,
        on_selected_change=selected,
        on_failed_change=failed,
    )


def choose_plain() -> None:
    """A switch to charts that need no component of this program."""
    st.toggle(
        "Plain charts",
        key=PLAIN,
        persist_state="session",
        help="Where the map does not appear: a chart without pictures, with box and lasso.",
    )


def dials(subject: Subject) -> list[tuple[float, float]] | None:
    """Where the dial of each of several spheres stands, far enough from the others.

    None for one sphere, or for so many that all images share one dial (their radii are equal).
    """
    count = len(subject.sphere.radii)
    if count == 1 or count > TOLD_APART:
        return None
    apart = 2.1 * float(np.linalg.norm(subject.view["radial"], axis=1).max())
    columns = int(np.ceil(np.sqrt(count)))
    return [(apart * (k % columns), -apart * (k // columns)) for k in range(count)]


def contours(place: Place, scores: np.ndarray, threshold: float) -> list[list[tuple[float, float]]]:
    """Lines on the UMAP where the local mean of the scores passes the threshold."""
    points = place.arrays[place.tensor].astype(np.float64)
    return [line.tolist() for line in score_field(points, scores, threshold).contours]


def _colours(subject: Subject, drawn: str) -> dict[str, object]:
    if drawn != "umap":
        known = figures.groups(subject.is_anomaly, len(subject.scores))
        groups = [{"name": f"{n} ({len(rows):,})", "colour": colour} for n, colour, rows in known]
        if subject.is_anomaly is not None and len(groups) == 1:
            groups = groups * 2
        return {"groups": groups, "sphere": figures.SPHERE}
    return {"ramp": figures.RAMP, "range": _range(subject), "sphere": figures.SPHERE}


def _range(subject: Subject) -> list[float]:
    """The scores at both ends of the colours."""
    return [float(value) for value in np.quantile(subject.scores, [0, 0.98])]


def _legend(subject: Subject, drawn: str) -> dict[str, str]:
    if drawn == "umap":
        low, high = _range(subject)
        return {
            "ramp": f"anomaly score {low:.3g} to {high:.3g} and more, square-root scale",
            "line": "where scores around pass the threshold",
        }
    return {"line": "threshold: the hypersphere, in units R of the trained radius"}


def _trust(subject: Subject, kind: str, place: Place) -> None:
    """How many images there are and how far the picture can be believed."""
    said = {
        "radial": "The distance to the cross is the exact distance to the centre in units of the "
        "radius; the angle is a projection.",
        "sphere": "The distance to the middle is the exact distance to the centre in units of the "
        "radius; the direction is a projection.",
        "umap": "Neighbours stay neighbours; distances and the axes have no meaning here, and no "
        "circle can be a hypersphere.",
    }[kind]
    st.caption(f"All {len(subject.scores):,} images are drawn. {said}")
    if subject.has_sphere and subject.centre is not None:
        st.caption(subject.centre.in_words)
    asked = {**subject.parameters, "projection": kind, "coordinates": place.name}
    answer = visitor.engine().request("trust", **asked)
    active = isinstance(answer, jobs.Job) and answer.is_active
    st.fragment(_measured, run_every=1.0 if active else None)(asked, active)


def _measured(asked: dict[str, str], polling: bool) -> None:
    """What the map keeps, once the engine has measured it."""
    answer = visitor.engine().request("trust", **asked)
    if isinstance(answer, jobs.Job):
        if answer.is_active:
            st.caption("How much it keeps is being measured …")
        return
    kept, order = float(answer["neighbours"]), float(answer["order"])
    said = []
    if not np.isnan(kept):
        said.append(
            f"{kept:.0%} of the 15 nearest neighbours of an embedding are neighbours here, on up "
            "to 2,000 images"
        )
    if not np.isnan(order):
        said.append(f"rank correlation of the distances to the centre {order:.2f}")
    st.caption(f"Measured: {'; '.join(said)}." if said else "Too few images to measure it.")
    if polling:
        st.rerun()


def _plain(subject: Subject, kind: str, place: Place, threshold: float, key: str) -> None:
    """A Plotly chart where the component cannot run."""
    points = place.arrays[place.tensor]
    if kind == "radial":
        radius = float((subject.sphere.radii_at(threshold) / subject.sphere.units).mean())
        figure = figures.radial_map(points, subject.is_anomaly, subject.scores, radius)
    else:
        figure = figures.planar_map(points[:, :2], subject.is_anomaly, subject.scores)
    event = st.plotly_chart(
        figure,
        key=f"plain-{key}-{kind}-{subject.entry.digest}-{subject.dataset}",
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        config={"displaylogo": False},
        alt=f"{MAPS[kind]} of {len(subject.scores)} images.",
    )
    rows = [int(p["customdata"][0]) for p in event.selection.points if "customdata" in p]
    if len(rows) == 1:
        state.focus_on(subject, rows[0])
    elif rows:
        chosen = np.zeros(len(subject.scores), bool)
        chosen[rows] = True
        state.select(subject, chosen)
