"""The contract of every detector, over the table."""

import numpy as np
import pytest
import torch

from deepsvdd_core import calibration, catalogue, detectors, library
from deepsvdd_core.detectors import DETECTORS, DeepDetector
from deepsvdd_core.estimators import ESTIMATORS
from deepsvdd_core.evaluation import auroc
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.objectives import OBJECTIVES
from deepsvdd_core.scaling import Preprocessing
from deepsvdd_core.tasks import OneClassTask, one_vs_rest

PROVENANCE = {"image_shape": [1, 28, 28]}
OTHERS = [name for name in DETECTORS if name not in ("deep", "shallow")]
METHODS = [*OBJECTIVES, *ESTIMATORS, *OTHERS, "knn@codes", "mahalanobis@efficientnet-lite0"]
METHODS += ["knn@gradients", "mahalanobis@gradients", "one-class@gradients"]
COUNT = 40  # training images of the contract; enough for a threshold, few enough for a second


@pytest.fixture(scope="session")
def small_task(digits):
    """Zeros to train on, a few more of labelled anomalies, 100 test images."""
    task = one_vs_rest(digits, ("0",), labelled=0.1)
    kept = np.concatenate([np.arange(COUNT), np.flatnonzero(task.semi_labels < 0)[:6]])
    test = np.arange(0, 1000, 10)
    masks = np.zeros((len(kept), 28, 28), bool)
    masks[-3:, 10:18, 10:18] = True  # of three of the six, as if their place were known
    return OneClassTask(
        task.train_images[kept],
        task.semi_labels[kept],
        task.test_images[test],
        task.is_anomaly[test],
        task.test_labels[test],
        task.train_indices[kept],
        masks,
    )


def build(method, **choices):
    schedule = {"pretrain_epochs": 1, "epochs": 2, "learning_rate": 1e-3, "batch_size": 25}
    encoder = catalogue.encoder(method, "mnist-lenet")
    made = {**catalogue.choices(method), "encoder": encoder, **schedule, **choices}
    return detectors.build(Experiment("mnist-sample", ("0",), **made))


def fit(task, method, **choices):
    """Without its calibration."""
    detector = build(method, **choices)
    reports = list(detector.learn_from(task))
    return detector, reports


