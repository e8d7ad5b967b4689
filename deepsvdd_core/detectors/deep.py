"""Networks trained on an objective: Deep SVDD and its relatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from deepsvdd_core import library
from deepsvdd_core.detectors.base import Detector, Glance, check_images, look_up
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.networks import ENCODERS, best_device
from deepsvdd_core.objectives import OBJECTIVES
from deepsvdd_core.progress import OnStep, nothing
from deepsvdd_core.recording import Frame, Recorder
from deepsvdd_core.scaling import pixels_of
from deepsvdd_core.sphere import Centre, Sphere
from deepsvdd_core.tasks import OneClassTask
from deepsvdd_core.training import (
    EpochReport,
    Look,
    embed_all,
    health,
    pretrain,
    train,
)

MOST_FOR_RADIUS = 200  # training images the radius shown after each epoch is measured on


class DeepDetector(Detector, nn.Module):
    """Preprocessing, encoder and objective in one module, from raw pixels to anomaly score.

    The seed of the experiment fixes the initial weights and the order of the batches.

    Raises:
        ValueError: no such encoder or objective, or the two do not go together.
    """

    def __init__(self, experiment: Experiment, device: torch.device | None = None) -> None:
        nn.Module.__init__(self)
        self.experiment = experiment
        encoder_class = look_up(ENCODERS, experiment.encoder, "encoder")
        objective_class = look_up(OBJECTIVES, experiment.objective, "objective")
        if encoder_class.has_bias and not objective_class.needs_anomalies:
            raise ValueError(
                f"The network {experiment.encoder} has biases, with which {experiment.objective} "
                "collapses; choose a LeNet without them."
            )
        if experiment.augment and not encoder_class.preprocessing.keeps_pixels:
            raise ValueError(
                "Oriented gradients cannot be shifted and mirrored; leave augment out."
            )
        self.generator = torch.Generator().manual_seed(experiment.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(experiment.seed)
            self.shape = encoder_class.image_shape()
            self.encoder = encoder_class().to(memory_format=torch.channels_last)
            decoder = self.encoder.decoder()
            self.preprocessing = encoder_class.preprocessing(experiment.contrast_normalisation)
            self.objective = objective_class(self.encoder.embedding_dim, experiment)
        if decoder is None and (objective_class.reconstructs or objective_class.needs_pretraining):
            raise ValueError(
                f"The network {experiment.encoder} has no decoder, which {experiment.objective} "
                "needs; choose a LeNet."
            )
        if objective_class.reconstructs:
            self.objective.decoder = decoder.to(memory_format=torch.channels_last)
        self.decoder_for_training = [decoder]  # in a list: not part of the model
        self.to(device or best_device())

    @property
    def device(self) -> torch.device:
        return self.preprocessing.low.device

    @property
    def sphere(self) -> Sphere | None:
        return self.objective.sphere

    @property
    def centre(self) -> Centre | None:
        return self.objective.centre

    @property
    def fitted_threshold(self) -> float:
        return self.objective.threshold

    def pixels(self, images: np.ndarray) -> Tensor:
        """uint8 images (N, C, H, W) to float pixels in [0, 1] on the device.

        Raises:
            ValueError: when the images do not have the shape the encoder takes.
        """
        check_images(images, self.shape)
        return pixels_of(images, self.device)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1] (N, C, H, W) to anomaly scores (N,), differentiable."""
        inputs = self.preprocessing(pixels)
        return self.objective.anomaly_score(self.encoder(inputs), inputs)

    def embed_and_score(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float32 (N, d) and float64 (N,), scored in float64 so that close scores stay distinct."""
        check_images(images, self.shape)
        self.eval()
        codes = [np.empty((0, self.encoder.embedding_dim), np.float32)]
        scores = [np.empty(0)]
        with torch.inference_mode():
            for pixels in self.preprocessing.parts(images):
                inputs = self.preprocessing(pixels)
                codes.append((part := self.encoder(inputs)).cpu().numpy())
                scores.append(self.objective.anomaly_score(part.double(), inputs).cpu().numpy())
        return np.concatenate(codes), np.concatenate(scores)

    def embed(self, images: np.ndarray) -> np.ndarray:
        return self.embed_and_score(images)[0]

    def anomaly_score(self, images: np.ndarray) -> np.ndarray:
        return self.embed_and_score(images)[1]

    def learn_from(self, task: OneClassTask, *, on_step: OnStep = nothing) -> Iterator[EpochReport]:
        """Pre-train as an autoencoder where the objective asks for it, then train the objective."""
        if self.objective.needs_anomalies and not (task.semi_labels < 0).any():
            raise ValueError(
                f"{self.experiment.objective} learns from known anomalies; choose outlier "
                "exposure, a share of labelled anomalies, or spoilt copies."
            )
        if self.objective.needs_pretraining and not self.experiment.pretrain_epochs:
            raise ValueError(
                f"{self.experiment.objective} looks for clusters among the codes of an "
                "autoencoder; choose at least one epoch of pre-training."
            )
        check_images(task.train_images, self.shape)
        may_be_normal = task.train_images[task.semi_labels >= 0]
        self.preprocessing.fit(may_be_normal)
        used = task.semi_labels >= (-1 if self.objective.uses_labels else 0)
        inputs = self.preprocessing.whole(task.train_images[used])
        semi_labels = torch.from_numpy(task.semi_labels[used]).to(self.device)
        is_normal = semi_labels >= 0
        normal_inputs = inputs if is_normal.all() else inputs[is_normal]  # no copy of all
        masks = None
        if self.objective.uses_masks and task.masks is not None:
            masks = torch.from_numpy(task.masks[used]).to(self.device)
        glance = Glance(task, self.experiment.seed)
        look = self._looker(glance, may_be_normal)
        recorder = Recorder(glance.rows)

        def record(report: EpochReport) -> EpochReport:
            seen = (report.stage, report.epoch, report.loss, report.auroc)
            recorder.add(Frame(*seen, glance.embeddings, self.sphere))
            return report

        self.objective.initialise(embed_all(self.encoder, normal_inputs))
        start = look()._replace(health="sound")
        yield record(EpochReport("before training", 0, 0, None, *start))
        decoder = self.decoder_for_training[0]
        common = {"experiment": self.experiment, "generator": self.generator, "on_step": on_step}
        if self.objective.pretrains and decoder is not None and self.experiment.pretrain_epochs:
            decoder = decoder.to(self.device, memory_format=torch.channels_last)
            yield from pretrain(self.encoder, decoder, normal_inputs, **common)
            self.objective.initialise(embed_all(self.encoder, normal_inputs))
        reports = train(
            self.encoder, self.objective, inputs, semi_labels, look=look, masks=masks, **common
        )
        for report in reports:
            yield record(report)
        codes, scores = self.embed_and_score(may_be_normal)
        self.objective.settle(scores, torch.from_numpy(codes).to(self.device))
        recorder.settle(self.sphere)
        self.recording = recorder.recording()

    def twin(self, kept: np.ndarray) -> Self:
        twin = super().twin(kept)
        twin.objective.take_after(self.objective, kept)
        return twin

    def _looker(self, glance: Glance, may_be_normal: np.ndarray) -> Callable[[], Look]:
        """The quick look after each epoch: radius, AUROC and health on a few fixed images.

        It leaves their codes in `glance.embeddings`.
        """
        few = may_be_normal[:: max(1, len(may_be_normal) // MOST_FOR_RADIUS)]
        start = [weight.detach().clone() for weight in self.encoder.parameters()]

        def look() -> Look:
            codes, scores = self.embed_and_score(glance.images)
            glance.embeddings = codes
            if self.sphere is not None and not self.objective.moves_radius:
                few_codes, few_scores = self.embed_and_score(few)
                self.objective.settle(few_scores, torch.from_numpy(few_codes).to(self.device))
            radius = None if self.sphere is None else float(self.sphere.radii.mean())
            center = None
            if self.sphere is not None and not self.objective.needs_anomalies:
                center = np.abs(self.sphere.centers).max(axis=0)
            moved = any(
                not torch.equal(weight, before)
                for weight, before in zip(self.encoder.parameters(), start, strict=True)
            )
            several = self.objective.moves_radius and len(self.sphere.radii) > 1
            radii = tuple(self.sphere.radii.tolist()) if several else ()
            return Look(radius, glance.auroc(scores), health(codes, scores, center, moved), radii)

        return look

    def contents(self) -> tuple[dict, dict[str, np.ndarray]]:
        return {}, {name: value.cpu().numpy() for name, value in self.state_dict().items()}

    @classmethod
    def restore(cls, experiment: Experiment, model: library.ModelFile) -> Self:
        detector = cls(experiment)
        state = {name: torch.from_numpy(value) for name, value in model.tensors.items()}
        detector.load_state_dict(state)
        return detector.eval()
