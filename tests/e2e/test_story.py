"""The main stories in a real browser: train, explore as one instrument, ask why, share."""

import io
import math
import re
import zipfile
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from deepsvdd_core import library

pytestmark = pytest.mark.browser
DIGIT = next(path.stem for path in sorted(library.BUNDLED.glob("mnist-3-one-class-*")))
EXPLORE = f"/explore?model={DIGIT}&data=mnist-sample"


def quiet(page: Page) -> None:
    """Wait until the app is connected and no page is being run."""
    page.wait_for_selector("[data-testid=stApp][data-test-connection-state=CONNECTED]")
    page.wait_for_selector("[data-test-script-state=notRunning]")


def set_number(page: Page, label: str, value: int) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(str(value))
    field.press("Enter")
    quiet(page)


def colours(shot: bytes) -> int:
    """How many different colours a screenshot has; a blank one has a few."""
    pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).reshape(-1, 3)
    return len(np.unique(pixels, axis=0))


def train_a_digit(page: Page) -> None:
    page.goto("/train?data=mnist-sample")
    quiet(page)
    page.get_by_text("Schedule and details").click()
    set_number(page, "Epochs of pre-training as an autoencoder", 1)
    set_number(page, "Epochs", 3)
    page.get_by_role("button", name="Train", exact=True).click()


def explore(page: Page, more: str = "") -> None:
    """Open a ready-made model on its sample and wait for the map."""
    page.goto(EXPLORE + more)
    page.wait_for_selector(".map[data-ready]")
    quiet(page)


def lasso(page: Page, radius: float = 120) -> None:
    """A circle around the middle of the map."""
    before = page.url
    page.get_by_role("button", name="Lasso").click()
    canvas = page.locator("canvas.marks")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x + radius, y)
    page.mouse.down()
    for step in range(1, 25):
        turn = step * math.pi / 12
        page.mouse.move(x + radius * math.cos(turn), y + radius * math.sin(turn))
    page.mouse.up()
    expect(count(page)).to_have_text(re.compile("selected"))
    expect(page).not_to_have_url(before)  # the run that shows what was selected has begun
    quiet(page)


def count(page: Page):
    return page.locator(".map .count").first


def gallery(page: Page) -> list[int]:
    """The rows of the images in the gallery."""
    buttons = page.locator(".st-key-ladder button")
    return [int(row) for row in buttons.evaluate_all("all => all.map(b => b.dataset.row)")]


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}


def test_pick_a_class_train_see_the_map_and_ask_why(page):
    train_a_digit(page)
    expect(page.get_by_text("Finished; the model is in the library.")).to_be_visible()
    page.get_by_role("link", name="Explore it").click()

    expect(page.get_by_role("heading", name="Explore")).to_be_visible()
    page.wait_for_selector(".map[data-ready]")
    assert colours(page.locator(".map .stage").screenshot()) > 100
    expect(count(page)).to_have_text("1,000 images")

    strangest = page.locator(".st-key-ladder button").first
    row = strangest.get_attribute("data-row")
    strangest.click()
    expect(page.get_by_text(re.compile(rf"image {row}: score"))).to_be_visible()
    page.get_by_role("link", name="Ask why").click()

    expect(page.get_by_role("heading", name="Explain")).to_be_visible()
    expect(page.get_by_text(re.compile(rf"Image {row}, class"))).to_be_visible()
    expect(page.get_by_text("Place 1 of 1,000")).to_be_visible()
    assert query(page)["image"] == row
    heatmap = page.locator(".st-key-relevance-Grad-CAM")
    expect(heatmap.locator(".stack")).to_have_attribute("data-drawn", f"{row}:1")
    assert colours(heatmap.screenshot()) > 20


STEP = """async () => {
    const hosts = [...document.querySelectorAll(".st-key-relevance-LRP-eps *")];
    const root = hosts.find((host) => host.shadowRoot).shadowRoot;
    const drawn = () => root.querySelector(".stack").dataset.drawn;
    const before = drawn();
    document.querySelector(".st-key-step-normal button").click();
    await new Promise((resolve) => requestAnimationFrame(resolve));
    return [before, drawn()];
}"""


