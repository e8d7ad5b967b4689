"""Compare rules for the centre of a hypersphere: `python -m deepsvdd_core.benchmark.centres`.

    python -m deepsvdd_core.benchmark.centres --data mnist --classes 0-9 --seeds 0-2 \
        --rules signs,codes+1,codes+3 --out centres.csv

Test images take no part: a fifth of the normal training images is held out, and beside it stand as
many training images of all other classes. signs and codes are `Experiment.centre_rule`; +3 means
three epochs of pre-training before. Prints AUROC and the share of the centre that was replaced for
each training, then the means; a file is continued.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from deepsvdd_core import calibration, datasets, detectors
from deepsvdd_core.benchmark.__main__ import numbers
from deepsvdd_core.benchmark.cells import class_groups
from deepsvdd_core.datasets import DataSet, ImageSet
from deepsvdd_core.evaluation import auroc
from deepsvdd_core.experiment import SCHEDULES, Experiment
from deepsvdd_core.pipeline.running import dataset_of
from deepsvdd_core.tasks import anomaly_mask, one_vs_rest

QUICK_RATE = 1e-3  # of pre-training for a few epochs


class Rule(NamedTuple):
    """centre: `signs` or `codes`. epochs: of pre-training; None: as many as the schedule has."""

    centre: str
    epochs: int | None

    @classmethod
    def of(cls, text: str) -> Rule:
        """`signs`, `codes`, or either with `+` and epochs of pre-training."""
        centre, plus, epochs = text.partition("+")
        return cls(centre, int(epochs) if plus else None)

    @property
    def choices(self) -> dict[str, object]:
        """Those of an experiment."""
        if self.epochs is None:
            return {"centre": self.centre}
        pretrained = {"pretrain_epochs": self.epochs, "pretrain_learning_rate": QUICK_RATE}
        return {"centre": self.centre, **pretrained}


def without_a_fifth(dataset: DataSet, normal: tuple[str, ...], seed: int) -> DataSet:
    """The training split, parted: test images are a fifth of the normal ones, and others."""
    train, is_anomaly = dataset.train, anomaly_mask(dataset.train, normal)
    rows = np.flatnonzero(~is_anomaly)
    held_out = rows[next(calibration.held_out(len(rows), seed))]
    others = np.flatnonzero(is_anomaly)
    drawn = np.random.default_rng(seed).permutation(others)[: len(held_out)]
    parts = np.setdiff1d(rows, held_out), np.concatenate([held_out, drawn])
    fitting, test = (
        ImageSet(train.images[part], train.labels[part], train.class_names) for part in parts
    )
    return dataset._replace(train=fitting, test=test)


def measure(experiment: Experiment) -> tuple[float, float]:
    """AUROC on what was held out, and the share of the centre that was replaced; fractions."""
    dataset = dataset_of(experiment.dataset)
    parted = without_a_fifth(dataset, experiment.normal_classes, experiment.seed)
    task = one_vs_rest(parted, experiment.normal_classes)
    detector = detectors.build(experiment)
    for _ in detector.learn_from(task):
        pass
    return auroc(detector.anomaly_score(task.test_images), task.is_anomaly), detector.centre[1]


def main() -> None:
    """Measure what is missing, print a line per training, then the means."""
    parser = argparse.ArgumentParser(prog="python -m deepsvdd_core.benchmark.centres")
    parser.add_argument("--data", required=True, help="a data set")
    parser.add_argument("--classes", default="all", help="0,3 or 0-9 (default: all)")
    parser.add_argument("--seeds", default="0-2", help="0-2 or 0,5 (default: 0-2)")
    parser.add_argument("--schedule", default="live", help=", ".join(SCHEDULES))
    parser.add_argument(
        "--rules", default="signs,codes+1,codes+3", help="signs, codes, with +epochs"
    )
    parser.add_argument("--out", required=True, type=Path, help="the CSV file, continued")
    given = parser.parse_args()
    source = datasets.source(given.data)
    where = ["dataset", "schedule", "rule", "normal_class", "seed"]
    lines = pd.read_csv(given.out, dtype={"normal_class": str}) if given.out.is_file() else None
    known = [] if lines is None else lines.to_dict("records")
    done = {tuple(line[name] for name in where) for line in known}
    for seed in numbers(given.seeds):
        for label in class_groups(given.classes, source.class_names):
            for rule in given.rules.split(","):
                place = (given.data, given.schedule, rule, label, seed)
                if place in done:
                    continue
                choices = {**SCHEDULES[given.schedule], **Rule.of(rule).choices, "seed": seed}
                found, replaced = measure(
                    Experiment(
                        given.data,
                        (label,),
                        encoder=source.encoder,
                        contrast_normalisation=source.contrast_normalisation,
                        **choices,
                    )
                )
                values = {"auroc": round(100 * found, 3), "replaced": round(100 * replaced, 1)}
                known.append(dict(zip(where, place, strict=True)) | values)
                pd.DataFrame(known).to_csv(given.out, index=False)
                print(f"{rule} {label} seed {seed}: {values}", flush=True)
    table = pd.DataFrame(known)
    groups = table.groupby(["dataset", "schedule", "rule"])
    summary = groups.agg(
        auroc=("auroc", "mean"), replaced=("replaced", "mean"), trainings=("auroc", "size")
    )
    seeds = table.groupby(["dataset", "schedule", "rule", "seed"])["auroc"].mean()
    summary["std_seeds"] = seeds.groupby(level=[0, 1, 2]).std()
    print(summary.round(2).to_string())


if __name__ == "__main__":
    main()
