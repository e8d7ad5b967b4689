"""Links with anything in them: no page raises, and the log holds no traceback."""

import itertools
import random

import pytest

from tests import sweep
from tests.server import server

SOME = 20  # runs that are drawn; `tests/load/sweep.py` takes all


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with server(tmp_path_factory.mktemp("home")) as running:
        yield running


def assert_nothing_raises(running, runs) -> None:
    """No run may leave an exception on the page or in the log."""
    for page, link in runs:
        found = sweep.faults(running, page, link)
        assert not found, (page, {name: value[:40] for name, value in link.items()}, found)
    assert sweep.tracebacks(running) == []


def test_the_names_in_links_are_read_from_the_source():
    names = sweep.names()
    assert {"model", "data", "image", "selection", "threshold", "methods", "opacity"} <= set(names)
    assert {"step-table", "step-remedy", "job", "seed", "outline", "guess", "class"} <= set(names)
    assert len(sweep.steps()) == 7


def test_every_page_with_every_name_absurd_at_once(running):
    names = [name for name in sweep.names() if not name.startswith("step-")]
    runs = [
        (page, dict.fromkeys(names, value))
        for page in sweep.PAGES
        for value in sweep.ABSURD.values()
        if len(value) < 1_000 or page in ("explore", "explain")
    ]
    assert_nothing_raises(running, runs[::2])


def test_the_laboratory_with_any_two_steps_open(running):
    names = [name for name in sweep.names() if not name.startswith("step-")]
    values = itertools.cycle(value for value in sweep.ABSURD.values() if len(value) < 1_000)
    runs = [("hans", dict.fromkeys(sweep.steps(), "true"))]
    for two in itertools.combinations(sweep.steps(), 2):
        runs.append(("hans", dict.fromkeys(two, "true")))
        runs.append(("hans", {**dict.fromkeys(two, "true"), **dict.fromkeys(names, next(values))}))
    assert_nothing_raises(running, runs)


def test_some_of_all_links(running):
    rng = random.Random(0)
    runs = rng.sample([*sweep.links(), *sweep.pairs()], SOME)
    for _ in range(SOME):
        drawn = rng.sample(sweep.names(), rng.randint(2, 12))
        link = {name: rng.choice(list(sweep.ABSURD.values())) for name in drawn}
        runs.append((rng.choice(sweep.PAGES), link))
    assert_nothing_raises(running, runs)
