"""Measure where FCDD's maps see anomalies: `python -m deepsvdd_core.benchmark.maps`.

    python -m deepsvdd_core.benchmark.maps --data mnist-sample --classes 0-9 --seeds 0-2 \
        --methods fcdd --sigmas stride,1.2,3

Trains a small network for each class and seed on normal images and copies of them with a dotted
line or a zigzag, then prints the AUROC of pixels, those of all test images together, for each sigma
of the upsampling (thesis A.4). Test images are those of the data set, where it has masks; else the
normal ones, without and with a dotted line.
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np

from deepsvdd_core import datasets, detectors
from deepsvdd_core.benchmark.__main__ import numbers
from deepsvdd_core.benchmark.cells import class_groups
from deepsvdd_core.corruptions import CORRUPTIONS
from deepsvdd_core.datasets import DataSet
from deepsvdd_core.detectors import Detector
from deepsvdd_core.evaluation import auroc
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.explainers.fcdd import fcdd_map
from deepsvdd_core.honesty.localisation import pooled_pixel_auroc
from deepsvdd_core.pipeline.running import dataset_of, task_of
from deepsvdd_core.tasks import class_labels

TRAINING = {
    "encoder": "fcdd-28-small",
    "epochs": 10,
    "batch_size": 50,
    "contrast_normalisation": False,
    "spoilt": "dotted line+zigzag",
}


def shown(dataset: DataSet, normal: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Test images uint8 (N, C, H, W) and masks bool (N, H, W) of what is anomalous in them."""
    test = dataset.test
    if test.masks is not None:
        return test.images, test.masks
    clean = test.images[np.isin(test.labels, class_labels(test, normal))]
    spoilt, masks = CORRUPTIONS["dotted line"](clean)
    return np.concatenate([clean, spoilt]), np.concatenate([np.zeros_like(masks), masks])


def trained(experiment: Experiment) -> Detector:
    """A detector fitted as the experiment says."""
    detector = detectors.build(experiment)
    for _ in detector.fit(task_of(experiment)):
        pass
    return detector


def measure(experiment: Experiment, sigmas: list[float | None]) -> list[tuple[float, float]]:
    """AUROC of pixels and of images, fractions, for each sigma; None: that of the stride.

    The sigma is part of the training of fcdd-masks, so each has a network of its own there.
    """
    found, detector = [], None
    images, masks = shown(dataset_of(experiment.dataset), experiment.normal_classes)
    for sigma in sigmas:
        choices = dataclasses.replace(experiment, upsampling_sigma=sigma)
        if detector is None or experiment.objective == "fcdd-masks":
            detector = trained(choices)
        detector.experiment = choices
        pixels = pooled_pixel_auroc(fcdd_map(detector, images), masks)
        found.append((pixels, auroc(detector.anomaly_score(images), masks.any(axis=(1, 2)))))
    return found


def main() -> None:
    """Measure and print a line per training, then the means."""
    parser = argparse.ArgumentParser(prog="python -m deepsvdd_core.benchmark.maps")
    parser.add_argument("--data", required=True, help="a data set of grey images")
    parser.add_argument("--classes", default="all", help="0,3 or 0-9 (default: all)")
    parser.add_argument("--seeds", default="0-2", help="0-2 or 0,5 (default: 0-2)")
    parser.add_argument("--methods", default="fcdd", help="fcdd, fcdd-masks")
    parser.add_argument("--sigmas", default="stride", help="pixels, or stride (default)")
    given = parser.parse_args()
    names = given.sigmas.split(",")
    sigmas = [None if name == "stride" else float(name) for name in names]
    classes = list(class_groups(given.classes, datasets.source(given.data).class_names))
    seeds, table = numbers(given.seeds), []
    for method in given.methods.split(","):
        values = np.empty((len(seeds), len(classes), len(sigmas), 2))
        for place, label in np.ndindex(values.shape[:2]):
            choices = {**TRAINING, "objective": method, "seed": seeds[place]}
            experiment = Experiment(given.data, (classes[label],), **choices)
            values[place, label] = 100 * np.array(measure(experiment, sigmas))
            pixels = ", ".join(f"{value:.2f}" for value in values[place, label, :, 0])
            print(f"{method} {classes[label]} seed {seeds[place]}: {pixels}", flush=True)
        over_classes = values.mean(axis=1)
        means, spreads = over_classes.mean(axis=0), over_classes.std(axis=0)
        for name, mean, spread in zip(names, means, spreads, strict=True):
            line = f"{mean[0]:.2f} ± {spread[0]:.2f} | {mean[1]:.2f}"
            table.append(f"| {method} | {name} | {len(classes)} x {len(seeds)} | {line} |")
    print("\n| method | sigma | classes x seeds | pixels, ± over seeds | images |")
    print("\n".join(["|---|---|---:|---:|---:|", *table]))


if __name__ == "__main__":
    main()