def test_the_next_image_is_explained_at_once(page):
    page.goto(f"/explain?model={DIGIT}&data=mnist-sample&methods=LRP-eps")
    stack = page.locator(".st-key-relevance-LRP-eps .stack")
    expect(stack).to_have_attribute("data-drawn", re.compile(":1$"))
    expect(stack).to_have_attribute("data-ahead", "1")  # there is none stranger than the first
    quiet(page)
    before, after = page.evaluate(STEP)
    assert after.endswith(":1") and after != before
    row = after.removesuffix(":1")
    expect(page.get_by_text(re.compile(rf"Image {row}, class"))).to_be_visible()
    expect(stack).to_have_attribute("data-drawn", after)
    stack.locator(".picture").press("ArrowRight")
    expect(stack.locator("output")).to_have_text(re.compile(r"row 14, column 15: -?[\d.]+"))


def test_maps_have_numbers_limits_and_outlines(page):
    page.goto("/")
    found = page.evaluate("""async () => {
        const address = new URL("files/components/stack.js", document.baseURI);
        const { barsOf, coloured, noteOf, limitsOf, outlineOf, pixelsOf } = await import(address);
        const colours = [[0, 0, 255, 255], [255, 255, 255, 0], [255, 0, 0, 255]];
        const tinted = (positive) => [...coloured([-9, 0, 1, 4, NaN], 2, { colours, positive })];
        const maps = [[-4, 1, NaN], [2, -Infinity, 0], null, [0, 0, 0]];
        return {
            notes: [noteOf([1.5, -4, 0]), noteOf([1, NaN])],
            limits: [7, "each", "all"].map((limit) => limitsOf(maps, limit)),
            bars: [
                barsOf([null, [1]], [2, 2], 0.8),
                barsOf([null, [1]], [2, 3], null),
                barsOf([null, null], [1, 1], 0.8),
                barsOf([[1]], [1], 0),
            ],
            grey: [...pixelsOf([7, 9], 2)],
            coloured: [...pixelsOf([1, 2, 3, 4, 5, 6], 2)],
            signed: tinted(false),
            positive: tinted(true),
            path: outlineOf([0, 1, 1, 0, 0, 0], 3, 2),
            ring: outlineOf([1, 1, 1, 1, 0, 1, 1, 1, 1], 3, 3),
            none: outlineOf([0, 0, 0, 0], 2, 2),
        };
    }""")
    assert found["notes"] == ["raw -4 to 1.5\nsum -2.5", "not a number in some pixels"]
    assert found["limits"] == [[7] * 4, [4, 2, 1, 1], [4] * 4]
    assert found["bars"] == [[True, False], [False, True], [False, False], [False]]
    assert found["grey"] == [7, 7, 7, 255, 9, 9, 9, 255]
    assert found["coloured"] == [1, 3, 5, 255, 2, 4, 6, 255]
    blue, white, pink, red = (
        [0, 0, 255, 255],
        [255, 255, 255, 0],
        [255, 128, 128, 128],
        [255, 0, 0, 255],
    )
    nothing = [0] * 4  # not a number
    assert found["signed"] == [*blue, *white, *pink, *red, *nothing]
    assert found["positive"] == [*blue, *blue, *white, *red, *nothing]
    edges = {"M1 0v1", "M3 0v1", "M1 0h1", "M2 0h1", "M1 1h1", "M2 1h1"}
    assert {f"M{edge}" for edge in found["path"].split("M")[1:]} == edges
    assert found["ring"].count("M") == 12 + 4 and found["none"] == ""


def choose(page: Page, label: str, text: str) -> None:
    """Another option of a menu, by how it begins."""
    page.get_by_role("combobox", name=label, exact=True).fill(text)
    page.keyboard.press("Enter")
    quiet(page)


