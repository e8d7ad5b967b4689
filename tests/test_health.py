"""Trainings that went wrong are told from those that went well, and not too early."""

import numpy as np
import pytest

from deepsvdd_core.estimators import ESTIMATORS
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.health import Watch, interval, of_losses, of_order, of_scores
from deepsvdd_core.pipeline import run, running
from deepsvdd_core.training import SOUND, EpochReport

HALF = np.arange(500) % 2 == 1  # is_anomaly
IMAGES = np.random.default_rng(0).integers(0, 256, (100, 1, 4, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    ("losses", "sentence"),
    [
        ([], SOUND),
        ([1.0], SOUND),
        ([1.0, 0.5, 0.6, 0.55, 0.7], SOUND),
        ([1.0, 1.2, 0.9, 1.1, 0.8], SOUND),  # it rises now and then
        ([1.0, 1.1, 1.2], SOUND),  # too early to tell
        ([1.0, 1.1, 1.2, 1.3], "for 3 epochs the loss has been above that of the first, now 1.3"),
        ([1.0, 0.1, 1.1, 1.2, 1.3], "against 1; choose a smaller learning rate"),
        ([1.0, 10.5], "the loss went from 1 to 10.5; choose a smaller learning rate"),
        ([1.0, float("nan")], "diverges"),
        ([1.0, float("inf")], "diverges"),
        ([-500.0, -700.0, -800.0, -900.0], SOUND),  # a log-likelihood
        ([-900.0, -700.0, -600.0, -500.0], "diverges"),
        ([2.0, 2.0, 2.0, 2.0, 2.0], SOUND),
    ],
)
def test_a_loss_that_rises_diverges(losses, sentence):
    assert sentence in of_losses(losses)


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        (np.arange(100.0), SOUND),
        (np.full(100, 0.5), "All 100 test images get the same score, 0.5."),
        (np.zeros(100), "All 100 test images get the same score, 0."),
        (1 + 1e-13 * np.arange(100), "the same score"),
        (np.arange(100.0) // 10, "100 different test images get only 10 different scores."),
        (np.arange(100.0) // 2, SOUND),
    ],
)
def test_equal_scores_are_found_whatever_the_method(scores, sentence):
    assert sentence in of_scores(scores, IMAGES)


def test_equal_images_may_have_equal_scores():
    copies = np.repeat(IMAGES[:20], 5, axis=0)
    assert of_scores(np.repeat(np.arange(20.0), 5), copies) == SOUND
    assert of_scores(np.ones(5), copies[:5]) == SOUND


@pytest.mark.parametrize(
    ("value", "untrained", "sentence"),
    [
        (0.95, 0.60, SOUND),
        (0.95, None, SOUND),
        (0.95, 0.95, SOUND),
        (None, 0.60, SOUND),
        (0.0, 0.60, "the AUROC is 0.0%"),
        (0.0, None, "normal images look stranger than anomalies"),
        (0.30, 0.20, "normal images look stranger"),
        (0.498, None, "AUROC is 49.8%"),
        (0.498, None, "no better than chance"),
        (0.5, None, "no better than chance"),
        (0.52, None, "cannot be told from chance"),
        (0.70, 0.75, "below the 75.0% of the untrained network"),
        (0.498, 0.60, "below the 60.0% of the untrained network"),
    ],
)
def test_an_order_that_is_no_success_is_told_by_test_labels(value, untrained, sentence):
    said = of_order(value, untrained, HALF)
    assert sentence in said
    if said != SOUND:
        assert said.startswith("By the labels of 500 test images the AUROC is ")


def test_without_both_kinds_there_is_no_verdict_by_labels():
    assert of_order(0.5, 0.9, np.zeros(10, bool)) == of_order(None, None, HALF) == SOUND


def test_the_interval_of_an_auroc_covers_what_it_should():
    """Normal scores one deviation apart: the true AUROC is Φ(1/√2) = 0.7602."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        normal, anomalous = rng.normal(0, 1, 60), rng.normal(1, 1, 40)
        value = (anomalous[:, None] > normal).mean()
        _, low, high = interval(value, 40, 60)
        hits += low <= 0.7602 <= high
    assert 0.91 <= hits / 300 <= 0.99
    assert interval(0.0, 5, 5).low == 0 and interval(1.0, 5, 5).high == 1


def report(epoch, auroc, loss=1.0, health=SOUND, stage="training"):
    return EpochReport(stage, epoch, 10, loss, None, auroc, health)


def test_nothing_is_judged_before_the_first_epoch_and_no_order_before_half_of_them():
    watch = Watch(HALF)
    before = EpochReport("before training", 0, 0, None, None, 0.7, "The weights do not change")
    assert watch(before).health == SOUND
    assert watch(report(0, 0.1, health="The weights do not change.")).health == SOUND
    assert watch(report(1, 0.1)).health == SOUND
    assert watch(report(4, 0.6)).health == SOUND
    assert "below the 70.0%" in watch(report(5, 0.6)).health
    assert watch(report(6, 0.8)).health == SOUND
    assert watch(report(7, 0.8, health="It has collapsed.")).health == "It has collapsed."


def test_the_losses_of_two_networks_against_each_other_need_not_fall():
    for is_adversarial in (True, False):
        watch = Watch(HALF, is_adversarial=is_adversarial)
        for epoch in range(1, 10):
            last = watch(report(epoch, 0.9, loss=float(epoch)))
        assert (last.health == SOUND) == is_adversarial


def test_the_verdict_is_about_the_end():
    scores = np.where(HALF[:100], 2.0, 1.0) + 1e-3 * np.arange(100)
    watch = Watch(HALF)
    watch(report(9, 0.3))
    watch(report(10, 0.9))
    assert watch.verdict(scores, IMAGES, HALF[:100]) == SOUND
    assert "stranger than anomalies" in watch.verdict(-scores, IMAGES, HALF[:100])
    assert "same score" in watch.verdict(np.ones(100), IMAGES, HALF[:100])
    watch(report(10, 0.9, health="It has collapsed."))
    assert watch.verdict(scores, IMAGES, HALF[:100]) == "It has collapsed."


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_default_training_is_never_called_unchanging(epochs):
    said = []
    experiment = Experiment("mnist-sample", ("0",), epochs=epochs, pretrain_epochs=0)
    _, provenance, _, _ = run(experiment, report=said.append)
    epochs_seen = [one for one in said if one["stage"] in ("before training", "training")]
    assert [one["epoch"] for one in epochs_seen] == [0, *range(epochs + 1)]
    said = [one["health"] for one in epochs_seen]
    assert said[:3] == [SOUND] * 3 and not any("do not change" in one for one in said)
    low = provenance["history"][-1]["auroc"] < provenance["auroc_before_training"]
    assert ("untrained network" in provenance["health"]) == low


def test_a_learning_rate_of_nothing_changes_nothing():
    experiment = Experiment(
        "mnist-sample", ("0",), pretrain_epochs=0, epochs=1, learning_rate=1e-30, weight_decay=0
    )
    _, provenance, _, _ = run(experiment)
    assert provenance["health"] == "The weights do not change: nothing is learned."


@pytest.mark.parametrize("name", ["knn", "isolation-forest", "pca", "mahalanobis"])
def test_a_shallow_method_that_orders_images_is_sound(name):
    choices = {"detector": "shallow", "estimator": name}
    _, provenance, _, _ = run(Experiment("mnist-sample", ("0",), **choices))
    assert provenance["health"] == SOUND and provenance["auroc"] > 0.9


def test_a_shallow_method_with_equal_scores_is_no_success(monkeypatch):
    monkeypatch.setattr(
        ESTIMATORS["knn"], "score_samples", lambda self, rows: np.full(len(rows), -3.0)
    )
    experiment = Experiment("mnist-sample", ("0",), detector="shallow", estimator="knn")
    _, provenance, _, _ = run(experiment)
    assert provenance["auroc"] == 0.5
    assert provenance["health"] == "All 1,000 test images get the same score, 3."


def test_an_order_turned_over_is_no_success(monkeypatch):
    task_of = running.task_of
    monkeypatch.setattr(
        running,
        "task_of",
        lambda *about: (task := task_of(*about))._replace(is_anomaly=~task.is_anomaly),
    )
    choices = {"detector": "shallow", "estimator": "knn"}
    _, provenance, _, _ = run(Experiment("mnist-sample", ("0",), **choices))
    assert "normal images look stranger than anomalies" in provenance["health"]
    assert f"{provenance['auroc']:.1%}" in provenance["health"]
