"""What pages compute themselves: thresholds, rankings, and what they say of work under way."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from deepsvdd_core import jobs
from pages.parts import (
    comparison,
    heatmaps,
    ladder,
    spoiling,
    threshold,
    training,
    verdicts,
    versus,
    waiting,
)


def test_the_ladder_goes_up_down_or_away_from_the_border():
    scores = np.array([3.0, 1.0, 2.0, 1.0])
    rows = np.arange(4)
    assert ladder.ranking(scores, rows, "strange", 0).tolist() == [0, 2, 1, 3]
    assert ladder.ranking(scores, rows, "normal", 0).tolist() == [1, 3, 2, 0]
    assert ladder.ranking(scores, rows, "border", 2.1).tolist() == [2, 0, 1, 3]


@pytest.mark.parametrize("scores", [[0.0, 0.5, 3.0], [1.0, 1.0], [-2.0], [-3.0, -2.0, 1e6]])
@pytest.mark.parametrize("limit", [-5.0, 1.0, 40.0])
def test_every_score_and_the_threshold_have_a_bin(scores, limit):
    scores = np.array(scores)
    edges = threshold.bin_edges(scores, limit)
    assert (np.diff(edges) > 0).all()
    assert edges[0] <= limit <= edges[-1] and edges[0] <= scores.min()


def test_a_rank_is_the_share_of_images_that_are_less_strange():
    assert versus.ranks(np.array([5.0, 1.0, 3.0, 3.0])).tolist() == [0.75, 0.0, 0.25, 0.25]


def test_an_image_at_the_end_of_the_ranking_has_one_neighbour():
    order = np.array([7, 2, 5])
    assert heatmaps.neighbours(order, 2) == {heatmaps.STRANGER: 7, heatmaps.NORMAL: 5}
    assert heatmaps.neighbours(order, 7) == {heatmaps.NORMAL: 2}
    assert heatmaps.neighbours(order, 5) == {heatmaps.STRANGER: 2}


def verdict(level: str, found: float, likeness: float, faults: str = "") -> dict:
    numbers = {"found": found, "low": found - 0.02, "high": found + 0.02, "likeness": likeness}
    texts = {"level": level, "faults": faults}
    return {name: np.float64(value) for name, value in numbers.items()} | {
        name: np.frombuffer(text.encode(), np.uint8) for name, text in texts.items()
    }


def test_without_masks_faults_then_levels_then_areas_rank():
    spoilt = {
        "A": verdict("better", 0.7, 0.1),
        "B": verdict("better", 0.1, -0.001, "a single pixel gets 3 times the score"),
        "C": verdict("better", 0.5, np.nan),
        "D": verdict("weak", 0.9, 0.0),
        "E": verdict("random", 1.0, 0.0),
    }
    table = verdicts.ranked({}, spoilt)
    assert list(table["method"]) == ["C", "A", "D", "E", "B"]
    assert np.allclose(table["share of random"], [50, 70, 90, 100, 10])
    assert np.allclose(table["from"], [48, 68, 88, 98, 8])
    assert list(table["verdict"])[2:] == [
        "weak",
        "no better than random",
        "better than random, with faults",
    ]
    likeness = list(table["likeness to random weights"])
    assert np.isnan(likeness[0]) and str(likeness[4]) == "0.0"


def test_masks_of_real_anomalies_decide_and_rank():
    masked = {
        "LRP-eps": verdict("random", 0.405, 0.1),
        "Integrated Gradients": verdict("weak", 0.578, 0.1),
        "Saliency": verdict("weak", 0.609, 0.7, "nearly the same map with random weights"),
    }
    spoilt = {"LRP-eps": verdict("better", 0.3, 0.1)}
    table = verdicts.ranked(masked, spoilt)
    assert list(table["method"]) == ["Saliency", "Integrated Gradients", "LRP-eps"]
    assert np.allclose(table["AUROC of pixels"], [60.9, 57.8, 40.5])
    assert list(table["verdict"]) == ["weak, with faults", "weak", "no better than random"]


def test_a_change_that_is_everywhere_has_no_outline():
    mask = np.zeros((2, 2), bool)
    mask[0] = True
    assert spoiling.local(mask) is mask
    assert spoiling.local(np.ones((2, 2), bool)) is None


def job(kind: str, state: str, **about) -> jobs.Job:
    return jobs.Job(kind, {}, kind, state=state, **about)


STARTS = "Starting the engine"


@pytest.mark.parametrize(
    ("engine_state", "asked", "other", "said"),
    [
        ("starting", job("explain", "queued"), None, STARTS),
        ("ready", job("explain", "queued"), None, STARTS),  # no worker is there yet
        ("ready", job("explain", "queued", future=object()), job("judge", "running"), STARTS),
        ("ready", job("scale", "queued"), job("judge", "running"), "Maps: waits for other work"),
        ("ready", job("scale", "queued", future=object()), job("judge", "finished"), "Maps"),
        ("ready", job("scale", "running"), None, "Maps"),
        ("ready", job("scale", "running", reports=[{"stage": "Half"}]), None, "Half"),
    ],
)
def test_a_page_says_what_its_work_waits_for(monkeypatch, engine_state, asked, other, said):
    known = {str(place): one for place, one in enumerate((asked, other)) if one is not None}
    engine = SimpleNamespace(state=engine_state, listed=lambda: list(known.values()))
    monkeypatch.setattr(waiting.jobs, "engine", lambda: engine)
    assert waiting.stage(asked, "Maps").startswith(said)


@pytest.mark.parametrize(
    ("state", "reports", "said"),
    [
        ("queued", [], "Training: waits for other work …"),
        ("running", [], "Reading the data …"),
        ("running", [{"stage": "Downloading", "fraction": 0.5}], "Downloading …"),
        ("running", [{"stage": "fitting", "epoch": 0, "epochs": 0}], "Fitting …"),
        (
            "running",
            [{"stage": "pre-training", "epoch": 2, "epochs": 9}],
            "Pre-training: epoch 2 of 9 …",
        ),
    ],
)
def test_a_training_says_what_it_does(monkeypatch, state, reports, said):
    asked = job("train", state, reports=reports)
    known = {"asked": asked, "other": job("measure", "running")}
    engine = SimpleNamespace(state="ready", listed=lambda: list(known.values()))
    monkeypatch.setattr(waiting.jobs, "engine", lambda: engine)
    assert training.stage(asked) == said


@pytest.mark.parametrize(
    ("schedules", "choices", "short"),
    [
        (["live"], ['{"seed": 1}'], ["one-class"]),
        (["live", "short"], ["{}", '{"nu": 0.2}'], ["one-class, live", "one-class, short"]),
        (
            ["live"] * 3,
            ['{"epochs": 9}', '{"epochs": 9, "nu": 0.2}', '{"epochs": 9, "nu": 0.3}'],
            ["one-class", "one-class, nu: 0.2", "one-class, nu: 0.3"],
        ),
    ],
)
def test_a_short_name_tells_what_differs(schedules, choices, short):
    table = pd.DataFrame({"method": "one-class", "schedule": schedules, "choices": choices})
    other = pd.DataFrame({"method": ["knn"], "schedule": ["live"], "choices": ["{}"]})
    table = comparison.named(pd.concat([table, other, other]))
    expected = dict(zip(table["name"], [*short, "knn", "knn"], strict=True))
    assert comparison.short_names(table) == expected
