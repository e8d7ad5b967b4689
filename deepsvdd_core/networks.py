"""Turn images into embeddings: the thesis' LeNets, and their mirror decoders."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from deepsvdd_core.layers import filter_doubled, filter_in_squares, pool_then_normalise
from deepsvdd_core.oriented_gradients import DIRECTIONS, OrientedGradients
from deepsvdd_core.scaling import Preprocessing

SLOPE = 0.1  # leakiness of every leaky ReLU (thesis section 2.2.4)
BATCH_NORM_EPS = 1e-4  # as in the authors' public code
FEW_FILTERS = 4  # up to so many are faster in squares; 7 are slower


def best_device() -> torch.device:
    """The GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def convolution(channels_in: int, channels_out: int, *, bias: bool = False) -> list[nn.Module]:
    """One LeNet module: halves height and width."""
    # Without bias by default: with one, the network can map every image to the centre and reach
    # zero loss (thesis Proposition 2). Batch norm keeps no shift of its own for the same reason.
    # The activation is monotone, so pooling before it gives the same values with a quarter of the
    # work.
    return [
        nn.Conv2d(channels_in, channels_out, 5, padding=2, bias=bias),
        nn.BatchNorm2d(channels_out, eps=BATCH_NORM_EPS, affine=bias),
        nn.MaxPool2d(2),
        nn.LeakyReLU(SLOPE),
    ]


def deconvolution(channels_in: int, channels_out: int, padding: int = 2) -> list[nn.Module]:
    """The mirror of `convolution`: doubles height and width, then filters."""
    return [
        nn.LeakyReLU(SLOPE),
        nn.Upsample(scale_factor=2),
        nn.ConvTranspose2d(channels_in, channels_out, 5, padding=padding, bias=False),
        nn.BatchNorm2d(channels_out, eps=BATCH_NORM_EPS, affine=False),
    ]


def _uses_batch(layer: nn.Module) -> bool:
    """Whether it normalises by the statistics of the images at hand."""
    return isinstance(layer, nn.BatchNorm2d) and layer.training


class Decoder(nn.Sequential):
    """Embeddings to images in [0, 1], layer by layer; doubling and filtering in one step."""

    def forward(self, codes: Tensor) -> Tensor:
        layers = iter(self)
        for layer in layers:
            doubles = isinstance(layer, nn.Upsample)
            codes = filter_doubled(codes, next(layers)) if doubles else layer(codes)
        return codes


class Encoder(nn.Sequential):
    """Images (N, *input_shape) to embeddings (N, embedding_dim).

    Training on a CPU takes a shorter way to the same values, on which hooks of single layers do not
    fire.
    """

    input_shape: tuple[int, int, int]
    embedding_dim: int
    has_bias = False  # only for objectives that know anomalies; others would collapse
    preprocessing: type[Preprocessing] = Preprocessing  # what makes its inputs of pixels

    def forward(self, images: Tensor) -> Tensor:
        # Without biases all modules are as in `convolution`: pooling follows batch norm, which has
        # no factor that could reverse the order of pixels.
        if self.has_bias or not self.training or images.device.type != "cpu":
            return super().forward(images)
        layers = iter(self)
        for layer in layers:
            if isinstance(layer, nn.Conv2d) and layer.out_channels <= FEW_FILTERS:
                images = filter_in_squares(images, layer)
            elif _uses_batch(layer) and images.dtype == layer.running_mean.dtype:
                images = pool_then_normalise(images, layer)
                next(layers)  # the pooling
            else:
                images = layer(images)
        return images

    @classmethod
    def image_shape(cls) -> tuple[int, int, int]:
        """(C, H, W) of the images whose preprocessing gives its inputs."""
        return cls.input_shape

    def decoder(self) -> Decoder | None:
        """The mirror network, where there is one."""
        return None


class MnistLeNet(Encoder):
    """LeNet with 8 and 4 filters and a 32-unit code, for 28x28 grey images (thesis 2.2.4)."""

    input_shape = (1, 28, 28)
    embedding_dim = 32

    def __init__(self) -> None:
        super().__init__(
            *convolution(1, 8),
            *convolution(8, 4),
            nn.Flatten(),
            nn.Linear(4 * 7 * 7, 32, bias=False),
        )

    def decoder(self) -> Decoder:
        return Decoder(
            nn.Unflatten(1, (2, 4, 4)),
            *deconvolution(2, 4),
            *deconvolution(4, 8, padding=3),  # 16 to 14
            nn.LeakyReLU(SLOPE),
            nn.Upsample(scale_factor=2),
            nn.ConvTranspose2d(8, 1, 5, padding=2, bias=False),
            nn.Sigmoid(),
        )


class FashionLeNet(Encoder):
    """LeNet with 16 and 32 filters and 64 and 32 units, for 28x28 grey images (thesis B.1.1)."""

    input_shape = (1, 28, 28)
    embedding_dim = 32

    def __init__(self) -> None:
        super().__init__(
            *convolution(1, 16),
            *convolution(16, 32),
            nn.Flatten(),
            nn.Linear(32 * 7 * 7, 64, bias=False),
            nn.BatchNorm1d(64, eps=BATCH_NORM_EPS, affine=False),
            nn.LeakyReLU(SLOPE),
            nn.Linear(64, 32, bias=False),
        )

    def decoder(self) -> Decoder:
        return Decoder(
            nn.Linear(32, 64, bias=False),
            nn.BatchNorm1d(64, eps=BATCH_NORM_EPS, affine=False),
            nn.LeakyReLU(SLOPE),
            nn.Linear(64, 32 * 7 * 7, bias=False),
            nn.Unflatten(1, (32, 7, 7)),
            *deconvolution(32, 16),
            nn.LeakyReLU(SLOPE),
            nn.Upsample(scale_factor=2),
            nn.ConvTranspose2d(16, 1, 5, padding=2, bias=False),
            nn.Sigmoid(),
        )


