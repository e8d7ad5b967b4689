import copy
import time

import numpy as np
import pytest
import torch
from captum.attr import LRP
from captum.attr._utils.lrp_rules import EpsilonRule, IdentityRule
from torch import nn

from deepsvdd_core.detectors import DeepDetector
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.explainers.heads import Head, has_distance, head_of
from deepsvdd_core.explainers.lrp import RULES, explain, fold, lrp_epsilon, propagate
from deepsvdd_core.explainers.rules import Affine
from deepsvdd_core.networks import ENCODERS
from deepsvdd_core.objectives import OBJECTIVES
from deepsvdd_core.scaling import Preprocessing
from tests.conftest import fitted

EPSILON = RULES["LRP-eps"]


def inputs_of(detector, images):
    return detector.preprocessing(detector.pixels(images))


def squared_norm(codes) -> Head:
    """The squared distance to the origin."""
    nothing = torch.zeros(len(codes), dtype=codes.dtype)
    return Head(codes.square().sum(dim=1), codes, nothing, nothing)


def half_value_times_gradient(score_of, inputs):
    inputs = inputs.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(score_of(inputs).sum(), inputs)
    return (inputs * gradient / 2).detach()


def misfit(maps, ledger, scores):
    """Largest share of what was explained that sum and ledger together miss."""
    total = maps.astype(np.float64).sum(axis=(1, 2)) + ledger.total
    return (np.abs(total - scores) / np.abs(ledger.explained)).max()


def test_folded_layers_compute_what_the_encoder_does(detector, digits):
    inputs = inputs_of(detector, digits.test.images[:100])
    outputs = inputs
    for layer in fold(detector.encoder):
        outputs = layer(outputs)
    assert torch.allclose(outputs, detector.encoder(inputs), rtol=0, atol=1e-5)


def test_batch_norm_with_factor_and_shift_is_folded(zero_task):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 5, padding=2), nn.BatchNorm2d(4), nn.Flatten())
    nn.init.uniform_(net[1].weight)
    nn.init.uniform_(net[1].bias)
    net(torch.rand(50, 1, 8, 8))
    net.eval()
    inputs = torch.rand(5, 1, 8, 8)
    outputs = inputs
    for layer in fold(net):
        outputs = layer(outputs)
    assert torch.allclose(outputs, net(inputs), atol=1e-6)


def test_a_layer_without_a_rule_is_refused():
    with pytest.raises(ValueError, match="LRP has no rule for Sigmoid"):
        fold(nn.Sequential(nn.Linear(3, 2), nn.Sigmoid()))


def test_a_linear_model_has_the_closed_form():
    layer = nn.Linear(3, 2, bias=False)
    inputs = torch.tensor([[1.0, -2.0, 0.5]])
    output = layer(inputs)
    expected = inputs * (output @ layer.weight)  # x_i times the sum over j of w_ji z_j
    relevance, _, _ = propagate([Affine.of(layer)], inputs, squared_norm, EPSILON)
    assert torch.allclose(relevance, expected.detach(), atol=1e-6)
    assert torch.allclose(relevance.sum(), output.square().sum(), atol=1e-5)


def test_epsilon_is_half_of_value_times_gradient(detector, digits):
    inputs = inputs_of(detector, digits.test.images[:100])
    layers = fold(detector.encoder)  # of all but equal pixels, the encoder might pool another one

    def distance(images):
        for layer in layers:
            images = layer(images)
        return detector.objective.squared_distance(images)

    expected = half_value_times_gradient(distance, inputs)
    found, _, _ = propagate(layers, inputs, head_of(detector), EPSILON)
    assert (found - expected).abs().max() <= 1e-5 * found.abs().max()


@pytest.mark.parametrize("rule", RULES)
def test_sum_and_ledger_are_the_score(rule, detector, digits):
    images = digits.test.images[::10]
    maps, ledger = explain(detector, images, rule)
    assert misfit(maps, ledger, detector.anomaly_score(images)) <= 1e-5
    # Without its ledger a map would be far off: the entries are no rounding.
    assert np.abs(ledger.total).mean() > 0.05 * ledger.explained.mean()


@pytest.mark.parametrize("rule", RULES)
def test_sum_and_ledger_are_the_score_in_double_precision(rule, detector, digits):
    double = copy.deepcopy(detector).double()
    pixels = double.pixels(digits.test.images[::50]).double()
    inputs, box = double.preprocessing(pixels), double.preprocessing.box(pixels)
    relevance, top, taken = propagate(
        fold(double.encoder), inputs, head_of(double), RULES[rule], box
    )
    total = relevance.sum(dim=(1, 2, 3)) + sum(taken.values())
    assert ((total - top.explained).abs() / top.explained).max() <= 1e-8
    score = double.objective.anomaly_score(double.encoder(inputs))
    assert torch.allclose(top.explained + top.offset, score, rtol=1e-12)


