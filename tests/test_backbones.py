import numpy as np
import pytest

from deepsvdd_core import backbones, products
from deepsvdd_core.backbones import EfficientNetLite0, ResNet18
from deepsvdd_core.datasets import DataUnavailable


@pytest.fixture(scope="module")
def network():
    return EfficientNetLite0()


IMAGES = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)


def test_features_are_those_of_the_trained_network(network):
    features = network(IMAGES)
    assert features.shape == (6, 1280) and features.dtype == np.float32
    assert np.isfinite(features).all() and features.std(axis=0).mean() > 0.001
    assert np.allclose(np.linalg.norm(features, axis=1), 1)
    assert not any(module.training for module in network.network.modules())


def test_features_of_an_image_do_not_depend_on_the_others(network):
    assert np.allclose(network(IMAGES)[2:3], network(IMAGES[2:3]), rtol=1e-3, atol=1e-5)


def test_grey_images_count_as_colour(network):
    grey = IMAGES[:, :1]
    assert np.allclose(network(grey), network(np.repeat(grey, 3, axis=1)), rtol=1e-4, atol=1e-5)


def test_zeros_have_no_length_to_lose():
    assert backbones.of_unit_length(np.array([[3.0, 4.0], [0, 0]])).tolist() == [[0.6, 0.8], [0, 0]]


def test_features_of_many_images_are_kept(network, monkeypatch):
    monkeypatch.setattr(backbones, "WORTH_KEEPING", 5)
    first = network(IMAGES)
    assert len(list(products.folder().glob("features-*"))) == 1
    monkeypatch.setattr(network, "_features", lambda images: pytest.fail("computed again"))
    assert np.array_equal(network(IMAGES), first)


def test_weights_that_cannot_be_downloaded_get_a_sentence(monkeypatch):
    def fail(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models.get_model", fail)
    with pytest.raises(DataUnavailable, match="connect to a network and try again, or choose"):
        ResNet18()
