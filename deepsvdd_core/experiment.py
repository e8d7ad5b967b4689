"""Record every choice of one training run, and name it by its content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, FailFast, Field, TypeAdapter, ValidationError

# Smallest and largest value of each number, and whether the smallest itself is excluded.
RANGES = {
    "nu": (0, 1, True),
    "pretrain_epochs": (0, 10_000, False),
    "pretrain_learning_rate": (0, 1, True),
    "pretrain_weight_decay": (0, 1, False),
    "epochs": (1, 10_000, False),
    "learning_rate": (0, 1, True),
    "milestone": (0, 1, True),
    "batch_size": (2, 100_000, False),
    "weight_decay": (0, 1, False),
    "seed": (0, 2**32 - 1, False),
    "labelled_weight": (0, 1_000, True),
    "reconstruction_weight": (0, 1_000, False),
    "pollution": (0, 0.5, False),
    "labelled": (0, 0.5, False),
    "width": (0, 1_000, True),
    "ridge": (0, 1_000, False),
    "support": (0.5, 1, False),
    "variance": (0, 1, True),
    "upsampling_sigma": (0, 1_000, True),
    "most_images": (2, 10_000_000, False),
    "artefact_share": (0, 1, True),
}

CHOICES = {
    "decay": ("step", "cosine"),
    "precision": ("float32", "bfloat16"),
    "centre": (None, "signs", "codes"),
}

# Named schedules, the same for all classes. "live" and "medium" were chosen on MNIST by images held
# out of the training split; "short" and "full" are the thesis' own way (B.1), for fewer epochs and
# for all.
SCHEDULES: dict[str, dict[str, object]] = {
    "live": {
        "pretrain_epochs": 0,
        "epochs": 20,
        "learning_rate": 1e-2,
        "decay": "cosine",
        "batch_size": 100,
    },
    "short": {
        "pretrain_epochs": 10,
        "epochs": 20,
        "learning_rate": 1e-4,
        "decay": "step",
        "batch_size": 200,
    },
    "medium": {
        "pretrain_epochs": 0,
        "epochs": 40,
        "learning_rate": 1e-2,
        "decay": "cosine",
        "batch_size": 100,
    },
    "full": {
        "pretrain_epochs": 150,
        "epochs": 150,
        "learning_rate": 1e-4,
        "decay": "step",
        "milestone": 1 / 3,
        "batch_size": 200,
    },
}

# A name that a menu, a file or a link can hold.
Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
Names = Annotated[tuple[Name, ...], FailFast(), Field(max_length=10_000)]


@dataclass(frozen=True)
class Experiment:
    """All choices of one run. Two runs with equal experiments on one machine give equal models.

    The defaults are the schedule "live", short enough for a class to watch.

    Raises:
        ValueError: when a choice is impossible; the message says what to choose instead.
    """

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    dataset: Name
    normal_classes: Names
    detector: Name = "deep"
    objective: Name = "one-class"  # of a deep detector
    estimator: Name = "knn"  # of a shallow detector
    features: Name = "pixels"  # of a shallow detector: pixels, codes, or a backbone
    encoder: Name = "mnist-lenet"
    nu: float = 0.1  # share of training images that may lie outside the sphere
    pretrain_epochs: int = 0  # autoencoder epochs before the objective is trained
    pretrain_learning_rate: float = 1e-4
    pretrain_weight_decay: float = 1e-6
    epochs: int = 20
    learning_rate: float = 1e-2
    decay: str = "cosine"  # of both learning rates: "step" or "cosine"
    milestone: float = 2 / 3  # fraction of the epochs after which "step" drops the rate tenfold
    batch_size: int = 100
    weight_decay: float = 1e-6
    centre: str | None = None  # "signs" or "codes", see `centre_rule`
    contrast_normalisation: bool = True
    seed: int = 0
    leave_out: Name | None = None  # a data set whose test images must not be trained on
    labelled_weight: float = 1.0  # η of Deep SAD
    reconstruction_weight: float = 0.1  # of hybrid and multi-center
    augment: bool = False  # shift and mirror training images
    precision: str = "float32"  # or "bfloat16", for the products of layers while training
    pollution: float = 0.0  # share of anomalies among the unlabelled training images
    labelled: float = 0.0  # share of labelled anomalies among all training images
    anomaly_classes: Names = ()  # where labelled anomalies come from; empty: all others
    outlier_exposure: Name | None = None  # a data set whose training images are labelled anomalous
    # Pixels that each cell of FCDD's map is spread by (thesis A.4); None: the stride decides.
    upsampling_sigma: float | None = None
    width: float | None = None  # of a kernel of a shallow detector; None: the training data decide
    principal_components: bool = True  # before those shallow methods that begin with them
    ridge: float = 0.0  # of mahalanobis, in units of the mean variance of a feature
    support: float = 0.9  # of mve: the share of training vectors it is fitted to
    variance: float = 0.9  # of pca and kernel-pca: the share that is taken for normal
    most_images: int | None = None  # of the training images, drawn by the seed; None: all
    artefact: Name | None = None  # a mark planted in training images that count as normal
    artefact_share: float = 0.1  # of these images
    # Local corruptions, joined by +, that make known anomalies of copies of these images.
    spoilt: Name | None = None

    def __post_init__(self) -> None:
        for name in ("normal_classes", "anomaly_classes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.normal_classes:
            raise ValueError("Choose at least one normal class.")
        for name, (least, most, open_below) in RANGES.items():
            value = getattr(self, name)
            if value is None and getattr(type(self), name) is None:
                continue
            if not least <= value <= most or (open_below and value == least):
                bracket = "(" if open_below else "["
                raise ValueError(
                    f"{name} must lie in {bracket}{least:,}, {most:,}], got {value}; choose a "
                    "value in this range."
                )
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(filter(None, allowed))}.")
        both = sorted({*self.normal_classes} & {*self.anomaly_classes})
        if both:
            raise ValueError(f"{', '.join(both)} cannot be normal and anomalous; choose one side.")

    @property
    def method(self) -> str:
        """The objective of a deep detector, `estimator` or `estimator@features` of a shallow one.

        Any other detector's own name. `objective@gradients` is trained on oriented gradients.
        `catalogue.choices`, with `catalogue.encoder`, is the inverse.
        """
        if self.detector == "deep":
            seen = self.encoder.partition("-")[0]
            return self.objective + ("@gradients" if seen == "gradients" else "")
        if self.detector == "shallow":
            return self.estimator + ("" if self.features == "pixels" else f"@{self.features}")
        return self.detector

    @property
    def centre_rule(self) -> str:
        """How the one centre of a hypersphere is found: `signs` or `codes`.

        signs: every coordinate is 0.1 or -0.1, with the sign of the mean code of the normal
        training images before training. codes: that mean, its coordinates nearer to 0 than 0.1
        replaced by these (thesis 2.2.4). Unless chosen, signs without pre-training, where nearly
        all coordinates would be replaced, and codes after it.
        """
        return self.centre or ("codes" if self.pretrain_epochs else "signs")

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets it reads: its own first, then those left out and exposed to."""
        names = (self.dataset, self.leave_out, self.outlier_exposure)
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def key(self) -> str:
        """Ten hexadecimal digits that change when any choice changes.

        A choice at its default does not enter, so a new kind of choice leaves old keys as they are.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        values = dataclasses.asdict(self).items()
        chosen = {name: value for name, value in values if value != defaults[name]}
        text = json.dumps(chosen, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    @property
    def name(self) -> str:
        """A readable file name: data set, normal classes, method, key."""
        classes = "+".join(self.normal_classes)
        words = f"{self.dataset} {classes} {self.method}".lower()
        plain = "".join(c if (c.isalnum() and c.isascii()) or c in "+-" else "-" for c in words)
        return f"{plain[:80]}-{self.key}"

    @property
    def title(self) -> str:
        """One line for menus and headings."""
        text = f"{self.dataset}, normal: {' + '.join(self.normal_classes)}, {self.method}"
        if self.width is not None:
            text += f", width {self.width:.4g}"
        if self.ridge:
            text += f", ridge {self.ridge:.4g}"
        if self.upsampling_sigma is not None:
            text += f", sigma {self.upsampling_sigma:.4g} px"
        if self.most_images is not None:
            text += f", {self.most_images:,} images"
        if self.artefact is not None:
            text += f", {self.artefact} on {self.artefact_share:.0%}"
        if self.spoilt is not None:
            text += f", copies with {self.spoilt.replace('+', ' and ')}"
        return text

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> Experiment:
        """The inverse of `to_dict`, also after a trip through JSON.

        Raises:
            ValueError: a choice is unknown, missing, impossible or of the wrong kind.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = set(values) - known if isinstance(values, dict) else {"all"}
        if unknown:
            raise ValueError(f"This experiment has unknown choices: {', '.join(sorted(unknown))}.")
        try:
            _CHOICES.validate_json(json.dumps(values, allow_nan=False))
        except ValidationError as error:
            raise ValueError(_in_words(error)) from None
        return cls(**values)


_CHOICES = TypeAdapter(Experiment)


def _in_words(error: ValidationError) -> str:
    """What `Experiment` itself says, or a sentence about a choice of the wrong kind."""
    cause = error.errors(include_url=False, include_input=False)[0].get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return str(cause)
    return f"This experiment has choices of the wrong kind ({first_fault(error)})."


def first_fault(error: ValidationError) -> str:
    """The first thing a schema complains of: where it is and why, in a few words."""
    fault = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in fault["loc"])[:200]
    reason = fault["msg"].removeprefix("Value error, ").splitlines()[0][:300]
    return f"{place}: {reason}" if place else reason
