"""Headers drawn from the schema itself: what it takes can be shown, what it refuses says why."""

import dataclasses
import json
import types
import typing
from datetime import UTC, datetime

import annotated_types
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from safetensors.numpy import save
from streamlit.dataframe_util import convert_pandas_df_to_arrow_bytes

from deepsvdd_core import catalogue, header, library
from deepsvdd_core.experiment import CHOICES, RANGES, Experiment
from pages.parts import removing, shelf, subject, versus, visitor

FEW = settings(
    max_examples=70,
    deadline=2_000,  # milliseconds for one
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SIGNS = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("<>$*_[]|:\u202e\u2028")
LARGEST = 10**6
TABLES = {
    "detector": catalogue.names("detectors", "DETECTORS"),
    "objective": catalogue.names("objectives", "OBJECTIVES"),
    "estimator": catalogue.names("estimators", "ESTIMATORS"),
    "encoder": catalogue.names("networks", "ENCODERS"),
    "features": catalogue.FEATURES,
    **CHOICES,
}


def values(kind: object, limits: tuple = ()) -> st.SearchStrategy:
    """Values of an annotated type, within its limits, as JSON has them."""
    own = [limit.func for limit in limits if isinstance(limit, BeforeValidator)]
    if own and own != [header._few]:  # what is drawn here is always small
        return BY_VALIDATOR[own[0]]
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        inner = [x for limit in parts[1:] for x in unpacked(limit)]
        return values(parts[0], (*limits, *inner))
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(values(part, limits) for part in parts))
    if origin is typing.Literal:
        return st.sampled_from(parts)
    least, most = bounds(limits)
    size = {"min_size": length(limits, "min_length", 0)}
    size["max_size"] = max(size["min_size"], min(length(limits, "max_length", 3), 3))
    if size["min_size"] > 3:  # drawn one by one they would take long
        return values(parts[0]).map(lambda value: [value] * size["min_size"])
    if origin in (list, tuple):
        return st.lists(values(parts[0]), **size)
    if origin is dict:
        return st.dictionaries(values(parts[0]), values(parts[1]), max_size=3)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return parts_of(kind)
    return {
        type(None): st.none(),
        bool: st.booleans(),
        int: st.integers(-LARGEST if least is None else least, LARGEST if most is None else most),
        float: st.floats(least, most, allow_nan=False, allow_infinity=False)
        | st.floats(least, 1.0 if most is None else most).filter(lambda x: abs(x) < LARGEST),
        str: st.text(SIGNS, min_size=size["min_size"], max_size=20)
        | st.text(SIGNS, min_size=size["min_size"], max_size=length(limits, "max_length", 20)),
    }[kind]


def unpacked(limit: object) -> list:
    """The limits of an annotation; those that pydantic's `Field` holds one by one."""
    return list(limit.metadata) if isinstance(limit, FieldInfo) else [limit]


def bounds(limits: tuple) -> tuple:
    """Smallest and largest number; the open ones are left out by a little."""
    found: dict[str, object] = {}
    for limit in limits:
        for name in ("ge", "gt", "le", "lt"):
            found |= {name: getattr(limit, name)} if hasattr(limit, name) else {}
    assert "lt" not in found
    least = found.get("ge")
    return (1e-300 if found.get("gt") == 0 else least), found.get("le")


def length(limits: tuple, name: str, usual: int) -> int:
    """How long a text or list may be."""
    kind = {"min_length": annotated_types.MinLen, "max_length": annotated_types.MaxLen}[name]
    return next((getattr(limit, name) for limit in limits if isinstance(limit, kind)), usual)


def parts_of(schema: type[BaseModel]) -> st.SearchStrategy:
    """Objects of a part of the header; those with a default may be missing."""
    needed, free = {}, {}
    for name, field in schema.model_fields.items():
        of = values(field.annotation, tuple(field.metadata))
        (needed if field.is_required() else free)[name] = of
    return st.fixed_dictionaries(needed, optional=free)


