"""The one contract: fit on a task, then score, embed and save; higher scores are stranger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepsvdd_core import library
from deepsvdd_core.evaluation import auroc
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.networks import ENCODERS, Preprocessing
from deepsvdd_core.objectives import OBJECTIVES
from deepsvdd_core.tasks import OneClassTask
from deepsvdd_core.training import (
    SCORING_BATCH,
    EpochReport,
    embed_all,
    nothing,
    pretrain,
    train,
)


class Sphere(NamedTuple):
    """centers (K, d) float32 and radii (K,) float64, in embedding units."""

    centers: np.ndarray
    radii: np.ndarray


def best_device() -> torch.device:
    """The GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def look_up(table: dict[str, type], name: str, what: str) -> type:
    """The entry of a table. Raises ValueError that lists the names there are."""
    if name not in table:
        raise ValueError(f"There is no {what} {name}; choose from {', '.join(table)}.")
    return table[name]


class DeepDetector(nn.Module):
    """Preprocessing, encoder and objective in one module, from raw pixels to anomaly score.

    The seed of the experiment fixes the initial weights and the order of the batches.
    """

    def __init__(self, experiment: Experiment, device: torch.device | None = None) -> None:
        super().__init__()
        self.experiment = experiment
        encoder_class = look_up(ENCODERS, experiment.encoder, "encoder")
        objective_class = look_up(OBJECTIVES, experiment.objective, "objective")
        self.generator = torch.Generator().manual_seed(experiment.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(experiment.seed)
            self.encoder = encoder_class().to(memory_format=torch.channels_last)
            self.decoder_for_training = [self.encoder.decoder()]  # in a list: not part of the model
        self.preprocessing = Preprocessing(experiment.contrast_normalisation)
        self.objective = objective_class(self.encoder.embedding_dim, experiment.nu)
        self.to(device or best_device())

    @property
    def device(self) -> torch.device:
        return self.objective.center.device

    @property
    def sphere(self) -> Sphere:
        return Sphere(
            self.objective.center.cpu().numpy()[None],
            np.array([float(self.objective.radius)]),
        )

    @property
    def threshold(self) -> float:
        """The score above which an image is called anomalous; from training images only."""
        return self.objective.threshold

    def pixels(self, images: np.ndarray) -> Tensor:
        """uint8 images (N, C, H, W) to float pixels in [0, 1] on the device.

        Raises:
            ValueError: when the images do not have the shape the encoder takes.
        """
        shape = self.encoder.input_shape
        if images.ndim != 4 or images.shape[1:] != shape or images.dtype != np.uint8:
            raise ValueError(
                f"This model takes uint8 images of shape {shape} (channels, height, width), "
                f"got {images.dtype} {tuple(images.shape[1:])}."
            )
        return torch.tensor(np.ascontiguousarray(images), device=self.device).float() / 255

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1] (N, C, H, W) to anomaly scores (N,), differentiable."""
        return self.objective.anomaly_score(self.encoder(self.preprocessing(pixels)))

    def embed(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, C, H, W) to float32 (N, d); an image's row does not depend on the others."""
        self.eval()
        parts = [np.empty((0, self.encoder.embedding_dim), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(images), SCORING_BATCH):
                pixels = self.pixels(images[start : start + SCORING_BATCH])
                parts.append(self.encoder(self.preprocessing(pixels)).cpu().numpy())
        return np.concatenate(parts)

    def score_embeddings(self, embeddings: np.ndarray) -> np.ndarray:
        """float32 (N, d) to float64 (N,). In float64, so that close scores stay distinct."""
        with torch.inference_mode():
            codes = torch.from_numpy(embeddings).to(self.device).double()
            return self.objective.anomaly_score(codes).cpu().numpy()

    def anomaly_score(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, C, H, W) to float64 (N,); higher is stranger, batch-independent."""
        return self.score_embeddings(self.embed(images))

    def fit(
        self, task: OneClassTask, *, on_step: Callable[[], None] = nothing
    ) -> Iterator[EpochReport]:
        """Pre-train as an autoencoder, then train the objective; yields one report per epoch.

        on_step is called after every optimiser step and may raise to stop the training.
        """
        pixels = self.pixels(task.train_images)
        self.preprocessing.fit(pixels)
        inputs = self.preprocessing(pixels).contiguous(memory_format=torch.channels_last)
        semi_labels = torch.from_numpy(task.semi_labels).to(self.device)
        decoder = self.decoder_for_training[0].to(self.device)
        for network in (self.encoder, decoder):
            network.to(memory_format=torch.channels_last)

        def test_auroc() -> float | None:
            return auroc(self.anomaly_score(task.test_images), task.is_anomaly)

        self.objective.initialise(embed_all(self.encoder, inputs))
        radius = float(self.objective.radius)
        yield EpochReport("before training", 0, 0, None, radius, test_auroc())
        yield from pretrain(
            self.encoder,
            decoder,
            inputs,
            experiment=self.experiment,
            generator=self.generator,
            on_step=on_step,
        )
        yield from train(
            self.encoder,
            self.objective,
            inputs,
            semi_labels,
            experiment=self.experiment,
            generator=self.generator,
            test_auroc=test_auroc,
            on_step=on_step,
        )
        self.eval()

    def save(self, path: Path, provenance: dict | None = None) -> None:
        """Write one safetensors file: all tensors, the experiment, and where it came from."""
        tensors = {
            name: np.asarray(value.cpu().numpy(), order="C")
            for name, value in self.state_dict().items()
        }
        header = {"detector": "deep", "experiment": self.experiment.to_dict()}
        library.write(path, {**header, "provenance": provenance or {}}, tensors)

    @classmethod
    def load(cls, path: Path, device: torch.device | None = None) -> DeepDetector:
        """The inverse of `save`.

        Raises:
            ValueError: one sentence, when the file is not a complete model of this kind.
        """
        model = library.read(path)
        if model.header["detector"] != "deep":
            raise ValueError(
                f"{path.name} holds a {model.header['detector']!r} model, not a deep one."
            )
        detector = cls(Experiment.from_dict(model.header["experiment"]), device)
        state = {name: torch.from_numpy(value) for name, value in model.tensors.items()}
        expected = {name: value.shape for name, value in detector.state_dict().items()}
        if {name: value.shape for name, value in state.items()} != expected:
            raise ValueError(
                f"{path.name} does not hold the weights of a {detector.experiment.encoder} network."
            )
        detector.load_state_dict(state)
        return detector.eval()


DETECTORS: dict[str, type[DeepDetector]] = {"deep": DeepDetector}


def load(path: Path) -> DeepDetector:
    """Read a model file of any kind. Raises ValueError with one sentence when it is not one."""
    kind = library.read(path).header["detector"]
    return look_up(DETECTORS, kind, "detector").load(path)
