"""Everything the engine can be asked to do, each as one function, in the table WORK."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np

from deepsvdd_core.pipeline import asking, explaining, hans, taking
from deepsvdd_core.pipeline.asking import Subject
from deepsvdd_core.pipeline.running import Arrays, Report, dataset_of, measure, run, task_of, train
from deepsvdd_core.progress import OnStep

__all__ = ["WORK", "Arrays", "Report", "Subject", "images", "run", "task_of"]


def images(*, dataset: str, fingerprint: str, split: str, report: Report, **_: object) -> Arrays:
    """Images of a data set, for a process that must not read it itself; notes in UTF-8."""
    loaded = dataset_of(dataset, report)
    shown = loaded.shown(split)
    notes = np.frombuffer("\n".join(loaded.notes).encode(), np.uint8)
    return {"images": shown.images, "labels": shown.labels, "notes": notes}


def masks(*, dataset: str, fingerprint: str, report: Report, **_: object) -> Arrays:
    """masks (N, H, W) uint8 of the test images, 1 where a pixel is marked; empty without masks."""
    marked = dataset_of(dataset, report).test.masks
    return {"masks": np.zeros((0, 1, 1), np.uint8) if marked is None else marked.astype(np.uint8)}


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
    "images": images,
    "masks": masks,
    "view": about(asking.view),
    "project": about(asking.project),
    "trust": about(asking.trusted),
    "place": about(asking.place),
    "clusters": about(asking.clusters),
    "neighbours": about(asking.neighbours),
    "heatmaps": about(asking.heatmaps),
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
