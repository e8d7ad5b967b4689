"""Colours of all figures, and what they have in common."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

NORMAL = "#3a7ca5"  # blue and orange differ for every common kind of colour vision
ANOMALOUS = "#d9772b"
SPHERE = "#7a5aa6"
# Colours of methods, told apart with every common kind of colour vision (Okabe and Ito).
SERIES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#b8a800")
HATCHES, DASHES = ("", "/", "x"), ("solid", "dash", "dot")  # of the same colours once more
PUBLISHED_LINE = {"color": "#333333", "width": 1.5}  # of the diamonds, on any bar and background
RAMP = [  # of scores, low to high
    "#" + "".join(f"{round(255 * part):02x}" for part in colour)
    for colour in sample_colorscale("Viridis", np.linspace(0, 1, 32), colortype="tuple")
]
GROUPS = (("normal", NORMAL, False), ("anomalous", ANOMALOUS, True))


def tidy(figure: go.Figure, height: int) -> go.Figure:
    """Narrow margins, and the legend above."""
    return figure.update_layout(
        height=height,
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
