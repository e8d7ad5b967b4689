"""What the engine is asked about single images."""

import numpy as np
import pytest

from deepsvdd_core import datasets, library, tasks
from deepsvdd_core.corruptions import CORRUPTIONS
from deepsvdd_core.explainers import EXPLAINERS, LEDGERS, POSITIVE, supported
from deepsvdd_core.explainers.gradients import integrated_gradients, occlusion
from deepsvdd_core.pipeline import Subject, explaining, maps
from deepsvdd_core.pipeline import subject as about
from deepsvdd_core.progress import nothing, silent

MODEL = next(path.stem for path in sorted(library.BUNDLED.glob("mnist-3-one-class-*")))
HEARD = {"progress": silent, "on_step": nothing}


@pytest.fixture
def subject():
    """A ready-made model and the bundled digits."""
    name = "mnist-sample"
    return Subject(MODEL, library.find(MODEL).digest, name, datasets.fingerprint(name), "test")


class Stopped(Exception):
    """What a cancelled job raises."""


def stop():
    raise Stopped


def text(array: np.ndarray) -> str:
    return array.tobytes().decode()


def test_the_list_of_explainers_says_which_maps_are_never_negative(subject):
    found = explaining.explainers(subject)
    names = text(found["names"]).splitlines()
    assert names == supported(subject.detector)
    images = subject.shown.images[:4]
    for name, positive in zip(names, found["is_positive"], strict=True):
        assert (EXPLAINERS[name](subject.detector, images).min() >= 0) == positive, name
    assert found["has_masks"] == 0


def test_positive_explainers_are_of_the_table():
    assert set(POSITIVE) <= set(EXPLAINERS)


@pytest.mark.parametrize("explainer", ["LRP-eps", "LRP-gamma/ZBox", "Integrated Gradients"])
def test_sum_and_constants_are_the_score(subject, explainer):
    found = explaining.explain(subject, index=3, explainer=explainer)
    assert found["relevance"].shape == (28, 28)
    assert found["score"] == pytest.approx(subject.scores[3], rel=1e-5)
    total = found["relevance"].sum(dtype=np.float64) + found["constants"]
    assert total == pytest.approx(found["score"], rel=0.03)


def test_what_compares_has_the_normal_training_images_that_the_model_scores_lowest(subject):
    found = explaining.explain(subject, index=3, explainer="Integrated Gradients")
    train = datasets.load(subject.dataset).train
    normal = train.images[train.labels == 3]
    lowest = normal[np.argsort(subject.detector.anomaly_score(normal))[:20]]
    expected = integrated_gradients(subject.detector, subject.shown.images[3:4], lowest)[0]
    assert np.array_equal(found["relevance"], expected)
    grey = integrated_gradients(subject.detector, subject.shown.images[3:4])[0]
    assert not np.array_equal(grey, expected)


def subject_of(entry):
    name = f"{entry.header['experiment']['dataset']}-sample"
    return Subject(entry.name, entry.digest, name, datasets.fingerprint(name), "test")


@pytest.mark.parametrize("name", sorted(library.shipped()))
def test_maps_of_what_is_above_the_threshold_have_the_sign_of_the_finding(name):
    subject = subject_of(library.find(name))
    above = np.flatnonzero(subject.scores > subject.detector.threshold)
    rows = np.random.default_rng(0).permutation(above)[:20]
    found = maps.explained(subject, subject.shown.images[rows])
    total, scores = found["relevance"].sum(axis=(1, 2), dtype=np.float64), subject.scores[rows]
    assert (total > 0).mean() >= 0.95
    assert (total >= 0.8 * scores).mean() >= 0.95
    assert total + found["constants"] == pytest.approx(scores, rel=0.03)
    few = maps.heatmaps(subject, first=int(rows[0]), count=1)["relevance"]
    assert few.sum() > 0


def test_many_maps_take_fewer_steps_and_look_the_same(subject):
    strangest = np.argsort(-subject.scores)[:600:15]
    images = subject.shown.images[strangest]
    found = maps.explained(subject, images)
    few = maps.explains(subject, "GradientShap", is_rough=True)(subject.detector, images)
    pairs = zip(found["relevance"], few, strict=True)
    assert min(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs) > 0.7
    rise = subject.scores[strangest] - found["constants"]
    missed = [np.abs(m.sum(axis=(1, 2)) / rise - 1).mean() for m in (found["relevance"], few)]
    assert missed[0] < 0.02 < missed[1] < 0.2


def test_without_normal_images_there_is_nothing_to_compare_with(subject):
    name = "fashion-mnist-sample"
    elsewhere = subject._replace(dataset=name, fingerprint=datasets.fingerprint(name))
    assert maps.references_of(elsewhere) is None
    assert maps.explainer_of(elsewhere) == "LRP-eps" and maps.explainer_of(subject) != "LRP-eps"
    found = explaining.explain(elsewhere, index=0, explainer="Occlusion")
    expected = occlusion(subject.detector, elsewhere.shown.images[:1])[0]
    assert np.array_equal(found["relevance"], expected)


def test_an_explainer_without_an_account_has_no_constants(subject):
    assert "Grad-CAM" not in LEDGERS
    assert "constants" not in explaining.explain(subject, index=3, explainer="Grad-CAM")


def test_an_explainer_that_does_not_apply_gets_a_sentence(subject):
    with pytest.raises(ValueError, match="Residual does not apply to one-class; choose from Gra"):
        explaining.explain(subject, index=3, explainer="Residual")