@st.composite
def experiments(draw: st.DrawFn) -> dict:
    """Choices that `Experiment` takes."""
    found = {}
    for field in dataclasses.fields(Experiment):
        kind = typing.get_type_hints(Experiment, include_extras=True)[field.name]
        if field.default is not dataclasses.MISSING and draw(st.booleans()):
            continue
        if field.name in TABLES:
            found[field.name] = draw(st.sampled_from(list(TABLES[field.name])))
        elif field.name in RANGES and draw(st.booleans()):
            least, most, is_open = RANGES[field.name]
            if float in (kind, *typing.get_args(kind)):
                found[field.name] = draw(st.floats(least, most, exclude_min=is_open))
            else:
                found[field.name] = draw(st.integers(least, most))
        elif field.name not in RANGES:
            found[field.name] = draw(values(kind))
    found["normal_classes"] = found["normal_classes"] or ["0"]
    both = set(found["normal_classes"])
    if "anomaly_classes" in found:
        found["anomaly_classes"] = [n for n in found["anomaly_classes"] if n not in both]
    return found


BY_VALIDATOR = {
    header._shape: st.sampled_from([list(shape) for shape in header.SHAPES]),
    header._moment: st.datetimes().map(datetime.isoformat)
    | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
    | st.sampled_from(["0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59", "2024-W01-1"]),
    header._experiment: experiments(),
}


@st.composite
def headers(draw: st.DrawFn) -> dict:
    """Whole headers whose parts agree."""
    found = draw(parts_of(header.Header))
    found["detector"] = found["experiment"].get("detector", "deep")
    if found.get("shape") is not None:
        found["shape"] = found["provenance"]["image_shape"]
    return found


@pytest.fixture
def names(monkeypatch):
    """A visitor without a session."""
    monkeypatch.setattr(visitor, "name", lambda: "anna")


@FEW
@given(about=headers())
def test_what_the_schema_takes_is_listed_and_shown(names, about):
    assert header.check(json.dumps(about)) == about
    metadata = {"format": library.FORMAT, "header": json.dumps(about)}
    library.folder().mkdir(parents=True, exist_ok=True)
    (library.folder() / "drawn.safetensors").write_bytes(save({}, metadata=metadata))
    (entry,) = [e for e in library.entries() if not e.bundled]
    assert entry.whole_header == about
    assert subject.title(entry).isprintable() and subject.title(entry).strip()
    fitting = subject.fitting_datasets(entry)
    assert subject.shown_first(about["experiment"]["dataset"], fitting) in fitting
    table = pd.DataFrame([shelf._row(entry), *map(shelf._row, library.entries()[-2:])])
    assert convert_pandas_df_to_arrow_bytes(table)
    assert versus.title(entry) == removing.title(entry)
    made = Experiment.from_dict(entry.header["experiment"])
    assert made.name.isascii() and made.title.encode() and made.method


def places(about: object, at: tuple = ()) -> list[tuple]:
    """The way to every value of a header."""
    inside = about.items() if isinstance(about, dict) else enumerate(about)
    found = []
    for key, value in inside:
        found.append((*at, key))
        if isinstance(value, dict | list):
            found += places(value, (*at, key))
    return found


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@FEW
@given(about=headers(), anything=ANYTHING, data=st.data())
def test_what_is_anything_else_is_refused_in_one_line(about, anything, data):
    at = data.draw(st.sampled_from([*places(about), ("magic",), ("provenance", "magic")]))
    part = about
    for key in at[:-1]:
        part = part[key]
    part[at[-1]] = anything
    try:
        found = header.check(json.dumps(about))
    except ValueError as error:
        assert "\n" not in str(error) and 0 < len(str(error)) < 600
        return
    assert found == about and at[-1] != "magic"


@FEW
@given(text=st.text() | ANYTHING.map(json.dumps) | st.binary().map(lambda b: b.decode("latin-1")))
def test_a_text_that_is_no_header_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match=r"\A[^\n]{1,600}\Z"):
        header.check(text)
