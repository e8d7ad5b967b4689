"""Draw images one below the other, and on them which pixels count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

DIVERGING = "RdBu_r"  # red pushes towards anomalous, blue towards normal
RED, BLUE = (178, 24, 43), (33, 102, 172)  # its ends
CELL, NOTE, BAR = 200, 34, 72  # pixels: height of an image, of the text above it, width of a bar
MUTED = "#888888"  # text that can be read on white and on black


def image_column(images: np.ndarray, notes: Sequence[str]) -> go.Figure:
    """uint8 images (n, C, H, W), each with a note above it."""
    traces = [_image(image, place, hover=True) for place, image in enumerate(images)]
    return _stacked(traces, {}, notes)


def relevance_column(
    images: np.ndarray,
    maps: Sequence[np.ndarray | None],
    limits: Sequence[float],
    notes: Sequence[str],
    *,
    is_positive: bool = False,
    opacity: float | None = None,
) -> go.Figure:
    """Maps (H, W) on their uint8 images (n, C, H, W), one below the other.

    A map that is None is not there yet. limits: the relevance at the end of the colours of each
    map; where all are equal, they share one bar. is_positive: maps without a negative side.
    opacity: of a map over its image, transparent where nothing is relevant; None shows the map
    alone.
    """
    traces, bars = [], {}
    shared = len(set(limits)) == 1
    for place, (image, relevance, limit) in enumerate(zip(images, maps, limits, strict=True)):
        if opacity is not None or relevance is None:
            traces.append(_image(image, place, hover=False))
        axis = "coloraxis" if shared or place == 0 else f"coloraxis{place + 1}"
        if relevance is not None:
            traces.append(
                {
                    "type": "heatmap",
                    "z": relevance.astype(np.float32),
                    "coloraxis": axis,
                    "opacity": 1 if opacity is None else opacity,
                    "hovertemplate": "row %{y}, column %{x}: %{z:.3g}<extra></extra>",
                    **_axes(place),
                }
            )
        if place == 0 or not shared:
            bars[axis] = _colours(place, len(images), limit, is_positive, opacity)
    return _stacked(traces, bars, notes)


def deletion_curves(shares: np.ndarray, curves: np.ndarray) -> go.Figure:
    """How an anomaly's excess score shrinks while pixels are restored: by the map, at random.

    shares (S,) of the pixels; curves (2, S).
    """
    figure = go.Figure()
    kinds = (("order of the map", "#0072b2", "solid"), ("random order", MUTED, "dash"))
    for heights, (name, colour, dash) in zip(curves, kinds, strict=True):
        figure.add_scatter(
            x=shares, y=heights, mode="lines", name=name, line={"color": colour, "dash": dash}
        )
    figure.update_xaxes(title="share of pixels restored", tickformat=".0%")
    figure.update_yaxes(title="excess score left", tickformat=".0%", rangemode="tozero")
    margin = {"l": 10, "r": 10, "t": 30, "b": 10}
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom"}
    return figure.update_layout(height=260, margin=margin, legend=legend)


def _image(image: np.ndarray, place: int, *, hover: bool) -> dict[str, object]:
    """The trace of an image (C, H, W)."""
    about = {} if hover else {"hoverinfo": "skip"}
    if len(image) > 1:
        return {"type": "image", "z": image.transpose(1, 2, 0), **about, **_axes(place)}
    if hover:
        about = {"hovertemplate": "row %{y}, column %{x}: %{z}<extra></extra>"}
    grey = {"colorscale": "gray", "zmin": 0, "zmax": 255, "showscale": False}
    return {"type": "heatmap", "z": image[0], **grey, **about, **_axes(place)}


def _axes(place: int) -> dict[str, str]:
    number = place + 1 if place else ""
    return {"xaxis": f"x{number}", "yaxis": f"y{number}"}


def _domain(place: int, count: int) -> tuple[float, float]:
    """Bottom and top of an image in shares of the figure's height."""
    whole = count * (CELL + NOTE)
    top = 1 - (place * (CELL + NOTE) + NOTE) / whole
    return max(0.0, top - CELL / whole), top


def _colours(
    place: int, count: int, limit: float, is_positive: bool, opacity: float | None
) -> dict[str, object]:
    """A colour axis from 0 or -limit to limit, and its bar beside an image."""
    low, high = _domain(place, count)
    ticks = [0, limit / 2, limit] if is_positive else [-limit, 0, limit]
    if opacity is not None:
        scale = _transparent(is_positive)
    else:
        scale = "Reds" if is_positive else DIVERGING
    return {
        "cmin": ticks[0],
        "cmax": limit,
        "colorscale": scale,
        "colorbar": {
            "thickness": 8,
            "len": high - low,
            "y": (low + high) / 2,
            "x": 1.0,
            "tickvals": ticks,
            "ticktext": [f"{tick:.2g}" for tick in ticks],
        },
    }


def _transparent(is_positive: bool) -> list[tuple[float, str]]:
    """Colours that are there as far as a pixel is relevant."""
    shares = np.linspace(0 if is_positive else -1, 1, 33).tolist()
    places = np.linspace(0, 1, len(shares)).tolist()
    colours = [(*(RED if share > 0 else BLUE), round(abs(share) ** 0.6, 3)) for share in shares]
    return [(place, f"rgba{colour}") for place, colour in zip(places, colours, strict=True)]


def _stacked(
    traces: list[dict[str, object]], bars: dict[str, object], notes: Sequence[str]
) -> go.Figure:
    count = len(notes)
    margin = {"l": 0, "r": BAR, "t": 4, "b": 4}
    layout = {**bars, "height": count * (CELL + NOTE) + 8, "margin": margin, "annotations": []}
    for place, note in enumerate(notes):
        low, high = _domain(place, count)
        number = place + 1 if place else ""
        across = {"visible": False, "constrain": "domain", "constraintoward": "left"}
        down = {**across, "constraintoward": "top", "autorange": "reversed"}
        layout[f"xaxis{number}"] = {**across, "anchor": f"y{number}"}
        layout[f"yaxis{number}"] = {
            **down,
            "anchor": f"x{number}",
            "scaleanchor": f"x{number}",
            "domain": (low, high),
        }
        layout["annotations"].append(
            {
                "text": note,
                "x": 0,
                "y": high,
                "xref": "paper",
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "bottom",
                "align": "left",
                "showarrow": False,
                "font": {"size": 11, "color": MUTED},
            }
        )
    return go.Figure({"data": traces, "layout": layout})
