"""The main story in a real browser: pick a class, train, see the map, ask why."""

import io
import re
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


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


def test_pick_a_class_train_see_the_map_and_ask_why(page):
    train_a_digit(page)
    expect(page.get_by_text("Finished; the model is in the library.")).to_be_visible()
    page.get_by_role("link", name="Explore it").click()

    expect(page.get_by_role("heading", name="Explore")).to_be_visible()
    chart = page.get_by_test_id("stPlotlyChart").first
    expect(chart.locator("canvas").first).to_be_attached()
    assert colours(chart.screenshot()) > 100
    expect(page.get_by_text("1,000 test images")).to_be_visible()

    strangest = page.locator(".st-key-gallery-Most-anomalous-among-all-images button").first
    label = strangest.get_attribute("aria-label")
    row = re.search(r"image (\d+), score", label)[1]
    strangest.click()

    expect(page.get_by_role("heading", name="Explain")).to_be_visible()
    expect(page.get_by_text(re.compile(rf"Image {row}, class"))).to_be_visible()
    expect(page.get_by_text("Place 1 of 1,000")).to_be_visible()
    assert parse_qs(urlparse(page.url).query)["image"] == [row]
    for explainer in ("LRP", "Grad-CAM"):
        heatmap = page.locator(f".st-key-relevance-{explainer}")
        expect(heatmap).to_be_visible()
        assert colours(heatmap.screenshot()) > 20


def test_a_training_survives_a_reload_and_can_be_cancelled(page):
    page.goto("/train?data=fashion-mnist-sample")
    quiet(page)
    page.get_by_text("Schedule and details").click()
    set_number(page, "Epochs of pre-training as an autoencoder", 5000)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text(re.compile("Pre-training: epoch [1-9]"))).to_be_visible()
    page.reload()
    expect(page.get_by_text(re.compile("Pre-training: epoch [1-9]"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled; no model was kept.")).to_be_visible(timeout=3000)
