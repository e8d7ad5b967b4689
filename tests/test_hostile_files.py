"""Model files from anywhere: each is taken or refused in one sentence, and nothing else suffers."""

import contextlib
import errno
import os
import random
import time
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest

from deepsvdd_core import datasets, detectors, jobs, library
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.pipeline import WORK
from deepsvdd_core.pipeline.running import run
from tests.corpus import models, pictures
from tests.server import Visit, elements, server

FILES = dict(models.corpus())
FINE = [name for name in FILES if name.startswith("fine-")]
REFUSED = [name for name in FILES if not name.startswith(("fine-", "odd-"))]
PAGES = ("", "train", "explore", "explain", "hans", "compare", "models")
SENTENCE = r"\A[^\n]{10,600}\.\Z"


def processor_time() -> float:
    """Seconds of this process, whatever else the computer does."""
    return sum(psutil.Process().cpu_times()[:2])


def admit(content: bytes) -> None:
    """What the engine does with a file that somebody brings."""
    nothing = {"report": lambda values: None, "on_step": lambda: None}
    WORK["admit"](digest=jobs.digest(content), payload=[content], **nothing)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """For each file what was said to it, nothing for one that was taken, and its seconds."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPSVDD_HOME", str(tmp_path_factory.mktemp("home")))
        for name, content in models.corpus():
            said, began = "", processor_time()
            try:
                library.check_upload(f"{name}.safetensors", content)
                admit(content)
            except (ValueError, OSError) as error:
                said = str(error)
            found[name] = said, processor_time() - began
        assert not library.folder().exists()  # nothing was written
    return found


def test_there_are_many_files():
    assert len(FILES) >= 300 and len(FINE) >= 15 and len(REFUSED) >= 200


def test_each_file_that_is_no_model_is_refused_in_one_sentence(answers):
    odd = {name: said for name, (said, _) in answers.items() if said and "\n" in said}
    assert not odd
    long = {n: s for n, (s, _) in answers.items() if s and not (s.endswith(".") and len(s) < 600)}
    assert not long
    assert [name for name in REFUSED if not answers[name][0]] == []
    assert {name: answers[name][0] for name in FINE if answers[name][0]} == {}


def test_no_refusal_takes_two_seconds(answers):
    slow = {name: seconds for name, (said, seconds) in answers.items() if said and seconds > 2}
    assert not slow


@pytest.fixture
def all_of_them():
    """Every file in the folder of the models, put there by hand."""
    library.folder().mkdir(parents=True)
    for name, content in models.corpus():
        (library.folder() / f"{name}.safetensors").write_bytes(content)


def test_files_put_there_by_hand_are_listed_as_models_or_with_their_reason(all_of_them):
    began = processor_time()
    entries = {entry.name for entry in library.entries() if not entry.bundled}
    reasons = {file.name: file.reason for file in library.broken()}
    first = processor_time() - began
    assert entries | set(reasons) == set(FILES) and not entries & set(reasons)
    assert set(FINE) <= entries
    assert all("\n" not in reason and reason.endswith(".") for reason in reasons.values())
    began = processor_time()
    assert len(library.entries()) == len(entries) + len(library.shipped())
    assert len(library.broken()) == len(reasons)
    assert processor_time() - began < first / 5  # what is wrong with a file is found once
    assert [entry.name for entry in library.entries() if entry.bundled] == sorted(library.shipped())


def test_files_that_are_no_models_can_be_deleted(all_of_them):
    for file in library.broken():
        library.delete(file.name)
    assert library.broken() == []
    assert {e.name for e in library.entries() if not e.bundled} <= set(FILES)


@pytest.mark.parametrize("name", ["odd-text-html", "fine-plain", "cut-at-100", "header-high"])
def test_the_library_is_unchanged_by_what_it_refuses(name):
    try:
        assert library.add(f"{name}.safetensors", FILES[name]).name == name
    except ValueError:
        assert not library.folder().exists()
    else:
        library.delete(name)
        assert list(library.folder().iterdir()) == []


@pytest.mark.parametrize("name", models.NAMES)
def test_a_hostile_name_is_refused_or_stays_in_the_folder(name):
    try:
        entry = library.add(f"{name}.safetensors", FILES["fine-plain"])
    except ValueError as error:
        assert "\n" not in str(error) and str(error).endswith(".") and len(str(error)) < 300
        assert not library.folder().exists()
    else:  # of a path, the last part
        assert "/" in name and entry.name == Path(name).name
        assert entry.path.parent == library.folder()
    for ask in (library.find, library.delete):
        with pytest.raises(ValueError, match=SENTENCE):
            ask(f"{name}?")


@pytest.mark.parametrize("name", models.FINE_NAMES)
def test_a_usual_name_is_taken(name):
    entry = library.add(f"{name}.safetensors", FILES["fine-plain"])
    assert library.find(entry.name).path.is_file()
    assert next(iter(library.entries())).name == entry.name
    library.delete(entry.name)
    assert library.broken() == []


def test_files_with_hostile_names_are_listed_and_can_be_deleted():
    library.folder().mkdir(parents=True)
    made = set()
    for name in models.NAMES:
        try:
            (library.folder() / f"{name}.safetensors").write_bytes(FILES["fine-plain"])
        except (OSError, ValueError):
            continue  # this system has no such names
        made.add(name)
    broken = library.broken()
    assert len(made) > 20 and len(broken) >= len(made) - 5
    assert all("\n" not in file.reason for file in broken)
    for file in broken:
        library.delete(file.name)
    assert library.broken() == []
    assert {entry.name for entry in library.entries()} >= library.shipped()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_not_read():
    library.folder().mkdir(parents=True)
    os.mkfifo(library.folder() / "pipe.safetensors")
    (library.folder() / "folder.safetensors").mkdir()
    (library.folder() / "circle.safetensors").symlink_to("circle.safetensors")
    (library.folder() / "endless.safetensors").symlink_to("/dev/zero")
    reasons = {file.name: file.reason for file in library.broken()}
    assert {"pipe", "folder", "endless"} <= set(reasons)
    for name in ("pipe", "endless"):
        assert "is not a file" in reasons[name]
        library.delete(name)
    with pytest.raises(OSError, match=SENTENCE):
        library.delete("folder")


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EIO])
def test_on_a_disk_that_takes_nothing_deleting_gets_one_sentence(code, monkeypatch):
    library.add("a.safetensors", FILES["fine-plain"], "anna")

    def fail(self, *about, **more):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        for name in ("unlink", "replace"):
            patch.setattr(Path, name, fail)
        for owner in ("anna", "ben", None):
            with pytest.raises(OSError, match=r"\Aa\.[^\n]*could not be [^\n]*\.\Z"):
                library.delete("a", owner)
    assert library.find("a").path.read_bytes() == FILES["fine-plain"]
    assert library.find("a").owners == {"anna"}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A server whose home holds everything at once."""
    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    for name, content in models.corpus():
        (home / "models" / f"{name}.safetensors").write_bytes(content)
    (home / "models" / "twin.safetensors").write_bytes(FILES["fine-plain"])
    for split in ("train", "test"):
        place = home / "data" / "odd" / split / "good"
        place.mkdir(parents=True)
        for name, content in pictures.corpus():
            (place / name).write_bytes(content)
    for name in models.NAMES:
        with contextlib.suppress(OSError, ValueError):  # this system may have no such names
            (home / "models" / f"{name}.safetensors").write_bytes(FILES["fine-plain"])
            for part in (f"{name}/train/good", f"{name}/test/good", f"odd/test/{name}"):
                if "/" not in name:
                    (home / "data" / part).mkdir(parents=True)
    with server(home) as running:
        yield running


