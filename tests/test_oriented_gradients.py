import numpy as np
import pytest
import torch

from deepsvdd_core import detectors
from deepsvdd_core.backbones import Gradients
from deepsvdd_core.detectors import DeepDetector
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.oriented_gradients import OrientedGradients, filters
from deepsvdd_core.scaling import pixels_of

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 29, 31), (3, 5, 40)]


@pytest.fixture(scope="module")
def histograms():
    return OrientedGradients()


def images_of(shape, count=6):
    return np.random.default_rng(0).integers(0, 200, (count, *shape), dtype=np.uint8)


def test_one_edge_counts_in_its_direction_alone(histograms):
    """Grey levels that grow by one a column: every inner gradient is 1 / 255 to the right."""
    ramp = np.tile(np.arange(100, 112, dtype=np.uint8), (12, 1))[None, None]
    oriented = histograms.oriented(pixels_of(ramp))[0]
    assert torch.allclose(oriented[0, :, 4:8], torch.tensor(1 / 255), rtol=1e-5)
    assert oriented[1:].abs().max() == 0
    found = histograms(pixels_of(ramp))[0]
    assert found.shape == (8, 3, 3)  # cells at the pixels 2, 6 and 10
    # Nearly the same count in nine cells, divided by their sum, and the root of it.
    assert torch.allclose(found[0], torch.tensor(1 / 3), rtol=1e-3)
    assert found[1:].abs().max() == 0


@pytest.mark.parametrize("quarter", range(4))
def test_a_quarter_turn_is_two_directions(histograms, quarter):
    ramp = np.tile(np.arange(100, 112, dtype=np.uint8), (12, 1))
    turned = np.rot90(ramp, -quarter)[None, None]  # clockwise: right, down, left, up
    counts = histograms(pixels_of(turned))[0].sum(dim=(1, 2))
    assert counts.argmax() == 2 * quarter
    assert counts[2 * quarter] == pytest.approx(float(counts.sum()))


def test_between_two_directions_both_count(histograms):
    """The slope (2, 1) has an angle of 26.57 degrees, 0.59 of the way from 0 to 45."""
    rows, columns = np.mgrid[:12, :12]
    tilted = (20 + 4 * columns + 2 * rows).astype(np.uint8)[None, None]
    inner = histograms.oriented(pixels_of(tilted))[0, :, 5, 5]
    away = np.degrees(np.arctan(0.5)) / 45
    length = np.sqrt(20) / 255
    assert inner[:2].tolist() == pytest.approx([length * (1 - away), length * away], rel=1e-4)
    assert inner[2:].abs().max() == 0


def test_a_cell_counts_through_a_gaussian_window(histograms):
    """A step at the first columns: cells see less of it the farther they are."""
    step = np.zeros((1, 1, 28, 28), np.uint8)
    step[..., 2:] = 255
    pixels = pixels_of(step)
    counts = np.square(histograms(pixels)[0].numpy()).sum(axis=(0, 1))
    _, _, window = filters(28)
    seen = window @ histograms.oriented(pixels)[0].sum(dim=0)[14].numpy()
    assert counts == pytest.approx(seen / seen.sum(), abs=1e-6)
    assert (np.diff(counts)[:2] < 0).all() and counts[3:].max() == 0


