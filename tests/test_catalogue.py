import pytest

from deepsvdd_core import catalogue, detectors, explainers, networks, objectives, projections

TABLES = [
    ("networks", networks.ENCODERS),
    ("objectives", objectives.OBJECTIVES),
    ("detectors", detectors.DETECTORS),
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
