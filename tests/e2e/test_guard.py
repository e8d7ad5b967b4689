"""The headers of the guard leave everything working in a real browser."""

import io
import json

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.test_story import quiet

pytestmark = pytest.mark.browser
WATCH = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.refused.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""


@pytest.fixture
def watched(page) -> Page:
    page.add_init_script(WATCH)
    return page


def refused(page: Page) -> list[str]:
    return page.evaluate("window.refused")


@pytest.mark.parametrize(
    ("host", "pages"),
    [
        ("127.0.0.1", ("", "train", "explore", "explain", "hans", "compare", "models")),
        ("localhost", ("", "explore")),
    ],
)
def test_every_page_loads_all_it_needs(watched, running, host, pages):
    for name in pages:
        watched.goto(f"http://{host}:{running.port}/{name}")
        quiet(watched)
        expect(watched.locator("h1")).to_be_visible()
        assert refused(watched) == [], name


def test_the_policy_does_refuse(watched):
    watched.goto("/models")
    quiet(watched)
    watched.evaluate(
        "document.body.append(Object.assign(new Image(), {src: 'http://localhost:1/x'}))"
    )
    watched.wait_for_function("window.refused.length")
    assert refused(watched) == ["img-src http://localhost:1/x"]


def test_plain_charts_are_drawn(watched):
    watched.goto("/explore")
    quiet(watched)
    watched.get_by_text("Plain charts", exact=True).click()
    chart = watched.locator("[data-testid=stPlotlyChart]").first
    expect(chart.locator(".gl-canvas").first).to_be_attached()
    quiet(watched)
    expect(chart).not_to_contain_text("WebGL is not supported")
    assert refused(watched) == []


def test_a_model_goes_out_and_a_picture_comes_in(watched):
    watched.goto("/models")
    quiet(watched)
    with watched.expect_download() as download:
        watched.locator("[data-testid=stDownloadButton] button").first.click()
    with open(download.value.path(), "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        assert "__metadata__" in json.loads(file.read(size))
    watched.goto("/explore")
    quiet(watched)
    watched.get_by_text("Place a new image on the map").click()
    picture = io.BytesIO()
    Image.new("L", (28, 28), 90).save(picture, "PNG")
    about = {"name": "grey.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    watched.locator("input[type=file]").set_input_files(about)
    expect(watched.get_by_text("grey.png")).to_be_visible()
    quiet(watched)
    assert refused(watched) == []


def test_numbers_are_asked_for_again_while_the_server_is_busy(page):
    asked = []

    def once_busy(route):
        asked.append(route.request.url)
        if asked.count(route.request.url) == 1:
            route.fulfill(status=503, headers={"Retry-After": "1"})
        else:
            route.continue_()

    page.route("**/files/arrays/**", once_busy)
    page.goto("/")
    page.wait_for_selector(".map[data-ready]")
    assert len(asked) == 2 * len(set(asked))
