from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepsvdd_core import datasets, detectors, jobs, library, selection
from deepsvdd_core.corruptions import ARTEFACTS, MNIST_C
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.honesty.localisation import overlap, strongest
from deepsvdd_core.pipeline import Subject, hans, running
from deepsvdd_core.pipeline.ensembles import judge_of, rank, unit
from deepsvdd_core.progress import nothing, silent

STEPS = {"progress": silent, "on_step": nothing}
KDE = {
    "detector": "shallow",
    "estimator": "kde",
    "width": 2**2.5,
    "principal_components": False,
    "contrast_normalisation": False,
    "most_images": 1_000,
}
DIGITS = tuple("0123456789")


def asked(dataset: str = "mnist-sample", normal=("0",), **choices) -> Subject:
    """A model trained here and the test images of its data set."""
    experiment = Experiment(dataset, normal, **choices)
    try:
        entry = library.find(experiment.name)
    except ValueError:
        detector, provenance, _, _ = running.run(experiment)
        path = library.folder() / f"{experiment.name}.safetensors"
        detector.save(path, provenance)
        entry = library.find(experiment.name)
    return Subject(**jobs.subject(entry, dataset))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def kept(home, monkeypatch):
    """Models stay for all tests of this file."""
    monkeypatch.setenv("DEEPSVDD_HOME", str(home))


