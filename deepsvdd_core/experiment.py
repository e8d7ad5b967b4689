"""Record every choice of one training run, and name it by its content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass

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
    "most_images": (2, 10_000_000, False),
    "artefact_share": (0, 1, True),
}

CHOICES = {"decay": ("step", "cosine"), "precision": ("float32", "bfloat16")}

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


@dataclass(frozen=True)
class Experiment:
    """All choices of one run. Two runs with equal experiments on one machine give equal models.

    The defaults are the schedule "live", short enough for a class to watch.

    Raises:
        ValueError: when a choice is impossible; the message says what to choose instead.
    """

    dataset: str
    normal_classes: tuple[str, ...]
    detector: str = "deep"
    objective: str = "one-class"  # of a deep detector
    estimator: str = "knn"  # of a shallow detector
    features: str = "pixels"  # of a shallow detector: pixels, codes, or a pretrained backbone
    encoder: str = "mnist-lenet"
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
    contrast_normalisation: bool = True
    seed: int = 0
    leave_out: str | None = None  # a data set whose test images must not be trained on
    labelled_weight: float = 1.0  # η of Deep SAD
    reconstruction_weight: float = 0.1  # of hybrid and multi-center
    augment: bool = False  # shift and mirror training images
    precision: str = "float32"  # or "bfloat16", for the products of layers while training
    pollution: float = 0.0  # share of anomalies among the unlabelled training images
    labelled: float = 0.0  # share of labelled anomalies among all training images
    anomaly_classes: tuple[str, ...] = ()  # where labelled anomalies come from; empty: all others
    outlier_exposure: str | None = None  # a data set whose training images are labelled anomalous
    width: float | None = None  # of a kernel of a shallow detector; None: the training data decide
    principal_components: bool = True  # before those shallow methods that begin with them
    most_images: int | None = None  # of the training images, drawn by the seed; None: all
    artefact: str | None = None  # a mark planted in training images that count as normal
    artefact_share: float = 0.1  # of these images
    # Local corruptions, joined by +, that make known anomalies of copies of these images.
    spoilt: str | None = None

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
                raise ValueError(f"{name} must be one of {', '.join(allowed)}.")
        both = sorted({*self.normal_classes} & {*self.anomaly_classes})
        if both:
            raise ValueError(f"{', '.join(both)} cannot be normal and anomalous; choose one side.")

    @property
    def method(self) -> str:
        """The objective of a deep detector, `estimator` or `estimator@features` of a shallow one.

        Any other detector's own name. `catalogue.choices` is the inverse.
        """
        if self.detector == "deep":
            return self.objective
        if self.detector == "shallow":
            return self.estimator + ("" if self.features == "pixels" else f"@{self.features}")
        return self.detector

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
            return cls(**values)
        except TypeError as error:
            raise ValueError("This experiment has choices of the wrong kind.") from error
