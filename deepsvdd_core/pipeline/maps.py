"""Which maps stand for a model, what they compare with, and on what scale they are shown."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from deepsvdd_core.explainers import (
    COMPARES,
    Explainer,
    analysing,
    comparing,
    standing_for,
    supported,
)
from deepsvdd_core.pipeline.running import Arrays
from deepsvdd_core.pipeline.subject import Subject, spread
from deepsvdd_core.progress import OnStep, nothing

SCALED_BY = 100  # images that decide the colour scale of a data set's heatmaps
REFERENCES = 20  # normal training images an explainer compares with: the most normal
CANDIDATES = 500  # of so many
PART = 20  # images explained between two chances to cancel

_limits: dict[tuple[Subject, str], float] = {}


def heatmaps(subject: Subject, *, first: int, count: int) -> Arrays:
    """Relevance (n, H, W) of some images by the explainer that stands for the model, rough.

    limit: the value at the end of the colour scale, one for all images of the data set.
    """
    part = subject.shown.images[first : first + count]
    explain = explains(subject, explainer_of(subject), is_rough=True)
    return {
        "relevance": explain(subject.detector, part),
        "limit": np.float64(limit_of(subject)),
    }


def explained(subject: Subject, images: np.ndarray) -> Arrays:
    """relevance (n, H, W) of any images by the explainer that stands for the model.

    constants (n,): what its sums lack of the scores, where the explainer keeps an account.
    """
    detector, name = subject.detector, explainer_of(subject)
    explain, ledger = comparing(name, compared(subject, name))
    found = {"relevance": explain(detector, images)}
    if ledger is not None:
        found["constants"] = ledger(detector, images).total.astype(np.float64)
    return found


def explainer_of(subject: Subject) -> str:
    """The explainer whose maps stand for a model on a data set.

    Raises:
        ValueError: nothing explains this kind of model.
    """
    names = supported(subject.detector)
    if not names:
        raise ValueError(
            f"There is no explanation for {subject.detector.experiment.method} yet; LRP and "
            "GradientShap explain deep one-class models."
        )
    return standing_for(names, has_references=_has_normal(subject))


def explains(subject: Subject, name: str, *, is_rough: bool = False) -> Explainer:
    """An explainer; what compares has the right references. is_rough: see `comparing`."""
    return comparing(name, compared(subject, name), is_rough=is_rough)[0]


def analysed(subject: Subject) -> tuple[str, Explainer]:
    """The explainer whose maps are compared with each other and with truth, rough; its name."""
    explainer_of(subject)
    name = analysing(supported(subject.detector))
    return name, explains(subject, name, is_rough=True)


def compared(subject: Subject, name: str) -> np.ndarray | None:
    """The references of an explainer, see `references_of`; None where it needs none."""
    return references_of(subject._replace(split="test")) if name in COMPARES else None


def _has_normal(subject: Subject) -> bool:
    """Whether the data set has training images that are normal to the model."""
    try:
        return len(subject.normal(subject.data.train)) > 0
    except ValueError:
        return False


@lru_cache(maxsize=8)
def references_of(subject: Subject) -> np.ndarray | None:
    """Normal training images to compare with, or None where the data set has no such class.

    Those the model finds most normal: what lies between them and an image explains most of its
    score.
    """
    train = subject.data.train
    try:
        rows = subject.normal(train)
    except ValueError:
        return None
    candidates = spread(train.images[rows], CANDIDATES)
    order = np.argsort(subject.detector.anomaly_score(candidates), kind="stable")
    return candidates[order[:REFERENCES]]


def limit_of(subject: Subject) -> float:
    """The end of the colour scale: one for all heatmaps of a model on a data set."""
    return limit_by(subject, explainer_of(subject))


def limit_by(subject: Subject, explainer: str, on_step: OnStep = nothing) -> float:
    """The end of the colour scale of all maps of an explainer on a data set."""
    subject = subject._replace(split="test")
    if (subject, explainer) not in _limits:
        _limits[subject, explainer] = _limit(subject, explainer, on_step)
    return _limits[subject, explainer]


def _limit(subject: Subject, explainer: str, on_step: OnStep) -> float:
    """The relevance that 1 of 1,000 pixels exceeds, on images spread over the data set."""
    detector, images = subject.detector, subject.shown.images
    few = images[:: max(1, len(images) // SCALED_BY)]
    explain, maps = explains(subject, explainer, is_rough=True), []
    for start in range(0, len(few), PART):
        on_step()
        maps.append(np.abs(explain(detector, few[start : start + PART])))
    return float(np.quantile(np.concatenate(maps), 0.999))
