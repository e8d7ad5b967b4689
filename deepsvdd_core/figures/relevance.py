"""The colours of relevance, and how an anomaly fades while its relevant pixels are restored."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

DIVERGING = "RdBu_r"  # red pushes towards anomalous, blue towards normal
RED, BLUE = (178, 24, 43), (33, 102, 172)  # its ends
UNEXPLAINED = (136, 136, 136)
STOPS = 65
MUTED = "#888888"  # text that can be read on white and on black


def stops(*, is_positive: bool, transparent: bool) -> list[list[float]]:
    """Red, green, blue and alpha, 0 to 255, from the lowest to the highest relevance.

    is_positive: from 0 on, else symmetric around 0. transparent: as far as a pixel is irrelevant.
    """
    shares = np.linspace(0 if is_positive else -1, 1, STOPS)
    if transparent:
        ends = np.where(shares[:, None] > 0, RED, BLUE)
        return np.column_stack([ends, 255 * np.abs(shares) ** 0.6]).round(1).tolist()
    scale = "Reds" if is_positive else DIVERGING
    colours = sample_colorscale(scale, np.linspace(0, 1, STOPS), colortype="tuple")
    return np.column_stack([255 * np.array(colours), np.full(STOPS, 255)]).round(1).tolist()


def account(total: float, score: float) -> str:
    """HTML: bars, from zero on, of what a map's pixels explain of a score and of what none does.

    total: the sum of the map. The second bar begins where the first ends, and ends at the score.
    """
    low = min(0.0, total, score)
    span = max(0.0, total, score) - low or 1.0

    def lane(start: float, end: float, colour: tuple[int, ...]) -> str:
        left, width = (min(start, end) - low) / span, abs(end - start) / span
        return (
            '<div style="height: 7px; margin: 1px 0; background: rgba(128, 128, 128, 0.15)">'
            f'<div style="height: 7px; margin-left: {left:.2%}; width: {width:.2%}; '
            f'background: rgb{colour}"></div></div>'
        )

    said = f"pixels {total:.3g}, no pixel {score - total:.3g}, score {score:.3g}"
    bars = lane(0.0, total, RED if total > 0 else BLUE) + lane(total, score, UNEXPLAINED)
    return (
        f'<div role="img" aria-label="{said}">{bars}</div>'
        f'<div style="font-size: 0.8rem; opacity: 0.8">{said}</div>'
    )


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
