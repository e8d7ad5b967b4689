"""What a training does, epoch by epoch, and where it puts the classes."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from deepsvdd_core.figures.palette import DASHES, NORMAL, SERIES, tidy


def curve(
    epochs: Sequence[int],
    values: Sequence[float],
    name: str,
    last: int | None = None,
    ends: tuple[float, float] | None = None,
) -> go.Figure:
    """One quantity over the epochs; see `curves`."""
    figure = curves(epochs, {name: values}, name, last, ends)
    return figure.update_traces(line={"color": NORMAL}).update_layout(showlegend=False)


def curves(
    epochs: Sequence[int],
    lines: dict[str, Sequence[float]],
    name: str,
    last: int | None = None,
    ends: tuple[float, float] | None = None,
) -> go.Figure:
    """One quantity of several things over the epochs; the name gives its unit.

    last: the epoch at which the axis ends, and ends: those of the values, where they are known
    beforehand, so that nothing moves but the lines.
    """
    figure = go.Figure()
    for place, (thing, values) in enumerate(lines.items()):
        again, color = divmod(place, len(SERIES))
        figure.add_scatter(
            x=list(epochs),
            y=list(values),
            mode="lines+markers",
            name=thing,
            line={"color": SERIES[color], "dash": DASHES[again % len(DASHES)]},
            hovertemplate="epoch %{x}: %{y:.4g}<extra>" + thing + "</extra>",
        )
    if last is None:
        figure.update_xaxes(title="epoch", rangemode="tozero")
    else:
        figure.update_xaxes(title="epoch", range=[-0.03 * last, 1.03 * last])
    if ends is None:
        figure.update_yaxes(title=name, rangemode="tozero")
    else:
        figure.update_yaxes(title=name, range=ends)
    return tidy(figure, 240)


def shares(counts: np.ndarray, rows: list[str], columns: list[str]) -> go.Figure:
    """How the images of each class (a row of counts) spread over spheres, in per cent."""
    names = [html.escape(name) for name in rows]  # two may be equal
    parts = 100 * counts / counts.sum(axis=1, keepdims=True)
    figure = go.Figure(
        go.Heatmap(
            z=parts,
            text=[[f"{count:,}" for count in row] for row in counts],
            texttemplate="%{text}",
            x=columns,
            y=list(range(len(rows))),
            hovertext=[[name] * len(columns) for name in names],
            zmin=0,
            zmax=100,
            colorscale="Blues",
            xgap=2,
            ygap=2,
            colorbar={"title": "% of class"},
            hovertemplate="%{hovertext}: %{text} images, %{z:.0f} %, in sphere %{x}<extra></extra>",
        )
    )
    figure.update_xaxes(title="sphere", type="category")
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=names, autorange="reversed", automargin=True
    )
    return tidy(figure, 120 + 28 * len(rows))
