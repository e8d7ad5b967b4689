import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from deepsvdd_core.networks import ENCODERS
from deepsvdd_core.scaling import Preprocessing, pixels_of
from deepsvdd_core.tasks import one_vs_rest

PARAMETERS = {
    "mnist-lenet": 25 * 8 + 25 * 8 * 4 + 196 * 32,
    "fashion-lenet": 25 * 16 + 25 * 16 * 32 + 1568 * 64 + 64 * 32,
    "cifar-lenet": 75 * 32 + 25 * 32 * 64 + 25 * 64 * 128 + 2048 * 128,
    # Convolutions and dense layers with biases, and two numbers per channel of batch norm.
    "cifar-lenet-512": 76 * 32 + 801 * 64 + 1601 * 128 + 2049 * 512 + 513 * 256 + 2 * 736,
    "fcdd-28": 413_441,  # of the authors' code, as fcdd-32
    "fcdd-28-small": 26 * 16 + 2 * 16 + 401 * 16 + 17,
    "fcdd-32": 1_185_281,
    "gradients-28": 392 * 128 + 128 * 32,
    "gradients-32": 512 * 128 + 128 * 32,
}
MNIST_EXTREMES = [  # of the authors' code, digits 0 to 9
    (-0.88266, 9.00155),
    (-0.66615, 20.10806),
    (-0.78205, 11.66510),
    (-0.76458, 12.89505),
    (-0.72539, 12.68324),
    (-0.76985, 13.10328),
    (-0.77842, 10.45784),
    (-0.71298, 12.05778),
    (-0.82804, 10.58154),
    (-0.73700, 10.69704),
]


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_have_the_parameters_of_the_thesis(name):
    encoder = ENCODERS[name]()
    assert sum(p.numel() for p in encoder.parameters()) == PARAMETERS[name]
    has_bias = bool([key for key, _ in encoder.named_parameters() if "bias" in key])
    assert has_bias == encoder.has_bias


@pytest.mark.parametrize("name", ENCODERS)
def test_batch_norm_has_the_epsilon_of_the_authors_code(name):
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    found = [layer.eps for layer in ENCODERS[name]().modules() if isinstance(layer, norms)]
    assert found and set(found) == {1e-4}


@pytest.mark.parametrize("name", [n for n, kind in ENCODERS.items() if kind.has_bias])
def test_codes_have_the_promised_length(name):
    encoder = ENCODERS[name]()
    assert encoder(torch.rand(3, *encoder.input_shape)).shape == (3, encoder.embedding_dim)
    assert encoder.decoder() is None


@pytest.mark.parametrize("name", ["fcdd-28", "fcdd-28-small", "fcdd-32"])
def test_a_cell_sees_its_receptive_field_alone(name):
    encoder = ENCODERS[name]().eval()
    size, stride, rows = encoder.receptive_field, encoder.stride, encoder.map_shape[0]
    images = torch.rand(1, *encoder.input_shape, requires_grad=True)
    cells = encoder(images).reshape(encoder.map_shape)
    middle = rows // 2
    cells[middle, middle].backward()
    seen = torch.nonzero(images.grad[0].abs().sum(dim=(0, 1))).squeeze(1)
    begin = middle * stride - (size - stride) // 2
    assert seen.min() >= begin and seen.max() < begin + size
    assert seen.max() - seen.min() + 1 >= size - 2 * stride  # max-pooling leaves some out


@pytest.mark.parametrize("name", [n for n in PARAMETERS if "lenet" in n and "512" not in n])
def test_decoders_mirror_encoders(name):
    encoder = ENCODERS[name]()
    images = torch.rand(3, *encoder.input_shape)
    codes = encoder(images)
    assert codes.shape == (3, encoder.embedding_dim)
    rebuilt = encoder.decoder()(codes)
    assert rebuilt.shape == images.shape
    assert rebuilt.min() >= 0 and rebuilt.max() <= 1


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("name", ENCODERS)
def test_training_an_encoder_is_as_if_layer_by_layer(name, momentum, memory_format):
    encoder = ENCODERS[name]().to(torch.float64, memory_format=memory_format)
    for layer in encoder:
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = momentum
    other = copy.deepcopy(encoder)
    for _ in range(2):
        images = torch.rand(5, *encoder.input_shape, dtype=torch.float64)
        images[0, :, :12] = 0  # which of equal pixels is pooled does not matter
        images = images.contiguous(memory_format=memory_format)
        results = []
        for network, run in ((encoder, encoder), (other, partial(nn.Sequential.forward, other))):
            network.zero_grad()
            codes = run(images)
            codes.sin().sum().backward()
            gradients = [p.grad for p in network.parameters()]
            results.append([codes, *gradients, *network.buffers()])
        for mine, layer_by_layer in zip(*results, strict=True):
            assert torch.allclose(mine, layer_by_layer, rtol=1e-8, atol=1e-8)


