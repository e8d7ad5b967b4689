"""One engine for all tests of pages; it ends with them."""

import time

import pytest

from deepsvdd_core import jobs


@pytest.fixture(scope="package")
def shared_home(tmp_path_factory):
    """A home with an engine, which reads it when it starts."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPSVDD_HOME", str(home))
        patch.setenv("DEEPSVDD_DATA", str(home / "data"))
        jobs.engine.cache_clear()
        jobs.engine().start()
        while jobs.engine().state in ("stopped", "starting"):
            time.sleep(0.05)
    yield home
    jobs.engine().stop()
    jobs.engine.cache_clear()


@pytest.fixture(autouse=True)
def home(shared_home, monkeypatch):
    """What pages and engine read and write."""
    monkeypatch.setenv("DEEPSVDD_HOME", str(shared_home))
    monkeypatch.setenv("DEEPSVDD_DATA", str(shared_home / "data"))
    return shared_home
