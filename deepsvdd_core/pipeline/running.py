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

from deepsvdd_core import datasets, detectors, library
from deepsvdd_core.corruptions import Planted, plant
from deepsvdd_core.datasets import DataSet
from deepsvdd_core.detectors import Detector
from deepsvdd_core.detectors.base import Glance
from deepsvdd_core.evaluation import (
    auroc,
    average_precision,
    confusion,
    precision_recall_curve,
    quantiles,
    roc_curve,
)
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.header import LONGEST_LINE
from deepsvdd_core.health import Watch
from deepsvdd_core.progress import OnStep, nothing
from deepsvdd_core.projections import frames
from deepsvdd_core.recording import Recording
from deepsvdd_core.sphere import TOLD_APART
from deepsvdd_core.tasks import ANOMALOUS, OneClassTask, draw, expose, one_vs_rest, spoil
from deepsvdd_core.training import SOUND

Arrays = dict[str, np.ndarray]
Report = Callable[[dict], None]

MOST_LOADED = 3  # data sets; as many as an experiment reads at most

_loaded: dict[tuple[str, str], DataSet] = {}


def dataset_of(
    name: str, report: Report = lambda values: None, fingerprint: str | None = None
) -> DataSet:
    """A data set, loaded once per process; a folder whose files changed is loaded anew.

    fingerprint: the one it must have, as `datasets.fingerprint`; None where any will do.

    Raises:
        ValueError: it has another fingerprint, so its files have changed meanwhile.
    """

    def progress(text: str, fraction: float) -> None:
        report({"stage": text, "fraction": fraction})

    known = datasets.fingerprint(name)
    if fingerprint not in (None, known):
        raise ValueError(f"The files of {name} have changed; open the page again.")
    if (name, known) in _loaded:
        return _loaded[name, known]
    is_missing = datasets.source(name).is_missing  # then it gets its fingerprint by being loaded
    while len(_loaded) >= MOST_LOADED:
        _loaded.pop(next(iter(_loaded)))
    loaded = datasets.load(name, progress=progress)
    if loaded.fingerprint != known and not is_missing:
        raise ValueError(f"The files of {name} have changed; open the page again.")
    _loaded[name, loaded.fingerprint] = loaded
    return loaded


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
    fingerprints: dict[str, str] | None = None,
    report: Report = lambda values: None,
    on_step: OnStep = nothing,
) -> tuple[Detector, dict, np.ndarray, OneClassTask]:
    """Data set to fitted detector, provenance, test scores (M,) and task; repeatable.

    fingerprints: those its data sets must have, by name.

    Raises:
        ValueError: a data set has changed meanwhile, or the experiment does not suit it.
    """
    started, asked = time.perf_counter(), fingerprints or {}
    versions = {
        name: dataset_of(name, report, asked.get(name)).fingerprint for name in experiment.datasets
    }
    task = task_of(experiment, report)
    dataset = dataset_of(experiment.dataset, fingerprint=versions[experiment.dataset])
    if datasets.fingerprints(versions) != versions:
        raise ValueError("The files of the data set have changed; try again.")
    loaded = time.perf_counter()
    detector = detectors.build(experiment)
    history, seen = [], Glance(task, experiment.seed).is_anomaly
    watch = Watch(seen, is_adversarial=experiment.detector == "anogan")
    for epoch_report in detector.fit(task, on_step=on_step):
        if epoch_report.stage == detectors.CALIBRATING:
            report(epoch_report._asdict())
            continue
        row = watch(epoch_report)._asdict()
        report(row)
        history.append({name: row[name] for name in row if name != "radii"})  # the theatre has them
    trained = time.perf_counter()
    report({"stage": "Scoring the test images", "fraction": 1.0})
    scores = detector.anomaly_score(task.test_images)
    before = [row["auroc"] for row in history if row["stage"] == "before training"]
    provenance = {
        "title": datasets.printable(experiment.title, LONGEST_LINE),
        "fingerprints": versions,
        "class_names": list(dataset.train.class_names),
        "image_shape": list(task.train_images.shape[1:]),
        "training_images": int((task.semi_labels >= 0).sum()),
        "labelled_anomalies": int((task.semi_labels < 0).sum()),
        "test_images": len(task.test_images),
        "auroc_before_training": before[0] if before else None,
        "auroc": auroc(scores, task.is_anomaly),
        "average_precision": average_precision(scores, task.is_anomaly),
        "health": watch.verdict(scores, task.test_images, task.is_anomaly),
        "history": history,
        "notes": list(dataset.notes),
        "seconds": round(time.perf_counter() - started, 2),
        "training_seconds": round(trained - loaded, 2),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }
    if detector.centre is not None:
        provenance["centre"], provenance["centre_replaced"] = detector.centre
    return detector, provenance, scores, task


