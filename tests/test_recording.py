import numpy as np
import pytest

from deepsvdd_core import products
from deepsvdd_core.pipeline.running import _radii_of_several
from deepsvdd_core.projections import frames
from deepsvdd_core.recording import MOST_FRAMES, Frame, Recorder, Recording
from deepsvdd_core.sphere import Sphere
from tests.conftest import fitted


def recorded(count):
    recorder = Recorder(np.arange(3))
    for epoch in range(count):
        sphere = Sphere(np.zeros((1, 2), np.float32), np.array([float(epoch)]), "squared")
        codes = np.full((3, 2), epoch, np.float32)
        recorder.add(Frame("training", epoch, None, 0.5, codes, sphere))
    return recorder.recording()


@pytest.mark.parametrize("count", [1, 2, 59, 60, 61, 62, 119, 120, 121, 250, 1001])
def test_few_frames_are_kept_evenly_from_the_first_to_the_last(count):
    recording = recorded(count)
    epochs = recording.epochs
    assert epochs[0] == 0 and epochs[-1] == count - 1
    assert min(count, MOST_FRAMES / 2) <= len(epochs) <= MOST_FRAMES
    steps = np.diff(epochs)
    assert len(set(steps[:-1])) <= 1 and (steps > 0).all()
    assert np.array_equal(recording.embeddings[:, 0, 0], epochs)
    assert np.array_equal(recording.radii[:, 0], epochs)


def test_a_kept_sphere_does_not_change_with_the_training():
    recorder = Recorder(np.arange(1))
    sphere = Sphere(np.zeros((1, 2), np.float32), np.ones(1), "squared")
    recorder.add(Frame("training", 0, None, None, np.zeros((1, 2), np.float32), sphere))
    sphere.centers[:] = 7
    sphere.radii[:] = 7
    recording = recorder.recording()
    assert recording.centers.max() == 0 and recording.radii[0, 0] == 1


def test_radii_are_told_of_the_spheres_that_are_left_where_centres_stand_still():
    def frames(centers):
        recorder = Recorder(np.arange(1))
        for epoch, places in enumerate(centers):
            sphere = Sphere(np.array(places, np.float32), 10.0 * epoch + np.arange(4), "beyond")
            recorder.add(Frame("training", epoch, None, None, np.zeros((1, 1), np.float32), sphere))
        return recorder

    still = [[[0], [1], [2], [3]]] * 3
    recorder = frames(still)
    recorder.settle(Sphere(np.array([[1], [3]], np.float32), np.array([7.0, 8.0]), "beyond"))
    found = _radii_of_several(recorder.recording())["sphere_radii"]
    assert found.tolist() == [[1, 3], [11, 13], [7, 8]]
    recorder = frames([*still, [[0], [5], [2], [3]], [[0], [5], [2], [3]]])
    assert _radii_of_several(recorder.recording()) == {}
    assert _radii_of_several(frames(still[:1]).recording()) == {}
    recorder = frames(still)
    recorder.settle(Sphere(np.array([[1]], np.float32), np.array([7.0]), "beyond"))
    assert _radii_of_several(recorder.recording()) == {}


@pytest.fixture(scope="module", params=["one-class", "multi-sphere", "reconstruction"])
def trained(request, zero_task):
    return fitted(zero_task, objective=request.param, epochs=2)


def test_a_training_is_recorded_from_before_it_to_its_end(trained, zero_task):
    recording = trained.recording
    assert recording.stages == ("before training", "training", "training", "training")
    assert recording.epochs.tolist() == [0, 0, 1, 2]
    assert np.isnan(recording.losses).tolist() == [True, True, False, False]
    assert np.isfinite(recording.aurocs).all()
    images = zero_task.test_images[recording.rows]
    embeddings = trained.embed(images)
    assert np.array_equal(recording.embeddings[-1], embeddings)
    assert not np.allclose(recording.embeddings[0], embeddings)
    assert zero_task.is_anomaly[recording.rows].mean() > 0.5


def test_the_last_sphere_is_the_one_of_the_model(trained):
    spheres = trained.recording.spheres()
    if trained.sphere is None:
        assert spheres == []
        return
    for kept, own in zip(spheres[-1], trained.sphere, strict=True):
        assert np.array_equal(kept, own)
    assert not np.array_equal(spheres[0].centers, spheres[-1].centers)
    film = frames(trained.recording.embeddings, spheres)
    assert film.coordinates.shape == (*trained.recording.embeddings.shape[:2], 2)


def test_a_recording_survives_the_disk(trained):
    products.put("film", {}, trained.recording.arrays())
    again = Recording.from_arrays(products.get("film", {}))
    for name, value in trained.recording._asdict().items():
        kept = getattr(again, name)
        if isinstance(value, np.ndarray):
            assert kept.dtype == value.dtype and np.array_equal(kept, value, equal_nan=True)
        else:
            assert kept == value


def test_a_recording_is_not_part_of_the_file(trained, tmp_path):
    trained.save(tmp_path / "model.safetensors", {"image_shape": [1, 28, 28]})
    assert type(trained).load(tmp_path / "model.safetensors").recording is None
    assert not any("recording" in name for name in trained.contents()[1])
