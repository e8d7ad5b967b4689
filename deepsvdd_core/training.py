"""Train networks on tensors, as generators: one report per epoch, stopped by not asking on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepsvdd_core.experiment import Experiment
from deepsvdd_core.objectives import Objective
from deepsvdd_core.progress import OnStep, nothing

SOUND = "sound"
SCORING_BATCH = 500  # larger batches are slower on CPUs


class Look(NamedTuple):
    """How a detector stands, seen on few images.

    radius in embedding units, of several spheres the mean, auroc a fraction; None where they are
    not defined. radii (K,): of several spheres that move by themselves.
    """

    radius: float | None
    auroc: float | None
    health: str = SOUND  # or a sentence on what is wrong
    radii: tuple[float, ...] = ()


class EpochReport(NamedTuple):
    """What one epoch did. None where a figure is not defined or not measured; see `Look`."""

    stage: str  # "before training", "pre-training", "training" or "fitting"
    epoch: int  # 0 = nothing learned in this stage yet
    epochs: int
    loss: float | None
    radius: float | None
    auroc: float | None
    health: str = SOUND
    radii: tuple[float, ...] = ()


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


def schedule_of(
    optimiser: torch.optim.Optimizer, epochs: int, experiment: Experiment
) -> torch.optim.lr_scheduler.LRScheduler:
    """One tenfold drop of the learning rate, or half a cosine down to zero."""
    if experiment.decay == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    drop = max(1, round(experiment.milestone * epochs))
    return torch.optim.lr_scheduler.MultiStepLR(optimiser, [drop], gamma=0.1)


def shift_and_mirror(images: Tensor, generator: torch.Generator, most: int = 4) -> Tensor:
    """Images (N, C, H, W), each moved by up to `most` pixels and mirrored with probability 1/2."""
    count, _, height, width = images.shape
    padded = nn.functional.pad(images, [most] * 4).permute(0, 2, 3, 1)
    top, left = torch.randint(2 * most + 1, (2, count, 1), generator=generator)
    columns = torch.arange(width).expand(count, width)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    rows = (torch.arange(height) + top)[:, :, None].to(images.device)
    columns = (torch.where(mirrored, columns.flip(1), columns) + left)[:, None].to(images.device)
    which = torch.arange(count, device=images.device)[:, None, None]
    return padded[which, rows, columns].permute(0, 3, 1, 2)


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
    on_step: OnStep,
) -> Iterator[float]:
    """Adam with a decaying learning rate; yields the mean loss of each epoch.

    loss_of: index tensor of a batch to its mean loss. on_step is called after every step and may
    raise to stop. Raises ValueError when the loss is no longer finite.
    """
    parameters = [p for module in modules for p in module.parameters()]
    optimiser = torch.optim.Adam(
        parameters, lr=learning_rate, weight_decay=weight_decay, fused=True
    )
    schedule = schedule_of(optimiser, epochs, experiment)
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


def layer_products(experiment: Experiment, device: torch.device) -> torch.autocast:
    """The context in which layers are computed in the precision of the experiment."""
    reduced = experiment.precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=reduced)


def pretrain(
    encoder: nn.Module,
    decoder: nn.Module,
    inputs: Tensor,
    *,
    experiment: Experiment,
    generator: torch.Generator,
    on_step: OnStep = nothing,
) -> Iterator[EpochReport]:
    """Train encoder and decoder to reproduce the inputs (squared error summed over an image)."""

    def reconstruction_error(rows: Tensor) -> Tensor:
        batch = inputs[rows]
        with layer_products(experiment, batch.device):
            rebuilt = decoder(encoder(batch))
        return (rebuilt.float() - batch).square().sum(dim=(1, 2, 3)).mean()

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
    objective: Objective,
    inputs: Tensor,
    semi_labels: Tensor,
    *,
    experiment: Experiment,
    generator: torch.Generator,
    look: Callable[[], Look],
    masks: Tensor | None = None,
    on_step: OnStep = nothing,
) -> Iterator[EpochReport]:
    """Train encoder and objective; the objective is initialised already.

    look: shown after each epoch, never used to choose anything; before the first it says nothing
    of health. masks: the anomalous pixels
    (N, H, W) bool, for an objective that uses them.
    """
    epochs = experiment.epochs
    yield EpochReport("training", 0, epochs, None, *look()._replace(health=SOUND))

    def loss_of(rows: Tensor) -> Tensor:
        batch = inputs[rows]
        known = {} if masks is None else {"masks": masks[rows]}
        if objective.clusters is not None:
            known["clusters"] = objective.clusters[rows]
        if experiment.augment and masks is None:
            batch = shift_and_mirror(batch, generator)
        elif experiment.augment:
            together = torch.cat([batch, known["masks"][:, None].to(batch.dtype)], dim=1)
            batch, moved = shift_and_mirror(together, generator).split([batch.shape[1], 1], dim=1)
            known["masks"] = moved[:, 0] > 0
        with layer_products(experiment, batch.device):
            codes = encoder(batch)
        return objective(codes.float(), semi_labels[rows], batch, **known)

    warm_up = min(objective.warm_up, epochs // 2)
    losses = minimise(
        loss_of,
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
        if objective.moves_radius and epoch > warm_up:
            objective.update_radius(embed_all(encoder, inputs)[semi_labels >= 0])
        yield EpochReport("training", epoch, epochs, loss, *look())


def health(codes: np.ndarray, scores: np.ndarray, center: np.ndarray | None, moved: bool) -> str:
    """SOUND, or a sentence when a network has collapsed or does not learn.

    codes (N, d) and scores (N,) of different images; center (d,) of a hypersphere that is not
    trained away from anomalies; moved: whether any weight has changed since the start.
    """
    if not moved:
        return "The weights do not change: nothing is learned."
    spread = codes.var(axis=0).mean()
    if not spread > 1e-4 * np.square(codes).mean():
        return "The network has collapsed: it gives all images the same code."
    if len(np.unique(scores)) < len(scores) / 2:
        return f"{len(scores)} images get only {len(np.unique(scores))} different scores."
    if center is not None and np.abs(center).max() < 1e-2:
        return "The centre is at the origin, which weights of zero reach for every image."
    return SOUND
