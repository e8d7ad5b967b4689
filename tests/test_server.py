import io
import re
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
from PIL import Image
from safetensors.numpy import load

from deepsvdd_core import datasets, jobs, library, products
from pages.parts import served
from tests.server import Visit, elements, server

MODEL = next(path.stem for path in sorted(library.BUNDLED.glob("mnist-3-one-class-*")))
PAGES = {"": "Deep SVDD Explorer"} | {
    name: name.capitalize() for name in ("train", "explore", "explain", "compare", "models")
}
PAGES["hans"] = "Clever Hans"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opened_first_by_its_own_link_is_complete(page, tmp_path):
    with server(tmp_path) as running, Visit(running) as visit:
        messages = visit.run(page)
    kinds = [message.WhichOneof("type") for message in messages]
    assert "page_not_found" not in kinds
    assert not elements(messages, "exception")
    assert elements(messages, "heading")[0].body == PAGES[page]
    navigation = next(m.navigation for m in messages if m.WhichOneof("type") == "navigation")
    titles = [listed.page_name for listed in navigation.app_pages]
    assert titles == ["Start", "Train", "Explore", "Explain", "Clever Hans", "Compare", "Models"]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with server(tmp_path_factory.mktemp("home")) as running:
        yield running


def test_the_first_page_shows_map_and_images_without_the_engine(running):
    with Visit(running) as visit:
        messages = visit.run()
    names = [one.component_name for one in elements(messages, "bidi_component")]
    assert sorted(names) == ["address", "gallery", "gallery", "map"]
    assert not engine_processes(running)


def get(running, address):
    return requests.get(f"{running.url}/{address}", timeout=60)


def test_pictures_and_points_are_served_by_addresses_that_change_with_their_content(running):
    subject = jobs.subject(library.find(MODEL), "mnist-sample")
    place = "/".join(subject[name] for name in ("dataset", "fingerprint", "split"))
    first = get(running, f"files/images/{place}/0.png")
    assert "immutable" in first.headers["Cache-Control"]
    sheet = np.asarray(Image.open(io.BytesIO(first.content)))
    images = datasets.load("mnist-sample").test.images
    assert np.array_equal(sheet[28:56, 28:56], images[17, 0])
    assert get(running, f"files/images/{place}/99.png").status_code == 404
    scores = get(running, f"files/arrays/{products.file_name('view', subject)}")
    assert np.array_equal(load(scores.content)["scores"], products.get("view", subject)["scores"])


def test_a_map_is_computed_when_its_address_is_first_asked_for(running):
    subject = jobs.subject(library.find(MODEL), "mnist-sample")
    asked = {**subject, "index": 3, "explainer": "Saliency"}
    for name in ("Saliency", "LRP-gamma/ZBox"):
        answer = get(running, served.relevance_address({**asked, "explainer": name}))
        assert "immutable" in answer.headers["Cache-Control"]
        relevance = load(answer.content)["relevance"]
        assert relevance.shape == (28, 28) and relevance.any()
    for wrong in (
        {"index": 10**6},
        {"index": "9" * 5000},
        {"index": "x"},
        {"explainer": "Oracle"},
        {"model": "nothing"},
    ):
        assert get(running, served.relevance_address({**asked, **wrong})).status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "files/arrays/view-0000000000000000.safetensors",
        "files/arrays/..%2F..%2Fapp.py",
        "files/components/..%2F..%2Fapp.py",
        "files/images/nothing/x/test/0.png",
        "files/images/..%2F..%2Fetc/x/test/0.png",
    ],
)
def test_an_address_that_leads_nowhere_is_not_found(running, address):
    assert get(running, address).status_code in (400, 404)


def test_modules_of_components_are_asked_for_again_when_they_change(running):
    answer = get(running, "files/components/map.js")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "javascript" in answer.headers["Content-Type"]


def test_it_listens_on_this_computer_only(running):
    with Visit(running) as visit:
        visit.run("train")  # starts the engine
    assert engine_processes(running)
    subject = jobs.subject(library.find(MODEL), "mnist-sample")
    asked = {**subject, "index": 4, "explainer": "Saliency"}
    assert get(running, served.relevance_address(asked)).status_code == 200  # a worker is there
    process = psutil.Process(running.process.pid)
    listening = [
        connection.laddr.ip
        for one in (process, *process.children(recursive=True))
        for connection in one.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 3 and set(listening) == {"127.0.0.1"}


def test_no_page_loads_a_heavy_module_into_the_server(running):
    maps = Path(f"/proc/{running.process.pid}/maps")
    if not maps.exists():
        pytest.skip("needs /proc to look into the server")
    with Visit(running) as visit:
        for page in PAGES:
            visit.run(page)
    assert not re.search(r"libtorch|llvmlite|numba", maps.read_text())


def test_a_bad_link_gets_a_sentence_not_a_trace(running):
    with Visit(running) as visit:
        messages = visit.run("explain", "model=../../etc/passwd&data=nothing&image=-7")
    assert not elements(messages, "exception")
    warnings = [alert.body for alert in elements(messages, "alert")]
    assert len(warnings) == 3
    assert all("There is no" in body for body in warnings)


def engine_processes(running) -> list[psutil.Process]:
    """The server's children that are engines."""
    children = psutil.Process(running.process.pid).children(recursive=True)
    return [child for child in children if "deepsvdd_core.engine" in child.cmdline()]
