from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from deepsvdd_core import detectors
from deepsvdd_core.corruptions import CORRUPTIONS
from deepsvdd_core.detectors import DeepDetector
from deepsvdd_core.evaluation import auroc
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.explainers import (
    APPLIES,
    EXPLAINERS,
    LEDGERS,
    analysing,
    standing_for,
    supported,
)
from deepsvdd_core.explainers.fcdd import fcdd_map
from deepsvdd_core.explainers.gradients import (
    grad_cam,
    gradient_shap,
    gradient_shap_ledger,
    integrated_gradients,
    occlusion,
)
from deepsvdd_core.honesty.localisation import pooled_pixel_auroc
from deepsvdd_core.networks import ENCODERS, FullyConvolutional, convolution
from deepsvdd_core.objectives.cells import RIPPLE, smooth_sigma, spread
from deepsvdd_core.tasks import one_vs_rest, spoil
from tests.conftest import fitted

ON_A_PATH = {"Integrated Gradients", "GradientShap"}  # whose sums are right to 2 %
NETWORK = ["GradientShap", "Integrated Gradients", "Occlusion", "Saliency", "Grad-CAM"]


@pytest.fixture(scope="module")
def kinds(zero_task):
    """One fitted detector of each kind that is explained in a way of its own."""
    few = zero_task._replace(
        train_images=zero_task.train_images[:200], semi_labels=zero_task.semi_labels[:200]
    )
    marked = few._replace(semi_labels=np.repeat([0, -1], 100))
    made = {
        name: fitted(marked if name == "hsc" else few, objective=name, epochs=1)
        for name in ("one-class", "multi-sphere", "multi-center", "hsc", "reconstruction")
    }
    for method in ("kde", "oc-svm", "knn", "mahalanobis", "pca", "kde@codes"):
        estimator, _, features = method.partition("@")
        made[method] = fitted_shallow(few, estimator, features or "pixels")
    made["fcdd"] = DeepDetector(Experiment("a", ("0",), objective="fcdd", encoder="fcdd-28"))
    return made


def fitted_shallow(task, estimator, features="pixels"):
    choices = {"detector": "shallow", "estimator": estimator, "features": features, "epochs": 1}
    detector = detectors.build(Experiment("mnist-sample", ("0",), **choices))
    for _ in detector.learn_from(task):
        pass
    return detector


def odd_images() -> np.ndarray:
    """Black, white, grey, a single pixel, and a white square."""
    images = np.zeros((5, 1, 28, 28), np.uint8)
    images[1], images[2], images[3, 0, 3, 20], images[4, 0, 5:15, 9:20] = 255, 128, 1, 255
    return images


KINDS = ["one-class", "multi-sphere", "multi-center", "hsc", "reconstruction"]
KINDS += ["kde", "oc-svm", "knn", "mahalanobis", "pca", "kde@codes", "fcdd"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_map_is_finite_whatever_the_image(kind, kinds, digits):
    slow = {"Integrated Gradients", "GradientShap", "Occlusion"} if kind == "fcdd" else set()
    images = np.concatenate([odd_images(), digits.test.images[:1]])
    assert supported(kinds[kind])
    for name in set(supported(kinds[kind])) - slow:
        maps = EXPLAINERS[name](kinds[kind], images)
        assert maps.shape == (6, 28, 28) and maps.dtype == np.float32, name
        assert np.isfinite(maps).all(), name
        assert np.abs(maps[5]).max() > 0, name


@pytest.mark.parametrize("kind", KINDS)
def test_sum_and_ledger_are_the_score(kind, kinds, digits):
    images = digits.test.images[::100]
    scores = kinds[kind].anomaly_score(images)
    for name in (set(supported(kinds[kind])) & set(LEDGERS)) - ON_A_PATH:
        ledger = LEDGERS[name](kinds[kind], images)
        total = EXPLAINERS[name](kinds[kind], images).sum(axis=(1, 2), dtype=np.float64)
        assert np.abs(total + ledger.total - scores).max() <= 1e-5 * np.abs(scores).max(), name


@pytest.mark.parametrize("name", [*NETWORK, "LRP-eps", "LRP-gamma/ZBox"])
def test_a_map_does_not_depend_on_the_batch(name, detector, digits):
    images = digits.test.images[::250]
    maps = EXPLAINERS[name](detector, images)
    alone = np.concatenate([EXPLAINERS[name](detector, image[None]) for image in images])
    assert np.allclose(maps, alone, rtol=1e-2, atol=1e-3 * np.abs(maps).max())


@pytest.mark.parametrize("name", [*NETWORK, "LRP-eps", "LRP-gamma/ZBox"])
def test_threads_may_share_a_model(name, detector, digits):
    """Four threads, fifteen explanations each: all as if alone."""
    images = digits.test.images[::17][:15]
    alone = [EXPLAINERS[name](detector, image[None]) for image in images]
    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(EXPLAINERS[name], detector, image[None]) for image in [*images] * 4]
        together = [each.result() for each in work]
    assert all(np.array_equal(a, b) for a, b in zip(alone * 4, together, strict=True))


