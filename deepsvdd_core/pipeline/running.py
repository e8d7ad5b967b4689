"""From an experiment to a fitted detector, its model file, and what was measured of it."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from deepsvdd_core import datasets, detectors
from deepsvdd_core.corruptions import Planted, plant
from deepsvdd_core.datasets import DataSet
from deepsvdd_core.detectors import Detector
from deepsvdd_core.evaluation import (
    auroc,
    average_precision,
    precision_recall_curve,
    quantiles,
    roc_curve,
)
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.progress import OnStep, nothing
from deepsvdd_core.projections import frames
from deepsvdd_core.tasks import ANOMALOUS, OneClassTask, draw, expose, one_vs_rest, spoil
from deepsvdd_core.training import SOUND

Arrays = dict[str, np.ndarray]
Report = Callable[[dict], None]

_loaded: dict[tuple[str, str], DataSet] = {}


def dataset_of(name: str, report: Report = lambda values: None) -> DataSet:
    """A data set, loaded once per process; a folder whose files changed is loaded anew."""

    def progress(text: str, fraction: float) -> None:
        report({"stage": text, "fraction": fraction})

    fingerprint = datasets.fingerprint(name)
    if (name, fingerprint) not in _loaded:
        while len(_loaded) >= 2:
            _loaded.pop(next(iter(_loaded)))
        _loaded[name, fingerprint] = datasets.load(name, progress=progress)
    return _loaded[name, fingerprint]


def task_of(experiment: Experiment, report: Report = lambda values: None) -> OneClassTask:
    """The one-class problem an experiment describes, drawn by its seed."""
    task = clean_task_of(experiment, report)
    if experiment.artefact is not None:
        images = task.train_images.copy()
        images[task.semi_labels != ANOMALOUS] = planted(task, experiment).images
        task = task._replace(train_images=images)
    if experiment.spoilt is not None:
        # Test images are spoilt with seed 0; these draws are to be others.
        task = spoil(task, experiment.spoilt, seed=experiment.seed + 1)
    return task


def planted(task: OneClassTask, experiment: Experiment) -> Planted:
    """The training images of a clean task that count as normal, some with the mark.

    Raises:
        ValueError: there is no such mark.
    """
    normal = task.train_images[task.semi_labels != ANOMALOUS]
    return plant(normal, experiment.artefact, share=experiment.artefact_share, seed=experiment.seed)


def clean_task_of(experiment: Experiment, report: Report = lambda values: None) -> OneClassTask:
    """The same without a planted mark and spoilt copies."""
    leave_out = experiment.leave_out and dataset_of(experiment.leave_out, report).test
    task = one_vs_rest(
        dataset_of(experiment.dataset, report),
        experiment.normal_classes,
        leave_out=leave_out,
        pollution=experiment.pollution,
        labelled=experiment.labelled,
        anomaly_classes=experiment.anomaly_classes,
        seed=experiment.seed,
    )
    if experiment.outlier_exposure:
        outliers = dataset_of(experiment.outlier_exposure, report).train
        task = expose(task, outliers, seed=experiment.seed)
    if experiment.most_images is not None:
        task = draw(task, experiment.most_images, seed=experiment.seed)
    return task


def run(
    experiment: Experiment,
    *,
    report: Report = lambda values: None,
    on_step: OnStep = nothing,
) -> tuple[Detector, dict, np.ndarray, OneClassTask]:
    """Data set to fitted detector, provenance, test scores (M,) and task; repeatable."""
    started = time.perf_counter()
    task = task_of(experiment, report)
    dataset = dataset_of(experiment.dataset)
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


def train(*, experiment: dict, report: Report, on_step: OnStep) -> Arrays:
    """Train a model; the array `file` is the content of its model file, the others its theatre."""
    detector, provenance, _, task = run(
        Experiment.from_dict(experiment), report=report, on_step=on_step
    )
    normal = task.train_images[task.semi_labels >= 0]
    provenance["training_quantiles"] = quantiles(detector.anomaly_score(normal)).tolist()
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "model"
        detector.save(path, provenance)
        return {"file": np.frombuffer(path.read_bytes(), np.uint8), **theatre(detector, task)}


def theatre(detector: Detector, task: OneClassTask) -> Arrays:
    """How a few test images moved while a model was trained; nothing without a hypersphere.

    coordinates (E, N, 2) float32 of every epoch on the radial map of the last; radii (E,), losses
    and aurocs (E,) float64; names: a line of UTF-8 per epoch; rows (N,) int32 into the test split,
    labels (N,) int32, is_anomaly (N,) uint8, scores (N,) float64 of the finished model.
    """
    recording, sphere = detector.recording, detector.sphere
    if recording is None or sphere is None or not (sphere.radii > 0).all():
        return {}
    seen = frames(recording.embeddings, recording.spheres())
    rows = recording.rows
    names = [
        stage if stage == "before training" else f"{stage}, epoch {epoch}"
        for stage, epoch in zip(recording.stages, recording.epochs, strict=True)
    ]
    return {
        "coordinates": seen.coordinates.astype(np.float32),
        "radii": np.nanmean(seen.radii, axis=1),
        "losses": recording.losses,
        "aurocs": recording.aurocs,
        "names": np.frombuffer("\n".join(names).encode(), np.uint8),
        "rows": rows.astype(np.int32),
        "labels": task.test_labels[rows].astype(np.int32),
        "is_anomaly": task.is_anomaly[rows].astype(np.uint8),
        "scores": detector.anomaly_score(task.test_images[rows]),
    }


def measure(*, experiment: dict, report: Report, on_step: OnStep, **_: object) -> Arrays:
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
