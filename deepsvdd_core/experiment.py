"""Record every choice of one training run, and name it by its content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass


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
        rules = [
            (len(self.normal_classes) > 0, "Choose at least one normal class."),
            (0 < self.nu <= 1, f"nu must lie in (0, 1], got {self.nu}."),
            (1 <= self.epochs <= 10_000, f"Epochs must lie in 1 to 10,000, got {self.epochs}."),
            (
                0 <= self.pretrain_epochs <= 10_000,
                f"Pre-training epochs must lie in 0 to 10,000, got {self.pretrain_epochs}.",
            ),
            (
                min(self.learning_rate, self.pretrain_learning_rate) > 0
                and max(self.learning_rate, self.pretrain_learning_rate) <= 1,
                f"Learning rates must lie in (0, 1], got {self.learning_rate} and "
                f"{self.pretrain_learning_rate}.",
            ),
            (0 < self.milestone <= 1, f"The milestone must lie in (0, 1], got {self.milestone}."),
            (
                2 <= self.batch_size <= 100_000,
                f"The batch size must lie in 2 to 100,000, got {self.batch_size}.",
            ),
            (
                min(self.weight_decay, self.pretrain_weight_decay) >= 0
                and max(self.weight_decay, self.pretrain_weight_decay) <= 1,
                f"Weight decays must lie in [0, 1], got {self.weight_decay} and "
                f"{self.pretrain_weight_decay}.",
            ),
            (0 <= self.seed < 2**32, f"The seed must lie in 0 to 2^32 - 1, got {self.seed}."),
        ]
        for holds, sentence in rules:
            if not holds:
                raise ValueError(sentence)

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
        """The inverse of `to_dict`, also after a trip through JSON."""
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = set(values) - known
        if unknown:
            raise ValueError(f"This experiment has unknown choices: {', '.join(sorted(unknown))}.")
        return cls(**values)
