import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from deepsvdd_core import figures

POINTS = np.array([[0.5, 0.0], [2.0, 1.0], [0.0, -3.0]])
ANOMALOUS = np.array([False, True, True])
SCORES = np.array([0.1, 2.0, 3.0])


def test_a_moved_threshold_moves_the_circle():
    (circle,) = figures.radial_map(POINTS, ANOMALOUS, SCORES, radius=1.5).layout.shapes
    assert (circle.x0, circle.y1) == (-1.5, 1.5)


def test_the_hypersphere_is_a_circle_of_radius_one_with_equal_axes():
    figure = figures.radial_map(POINTS, ANOMALOUS, SCORES)
    (circle,) = figure.layout.shapes
    assert (circle.type, circle.x0, circle.y0, circle.x1, circle.y1) == ("circle", -1, -1, 1, 1)
    assert figure.layout.yaxis.scaleanchor == "x"


@pytest.mark.parametrize("draw", [figures.radial_map, figures.planar_map])
def test_every_point_is_drawn_once_and_knows_its_image(draw):
    traces = [
        trace for trace in draw(POINTS, ANOMALOUS, SCORES).data if trace.customdata is not None
    ]
    assert {trace.name for trace in traces} == {"normal (1)", "anomalous (2)"}
    drawn = {
        int(row): (x, y)
        for t in traces
        for (row, _), x, y in zip(t.customdata, t.x, t.y, strict=False)
    }
    assert drawn == {row: tuple(point) for row, point in enumerate(POINTS)}


def test_without_labels_there_is_one_group():
    figure = figures.planar_map(POINTS, None, SCORES)
    assert [trace.name for trace in figure.data] == ["test images (3)"]


def test_the_histogram_counts_every_image():
    figure = figures.histogram(SCORES, ANOMALOUS, threshold=1.0)
    assert {trace.name: sum(trace.y) for trace in figure.data} == {"normal": 1, "anomalous": 2}
    assert figure.layout.shapes[0].x0 == 1.0


def test_an_arrow_leads_from_a_point_to_another():
    ways = np.array([[[0.5, 0.0], [2.0, 1.0]]])
    (arrow,) = figures.journeys(POINTS, ANOMALOUS, SCORES, ways=ways).layout.annotations
    assert (arrow.ax, arrow.ay, arrow.x, arrow.y) == (0.5, 0, 2, 1)
    assert arrow.axref == arrow.xref == "x"


