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
from deepsvdd_core.detectors import Detector
from deepsvdd_core.evaluation import (
    auroc,
    average_precision,
    precision_recall_curve,
    roc_curve,
)
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.explainers import EXPLAINERS, supported
from deepsvdd_core.projections import PROJECTIONS, distances
from deepsvdd_core.tasks import OneClassTask, expose, one_vs_rest
from deepsvdd_core.training import SOUND, nothing

Arrays = dict[str, np.ndarray]
Report = Callable[[dict], None]


def task_of(experiment: Experiment, report: Report = lambda values: None) -> OneClassTask:
    """The one-class problem an experiment describes, drawn by its seed."""
    leave_out = experiment.leave_out and _dataset(experiment.leave_out, report).test
    task = one_vs_rest(
        _dataset(experiment.dataset, report),
        experiment.normal_classes,
        leave_out=leave_out,
        pollution=experiment.pollution,
        labelled=experiment.labelled,
        anomaly_classes=experiment.anomaly_classes,
        seed=experiment.seed,
    )
    if experiment.outlier_exposure:
        outliers = _dataset(experiment.outlier_exposure, report).train
        task = expose(task, outliers, seed=experiment.seed)
    return task


def run(
    experiment: Experiment,
    *,
    report: Report = lambda values: None,
    on_step: Callable[[], None] = nothing,
) -> tuple[Detector, dict, np.ndarray, OneClassTask]:
    """Data set to fitted detector, provenance, test scores (M,) and task; repeatable."""
    started = time.perf_counter()
    task = task_of(experiment, report)
    dataset = _dataset(experiment.dataset)
    loaded = time.perf_counter()
    detector = detectors.build(experiment)
    history = []
    for epoch_report in detector.fit(task, on_step=on_step):
        history.append(epoch_report._asdict())
        report(history[-1])
    trained = time.perf_counter()
    report({"stage": "Scoring the test images", "fraction": 1.0})
    scores = detector.anomaly_score(task.test_images)
    before = [row["auroc"] for row in history if row["stage"] == "before training"]
    provenance = {
        "title": experiment.title,
        "dataset_fingerprint": datasets.fingerprint(experiment.dataset),
        "class_names": list(dataset.train.class_names),
        "image_shape": list(task.train_images.shape[1:]),
        "training_images": int((task.semi_labels >= 0).sum()),
        "labelled_anomalies": int((task.semi_labels < 0).sum()),
        "test_images": len(task.test_images),
        "auroc_before_training": before[0] if before else None,
        "auroc": auroc(scores, task.is_anomaly),
        "average_precision": average_precision(scores, task.is_anomaly),
        "health": history[-1]["health"],
        "history": history,
        "notes": list(dataset.notes),
        "seconds": round(time.perf_counter() - started, 2),
        "training_seconds": round(trained - loaded, 2),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }
    return detector, provenance, scores, task


def train(*, experiment: dict, report: Report, on_step: Callable[[], None]) -> Arrays:
    """Train a model; the result's one array `file` is the content of its model file."""
    detector, provenance, _, _ = run(
        Experiment.from_dict(experiment), report=report, on_step=on_step
    )
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "model"
        detector.save(path, provenance)
        return {"file": np.frombuffer(path.read_bytes(), np.uint8)}


def images(*, dataset: str, fingerprint: str, report: Report, **_: object) -> Arrays:
    """The test split of a data set, for a process that must not read it itself; notes in UTF-8."""
    loaded = _dataset(dataset, report)
    notes = np.frombuffer("\n".join(loaded.notes).encode(), np.uint8)
    return {"images": loaded.test.images, "labels": loaded.test.labels, "notes": notes}


def measure(
    *, experiment: dict, report: Report, on_step: Callable[[], None], **_: object
) -> Arrays:
    """Train and keep the figures alone.

    auroc, ap, before (NaN where not defined), seconds are scalars; roc (2, 101) false and true
    positive rates; pr (2, 101) recall and precision; healthy is 0 after a collapse.
    """
    _, provenance, scores, task = run(
        Experiment.from_dict(experiment), report=report, on_step=on_step
    )

    def number(name: str) -> np.float64:
        value = provenance[name]
        return np.float64(np.nan if value is None else value)

    return {
        "auroc": number("auroc"),
        "ap": number("average_precision"),
        "before": number("auroc_before_training"),
        "seconds": number("training_seconds"),
        "roc": roc_curve(scores, task.is_anomaly),
        "pr": precision_recall_curve(scores, task.is_anomaly),
        "healthy": np.float64(provenance["health"] == SOUND),
    }


def view(*, model: str, digest: str, dataset: str, fingerprint: str, **_: object) -> Arrays:
    """Scores and, for a detector with a sphere, the radial map of a data set's test images.

    scores, distances (N,) float64; radial (N, 2) float64 in units of the radius; threshold and
    radius (the mean of several) are scalars.
    """
    detector = _model(model, digest)
    embeddings, scores = detector.embed_and_score(_dataset(dataset).test.images)
    result = {"scores": scores, "threshold": np.float64(detector.threshold)}
    if detector.sphere is None:
        return result
    return {
        **result,
        "distances": distances(embeddings, detector.sphere),
        "radial": PROJECTIONS["radial"](embeddings, detector.sphere, 0),
        "radius": np.float64(detector.sphere.radii.mean()),
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
    names = supported(detector)
    if not names:
        raise ValueError(
            f"There is no explanation for {detector.experiment.method} yet; LRP and Grad-CAM "
            "explain deep one-class models."
        )
    maps = {name: EXPLAINERS[name](detector, image)[0] for name in names}
    return {"score": detector.anomaly_score(image)[0], **maps}


WORK: dict[str, Callable[..., Arrays]] = {
    "train": train,
    "measure": measure,
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
def _model(name: str, digest: str) -> Detector:
    entry = library.find(name)
    if entry.digest != digest:
        raise ValueError(f"The model {name} has changed; open it again.")
    return detectors.load(entry.path)
