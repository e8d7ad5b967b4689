"""Train networks on tensors, as generators: one report per epoch, stopped by not asking on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from deepsvdd_core.experiment import Experiment
from deepsvdd_core.objectives import OneClass

SCORING_BATCH = 500  # larger batches are slower on CPUs


class EpochReport(NamedTuple):
    """What one epoch did. auroc is a fraction, None where it is not defined or not measured."""

    stage: str  # "before training", "pre-training" or "training"
    epoch: int  # 0 = nothing learned in this stage yet
    epochs: int
    loss: float | None
    radius: float | None
    auroc: float | None


def nothing() -> None:
    """The default `on_step`: a step goes by unnoticed."""


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Shuffled index tensors that cover 0 to count - 1 once; none of them has length one."""
    order = torch.randperm(count, generator=generator)
    # Batch norm cannot train on a single image, so a left-over image joins the last full batch.
    sizes = [size] * (count // size)
    rest = count % size
    if rest == 1 and sizes:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return iter(order.split(sizes))


def minimise(
    loss_of: Callable[[Tensor], Tensor],
    modules: list[nn.Module],
    *,
    count: int,
    epochs: int,
    learning_rate: float,
    weight_decay: float,
    experiment: Experiment,
    generator: torch.Generator,
    on_step: Callable[[], None],
) -> Iterator[float]:
    """Adam with one tenfold drop of the learning rate; yields the mean loss of each epoch.

    loss_of: index tensor of a batch to its mean loss. on_step is called after every step and may
    raise to stop. Raises ValueError when the loss is no longer finite.
    """
    parameters = [p for module in modules for p in module.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=learning_rate, weight_decay=weight_decay)
    drop = max(1, round(experiment.milestone * epochs))
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [drop], gamma=0.1)
    device = parameters[0].device
    for _ in range(epochs):
        total = torch.zeros((), device=device)
        for module in modules:
            module.train()
        for rows in batches(count, experiment.batch_size, generator):
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of(rows.to(device))
            loss.backward()
            optimiser.step()
            total += loss.detach() * len(rows)
            on_step()
        schedule.step()
        mean = float(total) / count  # the only wait for the device in an epoch
        if not math.isfinite(mean):
            raise ValueError("The loss is no longer finite; choose a smaller learning rate.")
        yield mean


def embed_all(encoder: nn.Module, inputs: Tensor) -> Tensor:
    """Evaluation-mode embeddings (N, d) of preprocessed inputs (N, C, H, W)."""
    encoder.eval()
    with torch.inference_mode():
        return torch.cat([encoder(part) for part in inputs.split(SCORING_BATCH)])


def pretrain(
    encoder: nn.Module,
    decoder: nn.Module,
    inputs: Tensor,
    *,
    experiment: Experiment,
    generator: torch.Generator,
    on_step: Callable[[], None] = nothing,
) -> Iterator[EpochReport]:
    """Train encoder and decoder to reproduce the inputs (squared error summed over an image)."""

    def reconstruction_error(rows: Tensor) -> Tensor:
        batch = inputs[rows]
        return (decoder(encoder(batch)) - batch).square().sum(dim=(1, 2, 3)).mean()

    epochs = experiment.pretrain_epochs
    losses = minimise(
        reconstruction_error,
        [encoder, decoder],
        count=len(inputs),
        epochs=epochs,
        learning_rate=experiment.pretrain_learning_rate,
        weight_decay=experiment.pretrain_weight_decay,
        experiment=experiment,
        generator=generator,
        on_step=on_step,
    )
    for epoch, loss in enumerate(losses, start=1):
        yield EpochReport("pre-training", epoch, epochs, loss, None, None)


def train(
    encoder: nn.Module,
    objective: OneClass,
    inputs: Tensor,
    semi_labels: Tensor,
    *,
    experiment: Experiment,
    generator: torch.Generator,
    test_auroc: Callable[[], float | None],
    on_step: Callable[[], None] = nothing,
) -> Iterator[EpochReport]:
    """Place the centre, then train the encoder on the objective; the radius follows.

    test_auroc is only shown, never used to choose anything.
    """
    epochs = experiment.epochs
    objective.initialise(embed_all(encoder, inputs))
    yield EpochReport("training", 0, epochs, None, float(objective.radius), test_auroc())

    warm_up = min(objective.warm_up, epochs // 2)
    losses = minimise(
        lambda rows: objective(encoder(inputs[rows]), semi_labels[rows]),
        [encoder, objective],
        count=len(inputs),
        epochs=epochs,
        learning_rate=experiment.learning_rate,
        weight_decay=experiment.weight_decay,
        experiment=experiment,
        generator=generator,
        on_step=on_step,
    )
    for epoch, loss in enumerate(losses, start=1):
        if epoch > warm_up:
            objective.update_radius(embed_all(encoder, inputs))
        yield EpochReport("training", epoch, epochs, loss, float(objective.radius), test_auroc())
