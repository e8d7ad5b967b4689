import csv
import io
import json
import re
import zipfile
from html.parser import HTMLParser

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from deepsvdd_core.evaluation import Confusion
from deepsvdd_core.export import COLUMNS, POLICY, Selection, bundle, report

RNG = np.random.default_rng(0)
EVIL = "<script>alert('x')</script>"
GREY = Selection(
    ids=np.array([7, 2, 90]),
    labels=["boot", EVIL, 'a, "b"\nc'],
    scores=RNG.normal(size=3) / 3,
    images=RNG.integers(0, 256, size=(3, 1, 28, 28), dtype=np.uint8),
    distances=RNG.normal(size=3) ** 2,
    percentiles=np.array([0.1, 1 / 3, 100.0]),
    coordinates=RNG.normal(size=(3, 3)) * 1e-9,
    clusters=np.array([0, 1, 1]),
    is_anomaly=np.array([True, False, True]),
    relevance=RNG.normal(size=(3, 28, 28)).astype(np.float32),
    constants=np.array([0.5, -0.25, 0.0]),
    explainer=f"Maps {EVIL}",
)
COLOUR = Selection(
    GREY.ids, GREY.labels, GREY.scores, RNG.integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
)


def opened(selection, state=None):
    return zipfile.ZipFile(io.BytesIO(bundle(selection, state or {})))


def table(archive):
    return list(csv.DictReader(io.StringIO(archive.read("selection.csv").decode(), newline="")))


def test_the_table_reads_back_exactly():
    rows = table(opened(GREY))
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["id"]) for row in rows] == GREY.ids.tolist()
    assert [row["label"] for row in rows] == GREY.labels
    columns = {
        "score": GREY.scores,
        "distance": GREY.distances,
        "percentile": GREY.percentiles,
        **dict(zip("xyz", GREY.coordinates.T, strict=True)),
    }
    for name, values in columns.items():
        assert [float(row[name]) for row in rows] == values.tolist()
    assert [row["cluster"] for row in rows] == ["0", "1", "1"]
    assert [row["is_anomaly"] for row in rows] == ["True", "False", "True"]


def test_what_is_not_defined_has_no_column():
    assert list(table(opened(COLOUR))[0]) == ["id", "label", "score"]
    planar = COLOUR._replace(coordinates=np.zeros((3, 2)))
    assert list(table(opened(planar))[0]) == ["id", "label", "score", "x", "y"]


@pytest.mark.parametrize("selection", [GREY, COLOUR], ids=["grey", "colour"])
def test_images_are_the_same_pixels(selection):
    archive = opened(selection)
    for index, image in zip(selection.ids, selection.images, strict=True):
        pixels = np.array(Image.open(archive.open(f"images/{index}.png")))
        assert np.array_equal(pixels, image.transpose(1, 2, 0).squeeze())


def test_relevance_is_there_as_numbers_and_as_colours():
    archive = opened(GREY)
    stored = np.load(io.BytesIO(archive.read("relevance.npz")), allow_pickle=False)
    assert np.array_equal(stored["ids"], GREY.ids)
    assert np.array_equal(stored["relevance"], GREY.relevance)
    assert np.array_equal(stored["constants"], GREY.constants)
    assert str(stored["explainer"]) == GREY.explainer
    colours = np.array(Image.open(archive.open("heatmaps/7.png"))).astype(int)
    red_over_blue = colours[:, :, 0] - colours[:, :, 2]
    strong = np.abs(GREY.relevance[0]) > 0.1 * np.abs(GREY.relevance[0]).max()
    assert np.array_equal(np.sign(red_over_blue)[strong], np.sign(GREY.relevance[0])[strong])
    assert not [name for name in opened(COLOUR).namelist() if "relevance" in name or "heat" in name]


def test_an_empty_relevance_map_is_one_light_colour():
    archive = opened(GREY._replace(relevance=np.zeros((3, 28, 28))))
    colours = np.array(Image.open(archive.open("heatmaps/2.png")))
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) == 1 and colours.min() > 240


def test_the_state_comes_along_and_equal_contents_give_equal_bytes():
    state = {"threshold": 0.1 + 0.2, "model": "Ä"}
    assert json.loads(opened(GREY, state).read("state.json")) == state
    assert bundle(GREY, state) == bundle(GREY, state)


COUNTS = Confusion(6, 2, 4, 8)


def drawn(selection=GREY, counts=COUNTS):
    figure = go.Figure(go.Scattergl(x=[1, 2], y=[3, 4], name=EVIL), {"title": {"text": EVIL}})
    return report(
        f"Report {EVIL}",
        {"data set": EVIL, EVIL: 0.5},
        selection,
        threshold=0.25,
        counts=counts,
        figures={"Map": figure, EVIL: figure},
    )


class Page(HTMLParser):
    """Tags, attributes and texts of a page; scripts and styles apart."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.inside = [], [], ""
        self.text, self.scripts, self.styles = "", [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts.append(data)
        elif self.inside == "style":
            self.styles += data
        else:
            self.text += data


def test_the_page_asks_for_nothing():
    page = Page(drawn())
    fetched = [value for name, value in page.attributes if name in ("src", "href", "srcset")]
    assert len(fetched) == 6
    assert f"its map by {GREY.explainer}:" in page.text
    total = GREY.relevance.sum(axis=(1, 2), dtype=np.float64)
    for share, score in zip(total, GREY.scores, strict=True):
        said = f"pixels {share:.3g}, no pixel {score - share:.3g}, score {score:.3g}"
        assert said in page.text and ("aria-label", said) in page.attributes
    assert all(value.startswith("data:image/png;base64,") for value in fetched)
    assert not set(page.tags) & {"link", "iframe", "object", "embed", "base", "form"}
    assert not re.search(r"url\(|@import", page.styles)
    assert ("content", POLICY) in page.attributes
    assert POLICY.startswith("default-src 'none'") and "http" not in POLICY


def test_plotly_is_brought_along_once():
    page = Page(drawn())
    large = [script for script in page.scripts if len(script) > 1_000_000]
    assert len(large) == 1
    assert sum("Plotly.newPlot(" in script and len(script) < 1e5 for script in page.scripts) == 2


def test_texts_are_shown_as_they_are_and_never_run():
    text = drawn()
    page = Page(text)
    assert EVIL not in text
    assert page.text.count(EVIL) == 7  # title, two headings, provenance twice, label, explainer
    assert "prefers-color-scheme: dark" in page.styles


def test_the_page_says_what_the_threshold_does():
    page = Page(drawn())
    assert "above 0.25" in page.text
    assert all(text in page.text for text in ("75.0 %", "60.0 %", "20.0 %", "66.7 %"))
    assert all(f"score {score:.6g}" in page.text for score in GREY.scores)
    assert "precision" not in Page(drawn(counts=None)).text
    assert "not defined" in Page(drawn(counts=Confusion(0, 0, 0, 5))).text


def test_an_empty_selection_is_refused_in_a_sentence():
    nothing = Selection(np.empty(0, int), [], np.empty(0), np.empty((0, 1, 28, 28), np.uint8))
    for export in (lambda: bundle(nothing, {}), lambda: drawn(nothing)):
        with pytest.raises(ValueError, match="Nothing is selected; select at least one image"):
            export()
