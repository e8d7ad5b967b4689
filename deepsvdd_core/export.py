"""Take a selection of images home: as a zip of tables and pictures, or as one page to read."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from deepsvdd_core.evaluation import Confusion
from deepsvdd_core.figures import account, address, diverging, sheet

COLUMNS = ("id", "label", "score", "distance", "percentile", "x", "y", "z", "cluster", "is_anomaly")
# Not even a mistake can make the page ask the network for something. plotly.js writes code for
# WebGL while it runs, which is what unsafe-eval allows.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:"
)
STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --paper: #ffffff; --line: #d0d0d5; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececf0; --paper: #16161a; --line: #44444c; }
}
body { color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .75rem; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.images { display: flex; flex-wrap: wrap; gap: 1rem; }
.images figure { margin: 0; width: 7rem; font-size: .8rem; overflow-wrap: anywhere; }
.images img { width: 7rem; image-rendering: pixelated; }
.xtick text, .ytick text, .xtitle, .ytitle, .gtitle, .legendtext, .annotation-text {
  fill: currentColor !important; }
"""


class Selection(NamedTuple):
    """What is known of the selected images, n of them; None where something is not defined.

    ids (n,) are rows of the test split, labels n names, scores (n,) float64, images
    (n, C, H, W) uint8. distances (n,) to the hypersphere's centre in embedding units, percentiles
    (n,) of the scores among all, coordinates (n, 2) or (n, 3) on the map, clusters (n,) int,
    is_anomaly (n,) bool, relevance (n, H, W) in score units, by an explainer, constants (n,): what
    its sums lack of the scores, limit: the relevance at the end of the colour scale, the largest
    there is where it is not given.
    """

    ids: np.ndarray
    labels: list[str]
    scores: np.ndarray
    images: np.ndarray
    distances: np.ndarray | None = None
    percentiles: np.ndarray | None = None
    coordinates: np.ndarray | None = None
    clusters: np.ndarray | None = None
    is_anomaly: np.ndarray | None = None
    relevance: np.ndarray | None = None
    constants: np.ndarray | None = None
    explainer: str = ""
    limit: float | None = None

    @property
    def colours(self) -> np.ndarray | None:
        """The heatmaps (n, 3, H, W) uint8 on one colour scale."""
        if self.relevance is None:
            return None
        return diverging(self.relevance, self.limit or float(np.abs(self.relevance).max()) or 1.0)


def bundle(selection: Selection, state: dict) -> bytes:
    """A zip of selection.csv, images/<id>.png, state.json and, with relevance, two things more.

    These are heatmaps/<id>.png on one colour scale and relevance.npz with the values (arrays ids,
    relevance, explainer, and constants where there is an account; it loads without pickle). Numbers
    in the table read back as the same float64. Equal contents give equal bytes.

    Raises:
        ValueError: nothing is selected.
    """
    _check(selection)
    files = {"selection.csv": _table(selection).encode()}
    for index, image in zip(selection.ids, selection.images, strict=True):
        files[f"images/{index}.png"] = sheet(image[None], columns=1)
    if selection.relevance is not None:
        for index, heatmap in zip(selection.ids, selection.colours, strict=True):
            files[f"heatmaps/{index}.png"] = sheet(heatmap[None], columns=1)
        arrays = {"relevance": selection.relevance, "explainer": np.array(selection.explainer)}
        if selection.constants is not None:
            arrays["constants"] = selection.constants
        raw = io.BytesIO()
        np.savez(raw, ids=selection.ids, **arrays)
        files["relevance.npz"] = raw.getvalue()
    files["state.json"] = json.dumps(state, indent=2, ensure_ascii=False).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            packed = zipfile.ZipInfo(name)  # its date is 1980: the content alone decides the bytes
            packed.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(packed, content)
    return buffer.getvalue()


