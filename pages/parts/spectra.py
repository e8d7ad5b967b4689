"""Charts of the Clever Hans laboratory."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from deepsvdd_core import figures

FAINT = "#8a949b"  # images that only give the background


def eigenvalues(values: np.ndarray, count: int) -> go.Figure:
    """The lowest eigenvalues of the graph of maps; the largest leap follows number `count`."""
    numbers = np.arange(1, len(values) + 1)
    figure = go.Figure(
        go.Scatter(
            x=numbers,
            y=values,
            mode="lines+markers",
            marker={"color": figures.NORMAL, "size": 9},
            hovertemplate="number %{x}: %{y:.3f}<extra></extra>",
        )
    )
    figure.add_vrect(
        x0=count,
        x1=count + 1,
        fillcolor=figures.ANOMALOUS,
        opacity=0.25,
        line_width=0,
        annotation={"text": f"largest leap after {count}"},
        annotation_position="top left",
    )
    figure.update_xaxes(title="number of the eigenvalue", dtick=1)
    figure.update_yaxes(title="eigenvalue (no unit)", rangemode="tozero")
    return _tidy(figure, 260)


def scores(groups: dict[str, np.ndarray], threshold: float) -> go.Figure:
    """How many images of each group have which score."""
    together = np.concatenate([*groups.values(), [threshold]])
    edges = np.histogram_bin_edges(together[together <= np.quantile(together, 0.99)], bins=40)
    figure = go.Figure()
    for (name, values), colour in zip(
        groups.items(), (figures.ANOMALOUS, figures.NORMAL, FAINT), strict=False
    ):
        counts, _ = np.histogram(values.clip(edges[0], edges[-1]), bins=edges)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts / len(values),
            width=np.diff(edges),
            name=f"{name} ({len(values):,})",
            marker={"color": colour, "opacity": 0.6, "line": {"width": 0}},
            hovertemplate="score %{x:.3g}: %{y:.1%}<extra>" + name + "</extra>",
        )
    figure.add_vline(
        x=threshold,
        line={"color": figures.SPHERE, "width": 2},
        annotation={"text": f"threshold {threshold:.3g}", "yshift": 16},
    )
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(title="anomaly score; the last bar holds all beyond")
    figure.update_yaxes(title="share of the group", tickformat=".0%")
    return _tidy(figure, 320)


def moves(before: np.ndarray, after: np.ndarray, background: np.ndarray, radial: bool) -> go.Figure:
    """Where images (m, 2) lie before and after, each joined by a line, among others (k, 2)."""
    figure = go.Figure()
    gap = np.full(len(before), np.nan)
    figure.add_scatter(
        x=np.stack([before[:, 0], after[:, 0], gap], axis=1).ravel(),
        y=np.stack([before[:, 1], after[:, 1], gap], axis=1).ravel(),
        mode="lines",
        line={"color": FAINT, "width": 0.7},
        hoverinfo="skip",
        showlegend=False,
    )
    for name, points, colour in (
        ("without a mark", background, FAINT),
        ("with the mark", before, figures.ANOMALOUS),
        ("mark taken away", after, figures.NORMAL),
    ):
        figure.add_scatter(
            x=points[:, 0],
            y=points[:, 1],
            mode="markers",
            name=f"{name} ({len(points):,})",
            marker={"color": colour, "size": 6, "opacity": 0.75},
            hoverinfo="name",
        )
    if radial:
        circle = {"color": figures.SPHERE, "width": 2}
        figure.add_shape(type="circle", x0=-1, y0=-1, x1=1, y1=1, line=circle)
    across = "distance to the centre / radius" if radial else "first principal component"
    figure.update_xaxes(title=across, zeroline=False)
    figure.update_yaxes(title=None if radial else "second", scaleanchor="x", zeroline=False)
    return _tidy(figure, 460)


def _tidy(figure: go.Figure, height: int) -> go.Figure:
    return figure.update_layout(
        height=height,
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