def test_another_model_brings_its_data_and_one_step_back_leaves_the_page(page):
    page.goto("/")
    page.wait_for_selector(".map[data-ready]")
    page.get_by_role("link", name="Explore this model").click()
    page.wait_for_selector(".map[data-ready]")
    choose(page, "Model", "mnist, normal: 3, one-class")
    expect(page).to_have_url(re.compile("model=mnist-3-one-class.*data=mnist-sample"))
    expect(count(page)).to_have_text("1,000 images")
    lasso(page)
    page.locator(".st-key-ladder button").first.click()
    expect(page).to_have_url(re.compile("image="))
    page.get_by_text("95 % of normals kept").click()
    expect(page).to_have_url(re.compile("rule=keep95"))
    quiet(page)
    there = query(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Deep SVDD Explorer")).to_be_visible()
    page.wait_for_selector(".map[data-ready]")
    quiet(page)
    page.go_forward()
    expect(page.get_by_role("heading", name="Explore", exact=True)).to_be_visible()
    quiet(page)
    assert query(page) == there


def test_a_reload_keeps_the_form_of_a_training(page):
    page.goto("/train?data=mnist-sample")
    quiet(page)
    page.get_by_text("Schedule and details").click()
    set_number(page, "Epochs", 7)
    choose(page, "Method", "soft-boundary")
    page.get_by_role("combobox", name="Normal classes").fill("3")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("normal-mnist-sample=3"))
    page.reload()
    quiet(page)
    expect(page.get_by_role("combobox", name="Method", exact=True)).to_have_value("soft-boundary")
    page.get_by_text("Schedule and details").click()
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("7")
    assert parse_qs(urlparse(page.url).query)["normal-mnist-sample"] == ["0", "3"]


def test_details_stay_open_when_another_method_brings_another_menu(page):
    page.goto("/train?data=fashion-mnist-sample")
    quiet(page)
    page.get_by_text("Schedule and details").click()
    expect(page.get_by_label("Learning rate")).to_be_visible()
    page.get_by_role("combobox", name=re.compile("Method")).fill("knn")
    page.keyboard.press("Enter")
    expect(page.get_by_text("It looks at")).to_be_visible()
    expect(page.get_by_label("Learning rate")).to_be_visible()


