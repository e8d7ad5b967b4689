import numpy as np
import pytest
import torch

from deepsvdd_core import detectors, library
from deepsvdd_core.detectors import DeepDetector
from deepsvdd_core.evaluation import auroc
from deepsvdd_core.experiment import Experiment

PROVENANCE = {"image_shape": [1, 28, 28]}


def test_scores_do_not_depend_on_the_batch(detector, digits):
    images = digits.test.images[::97]
    together = detector.anomaly_score(images)
    alone = np.concatenate([detector.anomaly_score(images[i : i + 1]) for i in range(len(images))])
    assert np.allclose(together, alone, rtol=1e-5, atol=1e-9)


def test_scoring_changes_nothing(detector, digits):
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    detector.anomaly_score(digits.test.images[:50])
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())


def test_zeros_are_found_to_be_normal(detector, zero_task):
    scores = detector.anomaly_score(zero_task.test_images)
    assert scores.dtype == np.float64 and scores.shape == (1000,)
    assert auroc(scores, zero_task.is_anomaly) > 0.9


def test_at_most_nu_of_the_training_images_lie_outside(detector, zero_task):
    outside = (detector.anomaly_score(zero_task.train_images) > detector.threshold).mean()
    assert 0.05 <= outside <= 0.1


def test_embedding_and_score_belong_together(detector, digits):
    images = digits.test.images[:20]
    embeddings = detector.embed(images)
    assert embeddings.shape == (20, 32) and embeddings.dtype == np.float32
    assert np.array_equal(detector.score_embeddings(embeddings), detector.anomaly_score(images))
    squared = np.square(embeddings.astype(np.float64) - detector.sphere.centers[0]).sum(axis=1)
    beyond = squared - detector.sphere.radii[0] ** 2
    assert np.array_equal(beyond > 0, detector.anomaly_score(images) > detector.threshold)


def test_the_differentiable_way_gives_the_same_scores(detector, digits):
    images = digits.test.images[:20]
    scores = detector(detector.pixels(images)).detach().numpy()
    assert np.allclose(scores, detector.anomaly_score(images), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 3, 32, 32), np.uint8),
        np.zeros((2, 1, 28, 28), np.float32),
        np.zeros((28, 28), np.uint8),
    ],
)
def test_images_of_another_kind_are_refused_in_a_sentence(detector, images):
    with pytest.raises(ValueError, match="This model takes uint8 images of shape"):
        detector.anomaly_score(images)


def test_weights_of_another_network_are_refused(tmp_path):
    experiment = Experiment("mnist-sample", ("0",))
    other = DeepDetector(Experiment("x", ("0",), encoder="fashion-lenet"))
    tensors = {name: value.numpy() for name, value in other.state_dict().items()}
    header = {"detector": "deep", "experiment": experiment.to_dict(), "provenance": PROVENANCE}
    library.write(tmp_path / "odd.safetensors", header, tensors)
    with pytest.raises(ValueError, match="does not hold the weights of a mnist-lenet network"):
        detectors.load(tmp_path / "odd.safetensors")


def test_a_detector_of_an_unknown_kind_is_refused(tmp_path):
    header = {
        "detector": "oracle",
        "experiment": Experiment("a", ("0",)).to_dict(),
        "provenance": PROVENANCE,
    }
    library.write(tmp_path / "odd.safetensors", header, {})
    with pytest.raises(ValueError, match="There is no detector oracle; choose from deep"):
        detectors.load(tmp_path / "odd.safetensors")
