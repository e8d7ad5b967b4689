import numpy as np
import pytest
import torch
from captum.attr import LRP
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import nn

from deepsvdd_core import detectors
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.explainers import (
    EXPLAINERS,
    fold,
    grad_cam,
    lrp,
    lrp_epsilon,
    spread,
    supported,
)
from deepsvdd_core.networks import ENCODERS
from tests.conftest import fitted


def inputs_of(detector, images):
    return detector.preprocessing(detector.pixels(images))


def test_folded_layers_compute_the_offset_from_the_centre(detector, digits):
    inputs = inputs_of(detector, digits.test.images[:10])
    layers = nn.Sequential(*fold(detector.encoder, detector.objective.center))
    expected = detector.encoder(inputs) - detector.objective.center
    assert torch.allclose(layers(inputs), expected, rtol=1e-3, atol=1e-5)


def test_a_linear_model_has_the_closed_form():
    layer = nn.Linear(3, 2, bias=False)
    inputs = torch.tensor([[1.0, -2.0, 0.5]])
    output = layer(inputs)
    expected = inputs * (output @ layer.weight)  # x_i times the sum over j of w_ji z_j
    assert torch.allclose(lrp_epsilon([layer], inputs), expected.detach(), atol=1e-6)
    assert torch.allclose(lrp_epsilon([layer], inputs).sum(), output.square().sum(), atol=1e-5)


def bias_free_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.LeakyReLU(0.1),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 4 * 4, 5, bias=False),
    )


def test_without_biases_nothing_is_lost():
    net, inputs = bias_free_net(), torch.rand(6, 1, 8, 8)
    total = lrp_epsilon(list(net), inputs).sum(dim=(1, 2, 3))
    assert torch.allclose(total, net(inputs).square().sum(dim=1), rtol=1e-3)


def test_without_biases_it_is_input_times_half_the_gradient():
    net, inputs = bias_free_net(), torch.rand(6, 1, 8, 8, requires_grad=True)
    score = net(inputs).square().sum(dim=1)
    (gradient,) = torch.autograd.grad(score.sum(), inputs)
    expected = (inputs * gradient / 2).detach()  # the score is homogeneous of degree two
    assert torch.allclose(lrp_epsilon(list(net), inputs), expected, rtol=1e-3, atol=1e-6)


def test_it_agrees_with_captum_on_layers_captum_knows():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 1)
    )
    inputs = torch.rand(3, 1, 8, 8)
    for layer in net:
        layer.rule = EpsilonRule(epsilon=1e-9)
    of_output = LRP(net).attribute(inputs)
    # Both are linear in what they start with: the output for captum, its square here.
    expected = of_output * net(inputs).reshape(3, 1, 1, 1)
    assert torch.allclose(lrp_epsilon(list(net), inputs), expected, rtol=1e-3, atol=1e-5)


def test_what_the_sum_lacks_went_into_the_constants(detector, digits):
    """A second pass, written anew, keeps what each bias takes."""
    inputs = inputs_of(detector, digits.test.images[::50]).detach().double()
    layers = [layer.double() for layer in fold(detector.encoder, detector.objective.center)]
    activations = [inputs]
    for layer in layers:
        activations.append(layer(activations[-1]))
    relevance, taken = activations[-1].square(), torch.zeros(len(inputs), dtype=torch.float64)
    for layer, below, above in zip(
        reversed(layers), reversed(activations[:-1]), reversed(activations[1:]), strict=True
    ):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            share = relevance / above
            bias = layer.bias.reshape(-1, *[1] * (above.ndim - 2))
            taken += (share * bias).flatten(1).sum(dim=1)
            if isinstance(layer, nn.Conv2d):
                back = nn.functional.conv_transpose2d(share, layer.weight, padding=layer.padding)
            else:
                back = share @ layer.weight
            relevance = below * back
        elif not isinstance(layer, nn.LeakyReLU):
            below = below.clone().requires_grad_()
            (relevance,) = torch.autograd.grad(layer(below), below, relevance)
    squared_distance = activations[-1].square().sum(dim=1)
    assert torch.allclose(relevance.flatten(1).sum(dim=1) + taken, squared_distance, rtol=1e-6)
    ours = lrp_epsilon(layers, inputs, epsilon=0.0)
    assert torch.allclose(ours, relevance, rtol=1e-6, atol=1e-9 * float(relevance.abs().max()))


@pytest.mark.parametrize("name", ["LRP", "Grad-CAM"])
def test_every_explainer_gives_one_finite_map_per_image_whatever_the_batch(name, detector, digits):
    images = digits.test.images[::200]
    maps = EXPLAINERS[name](detector, images)
    assert maps.shape == (5, 28, 28) and np.isfinite(maps).all()
    alone = np.concatenate([EXPLAINERS[name](detector, image[None]) for image in images])
    assert np.allclose(maps, alone, rtol=1e-2, atol=1e-3 * np.abs(maps).max())


def test_grad_cam_is_positive_and_finds_the_image(detector, digits):
    maps = grad_cam(detector, digits.test.images[100:110])
    assert maps.min() >= 0
    assert maps.max() > 0


def test_a_patch_far_from_normal_draws_relevance(detector, digits):
    image = digits.test.images[:1].copy()
    image[0, 0, :6, :6] = 255
    relevance = np.abs(lrp(detector, image)[0])
    share = relevance[:9, :9].sum() / relevance.sum()
    clean = np.abs(lrp(detector, digits.test.images[:1])[0])
    assert share > 2 * clean[:9, :9].sum() / clean.sum()


def test_explaining_changes_nothing(detector, digits):
    before = detector.anomaly_score(digits.test.images[:5])
    for name in supported(detector):
        EXPLAINERS[name](detector, digits.test.images[:5])
    assert np.array_equal(detector.anomaly_score(digits.test.images[:5]), before)


def test_what_applies_to_a_detector_is_listed():
    def made(**choices):
        return supported(detectors.build(Experiment("a", ("0",), **choices)))

    assert made() == ["LRP", "Grad-CAM"]
    assert made(objective="fcdd", encoder="fcdd-28") == ["FCDD", "Grad-CAM"]
    assert made(objective="reconstruction") == ["Grad-CAM"]
    assert made(detector="shallow") == []


@pytest.mark.parametrize("name", ["fcdd-28", "fcdd-32"])
def test_a_cell_is_spread_over_the_middle_of_its_receptive_field(name):
    encoder = ENCODERS[name]()
    height, width = encoder.map_shape
    cells = torch.zeros(1, height, width)
    cells[0, 3, 2] = 1
    full = spread(cells, encoder, encoder.input_shape[1:])[0]
    assert full.shape == encoder.input_shape[1:]
    assert full.sum().item() == pytest.approx(1, abs=1e-4)
    rows, columns = (torch.arange(n, dtype=torch.float32) for n in full.shape)
    center = ((full.sum(1) * rows).sum().item(), (full.sum(0) * columns).sum().item())
    assert center == pytest.approx((3 * 4 + 1.5, 2 * 4 + 1.5), abs=1e-2)


def test_lrp_of_several_spheres_explains_the_nearest(digits, zero_task):
    detector = fitted(zero_task, objective="multi-sphere", epochs=2)
    images = digits.test.images[:6]
    maps = lrp(detector, images)
    assert maps.shape == (6, 28, 28) and np.isfinite(maps).all() and np.abs(maps).max() > 0