class CifarLeNet(Encoder):
    """LeNet with 32, 64 and 128 filters and a 128-unit code, for 32x32 colour (thesis 2.2.4)."""

    input_shape = (3, 32, 32)
    embedding_dim = 128

    def __init__(self) -> None:
        super().__init__(
            *convolution(3, 32),
            *convolution(32, 64),
            *convolution(64, 128),
            nn.Flatten(),
            nn.Linear(128 * 4 * 4, 128, bias=False),
        )
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                gain = nn.init.calculate_gain("leaky_relu", SLOPE)
                nn.init.xavier_uniform_(layer.weight, gain=gain)

    def decoder(self) -> Decoder:
        return Decoder(
            nn.Unflatten(1, (8, 4, 4)),
            nn.LeakyReLU(SLOPE),
            nn.ConvTranspose2d(8, 128, 5, padding=2, bias=False),
            nn.BatchNorm2d(128, eps=BATCH_NORM_EPS, affine=False),
            *deconvolution(128, 64),
            *deconvolution(64, 32),
            nn.LeakyReLU(SLOPE),
            nn.Upsample(scale_factor=2),
            nn.ConvTranspose2d(32, 3, 5, padding=2, bias=False),
            nn.Sigmoid(),
        )


class CifarLeNet512(Encoder):
    """CIFAR LeNet with biases, a 512-unit layer and a 256-unit code, for known anomalies (2.3)."""

    input_shape = (3, 32, 32)
    embedding_dim = 256
    has_bias = True

    def __init__(self) -> None:
        super().__init__(
            *convolution(3, 32, bias=True),
            *convolution(32, 64, bias=True),
            *convolution(64, 128, bias=True),
            nn.Flatten(),
            nn.Linear(128 * 4 * 4, 512),
            nn.BatchNorm1d(512, eps=BATCH_NORM_EPS),
            nn.LeakyReLU(SLOPE),
            nn.Linear(512, 256),
        )


class FullyConvolutional(Encoder):
    """Images to a coarse map of cells, flattened; every cell sees only its receptive field."""

    has_bias = True
    map_shape: tuple[int, int]
    receptive_field: int  # pixels
    stride: int  # pixels between the fields of neighbouring cells

    @property
    def embedding_dim(self) -> int:
        """The number of cells."""
        return self.map_shape[0] * self.map_shape[1]


class FCDD28(FullyConvolutional):
    """Fully convolutional, 7x7 cells that see 16x16 pixels, for 28x28 grey images (thesis B.2)."""

    input_shape = (1, 28, 28)
    map_shape = (7, 7)
    receptive_field = 16
    stride = 4

    def __init__(self, filters: int = 128) -> None:
        super().__init__(
            *convolution(1, filters, bias=True),
            nn.Conv2d(filters, filters, 5, padding=2),
            nn.MaxPool2d(2),
            nn.Conv2d(filters, 1, 1),
            nn.Flatten(),
        )


class SmallFCDD28(FCDD28):
    """The same with 16 filters, trained in a tenth of the time."""

    def __init__(self) -> None:
        super().__init__(filters=16)


class FCDD32(FullyConvolutional):
    """Fully convolutional, 8x8 cells that see 22x22 pixels, for 32x32 colour (thesis B.2)."""

    input_shape = (3, 32, 32)
    map_shape = (8, 8)
    receptive_field = 22
    stride = 4

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 128, 3, padding=1),
            nn.BatchNorm2d(128, eps=BATCH_NORM_EPS),
            nn.MaxPool2d(2),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(128, 256, 3, padding=1),
            nn.BatchNorm2d(256, eps=BATCH_NORM_EPS),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.BatchNorm2d(256, eps=BATCH_NORM_EPS),
            nn.MaxPool2d(2),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(256, 128, 3, padding=1),
            nn.Conv2d(128, 1, 1),
            nn.Flatten(),
        )


class Gradients28(Encoder):
    """Layers of 128 and 32 units on oriented gradients, for 28x28 grey images."""

    input_shape = (DIRECTIONS, 7, 7)
    images = (1, 28, 28)
    embedding_dim = 32
    preprocessing = OrientedGradients

    def __init__(self) -> None:
        super().__init__(
            nn.Flatten(),
            nn.Linear(math.prod(self.input_shape), 128, bias=False),
            nn.BatchNorm1d(128, eps=BATCH_NORM_EPS, affine=False),
            nn.LeakyReLU(SLOPE),
            nn.Linear(128, 32, bias=False),
        )

    @classmethod
    def image_shape(cls) -> tuple[int, int, int]:
        return cls.images


class Gradients32(Gradients28):
    """Layers of 128 and 32 units on oriented gradients, for 32x32 colour images."""

    input_shape = (DIRECTIONS, 8, 8)
    images = (3, 32, 32)


ENCODERS: dict[str, type[Encoder]] = {
    "mnist-lenet": MnistLeNet,
    "fashion-lenet": FashionLeNet,
    "cifar-lenet": CifarLeNet,
    "cifar-lenet-512": CifarLeNet512,
    "fcdd-28": FCDD28,
    "fcdd-28-small": SmallFCDD28,
    "fcdd-32": FCDD32,
    "gradients-28": Gradients28,
    "gradients-32": Gradients32,
}