def test_only_training_takes_the_shorter_way():
    encoder = ENCODERS["mnist-lenet"]()
    called = []
    for layer in encoder:
        layer.register_forward_hook(lambda layer, *_: called.append(type(layer).__name__))
    encoder(torch.rand(2, 1, 28, 28))
    pooled = ["LeakyReLU", "Flatten", "Linear"]
    assert called == ["Conv2d", "LeakyReLU", *pooled]  # the second convolution has few filters
    called.clear()
    encoder.eval()(torch.rand(2, 1, 28, 28))
    assert called == [type(layer).__name__ for layer in encoder]


def test_frozen_batch_norm_stays_frozen():
    encoder = ENCODERS["mnist-lenet"]()
    encoder(torch.rand(5, 1, 28, 28))
    for layer in encoder:
        layer.train(not isinstance(layer, nn.BatchNorm2d))
    images = torch.rand(5, 1, 28, 28)
    codes = encoder(images)
    assert torch.allclose(codes, encoder.eval()(images), atol=1e-5)


@pytest.mark.parametrize("name", [n for n, kind in ENCODERS.items() if not kind.has_bias])
def test_training_in_bfloat16_is_as_if_layer_by_layer(name):
    encoder = ENCODERS[name]()
    images = torch.rand(5, *encoder.input_shape)
    with torch.autocast("cpu", torch.bfloat16):
        codes, expected = encoder(images), nn.Sequential.forward(encoder, images)
    assert codes.dtype == torch.bfloat16
    assert torch.allclose(codes, expected, rtol=0, atol=0.05 * float(expected.detach().abs().max()))


@pytest.mark.parametrize("name", [n for n in PARAMETERS if "lenet" in n and "512" not in n])
def test_a_decoder_gives_what_its_layers_give_one_by_one(name):
    decoder = ENCODERS[name]().decoder().double()
    codes = torch.randn(3, ENCODERS[name].embedding_dim, dtype=torch.float64)
    results = []
    for run in (decoder, lambda codes: torch.nn.Sequential.forward(decoder, codes)):
        images = run(codes)
        decoder.zero_grad()
        images.square().sum().backward()
        results.append([images, *(p.grad for p in decoder.parameters())])
    for mine, layer_by_layer in zip(*results, strict=True):
        assert torch.allclose(mine, layer_by_layer, rtol=1e-9, atol=1e-9)


def test_contrast_normalisation_leaves_mean_zero_and_mean_absolute_value_one():
    pixels = torch.rand(5, 3, 8, 8) * torch.tensor([1, 0.5, 0.1, 0.01, 1]).reshape(5, 1, 1, 1)
    normalised = Preprocessing().normalise_contrast(pixels)
    assert torch.allclose(normalised.mean(dim=(1, 2, 3)), torch.zeros(5), atol=1e-5)
    assert torch.allclose(normalised.abs().mean(dim=(1, 2, 3)), torch.ones(5), atol=1e-4)


def test_a_constant_image_becomes_zero_and_not_nan():
    assert Preprocessing().normalise_contrast(torch.full((1, 1, 4, 4), 0.7)).abs().max() < 1e-3


def test_training_pixels_fill_zero_to_one_and_others_are_not_clipped():
    preprocessing = Preprocessing()
    images = np.random.default_rng(0).integers(0, 256, (1201, 1, 6, 6), np.uint8)  # several parts
    preprocessing.fit(images)
    scaled = preprocessing.whole(images)
    assert scaled.min() == 0 and scaled.max() == 1
    assert torch.allclose(scaled, preprocessing(pixels_of(images)))
    spike = torch.zeros(1, 1, 6, 6)
    spike[0, 0, 2, 2] = 1
    assert preprocessing(spike).max() > 1


def test_without_contrast_normalisation_pixels_stay_as_they_are():
    preprocessing = Preprocessing(contrast_normalisation=False)
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 6), np.uint8)
    preprocessing.fit(images)
    assert torch.equal(preprocessing.whole(images), pixels_of(images))


def test_constant_training_images_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="All training images are constant"):
        Preprocessing().fit(np.zeros((3, 1, 4, 4), np.uint8))


@pytest.mark.parametrize("digit", range(10))
def test_constants_of_mnist_are_those_of_the_authors_code(full_mnist, digit):
    images = one_vs_rest(full_mnist, (str(digit),)).train_images
    preprocessing = Preprocessing()
    preprocessing.fit(images)
    found = (float(preprocessing.low), float(preprocessing.high))
    assert np.allclose(found, MNIST_EXTREMES[digit], atol=1e-4)


def test_batch_norm_keeps_no_shift_of_its_own():
    for encoder in [kind for kind in ENCODERS.values() if not kind.has_bias]:
        norms = [m for m in encoder() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        assert norms and all(not norm.affine and norm.eps == 1e-4 for norm in norms)
