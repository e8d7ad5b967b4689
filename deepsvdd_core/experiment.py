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
}


@dataclass(frozen=True)
class Experiment:
    """All choices of one run. Two runs with equal experiments on one machine give equal models.

    The defaults are those of thesis section 2.2.4 (Adam, batch 200, weight decay 1e-6, leaky slope
    0.1, learning rate dropped tenfold once), with a schedule short enough for a laptop.

    Raises:
        ValueError: when a choice is impossible; the message says what to choose instead.
    """

    dataset: str
    normal_classes: tuple[str, ...]
    objective: str = "one-class"
    encoder: str = "mnist-lenet"
    nu: float = 0.1  # share of training images that may lie outside the sphere
    pretrain_epochs: int = 10  # autoencoder epochs before the objective is trained
    pretrain_learning_rate: float = 1e-4
    pretrain_weight_decay: float = 1e-6
    epochs: int = 20
    learning_rate: float = 1e-4
    milestone: float = 2 / 3  # fraction of the epochs after which the rate drops tenfold
    batch_size: int = 200
    weight_decay: float = 1e-6
    contrast_normalisation: bool = True
    seed: int = 0
    leave_out: str | None = None  # a data set whose test images must not be trained on

    def __post_init__(self) -> None:
        object.__setattr__(self, "normal_classes", tuple(self.normal_classes))
        if not self.normal_classes:
            raise ValueError("Choose at least one normal class.")
        for name, (least, most, open_below) in RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most or (open_below and value == least):
                bracket = "(" if open_below else "["
                raise ValueError(
                    f"{name} must lie in {bracket}{least:,}, {most:,}], got {value}; choose a "
                    "value in this range."
                )

    @property
    def key(self) -> str:
        """Ten hexadecimal digits that change when any choice changes."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    @property
    def name(self) -> str:
        """A readable file name: data set, normal classes, objective, key."""
        classes = "+".join(self.normal_classes)
        words = f"{self.dataset} {classes} {self.objective}".lower()
        plain = "".join(c if (c.isalnum() and c.isascii()) or c in "+-" else "-" for c in words)
        return f"{plain[:80]}-{self.key}"

    @property
    def title(self) -> str:
        """One line for menus and headings."""
        return f"{self.dataset}, normal: {' + '.join(self.normal_classes)}, {self.objective}"

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