def test_explaining_changes_nothing(detector, digits):
    before = detector.anomaly_score(digits.test.images[:5])
    state = {name: value.clone() for name, value in detector.state_dict().items()}
    drawn = np.random.get_state()[1].copy(), torch.random.get_rng_state()
    for name in supported(detector):
        EXPLAINERS[name](detector, digits.test.images[:2])
    assert np.array_equal(detector.anomaly_score(digits.test.images[:5]), before)
    assert all(torch.equal(value, state[name]) for name, value in detector.state_dict().items())
    assert not any(layer._forward_hooks for layer in detector.modules())
    assert np.array_equal(drawn[0], np.random.get_state()[1])
    assert torch.equal(drawn[1], torch.random.get_rng_state())


def test_what_applies_to_a_detector_is_listed():
    def made(**choices):
        return supported(detectors.build(Experiment("a", ("0",), **choices)))

    first, *others = NETWORK
    with_lrp = [first, "LRP-eps", "LRP-gamma/ZBox", *others]
    assert first == "GradientShap"
    assert made() == made(objective="soft-boundary") == made(objective="hsc-l1") == with_lrp
    features = made(encoder="gradients-28")  # LRP leaves nothing to constants
    assert features[0] == "LRP-eps" and sorted(features) == sorted({*with_lrp} - {"Grad-CAM"})
    assert made(objective="fcdd", encoder="fcdd-28") == ["FCDD", *NETWORK]
    assert made(objective="fcdd-masks", encoder="fcdd-28") == ["FCDD", *NETWORK]
    assert made(objective="hsc", encoder="fcdd-28") == with_lrp
    assert made(objective="reconstruction") == ["Residual", *NETWORK]
    assert made(objective="hybrid") == NETWORK
    assert made(detector="shallow", estimator="kde") == ["Distance shares"]
    assert made(detector="shallow", estimator="oc-svm-oracle") == ["Distance shares"]
    assert made(detector="shallow", estimator="pca") == ["Residual"]
    assert made(detector="shallow", estimator="pca", features="codes") == []
    assert made(detector="shallow", estimator="isolation-forest") == []
    assert made(detector="vae") == []


def test_what_stands_for_a_model_compares_only_where_there_are_references():
    names = ["GradientShap", "LRP-eps", "Integrated Gradients"]
    assert standing_for(names, has_references=True) == "GradientShap"
    assert standing_for(names, has_references=False) == "LRP-eps"
    assert standing_for(["Residual"], has_references=False) == "Residual"
    assert standing_for(["Occlusion"], has_references=False) == "Occlusion"
    assert analysing(names) == "LRP-eps" and analysing(["FCDD", "Saliency"]) == "FCDD"


