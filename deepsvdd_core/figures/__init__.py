"""Turn arrays into Plotly figures and PNG sprites."""

from __future__ import annotations

import base64
import io

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from PIL import Image
from plotly.colors import sample_colorscale

from deepsvdd_core.figures.growth import curve as curve
from deepsvdd_core.figures.growth import curves as curves
from deepsvdd_core.figures.growth import shares as shares
from deepsvdd_core.figures.palette import ANOMALOUS as ANOMALOUS
from deepsvdd_core.figures.palette import (
    DASHES,
    GROUPS,
    HATCHES,
    NORMAL,
    PUBLISHED_LINE,
    SERIES,
    SPHERE,
    tidy,
)
from deepsvdd_core.figures.palette import RAMP as RAMP
from deepsvdd_core.figures.relevance import DIVERGING
from deepsvdd_core.figures.relevance import account as account
from deepsvdd_core.figures.relevance import deletion_curves as deletion_curves
from deepsvdd_core.figures.relevance import stops as stops


def radial_map(
    coordinates: np.ndarray,
    is_anomaly: np.ndarray | None,
    scores: np.ndarray,
    radius: float = 1.0,
) -> go.Figure:
    """The map (N, 2) in units of the trained radius; radius: of the circle the threshold draws."""
    figure = _points(coordinates, is_anomaly, scores)
    ends = {"x0": -radius, "y0": -radius, "x1": radius, "y1": radius}
    figure.add_shape(type="circle", **ends, line={"color": SPHERE, "width": 2})
    figure.add_scatter(
        x=[None], y=[None], mode="lines", name="hypersphere", line={"color": SPHERE, "width": 2}
    )
    figure.add_scatter(
        x=[0],
        y=[0],
        mode="markers",
        name="centre",
        hoverinfo="skip",
        marker={"symbol": "cross-thin", "size": 10, "line": {"color": SPHERE, "width": 2}},
    )
    figure.update_xaxes(title="distance to the centre / radius", zeroline=False)
    figure.update_yaxes(scaleanchor="x", zeroline=False)
    return tidy(figure, 560)


def journeys(
    coordinates: np.ndarray, is_anomaly: np.ndarray | None, scores: np.ndarray, *, ways: np.ndarray
) -> go.Figure:
    """The radial map with arrows; ways (n, 2, 2): from where, to where."""
    figure = radial_map(coordinates, is_anomaly, scores)
    for (x, y), (to_x, to_y) in ways:
        figure.add_annotation(
            x=to_x,
            y=to_y,
            ax=x,
            ay=y,
            xref="x",
            yref="y",
            axref="x",
            ayref="y",
            showarrow=True,
            arrowhead=2,
            arrowwidth=2,
            arrowcolor=SPHERE,
        )
    return figure.update_layout(height=420)


def planar_map(
    coordinates: np.ndarray, is_anomaly: np.ndarray | None, scores: np.ndarray
) -> go.Figure:
    """A map (N, 2) of neighbourhoods; its axes have no unit."""
    figure = _points(coordinates, is_anomaly, scores)
    figure.update_xaxes(showticklabels=False, zeroline=False, showgrid=False)
    figure.update_yaxes(showticklabels=False, zeroline=False, showgrid=False, scaleanchor="x")
    return tidy(figure, 560)


def spherical_map(
    coordinates: np.ndarray, is_anomaly: np.ndarray | None, scores: np.ndarray
) -> go.Figure:
    """The map (N, 3) in units of the radius, around a translucent unit sphere."""
    figure = go.Figure()
    turn, rise = np.meshgrid(np.linspace(0, 2 * np.pi, 40), np.linspace(0, np.pi, 20))
    figure.add_surface(
        x=np.cos(turn) * np.sin(rise),
        y=np.sin(turn) * np.sin(rise),
        z=np.cos(rise),
        opacity=0.2,
        colorscale=[SPHERE, SPHERE],
        showscale=False,
        hoverinfo="skip",
    )
    for name, color, rows in groups(is_anomaly, len(scores)):
        x, y, z = coordinates[rows].T.astype(np.float32)
        figure.add_scatter3d(
            x=x,
            y=y,
            z=z,
            mode="markers",
            name=f"{name} ({len(rows):,})",
            marker={"color": color, "size": 2, "opacity": 0.6},
            customdata=np.stack([rows, scores[rows]], axis=1),
            hovertemplate="image %{customdata[0]}, score %{customdata[1]:.4g}"
            f"<extra>{name}</extra>",
        )
    figure.update_scenes(aspectmode="data")
    return tidy(figure, 560)


