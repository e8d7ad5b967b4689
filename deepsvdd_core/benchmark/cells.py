"""What is to be measured: cells of method, data set, class, seed and schedule."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from deepsvdd_core import catalogue, datasets, jobs
from deepsvdd_core.experiment import SCHEDULES, Experiment
from deepsvdd_core.tasks import scenario

RESULTS = Path(__file__).parents[2] / "assets" / "results"
PUBLISHED = RESULTS / "published.csv"
PUBLISHED_MNIST_C = RESULTS / "published_mnist_c.csv"
# Choices that make another experiment of it, not another training.
OF_SETTING = (
    *("contrast_normalisation", "augment", "pollution", "labelled", "anomaly_classes"),
    *("outlier_exposure", "spoilt", "artefact", "most_images", "principal_components"),
    *("width", "ridge", "support", "variance", "reconstruction_weight", "scenario"),
)
SAME_CLASSES = {"cifar10-jpeg": "cifar10"}  # a JPEG copy as an image folder: nearly the same images


class Cell(NamedTuple):
    """One thing to measure. normal_class: names joined by +; choices: JSON of further ones."""

    method: str
    dataset: str
    normal_class: str
    seed: int
    schedule: str
    choices: str = "{}"

    @property
    def experiment(self) -> Experiment:
        """All choices of this cell. Raises ValueError when they are impossible.

        A choice `scenario`, as ["labels", 0.05], stands for those of `tasks.scenario`.
        """
        source = datasets.source(self.dataset)
        more = json.loads(self.choices)
        point = more.pop("scenario", None)
        made = {
            "dataset": self.dataset,
            "normal_classes": self.normal_class.split("+"),
            **catalogue.choices(self.method),
            **catalogue.schedule(self.schedule, self.method),
            "encoder": catalogue.encoder(self.method, source.encoder),
            "contrast_normalisation": source.contrast_normalisation,
            "seed": self.seed,
            **more,
        }
        experiment = Experiment.from_dict(made)
        if point is None:
            return experiment
        drawn = scenario(point[0], point[1], source.class_names, experiment)
        return dataclasses.replace(experiment, **drawn)

    @property
    def request(self) -> dict:
        """What names its measurement."""
        return {**jobs.training(self.experiment), "cell": list(self)}

    @property
    def fingerprint(self) -> str:
        """Of its data sets as they are now, see `datasets.joined`."""
        return datasets.joined(datasets.fingerprints(self.experiment.datasets))


def cells(
    methods: Iterable[str],
    dataset: str,
    classes: str,
    seeds: Iterable[int],
    schedule: str,
    choices: dict | None = None,
) -> list[Cell]:
    """All combinations, seed by seed, so that an interrupted run has whole tables.

    Raises:
        ValueError: an unknown method, data set, class or schedule.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"There is no schedule {schedule}; choose from {', '.join(SCHEDULES)}.")
    text = json.dumps(choices or {}, sort_keys=True)
    labels = list(class_groups(classes, datasets.source(dataset).class_names))
    table = [
        Cell(method, dataset, label, seed, schedule, text)
        for seed in seeds
        for method in methods
        for label in labels
    ]
    for cell in table:
        _ = cell.experiment
    return table


def class_groups(text: str, names: tuple[str, ...]) -> Iterator[str]:
    """Names of classes from `0,3`, `0-9` (places in the list of classes), `0+1+3` or `all`."""
    for part in names if text == "all" else text.split(","):
        first, dash, last = part.partition("-")
        if part in names:
            yield part
        elif dash and first.isdigit() and last.isdigit() and int(last) < len(names):
            yield from names[int(first) : int(last) + 1]
        elif all(name in names for name in part.split("+")):
            yield part
        else:
            raise ValueError(f"There is no class {part}; choose from {', '.join(names)}.")


def published(cell: Cell) -> tuple[float | None, float | None]:
    """The published AUROC of a cell and its standard deviation over seeds, in percent.

    Only where it was measured in the same setting, see `setting`; schedules may differ.
    """
    dataset = SAME_CLASSES.get(cell.dataset, cell.dataset)
    named = (dataset, cell.method, cell.normal_class, setting(cell))
    return _published().get(named, (None, None))


def setting(cell: Cell) -> str:
    """Those choices of a cell, as JSON, that make another experiment of it."""
    chosen = json.loads(cell.choices)
    return json.dumps({n: chosen[n] for n in chosen if n in OF_SETTING}, sort_keys=True)


@functools.cache
def _published() -> dict[tuple[str, str, str, str], tuple[float | None, float | None]]:
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        return {
            (row["dataset"], row["method"], row["normal_class"], row["setting"]): (
                float(row["auroc"]),
                float(row["std"]) if row["std"] else None,
            )
            for row in csv.DictReader(file)
        }


def published_mnist_c(method: str) -> dict[str, dict[str, float]]:
    """Published values of a method on MNIST-C, all ten digits normal.

    "auroc" and "clever hans score", each by corruption, in percent; empty where there are none.
    """
    found: dict[str, dict[str, float]] = {"auroc": {}, "clever hans score": {}}
    with PUBLISHED_MNIST_C.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["method"] == method:
                found[row["quantity"]][row["corruption"]] = float(row["value"])
    return found