def test_tables_agree():
    assert list(APPLIES) == list(EXPLAINERS)


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize("method", ["isolation-forest", "one-class"])
def test_what_does_not_apply_says_so_in_one_sentence(name, method):
    choices = {"detector": "shallow", "estimator": method} if "-f" in method else {}
    detector = detectors.build(Experiment("a", ("0",), **choices))
    if name in supported(detector):
        return
    with pytest.raises(ValueError, match=f"^{method} [^.]*; choose another map.$"):
        EXPLAINERS[name](detector, np.zeros((1, 1, 28, 28), np.uint8))


def gap(detector, images, references, steps):
    """Mean share of the score's rise from the reference that the map misses.

    Images whose rise is next to nothing are left out: their share is a division by zero.
    """
    found = integrated_gradients(detector, images, references, steps=(steps,))
    rise = LEDGERS["Integrated Gradients"](detector, images, references).explained
    moved = np.abs(rise) > 0.1 * np.median(np.abs(rise))
    assert moved.mean() > 0.9
    return (np.abs(found.sum(axis=(1, 2)) - rise) / np.abs(rise))[moved].mean()


@pytest.mark.parametrize("with_references", [True, False])
def test_integrated_gradients_sum_to_the_rise(with_references, detector, digits, zero_task):
    references = zero_task.train_images if with_references else None
    images = digits.test.images[5::40]
    assert gap(detector, images, references, 50) <= 0.03
    assert gap(detector, images, references, 200) <= 0.01


def test_integrated_gradients_takes_more_steps_where_its_sum_is_off(detector, digits):
    images = digits.test.images[5::40]
    few, most = (integrated_gradients(detector, images, steps=(count,)) for count in (5, 200))
    ledger = LEDGERS["Integrated Gradients"](detector, images)
    size = np.maximum(np.abs(ledger.explained), detector.anomaly_score(images))
    is_off = np.abs(few.sum(axis=(1, 2)) - ledger.explained) > 0.02 * size
    assert 0 < is_off.sum() < len(images)
    found = integrated_gradients(detector, images, steps=(5, 200))
    assert np.allclose(found, np.where(is_off[:, None, None], most, few), atol=1e-7)


def test_gradient_shap_keeps_an_account_and_draws_for_each_image(detector, digits, zero_task):
    images, references = digits.test.images[105::100], zero_task.train_images[:50]
    maps = gradient_shap(detector, images, references)
    ledger = gradient_shap_ledger(detector, images, references)
    scores = detector.anomaly_score(images)
    assert np.allclose(ledger.explained + ledger.total, scores)
    off = np.abs(maps.sum(axis=(1, 2)) + ledger.total - scores)
    assert (off <= 0.02 * np.maximum(np.abs(ledger.explained), np.abs(scores))).all()
    known = detector.anomaly_score(references)
    assert known.min() < ledger.total.min() and ledger.total.max() < known.max()
    assert len(set(ledger.total)) > len(images) / 2  # each has its own draw
    alone = gradient_shap(detector, images[:1], references)
    assert np.allclose(alone[0], maps[0], atol=1e-6)


def test_occlusion_of_what_equals_the_reference_changes_nothing(detector, zero_task):
    image = zero_task.train_images[:1]
    assert np.abs(occlusion(detector, image, image)).max() < 1e-6  # only rounding
    assert np.abs(occlusion(detector, image)).max() > 1e-3


def test_grad_cam_is_positive_and_finds_the_image(detector, digits):
    maps = grad_cam(detector, digits.test.images[100:110])
    assert maps.min() >= 0
    assert maps.max() > 0


def test_a_patch_far_from_normal_draws_relevance(detector, digits):
    image = digits.test.images[:1].copy()
    image[0, 0, :6, :6] = 255
    for name in ("LRP-eps", "LRP-gamma/ZBox"):
        relevance = np.abs(EXPLAINERS[name](detector, image)[0])
        share = relevance[:9, :9].sum() / relevance.sum()
        clean = np.abs(EXPLAINERS[name](detector, digits.test.images[:1])[0])
        assert share > 2 * clean[:9, :9].sum() / clean.sum(), name