def test_the_colour_scale_is_one_per_explainer_and_can_be_cancelled(subject):
    standing = explaining.scale(subject, explainer="GradientShap", on_step=nothing)["limit"]
    assert standing == maps.limit_of(subject)
    found = explaining.scale(subject, explainer="LRP-eps", on_step=nothing)["limit"]
    few = EXPLAINERS["LRP-eps"](subject.detector, subject.shown.images[::10])
    assert found == pytest.approx(np.quantile(np.abs(few), 0.999), rel=1e-4)
    with pytest.raises(Stopped):
        explaining.scale(subject, explainer="Saliency", on_step=stop)


def test_the_verdict_holds_its_numbers_curves_and_sentence(subject):
    found = explaining.judge(
        subject, explainer="LRP-eps", corruptions=["dotted line", "zigzag", "stripe"], **HEARD
    )
    assert 30 <= found["count"] <= 60
    assert found["curves"].shape == (2, 11) and found["shares"][-1] == 0.5
    assert (found["curves"][:, 0] == 1).all()
    mean = (found["curves"][:, 1:] + found["curves"][:, :-1]).mean(axis=1) / 2
    assert mean == pytest.approx([found["area"], found["random_area"]])
    assert found["found"] == pytest.approx(found["area"] / found["random_area"])
    assert f"leave {100 * found['found']:.1f} % (95 % interval" in text(found["badge"])
    assert text(found["level"]) == "better" and text(found["faults"]) == ""
    assert found["misfit"] < 1e-4


def test_judging_reports_how_far_it_is_and_can_be_cancelled(subject):
    heard = []
    explaining.judge(
        subject,
        explainer="Saliency",
        corruptions=["stripe"],
        progress=lambda said, fraction: heard.append((said, fraction)),
        on_step=nothing,
    )
    fractions = [fraction for _, fraction in heard]
    assert heard[0] == ("Judging Saliency", 0) and fractions == sorted(fractions)
    assert 0.7 < fractions[-1] <= 1
    with pytest.raises(Stopped):
        explaining.judge(
            subject, explainer="LRP-eps", corruptions=["stripe"], progress=silent, on_step=stop
        )


def spoilt(subject, **choices):
    asked = {"rows": [3, 8], "corruption": "stripe", "severity": None, "seed": 0}
    return explaining.spoil(subject, **{**asked, "explainer": None, **choices})


def test_a_spoilt_image_is_scored_placed_and_explained(subject):
    found = spoilt(subject, explainer="LRP-eps")
    clean = subject.shown.images[[3, 8]]
    assert np.array_equal(found["images"][:, 0, :, :7], 255 - clean[:, 0, :, :7])
    assert found["masks"].shape == (2, 28, 28)
    assert found["before"] == pytest.approx(subject.scores[[3, 8]], rel=1e-5)
    assert found["after"] == pytest.approx(subject.detector.anomaly_score(found["images"]))
    radii = np.linalg.norm(found["coordinates"], axis=1) * subject.detector.sphere.radii[0]
    assert radii == pytest.approx(np.sqrt(found["after"]), rel=1e-4)
    before = EXPLAINERS["LRP-eps"](subject.detector, clean)
    assert found["relevance"][:, 0] == pytest.approx(before, abs=1e-6)
    assert "relevance" not in spoilt(subject)


def test_the_seed_alone_decides_what_is_drawn(subject):
    first = spoilt(subject, corruption="dotted line", seed=1)
    again = spoilt(subject, corruption="dotted line", seed=1, rows=[8])
    other = spoilt(subject, corruption="dotted line", seed=2)
    assert np.array_equal(first["images"][1], again["images"][0])
    assert not np.array_equal(first["images"], other["images"])


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"corruption": "scratch"}, "There is no corruption scratch"),
        ({"severity": 2.0}, "one severity only"),
        ({"corruption": "fog", "severity": -1.0}, "positive number"),
    ],
)
def test_an_impossible_corruption_gets_a_sentence(subject, choices, sentence):
    with pytest.raises(ValueError, match=sentence):
        spoilt(subject, **choices)


def test_without_masks_there_is_no_localisation(subject):
    with pytest.raises(ValueError, match="have no masks"):
        explaining.localise(subject, explainer="LRP-eps", **HEARD)


def test_localisation_ranks_the_pixels_of_the_mask(subject, monkeypatch):
    data = datasets.load("mnist-sample")
    clean = data.test.images[tasks.anomaly_mask(data.test, ("3",)) == 0][:40]
    marked = CORRUPTIONS["zigzag"](clean)
    masks = marked.masks.copy()
    masks[:10] = False
    test = datasets.ImageSet(
        np.concatenate([clean[:10], marked.images[10:]]), np.zeros(40), ("3",), masks
    )
    changed = data._replace(test=test)
    monkeypatch.setattr(about, "dataset_of", lambda name, fingerprint: changed)
    found = explaining.localise(subject, explainer="LRP-gamma/ZBox", **HEARD)
    assert found["count"] == 30
    assert 0.5 < found["low"] < found["found"] < found["high"] < 1
    assert found["found"] > 0.55 and 0.55 < found["pooled"] < 1
    assert text(found["level"]) in ("better", "weak") and found["misfit"] < 1e-4
    assert f"AUROC of {100 * found['found']:.1f} % (95 % interval" in text(found["badge"])
    zeros = np.zeros((40, 28, 28), np.float32)
    monkeypatch.setitem(EXPLAINERS, "LRP-eps", lambda model, images: zeros[: len(images)])
    found = explaining.localise(subject, explainer="LRP-eps", **HEARD)
    assert found["pooled"] == found["found"] == 0.5
    assert text(found["badge"]).startswith("No better than random: ")
