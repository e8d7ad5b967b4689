"""Models of how normal images come about; what they make unlikely is strange."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

import numpy as np
import torch
import zuko
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.nn import functional

from deepsvdd_core import library
from deepsvdd_core.detectors.base import Detector, Glance, check_images, look_up
from deepsvdd_core.evaluation import upper_threshold
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.networks import ENCODERS, SLOPE, best_device
from deepsvdd_core.progress import OnStep, nothing
from deepsvdd_core.scaling import pixels_of
from deepsvdd_core.tasks import OneClassTask
from deepsvdd_core.training import SCORING_BATCH, EpochReport, batches, health, minimise


class GenerativeDetector(Detector, nn.Module):
    """Base: networks on pixels in [0, 1], trained on normal images, scored in batches.

    The image shape is that of the encoder the experiment names.
    """

    def __init__(self, experiment: Experiment) -> None:
        nn.Module.__init__(self)
        self.experiment = experiment
        encoder_class = look_up(ENCODERS, experiment.encoder, "encoder")
        if not encoder_class.preprocessing.keeps_pixels:
            raise ValueError(
                f"{experiment.detector} learns pixels, at which the network {experiment.encoder} "
                "does not look; choose a LeNet."
            )
        self.shape = encoder_class.image_shape()
        self.generator = torch.Generator().manual_seed(experiment.seed)
        self.register_buffer("threshold_score", torch.tensor(0.0, dtype=torch.float64))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(experiment.seed)
            self.build(encoder_class)
        self.to(best_device())

    def build(self, encoder_class: type) -> None:
        """Make the networks."""
        raise NotImplementedError

    def learn(self, pixels: Tensor, on_step: OnStep) -> Iterator[float]:
        """Train on pixels (N, C, H, W); yields the loss of each epoch."""
        raise NotImplementedError

    def code_and_score(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (N, d) and anomaly scores (N,) of pixels."""
        raise NotImplementedError

    @property
    def fitted_threshold(self) -> float:
        return float(self.threshold_score)

    def pixels(self, images: np.ndarray) -> Tensor:
        """uint8 images to float pixels in [0, 1] on the device; checks their shape."""
        check_images(images, self.shape)
        return pixels_of(images, self.threshold_score.device)

    def embed_and_score(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.eval()
        check_images(images, self.shape)
        parts = [images[i : i + SCORING_BATCH] for i in range(0, len(images), SCORING_BATCH)]
        both = [self.code_and_score(self.pixels(part)) for part in parts]
        if not both:
            return np.empty((0, 1), np.float32), np.empty(0)
        codes, scores = (torch.cat([pair[side] for pair in both]) for side in (0, 1))
        return codes.detach().cpu().numpy(), scores.detach().double().cpu().numpy()

    def embed(self, images: np.ndarray) -> np.ndarray:
        return self.embed_and_score(images)[0]

    def anomaly_score(self, images: np.ndarray) -> np.ndarray:
        return self.embed_and_score(images)[1]

    def learn_from(self, task: OneClassTask, *, on_step: OnStep = nothing) -> Iterator[EpochReport]:
        """Train, then place the threshold; the AUROC is measured once, in the end."""
        normal = task.train_images[task.semi_labels >= 0]
        epochs = self.experiment.epochs
        for epoch, loss in enumerate(self.learn(self.pixels(normal), on_step), start=1):
            yield EpochReport("training", epoch, epochs, loss, None, None)
        scores = self.anomaly_score(normal)
        self.threshold_score.fill_(upper_threshold(scores, self.experiment.nu))
        glance = Glance(task, self.experiment.seed)
        codes, scores = self.embed_and_score(glance.images)
        state = health(codes, scores, None, moved=True)
        yield EpochReport("training", epochs, epochs, loss, None, glance.auroc(scores), state)

    def minimised(
        self, loss_of: Callable[[Tensor], Tensor], count: int, on_step: OnStep
    ) -> Iterator[float]:
        """The schedule of the experiment on all of this module's parameters."""
        return minimise(
            loss_of,
            [self],
            count=count,
            epochs=self.experiment.epochs,
            learning_rate=self.experiment.learning_rate,
            weight_decay=self.experiment.weight_decay,
            experiment=self.experiment,
            generator=self.generator,
            on_step=on_step,
        )

    def contents(self) -> tuple[dict, dict[str, np.ndarray]]:
        return {}, {name: value.cpu().numpy() for name, value in self.state_dict().items()}

    @classmethod
    def restore(cls, experiment: Experiment, model: library.ModelFile) -> Self:
        detector = cls(experiment)
        state = {name: torch.from_numpy(value) for name, value in model.tensors.items()}
        detector.load_state_dict(state)
        return detector.eval()


class VAE(GenerativeDetector):
    """Variational autoencoder: minus the reconstruction probability.

    An and Cho, 2015: minus the mean log likelihood of the image over eight draws of its code. The
    draws are the same for every image, so a score does not depend on the others. Gaussian pixels
    with one learned variance each.
    """

    draws = 8

    def build(self, encoder_class: type) -> None:
        self.encoder = encoder_class()
        dimension = self.encoder.embedding_dim
        self.decoder = self.encoder.decoder()
        if self.decoder is None:
            raise ValueError("A VAE needs a network that has a decoder; choose a LeNet.")
        self.head = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Linear(dimension, 2 * dimension))
        self.log_variance = nn.Parameter(torch.full(self.shape, -2.0))
        self.register_buffer("noise", torch.randn(self.draws, dimension))

    def distribution(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (N, d) of the codes."""
        mean, log_variance = self.head(self.encoder(pixels)).chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 10)

    def log_likelihood(self, pixels: Tensor, codes: Tensor) -> Tensor:
        """(N,): of the images given codes, up to a constant."""
        variance = self.log_variance.clamp_min(
            -6
        ).exp()  # a pixel that is always black stays finite
        error = (pixels - self.decoder(codes)).square() / variance + variance.log()
        return -error.sum(dim=(1, 2, 3)) / 2

    def learn(self, pixels: Tensor, on_step: OnStep) -> Iterator[float]:
        """Minimise the negative evidence lower bound."""

        def loss_of(rows: Tensor) -> Tensor:
            mean, log_variance = self.distribution(pixels[rows])
            noise = torch.randn(mean.shape, generator=self.generator).to(mean)
            codes = mean + (log_variance / 2).exp() * noise
            divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
            return (divergence - self.log_likelihood(pixels[rows], codes)).mean()

        return self.minimised(loss_of, len(pixels), on_step)

    def code_and_score(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            mean, log_variance = self.distribution(pixels)
            deviation = (log_variance / 2).exp()
            chances = [self.log_likelihood(pixels, mean + deviation * n) for n in self.noise]
            return mean, -torch.stack(chances).mean(dim=0)


class RealNVP(GenerativeDetector):
    """Normalising flow on principal components: minus the log density.

    Dinh et al., 2017, by the package zuko: affine coupling layers on the whitened leading
    components of the pixels, and the squared distance to their subspace as one more coordinate.
    """

    components = 32
    transforms = 6

    def build(self, encoder_class: type) -> None:
        size = int(np.prod(self.shape))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("directions", torch.zeros(self.components, size))
        self.register_buffer("center", torch.zeros(self.components + 1))
        self.register_buffer("scale", torch.ones(self.components + 1))
        self.flow = zuko.flows.RealNVP(
            self.components + 1, transforms=self.transforms, hidden_features=(128, 128)
        )

    def reduce(self, pixels: Tensor) -> Tensor:
        """Components and log distance to their subspace, (N, components + 1), standardised."""
        centered = pixels.flatten(1) - self.mean
        inside = centered @ self.directions.T
        rest = centered.square().sum(dim=1) - inside.square().sum(dim=1)
        raw = torch.cat([inside, torch.log(rest.clamp_min(1e-3))[:, None]], dim=1)
        return (raw - self.center) / self.scale

    def learn(self, pixels: Tensor, on_step: OnStep) -> Iterator[float]:
        """Fit the components, then minimise the mean negative log density."""
        count = min(self.components, len(pixels) - 1)
        pca = PCA(count, random_state=self.experiment.seed).fit(pixels.flatten(1).cpu().numpy())
        self.mean.copy_(torch.from_numpy(pca.mean_))
        self.directions[:count] = torch.from_numpy(pca.components_).to(self.directions)
        vectors = self.reduce(pixels)
        self.center.copy_(vectors.mean(dim=0))
        self.scale.copy_(vectors.std(dim=0).clamp_min(1e-3))
        vectors = self.reduce(pixels)
        return self.minimised(
            lambda rows: -self.flow().log_prob(vectors[rows]).mean(), len(pixels), on_step
        )

    def code_and_score(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            vectors = self.reduce(pixels).clamp(-50, 50)  # beyond, the flow would overflow
            return self.flow().transform(vectors), -self.flow().log_prob(vectors)


class AnoGAN(GenerativeDetector):
    """GAN: how far an image is from the nearest one its generator can make.

    Schlegl et al., 2017, with a small DCGAN and a code of 256 numbers (thesis 2.2.4). The code is
    searched by gradient steps from the origin; the score is the absolute difference of the pixels
    plus a tenth of that of the discriminator's features.
    """

    code_length = 256
    search_steps = 40
    search_rate = 0.1
    feature_weight = 0.1

    def build(self, encoder_class: type) -> None:
        channels, side, _ = self.shape
        self.generate = nn.Sequential(
            nn.Linear(self.code_length, 64 * (side // 4) ** 2, bias=False),
            nn.Unflatten(1, (64, side // 4, side // 4)),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.ConvTranspose2d(32, channels, 4, 2, 1),
            nn.Sigmoid(),
        )
        self.features = nn.Sequential(
            nn.Conv2d(channels, 32, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, 2, 1, bias=False),
            nn.BatchNorm2d(64),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        self.judge = nn.Linear(64 * (side // 4) ** 2, 1)

    def learn(self, pixels: Tensor, on_step: OnStep) -> Iterator[float]:
        """Train both networks in turn; the loss yielded is the generator's."""
        rate, betas = 2e-4, (0.5, 0.999)  # of DCGAN
        judging = [*self.features.parameters(), *self.judge.parameters()]
        judge_steps = torch.optim.Adam(judging, lr=rate, betas=betas)
        maker_steps = torch.optim.Adam(self.generate.parameters(), lr=rate, betas=betas)
        entropy = functional.binary_cross_entropy_with_logits
        for _ in range(self.experiment.epochs):
            self.train()
            total = torch.zeros((), device=pixels.device)
            for rows in batches(len(pixels), self.experiment.batch_size, self.generator):
                codes = torch.randn(len(rows), self.code_length, generator=self.generator)
                made = self.generate(codes.to(pixels))
                judge_steps.zero_grad(set_to_none=True)
                real, fake = (
                    self.judge(self.features(images))
                    for images in (pixels[rows.to(pixels.device)], made.detach())
                )
                loss = entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake))
                loss.backward()
                judge_steps.step()
                maker_steps.zero_grad(set_to_none=True)
                judged = self.judge(self.features(made))
                maker_loss = entropy(judged, torch.ones_like(judged))
                maker_loss.backward()
                maker_steps.step()
                total += maker_loss.detach() * len(rows)
                on_step()
            yield float(total) / len(pixels)

    def code_and_score(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        codes = torch.zeros(len(pixels), self.code_length, device=pixels.device, requires_grad=True)
        optimiser = torch.optim.Adam([codes], lr=self.search_rate)
        with torch.no_grad():
            wanted = self.features(pixels)
        for _ in range(self.search_steps):
            optimiser.zero_grad()
            (gradient,) = torch.autograd.grad(self._distance(pixels, wanted, codes).sum(), codes)
            codes.grad = gradient
            optimiser.step()
        with torch.no_grad():
            return codes.detach(), self._distance(pixels, wanted, codes)

    def _distance(self, pixels: Tensor, wanted: Tensor, codes: Tensor) -> Tensor:
        made = self.generate(codes)
        residual = (made - pixels).abs().sum(dim=(1, 2, 3))
        difference = (self.features(made) - wanted).abs().sum(dim=1)
        return (1 - self.feature_weight) * residual + self.feature_weight * difference
