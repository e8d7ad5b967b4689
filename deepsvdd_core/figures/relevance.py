"""Draw images one below the other, and on them which pixels count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from deepsvdd_core.figures import outlines

DIVERGING = "RdBu_r"  # red pushes towards anomalous, blue towards normal
RED, BLUE = (178, 24, 43), (33, 102, 172)  # its ends
CELL, NOTE, TICKS = 200, 34, 46  # pixels: height of an image, of the text above, width of numbers
BAR = (1.03, 1.08)  # where a colour bar begins and ends, in widths of an image from its left side
SPAN = 1.09  # width of what is drawn, in the same unit
INSIDE = (0.001, 0.5, 0.999)  # places of numbers; Plotly hides those at the very end of an axis
MUTED = "#888888"  # text that can be read on white and on black


def image_column(
    images: np.ndarray, notes: Sequence[str], masks: Sequence[np.ndarray | None] = ()
) -> go.Figure:
    """uint8 images (n, C, H, W), each with a note above it and the outline of its mask (H, W)."""
    traces = [_image(image, place, hover=True) for place, image in enumerate(images)]
    return _stacked([*traces, *_outlines(masks)], {}, notes, [], images.shape[2:])


def relevance_column(
    images: np.ndarray,
    maps: Sequence[np.ndarray | None],
    limits: Sequence[float],
    notes: Sequence[str],
    *,
    is_positive: bool = False,
    opacity: float | None = None,
    masks: Sequence[np.ndarray | None] = (),
) -> go.Figure:
    """Maps (H, W) on their uint8 images (n, C, H, W), one below the other.

    A map that is None is not there yet. limits: the relevance at the end of the colours of each
    map; where all are equal, they share one bar. is_positive: maps without a negative side.
    opacity: of a map over its image, transparent where nothing is relevant; None shows the map
    alone. masks: (H, W) bool, whose outlines are drawn; none, or one (or None) for each image.
    """
    traces, scales, ticks = [], {}, []
    shape = images.shape[2:]
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
            scales[axis] = _colours(limit, is_positive, opacity)
            of = maps if shared else [relevance]
            if opacity != 0 and any(one is not None for one in of):
                traces.append(_bar(place, shape, scales[axis], axis))
                ticks += _ticks(place, shape, limit, is_positive)
    return _stacked([*traces, *_outlines(masks)], scales, notes, ticks, shape)


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


def _outlines(masks: Sequence[np.ndarray | None]) -> list[dict[str, object]]:
    return [
        trace for place, mask in enumerate(masks) for trace in outlines.traces(mask, _axes(place))
    ]


def _colours(limit: float, is_positive: bool, opacity: float | None) -> dict[str, object]:
    """A colour axis from 0 or -limit to limit."""
    if opacity is not None:
        scale = _transparent(is_positive)
    else:
        scale = "Reds" if is_positive else DIVERGING
    low = 0 if is_positive else -limit
    return {"cmin": low, "cmax": limit, "colorscale": scale, "showscale": False}


def _bar(
    place: int, shape: tuple[int, int], scale: dict[str, object], axis: str
) -> dict[str, object]:
    """A colour bar on the axes of an image: so it is as high as the image at every size."""
    height, width = shape
    return {
        "type": "heatmap",
        "z": np.linspace(scale["cmax"], scale["cmin"], 64)[:, None],
        "x": [width * end - 0.5 for end in BAR],
        "y": np.linspace(-0.5, height - 0.5, 65),
        "coloraxis": axis,
        "hoverinfo": "skip",
        **_axes(place),
    }


def _ticks(
    place: int, shape: tuple[int, int], limit: float, is_positive: bool
) -> list[dict[str, object]]:
    """The numbers beside a colour bar, from its upper end to its lower."""
    height, width = shape
    values = (limit, limit / 2, 0) if is_positive else (limit, 0, -limit)
    return [
        _text(
            f"{value:.2g}",
            x=width * BAR[1] - 0.5,
            xshift=2,
            y=height * share - 0.5,
            xref=_axes(place)["xaxis"],
            yref=_axes(place)["yaxis"],
            yanchor=anchor,
        )
        for value, share, anchor in zip(values, INSIDE, ("top", "middle", "bottom"), strict=True)
    ]


def _transparent(is_positive: bool) -> list[tuple[float, str]]:
    """Colours that are there as far as a pixel is relevant."""
    shares = np.linspace(0 if is_positive else -1, 1, 33).tolist()
    places = np.linspace(0, 1, len(shares)).tolist()
    colours = [(*(RED if share > 0 else BLUE), round(abs(share) ** 0.6, 3)) for share in shares]
    return [(place, f"rgba{colour}") for place, colour in zip(places, colours, strict=True)]


def _stacked(
    traces: list[dict[str, object]],
    scales: dict[str, object],
    notes: Sequence[str],
    ticks: list[dict[str, object]],
    shape: tuple[int, int],
) -> go.Figure:
    count, (height, width) = len(notes), shape
    margin = {"l": 0, "r": TICKS, "t": 4, "b": 4}
    layout = {**scales, "height": count * (CELL + NOTE) + 8, "margin": margin}
    layout["annotations"] = []
    for place, note in enumerate(notes):
        low, high = _domain(place, count)
        number = place + 1 if place else ""
        axis = {"visible": False, "fixedrange": True, "constrain": "domain"}
        layout[f"xaxis{number}"] = {
            **axis,
            "range": [-0.5, width * SPAN - 0.5],  # images without a bar leave its room
            "constraintoward": "left",
            "anchor": f"y{number}",
        }
        layout[f"yaxis{number}"] = {
            **axis,
            "range": [height - 0.5, -0.5],
            "constraintoward": "top",
            "anchor": f"x{number}",
            "scaleanchor": f"x{number}",
            "domain": (low, high),
        }
        about = {"xref": "paper", "yref": "paper", "yanchor": "bottom"}
        layout["annotations"].append(_text(note, x=0, y=high, **about))
    layout["annotations"] += ticks
    return go.Figure({"data": traces, "layout": layout})


def _text(text: str, **place: object) -> dict[str, object]:
    font = {"size": 11, "color": MUTED}
    left = {"xanchor": "left", "align": "left"}
    return {"text": text, "showarrow": False, "font": font, **left, **place}