def memory(running) -> float:
    """MiB of the server's own process."""
    return psutil.Process(running.process.pid).memory_info().rss / 2**20


def visited(running, page: str, **link: str) -> list:
    """The messages of a page in a fresh session."""
    with Visit(running) as visit:
        return visit.run(page, urlencode(link))


def test_every_page_opens_among_hostile_files(running):
    for page in PAGES:
        visited(running, page)
    before = memory(running)
    for page in (*PAGES, *PAGES):
        messages = visited(running, page, data="odd")
        assert not elements(messages, "exception"), page
        assert elements(messages, "heading"), page
    warnings = [a.body for a in elements(visited(running, "models"), "alert")]
    assert len(warnings) >= len(REFUSED) / 2  # the others are told apart by their weights
    assert memory(running) < before + 100
    assert "Traceback" not in running.output()


def rest(running, page: str, **link: str) -> list:
    """The messages of a page when nothing is being made any more."""
    deadline = time.monotonic() + 60
    while elements(messages := visited(running, page, **link), "progress"):
        assert time.monotonic() < deadline, link
        time.sleep(0.1)
    return messages


def test_a_model_is_shown_or_refused_with_a_sentence(running):
    before = memory(running)
    odd = random.Random(1).sample([name for name in FILES if name.startswith("odd-")], 5)
    wrong = random.Random(1).sample([n for n in REFUSED if n.startswith(("missing", "dtype"))], 2)
    for name in [*odd, *wrong, "centers-0-of-multi-sphere", "fine-kind-real-nvp", "fine-plain"]:
        messages = rest(running, "explore", model=name)
        assert not elements(messages, "exception"), name
        said = [alert.body for alert in elements(messages, "alert")]
        assert elements(messages, "bidi_component") or any(s.endswith(".") for s in said), name
    for page in PAGES:
        assert not elements(visited(running, page), "exception")
    assert memory(running) < before + 100
    assert "Traceback" not in running.output()


