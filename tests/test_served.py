"""What the browser fetches by itself, also when many ask for what is not there."""

import io

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load

from deepsvdd_core import datasets, jobs, library, products
from pages.parts import existing, served
from tests.server import ask_together, server

MODEL = next(path.stem for path in sorted(library.BUNDLED.glob("mnist-3-one-class-*")))
SOON = 1.0  # seconds


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with server(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def asked():
    return {
        **jobs.subject(library.find(MODEL), "mnist-sample"),
        "index": 0,
        "explainer": "Saliency",
    }


def sheet(kind, asked, number=0):
    parts = ("model", "digest") if kind == served.HEATMAPS else ()
    place = "/".join(asked[name] for name in (*parts, "dataset", "fingerprint", "split"))
    return f"/files/{kind}/{place}/{number}.png"


def test_what_is_not_there_is_not_found_at_once(running, asked):
    wrong = [
        {"model": "nothing"},
        {"model": "%2e%2e"},
        {"model": "%00"},
        {"model": "%ff%fe"},
        {"model": "m" * 5000},
        {"digest": "0" * 16},
        {"dataset": "nothing"},
        {"dataset": "%00"},
        {"fingerprint": "0" * 16},
        {"split": "x"},
        {"split": "train"},
        {"index": 10**6},
        {"index": 1000},
        {"index": -1},
        {"index": "9" * 5000},
        {"index": "%00"},
        {"explainer": "Oracle"},
        {"explainer": "e" * 5000},
    ]
    targets = []
    for one in wrong:
        parts = {name: str({**asked, **one}[name]) for name in served.EXPLAINED}
        targets.append("/" + "/".join([served.RELEVANCE, *parts.values()]))
        if {*one} <= {*served.SUBJECT}:
            targets.append(sheet(served.HEATMAPS, parts))
        if {*one} <= {*served.IMAGES}:
            targets.append(sheet("images", parts))
    for number in (16, 10**9, "9" * 5000, "x", "%00"):
        targets += [sheet("images", asked, number), sheet(served.HEATMAPS, asked, number)]
    for name in ("a" * 5000, "view-" + "0" * 16, "%00", "%ff", "%2e%2e", "..%5c..%5capp.py"):
        targets += [f"/files/arrays/{name}", f"/files/components/{name}", f"/files/{name}"]
    answers, _ = ask_together(running, targets)
    told = dict(zip(targets, answers, strict=True))
    assert [name[:80] for name, one in told.items() if one.status not in (400, 404)] == []
    assert max(answer.seconds for answer in answers) < 5


def test_three_hundred_wrong_addresses_do_not_stop_the_first_page(running, asked):
    wrong = [
        lambda n: {"model": f"nothing-{n}"},
        lambda n: {"digest": f"{n:016x}"},
        lambda n: {"explainer": f"Oracle {n}"},
        lambda n: {"index": 10**6 + n},
        lambda n: {"split": f"x{n}"},
    ]
    maps = ["/" + served.relevance_address({**asked, **wrong[n % 5](n)}) for n in range(250)]
    sheets = [sheet(served.HEATMAPS, asked, 10**8 + n) for n in range(50)]
    answers, first = ask_together(running, maps + sheets)
    assert {answer.status for answer in answers} == {404}
    assert {answer.status for answer in first} == {200}
    assert max(answer.seconds for answer in first) < SOON


def test_three_hundred_maps_to_compute_do_not_stop_the_first_page(running, asked):
    numbers = [n // 3 for n in range(300)]
    maps = ["/" + served.relevance_address({**asked, "index": number}) for number in numbers]
    answers, first = ask_together(running, maps)
    assert {answer.status for answer in answers} <= {200, 503}
    made = [answer for answer in answers if answer.status == 200]
    assert len(made) >= 200
    assert len({answer.body for answer in made}) == len(
        {number for number, answer in zip(numbers, answers, strict=True) if answer.status == 200}
    )
    away = [answer for answer in answers if answer.status == 503]
    assert all(int(answer.headers["retry-after"]) > 0 for answer in away)
    assert max(answer.seconds for answer in first) < SOON


def test_a_sheet_is_drawn_once_for_all_who_ask(running, asked):
    answers, _ = ask_together(running, [sheet(served.HEATMAPS, asked)] * 40)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert np.asarray(Image.open(io.BytesIO(answers[0].body))).shape == (4 * 28, 16 * 28, 3)


def test_an_explainer_that_does_not_apply_says_so(running, asked):
    targets = ["/" + served.relevance_address({**asked, "explainer": "Residual"})] * 2
    for answer in ask_together(running, targets)[0]:
        assert answer.status == 404
        assert b"does not apply" in answer.body
        assert answer.headers["cache-control"] == "no-store"


def test_names_with_a_slash_are_explained(running, asked):
    target = "/" + served.relevance_address({**asked, "explainer": "LRP-gamma/ZBox"})
    (answer,) = ask_together(running, [target])[0]
    assert load(answer.body)["relevance"].shape == (28, 28)


def test_a_model_counts_as_long_as_its_file_is_the_same():
    library.add("mine", (library.BUNDLED / f"{MODEL}.safetensors").read_bytes())
    entry = library.find("mine")
    digest = entry.digest
    existing.check_model("mine", digest)
    other = next(path for path in library.BUNDLED.glob("mnist-4-one-class-*"))
    entry.path.write_bytes(other.read_bytes())
    with pytest.raises(LookupError):
        existing.check_model("mine", digest)
    existing.check_model("mine", library.find("mine").digest)
    entry.path.unlink()
    with pytest.raises(LookupError):
        existing.check_model("mine", digest)


def test_images_count_once_a_page_has_stored_them(tmp_path, monkeypatch):
    for split in ("train", "test"):
        folder = tmp_path / "data" / "mine" / split / "good"
        folder.mkdir(parents=True)
        Image.new("L", (28, 28)).save(folder / "a.png")
    monkeypatch.setattr(existing, "AGAIN", 0)
    known = datasets.fingerprint("mine")
    with pytest.raises(LookupError):
        existing.check_images("mine", known, "test", 0)
    named = {"dataset": "mine", "fingerprint": known, "split": "test"}
    products.put("images", named, {"images": np.zeros((3, 1, 28, 28), np.uint8)})
    existing.check_images("mine", known, "test", 2)
    for split, row in (("test", 3), ("all", 0), ("train", 0)):
        with pytest.raises(LookupError):
            existing.check_images("mine", known, split, row)
    Image.new("L", (28, 28)).save(folder / "b.png")
    with pytest.raises(LookupError):
        existing.check_images("mine", datasets.fingerprint("mine"), "test", 0)
    with pytest.raises(LookupError):
        existing.check_images("mine", known, "test", 0)


def test_the_folder_of_a_data_set_is_not_read_for_each_request(tmp_path, monkeypatch):
    reads = []
    fingerprint = datasets.fingerprint
    monkeypatch.setattr(datasets, "fingerprint", lambda name: reads.append(1) or fingerprint(name))
    monkeypatch.setattr(existing, "_looked", {})
    for number in range(100):
        with pytest.raises(LookupError):
            existing.check_images("mnist-sample", f"{number:016x}", "test", 0)
    assert len(reads) <= 2
