"""Several models as one: the mean of their ranks, and of their relevance maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from deepsvdd_core.pipeline.maps import analysed
from deepsvdd_core.pipeline.subject import Subject, sampled

CALIBRATED_ON = 1_000  # normal training images


class Judge(NamedTuple):
    """Scores (N,) and relevance maps (N, H, W) of images (N, C, H, W) uint8.

    explainer: what makes the maps.
    """

    explainer: str
    score: Callable[[np.ndarray], np.ndarray]
    explain: Callable[[np.ndarray], np.ndarray]


def judge_of(subject: Subject, others: list[list[str]]) -> Judge:
    """The subject's model, or the ensemble of it and others, each as [name, digest].

    The ensemble's score is the mean over its models of the share of normal training images that
    score lower: so models with different units count alike. Its map is the mean of their maps,
    each brought to length one.

    Raises:
        ValueError: the models have different normal classes, or one has no explanation.
    """
    models = [subject, *(subject._replace(model=name, digest=digest) for name, digest in others)]
    members = [_member(model) for model in models]
    if len(members) == 1:
        return members[0]
    normal = {frozenset(model.detector.experiment.normal_classes) for model in models}
    if len(normal) > 1:
        raise ValueError(
            "The models of an ensemble must have the same normal classes; choose others."
        )
    train = subject.data.train
    known = train.images[sampled(subject.normal(train), CALIBRATED_ON)]
    ladders = [np.sort(member.score(known)) for member in members]

    def score(images: np.ndarray) -> np.ndarray:
        pairs = zip(members, ladders, strict=True)
        return np.mean([rank(member.score(images), ladder) for member, ladder in pairs], axis=0)

    def explain(images: np.ndarray) -> np.ndarray:
        return np.mean([unit(member.explain(images)) for member in members], axis=0)

    names = dict.fromkeys(member.explainer for member in members)
    return Judge(" and ".join(names), score, explain)


def rank(scores: np.ndarray, ladder: np.ndarray) -> np.ndarray:
    """(N,) in [0, 1]: the share of the ladder, (n,) ascending, that lies below each score."""
    return np.searchsorted(ladder, scores) / len(ladder)


def unit(maps: np.ndarray) -> np.ndarray:
    """Maps (N, H, W) of length one; a map of zeros stays one."""
    lengths = np.sqrt(np.square(maps, dtype=np.float64).sum(axis=(1, 2), keepdims=True))
    return maps / np.where(lengths > 0, lengths, 1)


def _member(subject: Subject) -> Judge:
    detector, (name, explainer) = subject.detector, analysed(subject)
    return Judge(name, detector.anomaly_score, lambda images: explainer(detector, images))
