"""Layers computed in fewer steps than one by one, for faster training on CPUs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

PER_CHANNEL = (0, 2, 3)  # all dimensions of (N, C, H, W) but the channel


def at_four_places(filters: Tensor) -> Tensor:
    """5x5 filters (C', C, 5, 5) moved to each pixel of a 2x2 square, (4 C', C, 6, 6)."""
    places = [(left, 1 - left, top, 1 - top) for top in (0, 1) for left in (0, 1)]
    moved = torch.stack([nn.functional.pad(filters, place) for place in places], dim=1)
    return moved.flatten(0, 1)


def filter_doubled(images: Tensor, layer: nn.ConvTranspose2d) -> Tensor:
    """What `layer` gives for `images` at double size, without making them.

    images (N, C, H, W) to (N, C', 2H, 2W), or less with a padding above 2; layer: 5x5, stride 1,
    padding at least 2, no bias.

    Every filter meets each small pixel two or three times in a row. Its entries are added first:
    one 3x3 filter for each of the four places that a large pixel has in its small one, so 9
    products instead of 25.
    """
    filters = at_four_places(layer.weight.transpose(0, 1).flip(2, 3))
    summed = 4 * nn.functional.avg_pool2d(filters, 2)
    large = nn.functional.pixel_shuffle(nn.functional.conv2d(images, summed, padding=1), 2)
    cut = layer.padding[0] - 2
    return large[..., cut : large.shape[2] - cut, cut : large.shape[3] - cut]


def filter_in_squares(images: Tensor, layer: nn.Conv2d) -> Tensor:
    """What `layer` gives for `images`, computed in squares of 2x2 pixels.

    images (N, C, H, W) to (N, C', H, W), H and W even; layer: 5x5, stride 1, padding 2, no bias.

    A square is one pixel with four times the channels, and filters that are too few to fill the
    vectors of a CPU become four times as many, at the price of 36 products instead of 25.
    """
    squares = nn.functional.pixel_unshuffle(images, 2)
    filters = nn.functional.pixel_unshuffle(at_four_places(layer.weight), 2)
    return nn.functional.pixel_shuffle(nn.functional.conv2d(squares, filters, padding=1), 2)


class _PoolThenNormalise(torch.autograd.Function):
    """Both at once, as the gradient of normalising needs each pixel before pooling.

    The gradient is that of Ioffe and Szegedy (2015); it cannot be differentiated again.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, images: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """Pooled and normalised images; mean and variance (1, C, 1, 1) of all pixels."""
        pooled, places = nn.functional.max_pool2d_with_indices(images, 2)
        mean = images.mean(PER_CHANNEL, keepdim=True)
        variance = (images - mean).square_().mean(PER_CHANNEL, keepdim=True)
        scale = (variance + eps).rsqrt()
        normalised = (pooled - mean) * scale
        ctx.save_for_backward(images, places, normalised, mean, scale)
        ctx.mark_non_differentiable(mean, variance)
        return normalised, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor, *_: Tensor) -> tuple[Tensor, None]:
        images, places, normalised, mean, scale = ctx.saved_tensors
        # The gradient by a pixel is scale * (gradient - its mean - x * mean(gradient * x)) with x
        # the normalised pixel; the first term is there only for the pixels that were pooled.
        pixels = images.numel() / images.shape[1]
        by_mean = gradient.sum(PER_CHANNEL, keepdim=True) / pixels
        by_spread = (gradient * normalised).sum(PER_CHANNEL, keepdim=True) / pixels
        whole = torch.ops.aten.max_pool2d_with_indices_backward(
            gradient * scale, images, [2, 2], [], [0, 0], [1, 1], False, places
        )
        slope = -by_spread * scale.square()
        return whole.addcmul_(images, slope).add_(-slope * mean - by_mean * scale), None


def pool_then_normalise(images: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """What 2x2 max-pooling gives of the images that `norm` has normalised in training.

    images (N, C, H, W) float32 or float64 to (N, C, H // 2, W // 2); norm: with running statistics,
    which move as if it had been called, and without affine parameters.

    Normalising keeps the order of pixels, so a quarter of them need it. Mean and variance are those
    of all pixels, as ever.
    """
    normalised, mean, variance = _PoolThenNormalise.apply(images, norm.eps)
    with torch.no_grad():
        norm.num_batches_tracked += 1
        share = norm.momentum
        if share is None:  # the plain mean over all batches
            share = 1 / float(norm.num_batches_tracked)
        pixels = images.numel() / images.shape[1]
        norm.running_mean.lerp_(mean.flatten(), share)
        norm.running_var.lerp_(variance.flatten() * (pixels / (pixels - 1)), share)
    return normalised