def histogram(scores: np.ndarray, is_anomaly: np.ndarray | None, threshold: float) -> go.Figure:
    """How many test images have which score, and where the threshold lies."""
    figure = go.Figure()
    edges = np.histogram_bin_edges(scores, bins=60)
    for name, color, rows in groups(is_anomaly, len(scores)):
        counts, _ = np.histogram(scores[rows], bins=edges)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=np.diff(edges),
            name=name,
            marker={"color": color, "opacity": 0.65, "line": {"width": 0}},
            hovertemplate="score %{x:.3g}: %{y} images<extra>" + name + "</extra>",
        )
    figure.add_vline(
        x=threshold,
        line={"color": SPHERE, "width": 2},
        annotation={"text": f"threshold {threshold:.3g}", "yshift": 16},
    )
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(title="anomaly score (higher is stranger)")
    figure.update_yaxes(title="images")
    return tidy(figure, 280)


def class_bars(means: pd.DataFrame) -> go.Figure:
    """AUROC per class (columns name, normal_class, auroc, std, published), in percent."""
    figure = go.Figure()
    for place, (name, part) in enumerate(means.groupby("name", sort=False)):
        again, color = divmod(place, len(SERIES))
        figure.add_bar(
            x=part["normal_class"],
            y=part["auroc"],
            error_y={"array": part["std"], "thickness": 1},
            name=name,
            offsetgroup=name,
            marker={"color": SERIES[color], "pattern": {"shape": HATCHES[again % len(HATCHES)]}},
            hovertemplate="%{x}: %{y:.2f} %<extra>" + name + "</extra>",
        )
        known = part[part["published"].notna()]
        if len(known):
            figure.add_scatter(
                x=known["normal_class"],
                y=known["published"],
                mode="markers",
                name="published",
                legendgroup="published",
                showlegend=not any(other.name == "published" for other in figure.data),
                offsetgroup=name,
                marker={"symbol": "diamond", "size": 8, "color": "white", "line": PUBLISHED_LINE},
                hovertemplate="%{x}: %{y:.1f} %<extra>published</extra>",
            )
    figure.update_layout(barmode="group", scattermode="group")
    figure.update_xaxes(title="normal class", type="category", categoryorder="category ascending")
    figure.update_yaxes(title="AUROC in %", range=[50, 101])
    return tidy(figure, 380)


def rate_curves(lines: dict[str, np.ndarray], names: list[str], x: str, y: str) -> go.Figure:
    """Curves over the grid 0, 0.01, …, 1, one per method; both axes are rates.

    names: of all methods, whose places give the colours of the lines.
    """
    figure = go.Figure()
    for name, values in lines.items():
        again, color = divmod(names.index(name), len(SERIES))
        figure.add_scatter(
            x=np.linspace(0, 1, len(values)),
            y=values,
            mode="lines",
            name=name,
            line={"color": SERIES[color], "dash": DASHES[again % len(DASHES)]},
        )
    figure.update_xaxes(title=x, range=[0, 1])
    figure.update_yaxes(title=y, range=[0, 1.02])
    return tidy(figure, 380)


def sheet(images: np.ndarray, columns: int) -> bytes:
    """Images (N, C, H, W) uint8 side by side in rows of `columns`, as a PNG file."""
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    pixels = np.zeros((rows * columns, channels, height, width), np.uint8)
    pixels[:count] = images
    pixels = pixels.reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    pixels = pixels.reshape(rows * height, columns * width, channels)
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def address(png: bytes) -> str:
    """A PNG file as a data address."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def diverging(relevance: np.ndarray, limit: float) -> np.ndarray:
    """Relevance (N, H, W) as colours (N, 3, H, W) uint8: blue, white at 0, red from limit on."""
    shares = (relevance / (limit or 1.0)).clip(-1, 1)
    scale = np.array(sample_colorscale(DIVERGING, np.linspace(0, 1, 256), colortype="tuple"))
    colours = np.round(255 * scale).astype(np.uint8)[np.round(127.5 * (shares + 1)).astype(int)]
    return colours.transpose(0, 3, 1, 2)


def groups(is_anomaly: np.ndarray | None, count: int) -> list[tuple[str, str, np.ndarray]]:
    """Name, colour and row numbers of what is drawn in one colour; one group without labels."""
    if is_anomaly is None:
        return [("test images", NORMAL, np.arange(count))]
    groups = [(name, color, np.flatnonzero(is_anomaly == truth)) for name, color, truth in GROUPS]
    return [group for group in groups if len(group[2])]


def _points(
    coordinates: np.ndarray, is_anomaly: np.ndarray | None, scores: np.ndarray
) -> go.Figure:
    figure = go.Figure()
    for name, color, rows in reversed(groups(is_anomaly, len(scores))):
        figure.add_scattergl(
            x=coordinates[rows, 0].astype(np.float32),
            y=coordinates[rows, 1].astype(np.float32),
            mode="markers",
            name=f"{name} ({len(rows):,})",
            marker={"color": color, "size": 5, "opacity": 0.6},
            customdata=np.stack([rows, scores[rows]], axis=1),
            hovertemplate="image %{customdata[0]}, score %{customdata[1]:.4g}"
            f"<extra>{name}</extra>",
        )
    return figure
