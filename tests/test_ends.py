"""What ends while somebody looks at it: a model that is deleted, a disk, the server itself."""

import errno
import os
import time
from pathlib import Path

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from deepsvdd_core import jobs, library
from tests.corpus import models
from tests.server import ROOT, Server, Visit, elements

FINE = dict(models.corpus())["fine-plain"]


@pytest.fixture
def model():
    """A model that nobody is known to own."""
    return library.add("shared.safetensors", FINE)


def looked_at(name: str = "shared") -> AppTest:
    """The page of the models in a session of its own, with one of them chosen."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.switch_page("pages/models.py")
    app.query_params["model"] = name
    return app.run()


def press(app: AppTest, label: str) -> AppTest:
    """Press a button."""
    return next(b for b in app.button if b.label == label).click().run()


def test_two_visitors_delete_one_model(model):
    first, second = looked_at(), looked_at()
    assert not press(first, "Delete this model").error
    assert not model.path.exists()
    press(second, "Delete this model")
    assert not second.exception
    (error,) = second.error
    assert error.value.startswith("There is no model 'shared' any more")
    assert not second.run().error and not second.exception  # said once


def test_two_visitors_delete_one_file_that_is_no_model(model):
    (library.folder() / "broken.safetensors").write_bytes(b"nothing")
    first, second = looked_at(), looked_at()
    for app in (first, second):
        assert "not a readable safetensors file" in app.warning[0].value
    assert not press(first, "Delete").error
    press(second, "Delete")
    assert not second.exception and len(second.error) == 1 and not second.warning


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_model_on_a_read_only_disk_stays_and_the_page_says_why(code, model, monkeypatch):
    app = looked_at()

    def fail(self, *about, **more):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fail)
        press(app, "Delete this model")
    assert not app.exception
    (error,) = app.error
    assert "could not be deleted" in error.value and os.strerror(code) in error.value
    assert library.find("shared").path.exists()
    press(app, "Delete this model")
    assert not app.error and not model.path.exists()


def lives(process: psutil.Process) -> bool:
    """Whether it still does something; one that has ended may wait for somebody to ask."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_thread_that_serves_everybody_outlives_what_it_does_not_expect(monkeypatch):
    def fail(self):
        raise LookupError("workers")

    monkeypatch.setattr(jobs.Engine, "_connect", fail)
    engine = jobs.Engine()
    for number in range(2):
        job = jobs.wait(engine.submit("view", {"number": number}), timeout=10)
        assert job.state == "failed" and "could not be started" in job.message


SLOW = 8  # models that take seconds to load


def asked_for(running: Server) -> list[str]:
    """Ask for all of them in new sessions; what the pages say meanwhile."""
    said = []
    for number in range(SLOW):
        with Visit(running) as visit:
            messages = visit.run("explore", f"model=slow-{number}")
        said += [bar.text for bar in elements(messages, "progress")]
    return said


@pytest.mark.parametrize("when", ["while the engine starts", "while it works"])
def test_a_server_ends_at_once_though_much_waits(when, tmp_path):
    (tmp_path / "models").mkdir()
    for number in range(SLOW):
        content = models.slow(f"number {number}")
        (tmp_path / "models" / f"slow-{number}.safetensors").write_bytes(content)
    running = Server(tmp_path)
    try:
        said = asked_for(running)
        deadline = time.monotonic() + 90
        while when == "while it works" and any(text.startswith("Starting") for text in said):
            assert time.monotonic() < deadline
            said = asked_for(running)
        assert len(said) > SLOW / 2
        family = psutil.Process(running.process.pid).children(recursive=True)
        began = time.monotonic()
    finally:
        running.process.terminate()
        running.process.wait(timeout=60)
    assert time.monotonic() - began < 25
    assert family
    deadline = time.monotonic() + 5
    while left := [process for process in family if lives(process)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    log = running.output()
    assert "Traceback" not in log, log[:6_000]
    running.log.close()
