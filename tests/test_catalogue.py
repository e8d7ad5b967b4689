import inspect

import pytest

from deepsvdd_core import (
    backbones,
    catalogue,
    detectors,
    estimators,
    explainers,
    networks,
    objectives,
    projections,
)
from deepsvdd_core.detectors import shallow
from deepsvdd_core.estimators.base import OnComponents
from deepsvdd_core.experiment import SCHEDULES
from pages.parts.training import SETTINGS

TABLES = [
    ("networks", networks.ENCODERS),
    ("objectives", objectives.OBJECTIVES),
    ("detectors", detectors.DETECTORS),
    ("estimators", estimators.ESTIMATORS),
    ("backbones", backbones.BACKBONES),
    ("explainers", explainers.EXPLAINERS),
    ("projections", projections.PROJECTIONS),
]


@pytest.mark.parametrize(("module", "table"), TABLES, ids=[name for name, _ in TABLES])
def test_names_are_those_of_the_table(module, table):
    names = catalogue.names(module, module.replace("networks", "encoders").upper())
    assert list(names) == list(table)
    assert all(len(summary) > 20 for summary in names.values())


def test_a_missing_table_is_an_error():
    with pytest.raises(KeyError):
        catalogue.names("objectives", "NOTHING")


def test_backbones_are_those_of_the_table():
    assert tuple(backbones.BACKBONES) == catalogue.BACKBONES


def test_what_needs_anomalies_is_what_the_objectives_say():
    needs = [name for name, kind in objectives.OBJECTIVES.items() if kind.needs_anomalies]
    assert list(catalogue.NEEDS_ANOMALIES) == needs


def test_what_shallow_methods_can_be_set_to_is_what_their_kinds_are():
    kinds = estimators.ESTIMATORS.items()
    ours = sorted(name for name, kind in kinds if issubclass(kind, OnComponents))
    assert ours == sorted(catalogue.ON_COMPONENTS)
    ours = sorted(name for name, kind in kinds if issubclass(kind, estimators.OfOneWidth))
    assert ours == sorted(catalogue.OF_ONE_WIDTH)
    taken = {name: inspect.signature(kind).parameters for name, kind in kinds}
    for setting, (names, *_) in SETTINGS.items():
        parameter = shallow.SETTINGS[setting]
        assert sorted(names) == sorted(n for n, known in taken.items() if parameter in known)
    assert set(SETTINGS) == set(shallow.SETTINGS)


def test_what_has_one_centre_is_what_is_pulled_to_the_middle_of_the_codes():
    pulled = []
    for name, kind in objectives.OBJECTIVES.items():
        has_middle = hasattr(kind, "middle_of") and name not in catalogue.NEEDS_PRETRAINING
        pulled += [name] * has_middle
    assert sorted(pulled) == sorted(catalogue.ONE_CENTRE)


def test_what_needs_pretraining_gets_it_from_every_schedule():
    needs = [name for name, kind in objectives.OBJECTIVES.items() if kind.needs_pretraining]
    assert list(catalogue.NEEDS_PRETRAINING) == needs
    for schedule, usual in SCHEDULES.items():
        assert catalogue.schedule(schedule, "one-class") == usual
        assert all(catalogue.schedule(schedule, name)["pretrain_epochs"] > 0 for name in needs)


@pytest.mark.parametrize(
    "method", ["nothing", "one-class@codes", "knn@", "knn@nowhere", "deep", ""]
)
def test_an_unknown_method_gets_a_sentence(method):
    with pytest.raises(ValueError, match="There is no method"):
        catalogue.choices(method)


@pytest.mark.parametrize("method", [*catalogue.methods(), "one-class@gradients"])
@pytest.mark.parametrize("usual", ["mnist-lenet", "fashion-lenet", "cifar-lenet"])
def test_every_method_has_a_network_that_takes_the_same_images(method, usual):
    shape = networks.ENCODERS[usual].image_shape()
    assert networks.ENCODERS[catalogue.encoder(method, usual)].image_shape() == shape