def bias_free_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.LeakyReLU(0.1),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 4 * 4, 5, bias=False),
    )


@pytest.mark.parametrize("rule", RULES)
def test_without_constants_nothing_is_lost(rule):
    net, inputs = bias_free_net(), torch.rand(6, 1, 8, 8)
    box = Preprocessing(contrast_normalisation=False).box(inputs)
    relevance, top, taken = propagate(fold(net), inputs, squared_norm, RULES[rule], box)
    lost = (relevance.sum(dim=(1, 2, 3)) - top.explained).abs() / top.explained
    assert lost.max() <= 1e-5
    assert sum(taken.values()).abs().max() <= 1e-5 * top.explained.max()


def captum_epsilon(net, inputs, output):
    """captum's LRP of one output; its rules are gone after each call."""
    net = copy.deepcopy(net)
    for layer in net:
        layer.rule = (
            IdentityRule() if isinstance(layer, nn.LeakyReLU) else EpsilonRule(epsilon=1e-9)
        )
    return LRP(net).attribute(inputs, target=output)


def ordinary_net(detector) -> nn.Sequential:
    """Layers of the usual kinds that compute z - c, with batch norm and centre in the biases."""
    layers = []
    for layer in fold(detector.encoder):
        if isinstance(layer, Affine):
            count, width = layer.weight.shape[:2]
            module = (
                nn.Conv2d(width, count, 5, padding=2)
                if layer.is_convolution
                else nn.Linear(width, count)
            )
            module.weight.data, module.bias.data = layer.weight, layer.bias.flatten()
            layers.append(module)
        else:
            layers.append(copy.deepcopy(layer))
    layers[-1].bias.data = layers[-1].bias.data - detector.objective.center
    return nn.Sequential(*layers).eval()


def test_epsilon_agrees_with_captum(detector, digits):
    inputs = inputs_of(detector, digits.test.images[::200])
    net = ordinary_net(detector)
    distances = net(inputs).detach()
    expected = detector.encoder(inputs) - detector.objective.center
    assert torch.allclose(distances, expected, rtol=0, atol=1e-5)
    # captum starts with an output d_k, we with its square.
    theirs = sum(
        captum_epsilon(net, inputs, k) * distances[:, k, None, None, None]
        for k in range(distances.shape[1])
    )
    ours, _, _ = propagate(fold(detector.encoder), inputs, head_of(detector), EPSILON)
    assert (ours - theirs).abs().max() <= 1e-5 * ours.abs().max()
    assert torch.equal(captum_epsilon(net, inputs, 0), captum_epsilon(net, inputs, 0))


@pytest.mark.parametrize("rule", ["LRP-eps", "LRP-plus/flat"])
def test_rules_agree_with_zennit(rule, detector, digits):
    """Where zennit is installed: it starts with the squares of z - c, too."""
    rules = pytest.importorskip("zennit.rules")
    composites = pytest.importorskip("zennit.composites")
    attribution = pytest.importorskip("zennit.attribution")
    types = pytest.importorskip("zennit.types")
    linear = [(types.Activation, rules.Pass()), (types.Linear, rules.Epsilon(epsilon=1e-9))]
    if rule == "LRP-eps":
        composite = composites.LayerMapComposite(linear)
    else:
        plus = (types.Convolution, rules.ZPlus(zero_params="bias"))
        first = [(types.Convolution, rules.Flat())]
        composite = composites.SpecialFirstLayerMapComposite([linear[0], plus, linear[1]], first)
    inputs = inputs_of(detector, digits.test.images[::100])
    with attribution.Gradient(
        ordinary_net(detector), composite, attr_output=torch.square
    ) as attributor:
        _, theirs = attributor(inputs.clone().requires_grad_())
    ours, _, _ = propagate(fold(detector.encoder), inputs, head_of(detector), RULES[rule])
    assert (ours - theirs).abs().max() <= 1e-4 * ours.abs().max()


@pytest.mark.parametrize("rule", RULES)
def test_no_pixel_gets_more_than_the_score(rule, detector, digits):
    maps, ledger = explain(detector, digits.test.images[::10], rule)
    assert (np.abs(maps).max(axis=(1, 2)) <= ledger.explained).all()


def test_a_code_at_the_centre_has_no_relevance(detector, digits):
    at_centre = copy.deepcopy(detector)
    image = digits.test.images[:1]
    at_centre.objective.center.copy_(torch.from_numpy(at_centre.embed(image)[0]))
    for rule in RULES:
        maps, _ = explain(at_centre, image, rule)
        assert np.isfinite(maps).all() and np.abs(maps).max() < 1e-6


def test_z_box_lights_up_black_pixels_that_should_be_white(detector):
    black = np.zeros((1, 1, 28, 28), np.uint8)
    black[0, 0, 4:10, 4:10] = 255
    flat_inside = explain(detector, black, "LRP-gamma/ZBox")[0][0, 20:, 20:]
    assert np.abs(flat_inside).max() > 0


