import os
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.server import server

PATIENCE = 60_000  # milliseconds
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="package")
def chromium():
    """A headless browser of this computer; its event loop must end before other tests begin."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    path = next((path for path in found if path), None)
    if path is None:
        reason = "no Chromium on this computer; install it (Debian: apt-get install chromium)"
        (pytest.fail if "CI" in os.environ else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def running(tmp_path_factory):
    with server(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def page(chromium, running):
    """A fresh tab in which the app is about to be opened."""
    tab = chromium.new_page(base_url=running.url, viewport={"width": 1280, "height": 1000})
    tab.set_default_timeout(PATIENCE)
    yield tab
    tab.close()