def report(
    title: str,
    provenance: Mapping[str, object],
    selection: Selection,
    *,
    threshold: float,
    counts: Confusion | None,
    figures: Mapping[str, go.Figure],
) -> str:
    """One HTML page that needs nothing but itself: it opens from a folder, without a network.

    provenance: what to say of the model, line by line. counts: None without labels. figures: by
    their headings.

    Raises:
        ValueError: nothing is selected.
    """
    _check(selection)
    parts = [
        f"<h1>{escape(title)}</h1>",
        "<h2>Model</h2>",
        _rows((escape(name), escape(str(value))) for name, value in provenance.items()),
        "<h2>Threshold</h2>",
        f"<p>An image counts as anomalous when its score is above {threshold:.6g}.</p>",
        "" if counts is None else _confusion(counts),
    ]
    for index, (heading, figure) in enumerate(figures.items()):
        parts += [f"<h2>{escape(heading)}</h2>", _figure(figure, index)]
    parts.append("<h2>Selected images</h2>")
    if selection.relevance is not None:
        parts.append(
            f"<p>Below each image its map by {escape(selection.explainer)}: red pushes towards "
            "anomalous, blue towards normal, on one scale for all.</p>"
        )
    parts += ['<div class="images">', *_pictures(selection), "</div>"]
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
    )
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _check(selection: Selection) -> None:
    if len(selection.ids) == 0:
        raise ValueError("Nothing is selected; select at least one image, then export again.")


def _table(selection: Selection) -> str:
    count = len(selection.ids)
    places = np.empty((0, count)) if selection.coordinates is None else selection.coordinates.T
    columns = {
        "id": selection.ids,
        "label": selection.labels,
        "score": selection.scores,
        "distance": selection.distances,
        "percentile": selection.percentiles,
        **dict(zip("xyz", places, strict=False)),
        "cluster": selection.clusters,
        "is_anomaly": selection.is_anomaly,
    }
    kept = {name: columns[name] for name in COLUMNS if columns.get(name) is not None}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(kept)
    # Python's own numbers: csv writes a float by repr, the shortest text with the same value.
    writer.writerows(zip(*(np.asarray(values).tolist() for values in kept.values()), strict=True))
    return text.getvalue()


def _pictures(selection: Selection) -> Iterator[str]:
    """Each image, its map and what its pixels explain of the score."""
    colours = selection.colours
    for place, index in enumerate(selection.ids):
        shown = {f"image {index}": selection.images[place]}
        if colours is not None:
            shown[f"map of image {index} by {selection.explainer}"] = colours[place]
        pictures = "".join(
            f'<img alt="{escape(name)}" src="{address(sheet(image[None], columns=1))}">'
            for name, image in shown.items()
        )
        bars = ""
        if selection.constants is not None:
            total = float(selection.relevance[place].sum(dtype=np.float64))
            bars = account(total, float(selection.scores[place]))
        yield (
            f"<figure>{pictures}<figcaption>image {index}<br>{escape(selection.labels[place])}<br>"
            f"score {selection.scores[place]:.6g}{bars}</figcaption></figure>"
        )


def _rows(rows: Iterable[tuple[str, str]], css: str = "text") -> str:
    """A table of two columns, of escaped texts."""
    body = "".join(
        f'<tr><th>{name}</th><td class="{css}">{value}</td></tr>' for name, value in rows
    )
    return f"<table>{body}</table>"


def _confusion(counts: Confusion) -> str:
    def percent(share: float | None) -> str:
        return "not defined" if share is None else f"{100 * share:.1f} %"

    rows = {
        "anomalous, above the threshold": f"{counts.true_positives:,}",
        "anomalous, not above it": f"{counts.false_negatives:,}",
        "normal, above the threshold": f"{counts.false_positives:,}",
        "normal, not above it": f"{counts.true_negatives:,}",
        "precision": percent(counts.precision),
        "recall": percent(counts.recall),
        "false alarms": percent(counts.false_alarm_rate),
        "F1": percent(counts.f1),
    }
    return _rows(rows.items(), "number")


def _figure(figure: go.Figure, index: int) -> str:
    """A figure as HTML, in colours for light and dark; the first brings plotly.js along."""
    clear = go.Figure(figure).update_layout(
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(128,128,128,0.08)"
    )
    for update_axes in (clear.update_xaxes, clear.update_yaxes):
        update_axes(gridcolor="rgba(128,128,128,0.25)", zerolinecolor="rgba(128,128,128,0.5)")
    return clear.to_html(
        full_html=False,
        include_plotlyjs=index == 0,
        div_id=f"figure-{index}",
        config={"displaylogo": False, "responsive": True},
    )