def test_the_fewest_pixels_that_hold_a_share_are_the_strongest():
    maps = np.array([[[4.0, 3.0], [1.0, -9.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert strongest(maps, 0.5)[0].tolist() == [[True, False], [False, False]]
    assert strongest(maps, 0.6)[0].tolist() == [[True, True], [False, False]]
    assert strongest(maps, 1.0)[0].tolist() == [[True, True], [True, False]]
    assert not strongest(maps)[1].any()


def test_overlap_is_intersection_over_union():
    masks = np.array([[[True, True, False]], [[False, False, False]]])
    others = np.array([[[False, True, True]], [[False, False, False]]])
    assert overlap(masks, others).tolist() == [1 / 3, 0]


def test_a_rank_is_the_share_of_the_ladder_below():
    assert rank(np.array([0.0, 1.0, 2.5, 9.0]), np.array([1.0, 2, 3, 4])).tolist() == [0, 0, 0.5, 1]


def test_maps_of_length_one():
    maps = unit(np.array([[[3.0, -4.0]], [[0.0, 0.0]]]))
    assert maps.tolist() == [[[0.6, -0.8]], [[0.0, 0.0]]]


@pytest.fixture
def wide():
    """The thesis' KDE, on fewer images."""
    return asked(normal=DIGITS, **KDE)


def test_a_wide_kde_follows_the_thesis_on_few_images(wide):
    found = hans.clever_hans(wide, others=[], count=60, **STEPS)
    names = found["names"].tobytes().decode().splitlines()
    assert names == list(MNIST_C)
    assert found["score"] == pytest.approx(found["auroc"] - found["cosine"])
    top = {names[k] for k in np.argsort(-found["score"])[:3]}
    assert top == {"dotted line", "zigzag", "spatter"}
    assert found["auroc"][names.index("stripe")] > 0.99
    assert found["auroc"][names.index("scale")] < 0.15
    assert found["spoilt"].shape == (15, 1, 28, 28) and found["truth"].shape == (15, 28, 28)


def test_work_reports_and_can_be_stopped(wide):
    heard = []

    def stop() -> None:
        if len(heard) > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hans.clever_hans(
            wide, others=[], count=10, progress=lambda *said: heard.append(said), on_step=stop
        )
    assert 3 < len(heard) < 10 and all(0 <= share < 1 for _, share in heard)


def test_an_ensemble_ranks_each_of_its_models(wide):
    other = asked(normal=DIGITS, detector="shallow", estimator="pca", most_images=500)
    judge = judge_of(wide, [[other.model, other.digest]])
    images = wide.shown.images[:30]
    scores = judge.score(images)
    alone = [judge_of(one, []).score(images) for one in (wide, other)]
    both = (alone[0][:, None] > alone[0]) & (alone[1][:, None] > alone[1])
    assert (scores[:, None] >= scores)[both].all() and both.sum() > 100
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.linalg.norm(judge.explain(images).reshape(30, -1), axis=1) <= 1 + 1e-6).all()


def test_models_with_other_normal_classes_are_no_ensemble(wide):
    other = asked(normal=("0",), detector="shallow", estimator="pca")
    with pytest.raises(ValueError, match=r"same normal classes; choose others\."):
        judge_of(wide, [[other.model, other.digest]])


def test_strategies_name_images_of_their_class(wide):
    found = hans.strategies(wide, label="3", count=40, **STEPS)
    labels = wide.shown.labels
    assert len(found["rows"]) == len(found["labels"]) == 40
    assert (labels[found["rows"]] == 3).all()
    typical = found["typical"]
    assert set(typical[typical >= 0]) <= set(found["rows"])
    assert found["mean_maps"].shape == (int(found["count"]), 28, 28)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_planted_mark_is_a_strategy_and_is_worth_score(seed):
    marked = asked(
        objective="reconstruction",
        contrast_normalisation=False,
        artefact="planted tag",
        artefact_share=0.1,
        seed=seed,
    )
    found = hans.find_mark(marked, count=400, **STEPS)
    assert found["is_planted"].sum() == 40 and found["count"] == 2
    assert found["rand"] >= 0.9 and found["match"].max() >= 0.95
    assert found["inside"] >= 5 * found["area"] > 5 * found["elsewhere"]
    without = hans.remove_mark(marked, count=200, on_step=nothing)
    for means in ("removed", "masked"):
        assert np.median(without[means]) < np.median(without["before"])
        assert (without[means] < without["before"]).mean() > 0.9
        assert without[f"at_{means}"].shape == (40, 2)
    changed = without["images_removed"] != without["images"]
    assert changed[..., 1:5, 1:5].any()
    assert not changed[..., 5:, :].any() and not changed[..., 5:].any()


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_marks_are_planted_in_normal_training_images_alone(artefact):
    experiment = Experiment("mnist-sample", ("0",), labelled=0.2, artefact=artefact, seed=3)
    clean, marked = running.clean_task_of(experiment), running.task_of(experiment)
    changed = (clean.train_images != marked.train_images).any(axis=(1, 2, 3))
    normal = clean.semi_labels >= 0
    assert changed.sum() == round(0.1 * normal.sum()) and not changed[~normal].any()
    assert np.array_equal(clean.test_images, marked.test_images)
    again = running.task_of(experiment)
    assert np.array_equal(again.train_images, marked.train_images)


def test_spoilt_copies_are_of_the_marked_images_and_reach_no_test_image():
    choices = {"artefact": "planted tag", "artefact_share": 1.0, "most_images": 50, "seed": 2}
    experiment = Experiment("mnist-sample", ("0",), spoilt="zigzag", **choices)
    marked = running.task_of(Experiment("mnist-sample", ("0",), **choices))
    task = running.task_of(experiment)
    assert task.semi_labels.tolist() == [0] * 50 + [-1] * 50
    assert np.array_equal(task.train_images[:50], marked.train_images)
    same = task.train_images[50:] == marked.train_images
    assert same[~task.masks[50:, None]].mean() > 0.9 and not same[task.masks[50:, None]].any()
    assert np.array_equal(task.test_images, marked.test_images)
    again = running.task_of(Experiment.from_dict(experiment.to_dict()))
    assert np.array_equal(again.masks, task.masks)
    with pytest.raises(ValueError, match="There is no local corruption fog of grey images"):
        running.task_of(Experiment("mnist-sample", ("0",), spoilt="fog"))


def test_a_place_on_the_radial_map_is_exact():
    marked = asked(artefact="planted stripe", epochs=1)
    found = hans.remove_mark(marked, count=30, on_step=nothing)
    assert found["radial"] == 1
    apart = np.linalg.norm(found["at_before"], axis=1) * marked.detector.sphere.radii[0]
    assert np.square(apart) == pytest.approx(found["before"], rel=1e-4)


def test_a_guess_is_scored_against_model_and_truth(wide):
    half = np.zeros((28, 28), bool)
    half[:, :14] = True
    drawn = selection.packed(half.ravel())
    found = hans.guess(wide, index=5, corruption="", drawn=drawn)
    positive = np.maximum(found["relevance"], 0)
    assert found["covered"] == pytest.approx(positive[:, :14].sum() / positive.sum(), rel=1e-5)
    assert found["area"] == 0.5 and "truth" not in found
    found = hans.guess(wide, index=5, corruption="stripe", drawn=drawn)
    truth = found["truth"].astype(bool)
    assert found["true_overlap"] == pytest.approx((half & truth).sum() / (half | truth).sum())
    perfect = selection.packed(truth.ravel())
    assert hans.guess(wide, index=5, corruption="stripe", drawn=perfect)["true_overlap"] == 1


def test_a_mark_that_is_not_there_gets_a_sentence():
    experiment = Experiment("mnist-sample", ("0",), artefact="planted hat")
    with pytest.raises(ValueError, match="There is no mark planted hat; choose from planted tag"):
        running.task_of(experiment)


def test_a_width_needs_a_kernel():
    experiment = Experiment("mnist-sample", ("0",), detector="shallow", estimator="knn", width=2.0)
    with pytest.raises(ValueError, match="knn has no kernel width"):
        detectors.build(experiment)


def colour_folder(root: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        (root / split / "a").mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / split / "a" / f"{number}.png")


def test_what_cannot_be_answered_gets_a_sentence(wide):
    with pytest.raises(ValueError, match="There is no class x; choose from 0, 1"):
        hans.strategies(wide, label="x", count=50, **STEPS)
    with pytest.raises(ValueError, match="at least 20 maps, got 10; choose more images"):
        hans.strategies(wide, label="3", count=10, **STEPS)
    for question in (hans.find_mark, hans.remove_mark):
        with pytest.raises(ValueError, match=r"Nothing was planted .* plant a mark first"):
            question(
                wide, count=50, **(STEPS if question is hans.find_mark else {"on_step": nothing})
            )
    with pytest.raises(ValueError, match="Nothing is drawn yet; draw where you think"):
        hans.guess(wide, index=0, corruption="", drawn="")
    elsewhere = wide._replace(
        dataset="fashion-mnist-sample", fingerprint=datasets.fingerprint("fashion-mnist-sample")
    )
    with pytest.raises(ValueError, match="There is no class 0"):
        hans.clever_hans(elsewhere, others=[], count=50, **STEPS)
    colour_folder(datasets.data_root() / "tiles")
    colour = asked("tiles", ("a",), detector="shallow", estimator="knn")
    with pytest.raises(ValueError, match="grey images; choose a grey data set"):
        hans.clever_hans(colour, others=[], count=50, **STEPS)
    forest = asked(detector="shallow", estimator="isolation-forest")
    with pytest.raises(ValueError, match="There is no explanation for isolation-forest"):
        hans.clever_hans(forest, others=[], count=50, **STEPS)
