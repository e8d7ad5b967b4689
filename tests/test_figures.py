import io

import numpy as np
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


PICTURES = np.zeros((2, 1, 4, 4), np.uint8)
MAPS = [np.array([[0.0, -4.0], [1.0, 2.0]]), np.zeros((2, 2))]


def test_signed_maps_are_symmetric_around_zero_and_equal_limits_share_a_bar():
    figure = figures.relevance_column(PICTURES, MAPS, [4.0, 4.0], ["a", "b"])
    assert np.array_equal(figure.data[0].z, MAPS[0])
    axis = figure.layout.coloraxis
    assert (axis.cmin, axis.cmax) == (-4, 4)
    assert {trace.coloraxis for trace in figure.data} == {"coloraxis"}
    assert [note.text for note in figure.layout.annotations] == ["a", "b"]


def test_each_map_has_its_own_bar_beside_it_where_limits_differ():
    figure = figures.relevance_column(PICTURES, MAPS, [4.0, 1.0], ["", ""], is_positive=True)
    assert [trace.coloraxis for trace in figure.data] == ["coloraxis", "coloraxis2"]
    assert (figure.layout.coloraxis2.cmin, figure.layout.coloraxis2.cmax) == (0, 1)
    for axes, bar in (("yaxis", "coloraxis"), ("yaxis2", "coloraxis2")):
        low, high = figure.layout[axes].domain
        assert figure.layout[bar].colorbar.y == (low + high) / 2
    assert figure.layout.yaxis.domain[0] > figure.layout.yaxis2.domain[1]


@pytest.mark.parametrize("channels", [1, 3])
def test_an_overlay_shows_the_image_where_nothing_is_relevant(channels):
    pictures = np.zeros((2, channels, 4, 4), np.uint8)
    figure = figures.relevance_column(pictures, [MAPS[0], None], [4.0, 4.0], ["", ""], opacity=0.5)
    picture, over, waiting = figure.data
    assert picture.type == waiting.type == ("heatmap" if channels == 1 else "image")
    assert (over.coloraxis, over.opacity) == ("coloraxis", 0.5)
    scale = dict(figure.layout.coloraxis.colorscale)
    assert scale[0.5].endswith("0.0)")
    assert scale[0.0].endswith("1.0)") and scale[1.0].endswith("1.0)")


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