@pytest.mark.parametrize("name", ["fcdd-28", "fcdd-32"])
def test_a_cell_is_spread_over_the_middle_of_its_receptive_field(name):
    encoder = ENCODERS[name]()
    height, width = encoder.map_shape
    cells = torch.zeros(1, height, width)
    cells[0, 3, 2] = 1
    full = spread(cells, encoder, encoder.input_shape[1:])[0]
    assert full.shape == encoder.input_shape[1:]
    assert full.sum().item() == pytest.approx(16, abs=1e-3)  # 4x4 pixels per cell
    rows, columns = (torch.arange(n, dtype=torch.float32) for n in full.shape)
    total = full.sum()
    center = (full.sum(1) @ rows / total, full.sum(0) @ columns / total)
    assert center == pytest.approx((3 * 4 + 1.5, 2 * 4 + 1.5), abs=0.05)


@pytest.mark.parametrize("name", ["fcdd-28", "fcdd-32"])
@pytest.mark.parametrize("sigma", [None, 1e-3, 1.2, 3.0, 50.0])
def test_a_constant_map_stays_that_constant_and_every_map_keeps_its_mean(name, sigma):
    encoder = ENCODERS[name]
    shape, cells = encoder.input_shape[1:], torch.rand(4, *ENCODERS[name].map_shape) ** 4
    constant = spread(torch.full((1, *encoder.map_shape), 0.7), encoder, shape, sigma)
    assert torch.allclose(constant, torch.tensor(0.7), rtol=1e-6)
    maps = spread(cells, encoder, shape, sigma)
    assert torch.allclose(maps.mean(dim=(1, 2)), cells.mean(dim=(1, 2)), rtol=1e-5)
    assert maps.min() >= 0 and maps.max() <= cells.max() * (1 + 1e-6)


class TwoCells(FullyConvolutional):
    """A row of two cells, each of which sees four pixels of four."""

    map_shape, receptive_field, stride = (1, 2), 4, 2


def test_pixels_are_means_of_cells_weighted_by_gaussians():
    """Cells lie at 0.5 and 2.5, mirrored ones at -1.5 and 4.5; two see each pixel.

    Pixel 0 lies 0.5 and 1.5 from the first cell and its mirror image, pixel 1 lies 0.5 from the
    first and 1.5 from the second: exp(-1/8) and exp(-9/8), shares 1 / (1 + 1/e) and the rest.
    """
    row = spread(torch.tensor([[[1.0, 0.0]]]), TwoCells, (2, 4), sigma=1.0)[0, 0]
    share = 1 / (1 + np.exp(-1))
    assert row.numpy() == pytest.approx([1, share, 1 - share, 0], abs=1e-6)


def ripple(stride, sigma, begin):
    """Highest by lowest pixel of equal Gaussians, a `stride` apart from `begin` on both axes."""
    middles = begin + stride * np.arange(-50, 50)
    row = np.exp(-np.square(np.arange(stride)[:, None] - middles) / (2 * sigma**2)).sum(axis=1)
    return float((row.max() / row.min()) ** 2)


@pytest.mark.parametrize("stride", [3, 4, 8])
def test_the_sigma_of_a_stride_leaves_a_constant_map_smooth(stride):
    sigma, between = smooth_sigma(stride), (stride - 1) / 2
    assert max(ripple(stride, sigma, begin) for begin in (0, between)) <= RIPPLE + 1e-5
    assert ripple(stride, 0.9 * sigma, 0) > RIPPLE  # no smaller one would do in all places


def test_a_sigma_of_1_2_alone_would_make_a_grid():
    assert ripple(4, 1.2, 1.5) == pytest.approx(2.65, abs=0.01)
    assert smooth_sigma(4) == pytest.approx(1.895, abs=1e-3)