def test_colours_of_relevance_go_from_blue_over_white_to_red():
    low, *_, high = signed = figures.stops(is_positive=False, transparent=False)
    assert low[2] > low[0] and high[0] > high[2]
    assert min(signed[len(signed) // 2][:3]) > 240
    lowest, *_, highest = figures.stops(is_positive=True, transparent=False)
    assert min(lowest[:3]) >= 240 and highest[0] > highest[2]
    assert {alpha for *_, alpha in signed} == {255}


def test_over_an_image_what_is_irrelevant_is_transparent():
    signed = [alpha for *_, alpha in figures.stops(is_positive=False, transparent=True)]
    assert (signed[0], signed[len(signed) // 2], signed[-1]) == (255, 0, 255)
    assert signed == signed[::-1]
    positive = [alpha for *_, alpha in figures.stops(is_positive=True, transparent=True)]
    assert positive[0] == 0 and positive == sorted(positive) and positive[-1] == 255


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_holds_every_image_pixel_for_pixel(channels):
    images = np.random.default_rng(0).integers(0, 256, (5, channels, 4, 6), dtype=np.uint8)
    sheet = np.asarray(Image.open(io.BytesIO(figures.sheet(images, columns=2))))
    sheet = sheet.reshape(3 * 4, 2 * 6, channels)
    for number, image in enumerate(images):
        row, column = divmod(number, 2)
        cut = sheet[row * 4 : row * 4 + 4, column * 6 : column * 6 + 6]
        assert np.array_equal(cut.transpose(2, 0, 1), image)


def test_diverging_colours_are_symmetric_around_white_and_end_at_the_limit():
    relevance = np.array([[[-9.0, -2.0, 0.0, 2.0, 9.0]]])
    colours = figures.diverging(relevance, limit=2.0)[0, :, 0].T.astype(int)
    assert (colours[2] > 240).all()
    assert np.array_equal(colours[0], colours[1]) and np.array_equal(colours[3], colours[4])
    assert colours[0][2] > colours[0][0] and colours[4][0] > colours[4][2]  # blue and red
    assert figures.diverging(np.zeros((1, 1, 1)), limit=0.0).min() > 240


def test_the_ramp_is_of_hexadecimal_colours():
    assert all(len(colour) == 7 and int(colour[1:], 16) >= 0 for colour in figures.RAMP)


def test_published_values_have_one_entry_in_the_legend():
    names = ["knn", "one-class", "deep-sad"]
    means = pd.DataFrame(
        {"name": names, "normal_class": ["0"] * 3, "auroc": [97.0, 98.0, 99.0], "std": [0.1] * 3}
    )
    figure = figures.class_bars(means.assign(published=[np.nan, 98.0, 98.5]))
    shown = [trace.name for trace in figure.data if trace.showlegend is not False]
    assert sorted(shown) == sorted([*names, "published"])
    assert sum(trace.name == "published" for trace in figure.data) == 2


def test_each_sphere_has_its_line_over_the_epochs():
    lines = figures.curves([1, 2], {"sphere 1": [0.0, 1.0], "sphere 2": [0.5, 2.0]}, "radius").data
    assert [line.name for line in lines] == ["sphere 1", "sphere 2"]
    assert [list(line.y) for line in lines] == [[0, 1], [0.5, 2]]
    assert lines[0].line.color != lines[1].line.color


def test_axes_of_a_curve_do_not_move_while_it_grows():
    first, later = (figures.curve(range(n), range(n), "AUROC", 20, (0, 1)) for n in (2, 15))
    assert first.layout.xaxis.range == later.layout.xaxis.range
    assert first.layout.yaxis.range == later.layout.yaxis.range == (0, 1)


def test_shares_are_of_each_class_and_counts_are_written():
    (cells,) = figures.shares(np.array([[1, 3], [1_000, 0]]), ["a", "b"], ["1", "2"]).data
    assert np.array(cells.z).tolist() == [[25, 75], [100, 0]]
    assert [list(row) for row in cells.text] == [["1", "3"], ["1,000", "0"]]
    same = figures.shares(np.ones((2, 1)), ["<b>a_b", "<b>a_b"], ["1"]).layout.yaxis
    assert list(same.tickvals) == [0, 1] and list(same.ticktext) == ["&lt;b&gt;a_b"] * 2


def test_more_methods_than_colours_are_told_apart():
    names = [f"method {number}" for number in range(20)]
    means = pd.DataFrame({"name": names, "normal_class": "0", "auroc": 90.0, "std": np.nan})
    bars = figures.class_bars(means.assign(published=np.nan)).data
    values = np.linspace(0, 1, 3)
    lines = figures.rate_curves(dict.fromkeys(names, values), names, "x", "y").data
    assert len({(bar.marker.color, bar.marker.pattern.shape) for bar in bars}) == 20
    assert len({(line.line.color, line.line.dash) for line in lines}) == 20
    (line,) = figures.rate_curves({"method 3": values}, names, "x", "y").data
    assert line.line.color == bars[3].marker.color


@pytest.mark.parametrize(
    ("total", "score", "first", "second"),
    [
        (3.0, 4.0, ("0.00%", "75.00%"), ("75.00%", "25.00%")),
        (-1.0, 3.0, ("0.00%", "25.00%"), ("0.00%", "100.00%")),
        (4.0, 3.0, ("0.00%", "100.00%"), ("75.00%", "25.00%")),
        (0.0, 0.0, ("0.00%", "0.00%"), ("0.00%", "0.00%")),
    ],
)
def test_the_bars_of_an_account_begin_at_zero_and_end_at_the_score(total, score, first, second):
    drawn = figures.account(total, score)
    assert re.findall(r"margin-left: (\S+); width: (\S+);", drawn) == [first, second]
    said = f"pixels {total:.3g}, no pixel {score - total:.3g}, score {score:.3g}"
    assert f'aria-label="{said}"' in drawn and f">{said}</div>" in drawn
    assert ("rgb(178, 24, 43)" in drawn) == (total > 0)
