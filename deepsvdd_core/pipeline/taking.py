"""What a visitor takes home: selected images with all that is known of them."""

from __future__ import annotations

from functools import partial

import numpy as np

from deepsvdd_core import evaluation, export, figures, library
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.explainers import supported
from deepsvdd_core.pipeline.asking import mapped_points, view
from deepsvdd_core.pipeline.maps import explained, explainer_of, limit_of
from deepsvdd_core.pipeline.running import Arrays
from deepsvdd_core.pipeline.subject import Subject
from deepsvdd_core.progress import OnStep, Progress
from deepsvdd_core.selection import unpacked

MOST_PICTURES = 500  # in a report
PART = 20  # images explained between two chances to cancel


def bundle(
    subject: Subject,
    *,
    selection: str,
    coordinates: str,
    tensor: str,
    state: dict,
    progress: Progress,
    on_step: OnStep,
) -> Arrays:
    """The selection as the content of a zip file, in the array `file`.

    coordinates, tensor: the file name of the product with the map, and its array.
    """
    rows = _rows(subject, selection)
    taken = _selection(subject, rows, coordinates, tensor)
    content = export.bundle(_with_maps(subject, taken, progress, on_step), state)
    return {"file": np.frombuffer(content, np.uint8)}


def report(
    subject: Subject,
    *,
    selection: str,
    coordinates: str,
    tensor: str,
    projection: str,
    threshold: float,
    progress: Progress,
    on_step: OnStep,
) -> Arrays:
    """The selection as the content of one self-contained HTML page, in the array `file`.

    It shows the strangest 500 of the selected images, with maps where there are any.
    """
    arrays = view(subject)
    rows = _rows(subject, selection)
    strangest = rows[np.argsort(-arrays["scores"][rows], kind="stable")][:MOST_PICTURES]
    truth = arrays["is_anomaly"].astype(bool) if "is_anomaly" in arrays else None
    points = mapped_points(coordinates)[tensor]
    draw = {"sphere": figures.spherical_map}
    if projection == "radial":
        sphere = subject.detector.sphere
        radius = float((sphere.radii_at(threshold) / sphere.units).mean())
        draw["radial"] = partial(figures.radial_map, radius=radius)
    content = export.report(
        subject.model,
        _provenance(subject),
        _with_maps(subject, _selection(subject, strangest, coordinates, tensor), progress, on_step),
        threshold=threshold,
        counts=None if truth is None else evaluation.confusion(arrays["scores"], truth, threshold),
        figures={
            f"Map of all {len(points):,} images": draw.get(projection, figures.planar_map)(
                points, truth, arrays["scores"]
            ),
            "Scores": figures.histogram(arrays["scores"], truth, threshold),
        },
    )
    return {"file": np.frombuffer(content.encode(), np.uint8)}


def _rows(subject: Subject, selection: str) -> np.ndarray:
    return np.flatnonzero(unpacked(selection, len(subject.scores)))


def _selection(
    subject: Subject, rows: np.ndarray, coordinates: str, tensor: str
) -> export.Selection:
    arrays, shown = view(subject), subject.shown
    lower = np.searchsorted(np.sort(arrays["scores"]), arrays["scores"][rows])
    points = mapped_points(coordinates)[tensor]
    return export.Selection(
        ids=rows,
        labels=[shown.class_names[label] for label in shown.labels[rows]],
        scores=arrays["scores"][rows],
        images=shown.images[rows],
        distances=arrays["distances"][rows] if "distances" in arrays else None,
        percentiles=100 * lower / len(arrays["scores"]),
        coordinates=points[rows],
        clusters=arrays["nearest"][rows] if "nearest" in arrays else None,
        is_anomaly=arrays["is_anomaly"][rows].astype(bool) if "is_anomaly" in arrays else None,
    )


def _with_maps(
    subject: Subject, taken: export.Selection, progress: Progress, on_step: OnStep
) -> export.Selection:
    """The selection with what explains its scores, where anything does."""
    if not supported(subject.detector):
        return taken
    parts = []
    for start in range(0, len(taken.ids), PART):
        progress("Explaining the selected images", start / len(taken.ids))
        on_step()
        parts.append(explained(subject, taken.images[start : start + PART]))
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return taken._replace(**found, limit=limit_of(subject), explainer=explainer_of(subject))


def _provenance(subject: Subject) -> dict[str, object]:
    header, centre = library.find(subject.model).header, subject.detector.centre
    known, experiment = header["provenance"], Experiment.from_dict(header["experiment"])
    wanted = {
        "training_images": "training images",
        "auroc": "auroc when trained",
        "average_precision": "average precision when trained",
        "calibration_scores": "calibration scores",
        "fingerprints": "fingerprints when trained",
        "created": "created",
        "versions": "versions",
    }
    return {
        "method": experiment.method,
        "normal": ", ".join(experiment.normal_classes),
        "trained on": experiment.dataset,
        "images shown": f"{subject.dataset}, {len(subject.scores):,} images",
        "fingerprint of these": subject.fingerprint,
        **({} if centre is None else {"sphere": centre.in_words}),
        **{label: known[name] for name, label in wanted.items() if name in known},
    }
