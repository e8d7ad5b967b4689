"""Everything the engine can be asked to do, each as one function, in the table WORK."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence

import numpy as np

from deepsvdd_core.datasets import read_pictures
from deepsvdd_core.pipeline import asking, explaining, hans, maps, taking
from deepsvdd_core.pipeline.running import (
    Arrays,
    Report,
    admit,
    dataset_of,
    measure,
    run,
    task_of,
    train,
)
from deepsvdd_core.pipeline.subject import Subject
from deepsvdd_core.progress import OnStep

__all__ = ["WORK", "Arrays", "Report", "Subject", "images", "run", "task_of"]


def images(*, dataset: str, fingerprint: str, split: str, report: Report, **_: object) -> Arrays:
    """Images of a data set, for a process that must not read it itself.

    notes and classes, the names of its classes: in UTF-8, one a line.
    """
    loaded = dataset_of(dataset, report, fingerprint)
    shown = loaded.shown(split)
    texts = {"notes": loaded.notes, "classes": shown.class_names}
    return {
        "images": shown.images,
        "labels": shown.labels,
        **{name: np.frombuffer("\n".join(t).encode(), np.uint8) for name, t in texts.items()},
    }


def masks(*, dataset: str, fingerprint: str, report: Report, **_: object) -> Arrays:
    """masks (N, H, W) uint8 of the test images, 1 where a pixel is marked; empty without masks."""
    marked = dataset_of(dataset, report, fingerprint).test.masks
    return {"masks": np.zeros((0, 1, 1), np.uint8) if marked is None else marked.astype(np.uint8)}


def pictures(
    *,
    digests: list[str],
    shape: list[int],
    payload: Sequence[bytes] = (),
    report: Report,
    on_step: OnStep,
) -> Arrays:
    """Uploaded pictures, brought to one shape (C, H, W).

    images (M, C, H, W) uint8 of those that can be used; refused: a line of UTF-8 for each file,
    empty or a few words on why not.

    Raises:
        ValueError: the contents are not those the digests name.
    """
    if [hashlib.sha256(content).hexdigest() for content in payload] != digests:
        raise ValueError("The pictures are not here any more; upload them again.")
    answers = []
    for answer in read_pictures(payload, tuple(shape)):
        answers.append(answer)
        report({"stage": "Reading the pictures", "fraction": len(answers) / len(payload)})
        on_step()
    images = [answer for answer in answers if isinstance(answer, np.ndarray)]
    refused = "\n".join(answer if isinstance(answer, str) else "" for answer in answers)
    return {
        "images": np.stack(images) if images else np.zeros((0, *shape), np.uint8),
        "refused": np.frombuffer(refused.encode(), np.uint8),
    }


def about(answer: Callable[..., Arrays]) -> Callable[..., Arrays]:
    """A question about a subject as work whose parameters are plain values.

    It gets what it can use of progress(text, fraction) and on_step(), which may raise to stop.
    """
    wanted = inspect.signature(answer).parameters

    def work(
        *,
        model: str,
        digest: str,
        dataset: str,
        fingerprint: str,
        split: str,
        report: Report,
        on_step: OnStep,
        **more: object,
    ) -> Arrays:
        def progress(text: str, fraction: float) -> None:
            report({"stage": text, "fraction": float(fraction)})

        offered = {"progress": progress, "on_step": on_step}
        more |= {name: value for name, value in offered.items() if name in wanted}
        return answer(Subject(model, digest, dataset, fingerprint, split), **more)

    return work


WORK: dict[str, Callable[..., Arrays]] = {
    "train": train,
    "measure": measure,
    "admit": admit,
    "images": images,
    "masks": masks,
    "pictures": pictures,
    "view": about(asking.view),
    "project": about(asking.project),
    "trust": about(asking.trusted),
    "place": about(asking.place),
    "clusters": about(asking.clusters),
    "neighbours": about(asking.neighbours),
    "heatmaps": about(maps.heatmaps),
    "explainers": about(explaining.explainers),
    "explain": about(explaining.explain),
    "scale": about(explaining.scale),
    "judge": about(explaining.judge),
    "spoil": about(explaining.spoil),
    "localise": about(explaining.localise),
    "clever_hans": about(hans.clever_hans),
    "strategies": about(hans.strategies),
    "find_mark": about(hans.find_mark),
    "remove_mark": about(hans.remove_mark),
    "guess": about(hans.guess),
    "bundle": about(taking.bundle),
    "report": about(taking.report),
}
