import math

import numpy as np
import pytest
import torch
from torch import nn

from deepsvdd_core.detectors import DeepDetector
from deepsvdd_core.experiment import SCHEDULES, Experiment
from deepsvdd_core.networks import MnistLeNet
from deepsvdd_core.objectives import OBJECTIVES, Objective
from deepsvdd_core.training import (
    SOUND,
    Look,
    batches,
    embed_all,
    health,
    minimise,
    schedule_of,
    shift_and_mirror,
    train,
)
from tests.conftest import fitted


@pytest.mark.parametrize(("count", "size"), [(2, 2), (3, 2), (5, 200), (201, 200), (1001, 200)])
def test_batches_cover_everything_once_and_none_is_a_single_image(count, size):
    parts = list(batches(count, size, torch.Generator().manual_seed(0)))
    assert sorted(torch.cat(parts).tolist()) == list(range(count))
    assert min(len(part) for part in parts) > 1


def history(task, **choices):
    schedule = {"pretrain_epochs": 2, "epochs": 4}
    detector = DeepDetector(Experiment("mnist-sample", ("0",), **{**schedule, **choices}))
    return list(detector.learn_from(task)), detector


def test_reports_name_each_stage_and_epoch(zero_task):
    reports, _ = history(zero_task)
    assert [(report.stage, report.epoch, report.epochs) for report in reports] == [
        ("before training", 0, 0),
        ("pre-training", 1, 2),
        ("pre-training", 2, 2),
        *(("training", epoch, 4) for epoch in range(5)),
    ]
    assert {report.health for report in reports} == {SOUND}


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
        list(detector.learn_from(zero_task, on_step=third_step_raises))


def test_a_loss_that_is_no_number_ends_in_a_sentence():
    layer = nn.Linear(2, 1)
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


def rates(**choices):
    optimiser = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = schedule_of(optimiser, 6, Experiment("a", ("0",), **choices))
    values = []
    for _ in range(6):
        values.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return values


def test_the_learning_rate_drops_once_or_follows_half_a_cosine():
    assert rates(decay="step", milestone=0.5) == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1])
    expected = [(1 + math.cos(math.pi * epoch / 6)) / 2 for epoch in range(6)]
    assert rates(decay="cosine") == pytest.approx(expected)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_named_schedule_makes_an_experiment(name):
    assert Experiment("a", ("0",), **SCHEDULES[name]).epochs > 0


def test_shifting_moves_every_image_by_itself_and_loses_nothing_in_the_middle():
    images = torch.zeros(64, 2, 12, 12)
    images[:, 0, 6, 5] = 1
    images[:, 1, 6, 5] = 2
    moved = shift_and_mirror(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    assert torch.equal(moved.sum(dim=(2, 3)), images.sum(dim=(2, 3)))
    places = moved[:, 0].flatten(1).argmax(dim=1)
    assert len(places.unique()) > 20
    assert torch.equal(places, moved[:, 1].flatten(1).argmax(dim=1))


class SeesMasks(Objective):
    """Counts the batches whose masks are where the images are white."""

    uses_masks = True
    aligned = 0

    def forward(self, codes, semi_labels, inputs, masks=None):
        self.aligned += torch.equal(inputs[:, 0] > 0.5, masks) and bool(masks.any())
        return codes.square().mean()


@pytest.mark.parametrize("augment", [False, True])
def test_masks_move_with_their_images(augment):
    experiment = Experiment("a", ("0",), epochs=2, batch_size=4, augment=augment)
    objective = SeesMasks(1, experiment)
    inputs = (torch.rand(12, 1, 10, 10, generator=torch.Generator().manual_seed(0)) > 0.7).float()
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(100, 1))
    reports = train(
        encoder,
        objective,
        inputs,
        torch.zeros(12, dtype=torch.int64),
        experiment=experiment,
        generator=torch.Generator().manual_seed(0),
        look=lambda: Look(None, None),
        masks=inputs[:, 0] > 0.5,
    )
    assert len(list(reports)) == 3 and objective.aligned == 6


def test_bfloat16_trains_a_similar_model(zero_task):
    both = [
        fitted(zero_task, precision=name, epochs=3).anomaly_score(zero_task.test_images)
        for name in ("float32", "bfloat16")
    ]
    assert not np.array_equal(*both)
    assert np.corrcoef(*both)[0, 1] > 0.95


CODES = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
SCORES = np.square(CODES).sum(axis=1)
CENTER = np.ones(8)


@pytest.mark.parametrize(
    ("codes", "scores", "center", "moved", "sentence"),
    [
        (CODES, SCORES, CENTER, True, SOUND),
        (CODES, SCORES, None, True, SOUND),
        (np.ones_like(CODES), SCORES, CENTER, True, "has collapsed"),
        (np.ones_like(CODES) + 1e-5 * CODES, SCORES, CENTER, True, "has collapsed"),
        (np.zeros_like(CODES), SCORES, CENTER, True, "has collapsed"),
        (CODES, np.ones(50), CENTER, True, "50 images get only 1 different scores"),
        (CODES, SCORES, 0 * CENTER, True, "centre is at the origin"),
        (CODES, SCORES, CENTER, False, "weights do not change"),
    ],
)
def test_health_names_what_is_wrong(codes, scores, center, moved, sentence):
    assert sentence in health(codes, scores, center, moved)


def test_a_network_with_biases_collapses_and_is_caught(zero_task):
    """Thesis Proposition 2: with a bias the loss goes to zero and all codes become equal."""
    schedule = {"epochs": 200, "learning_rate": 0.03, "decay": "cosine"}
    experiment = Experiment("a", ("0",), centre="codes", **schedule)
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.AvgPool2d(14), nn.Flatten(), nn.Linear(4, 8))
    objective = OBJECTIVES["one-class"](8, experiment)
    inputs = torch.from_numpy(zero_task.train_images).float() / 255

    objective.initialise(embed_all(encoder, inputs))

    def look() -> Look:
        codes = embed_all(encoder, inputs[:100])
        scores = objective.anomaly_score(codes).numpy()
        return Look(None, None, health(codes.numpy(), scores, objective.center.numpy(), True))

    reports = list(
        train(
            encoder,
            objective,
            inputs,
            torch.zeros(len(inputs), dtype=torch.int64),
            experiment=experiment,
            generator=torch.Generator().manual_seed(0),
            look=look,
        )
    )
    assert reports[0].health == SOUND
    assert "collapsed" in reports[-1].health
    assert reports[-1].loss < 1e-2 * reports[1].loss


def test_the_lenet_without_biases_does_not(zero_task):
    reports, detector = history(zero_task, epochs=20, learning_rate=0.01)
    assert isinstance(detector.encoder, MnistLeNet)
    assert reports[-1].health == SOUND