def train(
    *, experiment: dict, fingerprints: dict[str, str], report: Report, on_step: OnStep
) -> Arrays:
    """Train a model; the array `file` is the content of its model file, the others its theatre."""
    detector, provenance, _, task = run(
        Experiment.from_dict(experiment),
        fingerprints=fingerprints,
        report=report,
        on_step=on_step,
    )
    if len(detector.calibration_scores):
        provenance["calibration_scores"] = len(detector.calibration_scores)
        provenance["calibration_quantiles"] = quantiles(detector.calibration_scores).tolist()
    content = detector.file(provenance)
    opened(content, "The model")
    return {"file": np.frombuffer(content, np.uint8), **theatre(detector, task)}


def opened(content: bytes, name: str) -> Detector:
    """The detector of a model file, tried on images.

    Raises:
        ValueError: one sentence, beginning with the name, when it is not a complete model.
    """
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / f"{name}{library.SUFFIX}"
        path.write_bytes(content)
        return detectors.load(path)


def admit(*, digest: str, payload: list[bytes], **_: object) -> Arrays:
    """Load a model file that somebody brings, which tries it; `title` in UTF-8.

    Raises:
        ValueError: one sentence, when it is not a complete model.
    """
    detector = opened(payload[0], "This file")
    return {"title": np.frombuffer(detector.experiment.title.encode(), np.uint8)}


def theatre(detector: Detector, task: OneClassTask) -> Arrays:
    """How a few test images moved while a model was trained; nothing without a hypersphere.

    coordinates (E, N, 2) float32 of every epoch on the radial map of the last; radii (E,), losses
    and aurocs (E,) float64; names: a line of UTF-8 per epoch; rows (N,) int32 into the test split,
    labels (N,) int32, is_anomaly (N,) uint8, scores (N,) float64 of the finished model;
    sphere_radii (E, K) of up to TOLD_APART spheres, NaN outside the training of the objective.
    """
    recording, sphere = detector.recording, detector.sphere
    if recording is None or sphere is None:
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
        **_radii_of_several(recording),
        "losses": recording.losses,
        "aurocs": recording.aurocs,
        "names": np.frombuffer("\n".join(names).encode(), np.uint8),
        "rows": rows.astype(np.int32),
        "labels": task.test_labels[rows].astype(np.int32),
        "is_anomaly": task.is_anomaly[rows].astype(np.uint8),
        "scores": detector.anomaly_score(task.test_images[rows]),
    }


def _radii_of_several(recording: Recording) -> Arrays:
    """`sphere_radii` of `theatre`: of the spheres that are left, where centres stood still."""
    rows = [row for row, stage in enumerate(recording.stages) if stage == "training"]
    if len(rows) < 2:
        return {}
    centers, radii = recording.centers[rows], recording.radii[rows]
    left = centers[-1][np.isfinite(radii[-1])]
    places = [np.flatnonzero((centers[-2] == center).all(axis=1)) for center in left]
    if not 1 < len(left) <= TOLD_APART or not all(map(len, places)):
        return {}
    kept = [int(place[0]) for place in places]
    if not (centers[:-1, kept] == centers[-2, kept]).all():
        return {}
    found = np.full((len(recording.stages), len(left)), np.nan)
    found[rows[:-1]] = radii[:-1, kept]
    found[rows[-1]] = radii[-1][np.isfinite(radii[-1])]
    return {"sphere_radii": found}


def measure(
    *,
    experiment: dict,
    fingerprints: dict[str, str],
    report: Report,
    on_step: OnStep,
    **_: object,
) -> Arrays:
    """Train and keep the figures alone; a file that is not too large is opened, too.

    auroc, ap, before (NaN where not defined), seconds are scalars; roc (2, 101) false and true
    positive rates; pr (2, 101) recall and precision; healthy is 0 where `health` found a fault.
    asked is the share of false alarms that the threshold was to give, false_alarms (NaN without
    any) what it gives among the unseen_normals, the normal test images; calibrated is the number of
    scores it comes from. fingerprint: of its data sets, as `datasets.joined`, in UTF-8.
    """
    wanted = Experiment.from_dict(experiment)
    detector, provenance, scores, task = run(
        wanted, fingerprints=fingerprints, report=report, on_step=on_step
    )

    def number(name: str) -> np.float64:
        value = provenance[name]
        return np.float64(np.nan if value is None else value)

    if len(content := detector.file(provenance)) <= library.LARGEST_FILE:
        opened(content, "The model")
    rate = confusion(scores, task.is_anomaly, detector.threshold).false_alarm_rate
    return {
        "auroc": number("auroc"),
        "ap": number("average_precision"),
        "before": number("auroc_before_training"),
        "seconds": number("training_seconds"),
        "roc": roc_curve(scores, task.is_anomaly),
        "pr": precision_recall_curve(scores, task.is_anomaly),
        "healthy": np.float64(provenance["health"] == SOUND),
        "asked": np.float64(detector.experiment.nu),
        "false_alarms": np.float64(np.nan if rate is None else rate),
        "unseen_normals": np.float64((~task.is_anomaly).sum()),
        "calibrated": np.float64(len(detector.calibration_scores)),
        "fingerprint": np.frombuffer(
            datasets.joined(provenance["fingerprints"]).encode(), np.uint8
        ),
    }
