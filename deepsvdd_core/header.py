"""What the header of a model file may say: one schema for writing, reading and listing.

A file comes from anywhere, and every page lists its header. So nothing is taken that is not in this
schema: types, ranges, lengths, names and finite numbers, and nothing besides.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    ValidationError,
    model_validator,
)

from deepsvdd_core import catalogue
from deepsvdd_core.experiment import Experiment, first_fault

SHAPES = (1, 28, 28), (3, 32, 32)  # (C, H, W) of grey and colour images, as the encoders take them
LARGEST_TEXT = 4_000_000  # characters of a header; the longest history takes most of them
LONGEST_LINE = 500  # characters
MOST_EPOCHS = 20_100  # the longest schedule there is
MOST_NAMES = 100  # in one object; more are refused before each of them is complained of

Line = Annotated[str, Field(max_length=LONGEST_LINE, pattern=r"^[^\x00-\x1f\x7f]*$")]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Value = Annotated[float, Field(ge=-1e30, le=1e30)]
Positive = Annotated[float, Field(gt=0, le=1e30)]
Told = Annotated[str, Field(max_length=5_000)]


def _few(value: object) -> object:
    if isinstance(value, dict) and len(value) > MOST_NAMES:
        raise ValueError(f"has more than {MOST_NAMES} names")
    return value


Named = Annotated[dict[Line, Line], BeforeValidator(_few), Field(max_length=20)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    _is_small = model_validator(mode="before")(_few)


class Epoch(_Part):
    """One report of a training, see `training.EpochReport`."""

    stage: Literal["before training", "pre-training", "training", "fitting"]
    epoch: Count
    epochs: Count
    loss: Value | None
    radius: Value | None
    auroc: Share | None
    health: Line


def _shape(value: object) -> object:
    if not isinstance(value, list) or tuple(value) not in SHAPES:
        raise ValueError(f"must be {' or '.join(str(list(shape)) for shape in SHAPES)}")
    return value


def _moment(value: object) -> object:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("must be a moment in ISO 8601") from None
    return value


class Provenance(_Part):
    """Where a model comes from; what was not measured is left out."""

    image_shape: Annotated[list[int], BeforeValidator(_shape)]
    title: Line = ""
    dataset_fingerprint: Line = ""  # of older files: of names, sizes and dates
    fingerprints: Named = {}  # of data sets, by name
    class_names: Annotated[list[Line], FailFast(), Field(max_length=10_000)] = []
    training_images: Count = 0
    labelled_anomalies: Count = 0
    test_images: Count = 0
    auroc_before_training: Share | None = None
    auroc: Share | None = None
    average_precision: Share | None = None
    health: Line = ""
    history: Annotated[list[Epoch], FailFast(), Field(max_length=MOST_EPOCHS)] = []
    notes: Annotated[list[Told], Field(max_length=100)] = []
    seconds: Annotated[float, Field(ge=0, le=1e9)] = 0
    training_seconds: Annotated[float, Field(ge=0, le=1e9)] = 0
    created: Annotated[str, Field(max_length=40), BeforeValidator(_moment)] = ""
    versions: Named = {}
    device: Line = ""
    centre: Literal["signs", "codes"] | None = None
    centre_replaced: Share | None = None
    training_quantiles: Annotated[list[Value], Field(min_length=101, max_length=101)] = []
    calibration_scores: Count = 0
    calibration_quantiles: Annotated[list[Value], Field(min_length=101, max_length=101)] = []
    command: Line = ""


class Chosen(_Part):
    """Hyper-parameters that the training data of a shallow method decided."""

    width: Positive | None = None


def _experiment(value: object) -> Experiment:
    choices = Experiment.from_dict(value)
    known = {
        "detector": catalogue.names("detectors", "DETECTORS"),
        "objective": catalogue.names("objectives", "OBJECTIVES"),
        "estimator": catalogue.names("estimators", "ESTIMATORS"),
        "encoder": catalogue.names("networks", "ENCODERS"),
        "features": catalogue.FEATURES,
    }
    for name, names in known.items():
        if getattr(choices, name) not in names:
            raise ValueError(f"there is no {name} {getattr(choices, name)!r}")
    return choices


class Header(_Part):
    """The whole header. shape, threshold and chosen belong to a shallow method."""

    detector: str
    experiment: Annotated[Experiment, BeforeValidator(_experiment)]
    provenance: Provenance
    shape: Annotated[list[int], BeforeValidator(_shape)] | None = None
    threshold: Value | None = None
    chosen: Chosen | None = None


def check(text: str) -> dict:
    """The header that a text of JSON holds.

    Raises:
        ValueError: a few words on the first thing that is not as the schema says.
    """
    if len(text) > LARGEST_TEXT:
        raise ValueError("it is too long")
    try:
        found = Header.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(first_fault(error)) from None
    if found.detector != found.experiment.detector:
        raise ValueError("detector and experiment do not agree")
    if found.shape not in (None, found.provenance.image_shape):
        raise ValueError("shape and image_shape do not agree")
    return json.loads(text)