def test_a_constant_image_has_zeros_and_a_gradient(histograms):
    pixels = pixels_of(np.full((2, 3, 32, 32), 77, np.uint8)).requires_grad_()
    found = histograms(pixels)
    found.sum().backward()
    assert found.abs().max() == 0
    assert torch.isfinite(pixels.grad).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_features_are_of_unit_length_and_differentiable(histograms, shape):
    pixels = pixels_of(images_of(shape)).requires_grad_()
    found = histograms(pixels)
    assert found.shape == (6, 8, *(-(-(side - min(2, (side - 1) // 2)) // 4) for side in shape[1:]))
    assert torch.allclose(found.square().sum(dim=(1, 2, 3)), torch.ones(6), atol=1e-4)
    found.sin().sum().backward()
    assert torch.isfinite(pixels.grad).all() and pixels.grad.abs().amax(dim=(1, 2, 3)).min() > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_brightness_changes_nothing(shape):
    images = images_of(shape)
    assert np.array_equal(Gradients()(images + np.uint8(55)), Gradients()(images))


@pytest.mark.parametrize("shape", SHAPES)
def test_contrast_changes_next_to_nothing(shape):
    images = images_of(shape) // 2
    assert np.allclose(Gradients()(images * 2), Gradients()(images), atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_features_do_not_depend_on_the_batch(shape):
    images, network = images_of(shape), Gradients()
    found = network(images)
    assert found.dtype == np.float32
    assert np.allclose(network(images[2:3]), found[2:3], rtol=1e-5, atol=1e-6)
    assert network(images[:0]).shape == (0, found.shape[1])


@pytest.mark.parametrize("side", [1, 2, 3])
def test_tiny_images_have_a_cell(histograms, side):
    assert histograms(torch.rand(2, 1, side, side)).shape == (2, 8, 1, 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_relevance_comes_to_the_pixels_whole(shape):
    images, network = images_of(shape), Gradients()
    images[0] = 0
    relevance = np.random.default_rng(1).normal(size=network(images).shape)
    shown = network.shown(relevance, images)
    assert shown.shape == (6, *shape[1:])
    assert np.allclose(shown.sum(axis=(1, 2)), relevance.sum(axis=1), rtol=1e-9, atol=1e-9)


def test_relevance_of_a_direction_lies_where_it_is():
    image = np.zeros((1, 1, 28, 28), np.uint8)
    image[..., 14:] = 255  # one edge, bright to the right
    network = Gradients()
    relevance = np.zeros((1, 8, 7, 7))
    relevance[0, 0, 3, 3] = 1.0  # the cell around pixel 14
    shown = network.shown(relevance.reshape(1, -1), image)[0]
    assert shown[:, 12:16].sum() > 0.97
    assert shown.min() >= 0


def test_training_on_constant_images_is_refused():
    with pytest.raises(ValueError, match="All training images are constant"):
        OrientedGradients().fit(np.full((3, 1, 28, 28), 9, np.uint8))


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"objective": "hybrid"}, "has no decoder, which hybrid needs; choose a LeNet"),
        ({"objective": "multi-sphere"}, "has no decoder, which multi-sphere needs"),
        ({"augment": True}, "cannot be shifted and mirrored"),
    ],
)
def test_what_gradients_cannot_do_gets_a_sentence(choices, sentence):
    with pytest.raises(ValueError, match=sentence):
        DeepDetector(Experiment("a", ("0",), encoder="gradients-28", **choices))


@pytest.mark.parametrize("detector", ["vae", "anogan", "real-nvp"])
def test_what_learns_pixels_does_not_take_gradients(detector):
    with pytest.raises(ValueError, match="does not look; choose a LeNet"):
        detectors.build(Experiment("a", ("0",), detector=detector, encoder="gradients-28"))


def test_a_whitened_sphere_is_exact(zero_task, tmp_path):
    choices = {"detector": "shallow", "estimator": "mahalanobis", "features": "gradients"}
    detector = detectors.build(Experiment("mnist-sample", ("0",), **choices))
    assert detector.sphere is None
    list(detector.fit(zero_task))
    codes, scores = detector.embed_and_score(zero_task.test_images)
    distances = np.linalg.norm(codes.astype(np.float64) - detector.sphere.centers, axis=1)
    assert np.allclose(np.square(distances), scores, rtol=1e-12)
    expected = -detector.estimator.score_samples(detector.features(zero_task.test_images))
    assert np.allclose(scores, expected, rtol=1e-4)
    detector.save(tmp_path / "model.safetensors", {"image_shape": [1, 28, 28]})
    assert (tmp_path / "model.safetensors").stat().st_size < 150_000
    again = detectors.load(tmp_path / "model.safetensors")
    assert np.array_equal(again.anomaly_score(zero_task.test_images), scores)
    assert again.sphere.radii == detector.sphere.radii


def test_colours_are_blurred_more_and_have_no_slope_across_the_border():
    (grey, slope, _), (colour, inside, _) = filters(28), filters(28, 3)
    assert colour[14, 14] < grey[14, 14] and colour.sum() == pytest.approx(28)
    assert np.array_equal(inside[1:-1], slope[1:-1]) and not inside[[0, -1]].any()
    steep = np.zeros((1, 3, 32, 32), np.uint8)
    steep[..., 0] = 255  # a bright column at the border
    features = OrientedGradients()
    of_grey, of_colours = (
        features.oriented(features.pixels(images)) for images in (steep[:, :1], steep)
    )
    assert of_grey[0, :, 16, 0].sum() > 1.5 * of_colours[0, :, 16, 0].sum()