@pytest.fixture(scope="session", params=METHODS)
def fitted(request, small_task, tmp_path_factory):
    """One fitted detector per method, and its reports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPSVDD_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(calibration, "ENOUGH", COUNT // 3)  # two parts of five
        detector = build(request.param)
        return detector, list(detector.fit(small_task))


def test_every_kind_of_detector_is_under_contract():
    assert {catalogue.choices(method)["detector"] for method in METHODS} == set(DETECTORS)
    assert set(catalogue.methods()) <= set(METHODS)


def test_scores_are_finite_numbers_one_per_image(fitted, small_task):
    detector, reports = fitted
    scores = detector.anomaly_score(small_task.test_images)
    assert scores.shape == (100,) and scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert all(0 <= r.auroc <= 1 for r in reports if r.auroc is not None)


def test_a_score_depends_on_its_image_alone(fitted, small_task):
    detector, _ = fitted
    images = small_task.test_images
    scores = detector.anomaly_score(images)
    order = np.random.default_rng(0).permutation(len(images))
    assert np.allclose(detector.anomaly_score(images[order]), scores[order], rtol=1e-4, atol=1e-6)
    alone = np.concatenate([detector.anomaly_score(images[i : i + 1]) for i in range(0, 100, 25)])
    assert np.allclose(alone, scores[::25], rtol=1e-4, atol=1e-6)


def test_the_threshold_keeps_its_promise(fitted, small_task):
    detector, _ = fitted
    normal = small_task.train_images[small_task.semi_labels >= 0]
    fitted_to = (detector.anomaly_score(normal) > detector.fitted_threshold).mean()
    left_out = (detector.calibration_scores > detector.threshold).mean()
    count = len(detector.calibration_scores)
    assert count in (COUNT // 5 * 2, COUNT)  # of two parts, or of all that are left out in turn
    assert 0.1 - 2 / COUNT <= fitted_to <= 0.1
    assert 0.1 - 2 / count <= left_out <= 0.1


def test_the_trained_sphere_is_where_the_fitted_threshold_is(fitted, small_task):
    detector, _ = fitted
    embeddings, scores = detector.embed_and_score(small_task.test_images)
    assert embeddings.dtype == np.float32 and len(embeddings) == len(scores) == 100
    if detector.sphere is not None:
        offsets = embeddings.astype(np.float64)[:, None] - detector.sphere.centers
        beyond = np.linalg.norm(offsets, axis=2) - detector.sphere.radii
        assert np.array_equal(beyond.min(axis=1) > 0, scores > detector.fitted_threshold)


def test_a_saved_model_scores_the_same(fitted, small_task, tmp_path):
    detector, _ = fitted
    detector.save(tmp_path / "model.safetensors", PROVENANCE)
    again = detectors.load(tmp_path / "model.safetensors")
    assert again.experiment == detector.experiment
    assert again.threshold == detector.threshold
    assert np.array_equal(again.calibration_scores, detector.calibration_scores)
    images = small_task.test_images[:20]
    assert np.allclose(again.anomaly_score(images), detector.anomaly_score(images), rtol=1e-6)
    assert again.anomaly_score(images[:0]).shape == (0,)


def test_the_seed_decides(fitted, small_task):
    detector, _ = fitted
    images = small_task.test_images[:20]
    method = detector.experiment.method
    again = build(method)
    list(again.learn_from(small_task))
    assert np.array_equal(again.anomaly_score(images), detector.anomaly_score(images))
    if detector.experiment.detector != "shallow":
        other = build(method, seed=1)
        list(other.learn_from(small_task))
        assert not np.array_equal(other.anomaly_score(images), detector.anomaly_score(images))


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 3, 32, 32), np.uint8),
        np.full((2, 1, 28, 28), np.nan, np.float32),
        np.zeros((28, 28), np.uint8),
    ],
)
def test_images_of_another_kind_are_refused_in_a_sentence(fitted, images):
    with pytest.raises(ValueError, match="This model takes uint8 images of shape"):
        fitted[0].anomaly_score(images)


def test_a_file_with_parts_missing_is_refused(fitted, tmp_path):
    detector, _ = fitted
    values, arrays = detector.contents()
    arrays.pop(sorted(arrays)[0])
    header = {
        "detector": detector.experiment.detector,
        "experiment": detector.experiment.to_dict(),
        "provenance": PROVENANCE,
        **values,
    }
    library.write(tmp_path / "odd.safetensors", header, arrays)
    with pytest.raises(ValueError, match="does not hold all parts of a"):
        detectors.load(tmp_path / "odd.safetensors")


def test_training_stops_when_a_step_says_so(fitted, small_task):
    def stop():
        raise InterruptedError

    detector = build(fitted[0].experiment.method)
    with pytest.raises(InterruptedError):
        list(detector.fit(small_task, on_step=stop))


@pytest.mark.parametrize("method", [m for m in OBJECTIVES if OBJECTIVES[m].needs_anomalies])
def test_an_objective_that_needs_anomalies_says_so(method, zero_task):
    with pytest.raises(ValueError, match="learns from known anomalies; choose outlier exposure"):
        fit(zero_task, method)


def test_an_objective_without_labels_never_sees_known_anomalies(small_task):
    without = small_task.semi_labels >= 0
    normal_only = small_task._replace(
        train_images=small_task.train_images[without],
        semi_labels=small_task.semi_labels[without],
        train_indices=small_task.train_indices[without],
        masks=small_task.masks[without],
    )
    images = small_task.test_images
    for method, same in (("one-class", True), ("deep-sad", False)):
        scores = [fit(task, method)[0].anomaly_score(images) for task in (small_task, normal_only)]
        assert np.array_equal(*scores) == same


def test_a_network_with_biases_is_refused_where_it_would_collapse():
    with pytest.raises(ValueError, match="has biases, with which one-class collapses"):
        build("one-class", encoder="fcdd-28")


def test_weights_of_another_network_are_refused(tmp_path):
    other = DeepDetector(Experiment("x", ("0",), encoder="fashion-lenet"))
    header = {"experiment": Experiment("x", ("0",)).to_dict(), "provenance": PROVENANCE}
    library.write(tmp_path / "odd.safetensors", {"detector": "deep", **header}, other.contents()[1])
    with pytest.raises(ValueError, match="does not hold all parts of a one-class model"):
        detectors.load(tmp_path / "odd.safetensors")


def test_a_detector_of_an_unknown_kind_is_refused(tmp_path):
    choices = Experiment("a", ("0",), detector="magic").to_dict()
    header = {"detector": "magic", "experiment": choices, "provenance": PROVENANCE}
    library.write(tmp_path / "odd.safetensors", header, {})
    with pytest.raises(ValueError, match="there is no detector 'magic'"):
        detectors.load(tmp_path / "odd.safetensors")


def test_zeros_are_found_to_be_normal(detector, zero_task):
    scores = detector.anomaly_score(zero_task.test_images)
    assert auroc(scores, zero_task.is_anomaly) > 0.9


def test_the_differentiable_way_gives_the_same_scores(detector, digits):
    images = digits.test.images[:20]
    scores = detector(detector.pixels(images)).detach().numpy()
    assert np.allclose(scores, detector.anomaly_score(images), rtol=1e-3, atol=1e-5)


def test_scoring_changes_nothing(detector, digits):
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    detector.anomaly_score(digits.test.images[:50])
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())


def test_the_oracle_says_that_it_is_one():
    summaries = catalogue.names("estimators", "ESTIMATORS")
    assert summaries["oc-svm-oracle"].startswith("Oracle")


def test_a_shallow_method_sees_images_as_a_network_does(zero_task, tmp_path):
    def made(**choices):
        detector = detectors.build(Experiment("a", ("0",), detector="shallow", **choices))
        for _ in detector.learn_from(zero_task):
            pass
        return detector

    images = zero_task.test_images[:20]
    paler = (images // 2 + 60).astype(np.uint8)  # less contrast, more brightness
    seen, bare = made(), made(contrast_normalisation=False)
    scores = seen.anomaly_score(images)
    assert np.allclose(seen.anomaly_score(paler), scores, rtol=0.1)
    assert (bare.anomaly_score(paler) > 1.05 * bare.anomaly_score(images)).all()
    prepared = Preprocessing()
    prepared.fit(zero_task.train_images)
    rows, new = (
        prepared.whole(some).numpy().reshape(len(some), -1)
        for some in (zero_task.train_images, images)
    )
    near = np.sort(np.linalg.norm(new[:, None] - rows[None], axis=2), axis=1)[:, :5]
    assert np.allclose(scores, near.mean(axis=1), rtol=1e-4)

    seen.save(tmp_path / "new.safetensors", PROVENANCE)
    model = library.read(tmp_path / "new.safetensors")
    assert np.array_equal(model.tensors["rows"], zero_task.train_images.reshape(-1, 784))
    older = {name: x for name, x in model.tensors.items() if not name.startswith("pre")}
    library.write(tmp_path / "old.safetensors", model.header, older)
    old = detectors.load(tmp_path / "old.safetensors")  # from before there was a preparation
    assert np.allclose(old.anomaly_score(images), bare.anomaly_score(images))