def test_the_mean_of_a_map_of_cells_is_the_score(kinds, digits):
    maps = fcdd_map(kinds["fcdd"], digits.test.images[:4])
    scores = kinds["fcdd"].anomaly_score(digits.test.images[:4])
    assert np.allclose(maps.mean(axis=(1, 2)), scores, rtol=1e-5)


def test_a_chosen_sigma_smooths_the_map_and_leaves_the_score(digits):
    maps, scores = [], []
    for sigma in (0.5, 4.0):
        choices = {"objective": "fcdd", "encoder": "fcdd-28-small", "upsampling_sigma": sigma}
        detector = DeepDetector(Experiment("a", ("0",), **choices))
        maps.append(fcdd_map(detector, digits.test.images[:4]))
        scores.append(detector.anomaly_score(digits.test.images[:4]))
    assert np.array_equal(*scores)
    assert maps[1].std() < 0.8 * maps[0].std()


class SmallCells(FullyConvolutional):
    """FCDD28 with few filters."""

    input_shape = (1, 28, 28)
    map_shape = (7, 7)
    receptive_field = 16
    stride = 4

    def __init__(self):
        super().__init__(
            *convolution(1, 8, bias=True),
            nn.Conv2d(8, 16, 5, padding=2),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 1, 1),
            nn.Flatten(),
        )


def with_squares(images):
    """Three squares of random size, place and grey in each image."""
    rng, marked = np.random.default_rng(0), images.copy()
    for image in marked:
        for _ in range(3):
            side, grey = rng.integers(1, 7), rng.integers(256)
            row, column = rng.integers(0, 28 - side, 2)
            image[0, row : row + side, column : column + side] = grey
    return marked


def test_cells_that_learned_squares_find_a_dotted_line(digits, monkeypatch):
    monkeypatch.setitem(ENCODERS, "small-cells", SmallCells)
    task = one_vs_rest(digits, ("3",))
    images = np.concatenate([task.train_images, with_squares(task.train_images)])
    labels = np.repeat([0, -1], len(task.train_images))
    detector = fitted(
        task._replace(train_images=images, semi_labels=labels),
        objective="fcdd",
        encoder="small-cells",
        epochs=20,
        learning_rate=1e-2,
        batch_size=50,
        contrast_normalisation=False,
    )
    clean = digits.test.images[digits.test.labels == 3]
    spoilt, masks = CORRUPTIONS["dotted line"](clean)
    both = np.concatenate([clean, spoilt])
    is_anomaly = np.arange(len(both)) >= len(clean)
    assert auroc(detector.anomaly_score(both), is_anomaly) >= 0.95
    masks = np.concatenate([np.zeros_like(masks), masks])
    assert pooled_pixel_auroc(fcdd_map(detector, both), masks) >= 0.75


def test_masks_teach_the_map_where_an_anomaly_is(digits):
    """Without and with masks 0.942 and 0.960, 0.937 and 0.961, 0.942 and 0.962 for seeds 0 to 2."""
    task = spoil(one_vs_rest(digits, ("3",)), "dotted line+zigzag", seed=1)
    clean = digits.test.images[digits.test.labels == 3]
    spoilt, masks = CORRUPTIONS["dotted line"](clean)
    both, masks = np.concatenate([clean, spoilt]), np.concatenate([np.zeros_like(masks), masks])
    found = {}
    for objective in ("fcdd", "fcdd-masks"):
        detector = fitted(
            task,
            objective=objective,
            encoder="fcdd-28-small",
            epochs=10,
            learning_rate=1e-2,
            batch_size=50,
            contrast_normalisation=False,
        )
        found[objective] = pooled_pixel_auroc(fcdd_map(detector, both), masks)
    assert found["fcdd-masks"] >= max(0.95, found["fcdd"] + 0.015)
