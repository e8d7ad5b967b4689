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


def notes(figure) -> list[str]:
    return [note.text for note in figure.layout.annotations]


def test_signed_maps_are_symmetric_around_zero_and_equal_limits_share_a_bar():
    figure = figures.relevance_column(PICTURES, MAPS, [4.0, 4.0], ["a", "b"])
    first, _, second = figure.data
    assert np.array_equal(first.z, MAPS[0]) and np.array_equal(second.z, MAPS[1])
    axis = figure.layout.coloraxis
    assert (axis.cmin, axis.cmax) == (-4, 4)
    assert {trace.coloraxis for trace in figure.data} == {"coloraxis"}
    assert notes(figure) == ["a", "b", "4", "0", "-4"]


def test_a_bar_is_as_high_as_its_map_beside_it_and_falls_from_limit_to_limit():
    figure = figures.relevance_column(PICTURES, MAPS, [4.0, 1.0], ["", ""], is_positive=True)
    _, bar, second, other = figure.data
    assert [trace.coloraxis for trace in figure.data] == ["coloraxis"] * 2 + ["coloraxis2"] * 2
    assert (figure.layout.coloraxis2.cmin, figure.layout.coloraxis2.cmax) == (0, 1)
    assert (other.xaxis, other.yaxis) == (second.xaxis, second.yaxis) == ("x2", "y2")
    assert (bar.y[0], bar.y[-1]) == (-0.5, 3.5) and min(bar.x) > 3.5  # of 4 by 4 pixels
    assert bar.x[-1] < figure.layout.xaxis.range[1]
    assert (bar.z[0, 0], bar.z[-1, 0]) == (4, 0)
    assert notes(figure) == ["", "", "4", "2", "0", "1", "0.5", "0"]
    assert figure.layout.yaxis.domain[0] > figure.layout.yaxis2.domain[1]


def test_there_is_no_bar_before_there_is_a_map_or_where_none_is_seen():
    for maps, opacity in (([None, None], 0.8), (MAPS, 0.0)):
        figure = figures.relevance_column(PICTURES, maps, [4.0, 4.0], ["", ""], opacity=opacity)
        assert notes(figure) == ["", ""]


def test_images_and_maps_are_drawn_on_equal_axes():
    image = figures.image_column(PICTURES, ["", ""]).layout
    maps = figures.relevance_column(PICTURES, MAPS, [4.0, 1.0], ["", ""]).layout
    for axis in ("xaxis", "yaxis", "xaxis2", "yaxis2"):
        assert image[axis] == maps[axis]
    assert (image.margin, image.height) == (maps.margin, maps.height)


def test_an_outline_goes_around_marked_pixels_and_not_between_them():
    mask = np.array([[False, True, True], [False, False, False]])
    x, y = figures.outline(mask)
    assert x[2::3] == y[2::3] == [None] * 6
    segments = {frozenset([(x[i], y[i]), (x[i + 1], y[i + 1])]) for i in range(0, len(x), 3)}
    assert segments == {
        frozenset(ends)
        for ends in (
            [(0.5, -0.5), (0.5, 0.5)],  # left
            [(2.5, -0.5), (2.5, 0.5)],  # right
            [(0.5, -0.5), (1.5, -0.5)],  # above
            [(1.5, -0.5), (2.5, -0.5)],
            [(0.5, 0.5), (1.5, 0.5)],  # below
            [(1.5, 0.5), (2.5, 0.5)],
        )
    }


def test_a_hole_has_an_outline_and_an_empty_mask_none():
    ring = np.ones((3, 3), np.uint8)
    ring[1, 1] = 0
    assert figures.outline(ring)[0].count(None) == 12 + 4
    assert figures.outline(np.zeros((3, 3), bool)) == ([], [])


def test_outlines_are_drawn_over_the_images_and_maps_they_belong_to():
    mask = np.zeros((4, 4), bool)
    mask[1, 2] = True
    masks = [None, mask]
    for figure in (
        figures.image_column(PICTURES, ["", ""], masks),
        figures.relevance_column(PICTURES, MAPS, [4.0, 4.0], ["", ""], masks=masks),
    ):
        dark, bright = figure.data[-2:]
        assert dark.x == bright.x and dark.line.width > bright.line.width
        assert {(trace.xaxis, trace.yaxis) for trace in (dark, bright)} == {("x2", "y2")}
        assert sum(trace.type == "scatter" for trace in figure.data) == 2


@pytest.mark.parametrize("channels", [1, 3])
def test_an_overlay_shows_the_image_where_nothing_is_relevant(channels):
    pictures = np.zeros((2, channels, 4, 4), np.uint8)
    figure = figures.relevance_column(pictures, [MAPS[0], None], [4.0, 4.0], ["", ""], opacity=0.5)
    picture, over, _, waiting = figure.data
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
