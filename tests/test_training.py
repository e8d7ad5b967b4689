import math

import numpy as np
import pytest
import torch

from deepsvdd_core.detectors import DeepDetector
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.training import batches, minimise
from tests.conftest import fitted


@pytest.mark.parametrize(("count", "size"), [(2, 2), (3, 2), (5, 200), (201, 200), (1001, 200)])
def test_batches_cover_everything_once_and_none_is_a_single_image(count, size):
    parts = list(batches(count, size, torch.Generator().manual_seed(0)))
    assert sorted(torch.cat(parts).tolist()) == list(range(count))
    assert min(len(part) for part in parts) > 1


def history(task, **choices):
    schedule = {"pretrain_epochs": 2, "epochs": 4}
    detector = DeepDetector(Experiment("mnist-sample", ("0",), **{**schedule, **choices}))
    return list(detector.fit(task)), detector


def test_reports_name_each_stage_and_epoch(zero_task):
    reports, _ = history(zero_task)
    assert [(report.stage, report.epoch, report.epochs) for report in reports] == [
        ("before training", 0, 0),
        ("pre-training", 1, 2),
        ("pre-training", 2, 2),
        *(("training", epoch, 4) for epoch in range(5)),
    ]


def test_losses_fall(zero_task):
    reports, _ = history(zero_task, pretrain_learning_rate=1e-3)
    for stage in ("pre-training", "training"):
        losses = [r.loss for r in reports if r.stage == stage and r.loss is not None]
        assert losses[-1] < losses[0]


def test_weights_move_and_scores_differ(zero_task, digits):
    _, detector = history(zero_task)
    untrained = DeepDetector(detector.experiment)
    moved = [
        not torch.equal(a, b)
        for a, b in zip(detector.encoder.parameters(), untrained.encoder.parameters(), strict=True)
    ]
    assert all(moved)
    assert len(np.unique(detector.anomaly_score(digits.test.images))) == 1000


def test_equal_seeds_give_equal_models_and_others_do_not(zero_task):
    scores = [
        fitted(zero_task, seed=seed, epochs=1).anomaly_score(zero_task.test_images)
        for seed in (3, 3, 4)
    ]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_training_does_not_touch_the_callers_random_numbers(zero_task):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fitted(zero_task, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_training_stops_when_a_step_says_so(zero_task):
    steps = []

    def third_step_raises():
        steps.append(None)
        if len(steps) == 3:
            raise InterruptedError

    detector = DeepDetector(Experiment("mnist-sample", ("0",)))
    with pytest.raises(InterruptedError):
        list(detector.fit(zero_task, on_step=third_step_raises))


def test_a_loss_that_is_no_number_ends_in_a_sentence():
    layer = torch.nn.Linear(2, 1)
    losses = minimise(
        lambda rows: layer.weight.sum() * math.nan,
        [layer],
        count=4,
        epochs=1,
        learning_rate=1e-3,
        weight_decay=0.0,
        experiment=Experiment("a", ("0",)),
        generator=torch.Generator(),
        on_step=lambda: None,
    )
    with pytest.raises(ValueError, match="loss is no longer finite; choose a smaller learning"):
        list(losses)


def test_the_radius_of_soft_boundary_follows_after_the_warm_up(zero_task):
    reports, _ = history(zero_task, objective="soft-boundary")
    radii = [report.radius for report in reports if report.stage == "training"]
    assert radii[:3] == [0, 0, 0]  # at the start and in the first half of four epochs
    assert min(radii[3:]) > 0