def test_the_box_holds_every_value(detector, digits):
    pixels = detector.pixels(digits.test.images[:200])
    pixels[0] = 0.5  # constant
    low, high = detector.preprocessing.box(pixels)
    inputs = detector.preprocessing(pixels)
    assert (inputs >= low - 1e-6).all() and (inputs <= high + 1e-6).all()
    black, white = pixels.flatten(1).argmin(dim=1), pixels.flatten(1).argmax(dim=1)
    values = inputs.flatten(1)[1:]
    rows = torch.arange(len(values))
    has_both = (pixels.flatten(1)[1:].amax(dim=1) == 1) & (pixels.flatten(1)[1:].amin(dim=1) == 0)
    assert has_both.sum() > 100
    assert torch.allclose(values[rows, black[1:]], low[1:].flatten(), atol=1e-5)
    ends = torch.isclose(values[rows, white[1:]], high[1:].flatten(), atol=1e-5)
    assert ends[has_both].all()


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_network_is_folded_and_accounted_for(encoder):
    detector = DeepDetector(Experiment("a", ("0",), objective="hsc", encoder=encoder))
    shape = detector.shape
    images = np.random.default_rng(0).integers(0, 256, (4, *shape)).astype(np.uint8)
    with torch.no_grad():  # statistics and constants that fit no other network
        detector.train()
        detector(detector.pixels(images))
    for rule in RULES:
        maps, ledger = explain(detector, images, rule)
        assert maps.shape == (4, *shape[1:])
        assert misfit(maps, ledger, detector.anomaly_score(images)) <= 1e-5


SEVERAL = ("multi-sphere", "multi-center")
RADIAL = ("hsc", "hsc-l1", "hsc-l2", "hsc-squared")


@pytest.mark.parametrize("objective", [*SEVERAL, *RADIAL, "deep-sad"])
def test_every_distance_is_accounted_for(objective, digits, zero_task):
    labels = zero_task.semi_labels.copy()
    if OBJECTIVES[objective].uses_labels:
        labels[::4] = -1
    task = zero_task._replace(semi_labels=labels)
    detector = fitted(task, objective=objective, epochs=2)
    images = digits.test.images[::25]
    maps, ledger = explain(detector, images, "LRP-eps")
    scores = detector.anomaly_score(images)
    assert misfit(maps, ledger, scores) <= 1e-5
    if objective in RADIAL:
        assert np.allclose(ledger.explained, scores, rtol=1e-5)
    if objective in SEVERAL:
        codes = detector.embed(images).astype(np.float64)
        squared = np.square(codes[:, None] - detector.sphere.centers).sum(axis=2)
        assert (ledger.explained >= squared.min(axis=1) * (1 - 1e-5)).all()
        assert (ledger.explained <= 1.5 * squared.min(axis=1)).mean() > 0.9


def test_radii_are_offsets(detector, digits):
    ledger = explain(detector, digits.test.images[:50], "LRP-eps")[1]
    moved = detector.experiment.objective == "soft-boundary"
    expected = -(float(detector.objective.radius) ** 2) if moved else 0.0
    assert np.allclose(ledger.entries["radius and pooling"], expected, rtol=1e-3, atol=1e-6)


def test_of_equal_centres_each_counts_half(zero_task):
    detector = DeepDetector(Experiment("a", ("0",), objective="multi-center"))
    codes = torch.randn(4, 32)
    center = torch.randn(32)
    detector.objective.center = center.repeat(2, 1)
    detector.objective.radius = torch.zeros(2, dtype=torch.float64)
    top = head_of(detector)(codes)
    assert torch.allclose(top.share, codes - center, atol=1e-6)
    assert torch.allclose(top.explained, (codes - center).square().sum(dim=1), rtol=1e-5)


@pytest.mark.parametrize("objective", ["reconstruction", "hybrid", "supervised", "fcdd"])
def test_a_score_that_is_no_distance_is_refused(objective):
    encoder = "fcdd-28" if objective == "fcdd" else "mnist-lenet"
    detector = DeepDetector(Experiment("a", ("0",), objective=objective, encoder=encoder))
    assert not has_distance(detector)
    with pytest.raises(ValueError, match=f"{objective} does not score by a network's distance"):
        lrp_epsilon(detector, np.zeros((1, 1, 28, 28), np.uint8))


def test_it_costs_little_more_than_forward_and_backward(detector, digits):
    """Measured 1.3 times; the shortest of several, for other work may run beside."""
    images = digits.test.images[::10]

    def shortest(work) -> float:
        times = []
        for _ in range(7):
            begin = time.perf_counter()
            work()
            times.append(time.perf_counter() - begin)
        return min(times)

    def forward_and_backward():
        pixels = detector.pixels(images).requires_grad_()
        torch.autograd.grad(detector(pixels).sum(), pixels)

    ratio = shortest(lambda: lrp_epsilon(detector, images)) / shortest(forward_and_backward)
    assert ratio < 3
