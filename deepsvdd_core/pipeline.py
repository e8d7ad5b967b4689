"""The whole line in one place: what the engine can be asked to do, each as one function."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from deepsvdd_core import datasets, detectors, library
from deepsvdd_core.datasets import DataSet
from deepsvdd_core.detectors import DeepDetector
from deepsvdd_core.evaluation import auroc, average_precision
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.explainers import EXPLAINERS
from deepsvdd_core.projections import PROJECTIONS, distances
from deepsvdd_core.tasks import one_vs_rest
from deepsvdd_core.training import nothing

Arrays = dict[str, np.ndarray]
Report = Callable[[dict], None]


def run(
    experiment: Experiment,
    *,
    report: Report = lambda values: None,
    on_step: Callable[[], None] = nothing,
) -> tuple[DeepDetector, dict]:
    """Data set to fitted detector and its provenance; the same experiment, the same model."""
    started = time.perf_counter()
    dataset = _dataset(experiment.dataset, report)
    leave_out = experiment.leave_out and _dataset(experiment.leave_out, report).test
    task = one_vs_rest(dataset, experiment.normal_classes, leave_out=leave_out)
    detector = DeepDetector(experiment)
    history = []
    for epoch_report in detector.fit(task, on_step=on_step):
        history.append(epoch_report._asdict())
        report(history[-1])
    scores = detector.anomaly_score(task.test_images)
    provenance = {
        "title": experiment.title,
        "dataset_fingerprint": datasets.fingerprint(experiment.dataset),
        "class_names": list(dataset.train.class_names),
        "image_shape": list(task.train_images.shape[1:]),
        "training_images": len(task.train_images),
        "test_images": len(task.test_images),
        "auroc_before_training": history[0]["auroc"],
        "auroc": auroc(scores, task.is_anomaly),
        "average_precision": average_precision(scores, task.is_anomaly),
        "history": history,
        "notes": list(dataset.notes),
        "seconds": round(time.perf_counter() - started, 2),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "device": detector.device.type,
    }
    return detector, provenance


def train(*, experiment: dict, report: Report, on_step: Callable[[], None]) -> Arrays:
    """Train a model; the result's one array `file` is the content of its model file."""
    detector, provenance = run(Experiment.from_dict(experiment), report=report, on_step=on_step)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "model"
        detector.save(path, provenance)
        return {"file": np.frombuffer(path.read_bytes(), np.uint8)}


def images(*, dataset: str, fingerprint: str, report: Report, **_: object) -> Arrays:
    """The test split of a data set, for a process that must not read it itself; notes in UTF-8."""
    loaded = _dataset(dataset, report)
    notes = np.frombuffer("\n".join(loaded.notes).encode(), np.uint8)
    return {"images": loaded.test.images, "labels": loaded.test.labels, "notes": notes}


def view(*, model: str, digest: str, dataset: str, fingerprint: str, **_: object) -> Arrays:
    """Scores and the radial map of a data set's test images under a model.

    scores, distances (N,) float64; radial (N, 2) float64 in units of the radius; threshold and
    radius are scalars.
    """
    detector = _model(model, digest)
    embeddings = detector.embed(_dataset(dataset).test.images)
    return {
        "scores": detector.score_embeddings(embeddings),
        "distances": distances(embeddings, detector.sphere),
        "radial": PROJECTIONS["radial"](embeddings, detector.sphere, 0),
        "threshold": np.float64(detector.threshold),
        "radius": np.float64(detector.sphere.radii[0]),
    }


def project(
    *, model: str, digest: str, dataset: str, fingerprint: str, projection: str, **_: object
) -> Arrays:
    """Coordinates (N, 2) of a data set's test images in a projection."""
    detector = _model(model, digest)
    embeddings = detector.embed(_dataset(dataset).test.images)
    return {"coordinates": PROJECTIONS[projection](embeddings, detector.sphere, 0)}


def explain(
    *, model: str, digest: str, dataset: str, fingerprint: str, index: int, **_: object
) -> Arrays:
    """One relevance map (H, W) per explainer for a test image, and its score."""
    detector = _model(model, digest)
    image = _dataset(dataset).test.images[index : index + 1]
    maps = {name: explainer(detector, image)[0] for name, explainer in EXPLAINERS.items()}
    return {"score": detector.anomaly_score(image)[0], **maps}


WORK: dict[str, Callable[..., Arrays]] = {
    "train": train,
    "images": images,
    "view": view,
    "project": project,
    "explain": explain,
}


def _dataset(name: str, report: Report = lambda values: None) -> DataSet:
    def progress(text: str, fraction: float) -> None:
        report({"stage": text, "fraction": fraction})

    return _load_dataset(name, datasets.fingerprint(name), progress)


_loaded: dict[tuple[str, str], DataSet] = {}


def _load_dataset(name: str, fingerprint: str, progress: Callable[[str, float], None]) -> DataSet:
    """Load once per process; a folder whose files changed is loaded anew."""
    if (name, fingerprint) not in _loaded:
        while len(_loaded) >= 2:
            _loaded.pop(next(iter(_loaded)))
        _loaded[name, fingerprint] = datasets.load(name, progress=progress)
    return _loaded[name, fingerprint]


@lru_cache(maxsize=16)
def _model(name: str, digest: str) -> DeepDetector:
    entry = library.find(name)
    if entry.digest != digest:
        raise ValueError(f"The model {name} has changed; open it again.")
    return detectors.load(entry.path)
