"""The border of a mask as lines that can be seen on every colour of a map."""

from __future__ import annotations

import numpy as np

# A bright line on a wider dark one: one of them differs from black, white, red and blue.
LINES = (("#000000", 3.0), ("#ffe14d", 1.2))  # colour and width in pixels


def outline(mask: np.ndarray) -> tuple[list[float | None], list[float | None]]:
    """x and y of the line segments around the marked pixels of a mask (H, W); None ends each.

    In pixels: that of row r and column c reaches from c - 0.5 to c + 0.5 and from r - 0.5 to
    r + 0.5, as it does in a heatmap.
    """
    inside = np.pad(mask.astype(bool), 1)
    upright = np.argwhere(inside[1:-1, 1:] != inside[1:-1, :-1])  # left of this row and column
    level = np.argwhere(inside[1:, 1:-1] != inside[:-1, 1:-1])  # above it
    x, y = [], []
    for starts, across, down in ((upright, 0, 1), (level, 1, 0)):
        for row, column in starts.tolist():
            x += [column - 0.5, column - 0.5 + across, None]
            y += [row - 0.5, row - 0.5 + down, None]
    return x, y


def traces(mask: np.ndarray | None, axes: dict[str, str]) -> list[dict[str, object]]:
    """The outline of a mask (H, W) on the axes of an image; nothing where no pixel is marked."""
    if mask is None or not mask.any():
        return []
    x, y = outline(mask)
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": x,
            "y": y,
            "line": {"color": colour, "width": width},
            "hoverinfo": "skip",
            "showlegend": False,
            **axes,
        }
        for colour, width in LINES
    ]