def test_a_training_survives_a_reload_and_can_be_cancelled(page):
    page.goto("/train?data=fashion-mnist-sample")
    quiet(page)
    page.get_by_text("Schedule and details").click()
    set_number(page, "Epochs of pre-training as an autoencoder", 5000)
    page.set_viewport_size({"width": 1280, "height": 600})  # the button is far below the top
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text(re.compile("Pre-training: epoch [1-9]"))).to_be_in_viewport()
    page.reload()
    expect(page.get_by_text(re.compile("Pre-training: epoch [1-9]"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled; no model was kept.")).to_be_visible(timeout=3000)


def test_a_lasso_is_the_gallery_and_outlives_maps_and_pages(page, chromium):
    explore(page)
    lasso(page)
    shown = int(count(page).inner_text().split()[0])
    rows = gallery(page)
    assert 0 < len(rows) == min(shown, 60)
    expect(page.locator(".st-key-ladder button").first).to_be_visible()

    page.get_by_text("UMAP", exact=True).click()
    quiet(page)
    expect(count(page)).to_have_text(f"{shown} of 1,000 images selected")
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    page.get_by_role("link", name="Explore", exact=True).first.click()
    page.wait_for_selector(".map[data-ready]")
    expect(page).to_have_url(re.compile(f"model={DIGIT}"))
    expect(count(page)).to_have_text(f"{shown} of 1,000 images selected")

    fresh = chromium.new_context().new_page()
    fresh.set_default_timeout(60_000)
    fresh.goto(page.url)
    fresh.wait_for_selector(".map[data-ready]")
    quiet(fresh)
    expect(count(fresh)).to_have_text(f"{shown} of 1,000 images selected")
    assert query(fresh) == query(page)
    fresh.context.close()

    page.locator("canvas.marks").focus()
    page.keyboard.press("Escape")
    expect(count(page)).to_have_text("1,000 images")
    expect(page).not_to_have_url(re.compile("selection="))


def test_shift_adds_to_a_selection_and_alt_takes_away(page):
    explore(page)
    lasso(page, radius=60)
    assert int(count(page).inner_text().split()[0]) < 1000
    canvas = page.locator("canvas.marks")
    box = canvas.bounding_box()
    page.get_by_role("button", name="Box").click()

    def drag(key: str, end: float) -> None:
        page.keyboard.down(key)
        page.mouse.move(box["x"] + 5, box["y"] + 5)
        page.mouse.down()
        for share in (0.3 * end, 0.6 * end, end):
            page.mouse.move(box["x"] + share * box["width"], box["y"] + share * box["height"])
        page.mouse.up()
        page.keyboard.up(key)

    drag("Shift", 0.99)
    expect(count(page)).to_have_text("1,000 of 1,000 images selected")  # all are in sight
    drag("Alt", 0.5)
    expect(count(page)).to_have_text(re.compile(r"^[1-9]\d{0,2} of 1,000 images selected"))


def test_hovering_shows_the_picture_of_the_point_without_asking_the_server(page):
    explore(page)
    box = page.locator("canvas.marks").bounding_box()
    card = page.locator(".map .card")
    seen = set()
    for step in range(60):
        turn, reach = step * 0.5, 4 * step
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x + reach * math.cos(turn), y + reach * math.sin(turn))
        if card.is_visible():
            row = int(card.get_attribute("data-row"))
            place = card.locator(".picture").first.evaluate("e => e.style.backgroundPosition")
            left, top = (round(-float(part)) for part in place.replace("px", "").split())
            assert (left // 84, top // 84) == (row % 256 % 16, row % 256 // 16)
            assert f"image {row}" in card.inner_text()
            seen.add(row)
    assert len(seen) >= 5


def test_the_threshold_moves_with_the_keyboard_and_everything_follows(page):
    explore(page)
    handle = page.locator(".scores .handle")
    before = float(handle.get_attribute("aria-valuenow"))
    alarms = page.get_by_test_id("stMetric").filter(has_text="False alarms")
    first = alarms.inner_text()
    handle.focus()
    for _ in range(4):
        page.keyboard.press("PageUp")
    expect(alarms).not_to_have_text(first)
    quiet(page)
    expect(page.locator(".scores .handle")).to_be_focused()
    assert float(handle.get_attribute("aria-valuenow")) > before
    expect(page).to_have_url(re.compile("rule=own"))
    assert query(page)["threshold"].startswith(library.find(DIGIT).digest)


def test_an_image_of_the_gallery_gets_a_ring_on_the_map_and_arrows_walk_the_ranking(page):
    explore(page)
    first = gallery(page)[0]
    stage = page.locator(".map .stage")
    without = stage.screenshot()
    page.locator(".st-key-ladder button").first.click()
    expect(page.get_by_text(re.compile(rf"image {first}: score"))).to_be_visible()
    quiet(page)
    page.mouse.move(0, 0)
    assert stage.screenshot() != without
    page.locator("canvas.marks").focus()
    page.keyboard.press("ArrowLeft")  # one step towards normal
    second = gallery(page)[1]
    expect(page.get_by_text(re.compile(rf"image {second}: score"))).to_be_visible()


def test_the_theatre_plays_from_before_training_to_the_end(page):
    explore(page)
    page.get_by_text("Training theatre").click()
    frame = page.locator(".theatre .frame")
    expect(frame).to_have_text(re.compile("epoch 20:"))  # it opens at the end
    page.locator(".theatre input").focus()
    page.keyboard.press("Home")
    expect(frame).to_have_text(re.compile("^before training"))
    page.get_by_role("button", name="Play").click()
    expect(frame).to_have_text(re.compile("epoch 2:"))
    page.get_by_role("button", name="Pause").click()


def test_a_selection_is_taken_home_as_a_zip_and_as_a_page_that_needs_no_network(page, tmp_path):
    explore(page)
    lasso(page, radius=60)
    rows = set(gallery(page))
    page.get_by_text("Share and take away").click()
    for make, download in (("Zip: table", "Download ZIP"), ("Report: one", "Download HTML")):
        quiet(page)
        page.get_by_role("button", name=make).click()
        with page.expect_download() as arriving:
            page.get_by_role("button", name=download).click()
        arriving.value.save_as(tmp_path / download)
    with zipfile.ZipFile(tmp_path / "Download ZIP") as archive:
        table = archive.read("selection.csv").decode().splitlines()
        assert any(name.startswith("heatmaps/") for name in archive.namelist())
    assert rows <= {int(line.split(",")[0]) for line in table[1:]}

    (tmp_path / "report.html").write_bytes((tmp_path / "Download HTML").read_bytes())
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{tmp_path}/report.html")
    page.wait_for_selector(".plotly .main-svg")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_without_its_component_the_map_is_a_plain_chart(page):
    page.route("**/files/components/map.js", lambda route: route.abort())
    page.goto(EXPLORE)
    quiet(page)
    expect(page.get_by_text("switch on “Plain charts” below")).to_be_visible()
    page.get_by_text("Plain charts", exact=True).click()
    expect(page.get_by_test_id("stPlotlyChart").first).to_be_visible()
