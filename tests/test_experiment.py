import dataclasses
import json

import pytest

from deepsvdd_core import catalogue
from deepsvdd_core.experiment import Experiment

OTHER = {
    "dataset": "b",
    "normal_classes": ("1", "2"),
    "detector": "shallow",
    "objective": "soft-boundary",
    "estimator": "kde",
    "features": "codes",
    "encoder": "cifar-lenet",
    "nu": 0.2,
    "pretrain_epochs": 3,
    "pretrain_learning_rate": 1e-3,
    "pretrain_weight_decay": 1e-3,
    "epochs": 3,
    "learning_rate": 1e-3,
    "decay": "step",
    "milestone": 0.5,
    "batch_size": 64,
    "weight_decay": 1e-3,
    "contrast_normalisation": False,
    "seed": 1,
    "leave_out": "c",
    "labelled_weight": 2.0,
    "reconstruction_weight": 0.5,
    "augment": True,
    "precision": "bfloat16",
    "pollution": 0.1,
    "labelled": 0.05,
    "anomaly_classes": ("3",),
    "outlier_exposure": "d",
    "upsampling_sigma": 3.0,
    "width": 2.0,
    "principal_components": False,
    "most_images": 10,
    "artefact": "planted tag",
    "artefact_share": 0.2,
    "spoilt": "zigzag",
    "centre": "codes",
    "ridge": 0.1,
    "support": 0.6,
    "variance": 0.5,
}


def test_every_choice_changes_the_key():
    assert set(OTHER) == {field.name for field in dataclasses.fields(Experiment)}
    base = Experiment("a", ("1",))
    keys = {dataclasses.replace(base, **{name: value}).key for name, value in OTHER.items()}
    assert len(keys | {base.key}) == len(OTHER) + 1


def test_the_key_is_that_of_the_choices_that_are_made():
    """A new kind of choice must not rename old models."""
    assert Experiment("mnist", ("0",)).key == "ccec975bd7"


@pytest.mark.parametrize("method", ["one-class", "kde", "knn@codes", "lof@resnet18"])
def test_the_name_of_a_method_and_its_choices_belong_together(method):
    assert Experiment("a", ("1",), **catalogue.choices(method)).method == method


def test_it_survives_a_trip_through_json():
    experiment = Experiment(**OTHER)
    assert Experiment.from_dict(json.loads(json.dumps(experiment.to_dict()))) == experiment


def test_the_title_says_what_was_planted_and_set_by_hand():
    planted = Experiment("a", ("1",), artefact="planted tag", artefact_share=0.25)
    assert planted.title == "a, normal: 1, one-class, planted tag on 25%"
    replay = Experiment("a", ("1",), **catalogue.choices("kde"), width=2**2.5, most_images=10_000)
    assert replay.title == "a, normal: 1, kde, width 5.657, 10,000 images"


def test_the_title_says_what_it_was_shown():
    shown = Experiment("a", ("1",), objective="fcdd-masks", spoilt="dotted line+zigzag")
    assert shown.title == "a, normal: 1, fcdd-masks, copies with dotted line and zigzag"
    wide = dataclasses.replace(shown, spoilt=None, upsampling_sigma=2.5)
    assert wide.title == "a, normal: 1, fcdd-masks, sigma 2.5 px"


def test_the_rule_of_the_centre_follows_pre_training_unless_it_is_chosen():
    def rule(**choices):
        return Experiment("a", ("0",), **choices).centre_rule

    assert rule() == "signs" and rule(pretrain_epochs=1) == "codes"
    assert rule(centre="codes") == "codes" and rule(centre="signs", pretrain_epochs=9) == "signs"


def test_an_unknown_choice_is_refused():
    with pytest.raises(ValueError, match="unknown choices: colour"):
        Experiment.from_dict({"dataset": "a", "normal_classes": ["1"], "colour": 3})


@pytest.mark.parametrize(
    "choice",
    [
        {"normal_classes": ()},
        {"nu": 0.0},
        {"nu": 1.1},
        {"nu": float("nan")},
        {"epochs": 0},
        {"epochs": 10_001},
        {"pretrain_epochs": -1},
        {"learning_rate": 0.0},
        {"pretrain_learning_rate": float("nan")},
        {"milestone": 0.0},
        {"batch_size": 1},
        {"weight_decay": -1.0},
        {"seed": -1},
        {"decay": "never"},
        {"precision": "int8"},
        {"pollution": 0.6},
        {"labelled": -0.1},
        {"anomaly_classes": ("1",)},
        {"width": 0.0},
        {"most_images": 1},
        {"artefact_share": 0.0},
        {"artefact_share": 1.1},
    ],
)
def test_an_impossible_choice_gets_one_sentence(choice):
    with pytest.raises(ValueError, match=r"\.$"):
        Experiment(**{"dataset": "a", "normal_classes": ("1",), **choice})


@pytest.mark.parametrize("values", [{}, {"dataset": "a", "normal_classes": ["1"], "nu": "x"}, 3])
def test_a_record_of_the_wrong_kind_is_refused(values):
    with pytest.raises(ValueError, match=r"\.$"):
        Experiment.from_dict(values)


@pytest.mark.parametrize("label", ["../../x", "a/b", "ü ñ", "x" * 300, ""])
def test_the_name_is_a_plain_file_name(label):
    name = Experiment("a", (label,)).name
    assert len(name) < 100
    assert all(sign.isascii() and (sign.isalnum() or sign in "+-") for sign in name)