def test_a_model_is_compared_with_itself_under_another_name(running):
    for page, more in (("explore", {}), ("hans", {"step-table": "true"})):
        said, deadline = [], time.monotonic() + 20
        while not any("hold the same model" in body for body in said):
            assert time.monotonic() < deadline, said
            messages = rest(running, page, model="fine-plain", versus="twin", **more)
            assert not elements(messages, "exception")
            said = [alert.body for alert in elements(messages, "alert")]


@pytest.fixture
def many():
    """An image folder of many classes with long names, and one whose name cannot be shown."""
    png = dict(pictures.corpus())["fine-png"]
    names = [f"{number:02} {'x' * 60}" for number in range(12)]
    for split in ("train", "test"):
        for name in [*names, "two\nlines", "caf\udce9"]:
            place = datasets.data_root() / "many" / split / name
            try:
                place.mkdir(parents=True)
            except (OSError, ValueError):
                pytest.skip("this system has no such names")
            (place / "a.png").write_bytes(png)
    return names


def test_a_model_of_many_classes_with_long_names_can_be_kept(many):
    experiment = Experiment("many", tuple(many), detector="shallow")
    assert len(experiment.title) > 600
    detector, provenance, *_ = run(experiment)
    entry = library.put(experiment.name, detector.file(provenance))
    assert entry.header["provenance"]["class_names"] == many
    assert library.find(entry.name).header["provenance"]["title"].endswith("…")


def test_class_folders_whose_name_cannot_be_shown_are_left_out_and_named(many):
    assert datasets.source("many").class_names == tuple(many)
    (note,) = datasets.load("many").notes
    assert "test/two\ufffdlines (the name of this folder cannot be shown; rename it)" in note
    (datasets.data_root() / "many").rename(datasets.data_root() / "m\n")
    assert datasets.available() == list(datasets.DATASETS)


def test_a_model_that_scores_nothing_is_not_loaded(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(FILES["odd-real-nvp-of-noughts"])
    with pytest.raises(ValueError, match=r"a\.safetensors cannot score images; train"):
        detectors.load(path)
