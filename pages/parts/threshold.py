"""The threshold: one number that circle, histogram, frames and counts follow.

It is not the trained radius: that leaves a share of the training images outside, and of others
more. It comes from calibration scores, see `deepsvdd_core.calibration`.
"""

from __future__ import annotations

import contextlib
import math

import numpy as np
import streamlit as st

from deepsvdd_core import calibration, evaluation, figures, products
from deepsvdd_core.experiment import Experiment
from pages.parts import fields, link
from pages.parts.components import component
from pages.parts.subject import Subject, choose

RULES = {
    "nu": "ν",
    "keep95": "95 % of normals kept",
    "keep99": "99 % of normals kept",
    "f1": "best F1 (oracle)",
    "own": "own",
}
OWN = "threshold"  # its name in the link, as "digest:value": it belongs to one model
BINS = 80

_histogram = component("scores", '<div class="scores"></div>')


def choose_rule(subject: Subject) -> tuple[str, float]:
    """Buttons for the rules; the chosen one and its threshold."""
    options = [name for name in RULES if value(subject, name) is not None]
    rule = choose(
        "rule",
        "Threshold",
        options,
        "nu",
        lambda name: _about_nu(subject) if name == "nu" else RULES[name],
        widget=st.segmented_control,
        required=True,
        help="From the scores of normal training images by the same method fitted without them, "
        "but for the oracle, which looks at the labels of the images shown. Drag the line in the "
        "histogram for one of your own.",
    )
    return rule, value(subject, rule)


def value(subject: Subject, rule: str) -> float | None:
    """The threshold by a rule; None where it is not defined."""
    if rule == "nu":
        return float(subject.view["threshold"])
    if rule == "own":
        return _own(subject)
    if rule == "f1":
        truth = subject.is_anomaly
        if truth is None or truth.all() or not truth.any():
            return None
        return evaluation.threshold_for_f1(subject.scores, truth)
    kept = subject.entry.header["provenance"].get("calibration_quantiles")
    return None if kept is None else kept[int(rule.removeprefix("keep"))]


def _choices(subject: Subject) -> Experiment:
    return Experiment.from_dict(subject.entry.header["experiment"])


def _calibrated(subject: Subject) -> int:
    """How many calibration scores its threshold comes from; none in older files."""
    return subject.entry.header["provenance"].get("calibration_scores", 0)


def _about_nu(subject: Subject) -> str:
    of = "false alarms" if _calibrated(subject) else "of training outside"
    return f"ν: {100 * _choices(subject).nu:.3g} % {of}"


def asked_for(subject: Subject, rule: str) -> float | None:
    """The share of false alarms that a rule asks for; None where it asks for none."""
    if rule == "nu":
        return _choices(subject).nu
    return 1 - int(rule.removeprefix("keep")) / 100 if rule.startswith("keep") else None


def promise(subject: Subject, rule: str, limit: float) -> None:
    """A line on what was asked, what the calibration gives, and what is measured."""
    asked = asked_for(subject, rule)
    if asked is None or value(subject, rule) is None:
        return
    count = _calibrated(subject)
    if not count:
        st.caption(
            "This model has no calibration scores: its threshold comes from the images it was "
            "fitted to, and of others more lie above it. Train it again for one that holds."
        )
        return
    given = calibration.promise(asked, count)
    st.caption(
        f"Asked: {100 * asked:.3g}% of unseen normal images above the threshold. It is set by "
        f"{count:,} scores of normal images from fits without them; so many leave "
        f"{given.low:.1%} to {given.high:.1%} open (99 %). "
        f"{_measured(subject, asked, count, limit)}"
    )


def _measured(subject: Subject, asked: float, count: int, limit: float) -> str:
    """What became of it among normal test images that the model has not seen, in a sentence."""
    choices = _choices(subject)
    is_own = subject.dataset in (choices.dataset, choices.leave_out)
    if not is_own or subject.parameters["split"] != "test" or not subject.normals:
        return ""
    flagged = int((subject.scores[~subject.is_anomaly] > limit).sum())
    low, high = calibration.expected(asked, count, subject.normals)
    found = f"Measured: {flagged:,} of {subject.normals:,} ({flagged / subject.normals:.1%})"
    if low <= flagged <= high:
        return f"{found}, {low:,} to {high:,} were to be expected."
    side = "more" if flagged > high else "fewer"
    return f"{found}, {side} than the {low:,} to {high:,} to be expected: it does not hold here."


def _own(subject: Subject) -> float | None:
    """The visitor's own threshold for these images; a sentence for one that is not for them."""
    said = link.recall(OWN, _owner(subject))
    if said is None:
        return None
    digest, _, text = said.partition(":")
    with contextlib.suppress(ValueError):
        if digest == subject.entry.digest and math.isfinite(own := float(text)):
            return own
    link.remember(OWN, None, _owner(subject))
    st.warning("The threshold in the link is not one of this model; this is the usual one.")
    return None


def _owner(subject: Subject) -> str:
    return f"{subject.entry.digest}/{subject.shown}"


def set_own(subject: Subject, score: float) -> None:
    """Take a threshold of the visitor's own."""
    link.remember(OWN, f"{subject.entry.digest}:{score!r}", _owner(subject))
    fields.set_value("choose-rule", "own")


def histogram(subject: Subject, threshold: float, key: str = "scores", fixed: bool = False) -> None:
    """How many images have which score; the line can be dragged unless it is fixed."""
    edges = bin_edges(subject.scores, threshold)
    inside = subject.scores.clip(edges[0], edges[-1])
    groups = [
        {"name": name, "colour": colour, "counts": np.histogram(inside[rows], edges)[0].tolist()}
        for name, colour, rows in figures.groups(subject.is_anomaly, len(inside))
    ]

    def moved() -> None:
        score = st.session_state[key].moved
        if score is not None:
            set_own(subject, float(score))

    _histogram(
        key=key,
        data={
            "edges": edges.tolist(),
            "groups": groups,
            "threshold": threshold,
            "line": figures.SPHERE,
            "fixed": fixed,
            "title": "anomaly score, higher is stranger; the last bar holds all beyond",
        },
        on_moved_change=moved,
    )


def bin_edges(scores: np.ndarray, threshold: float) -> np.ndarray:
    """(BINS + 1,) edges from the lowest score to one that few images exceed, and the threshold.

    They grow quadratically: squared distances crowd near the lowest.
    """
    low = min(float(scores.min()), threshold)
    high = max(float(np.quantile(scores, 0.995)), threshold + 0.1 * (threshold - low))
    return low + ((high - low) or 1.0) * np.square(np.linspace(0, 1, BINS + 1))


@st.cache_data(max_entries=64, show_spinner=False)
def _of_ranking(
    name: str, _scores: np.ndarray, _truth: np.ndarray
) -> tuple[float | None, float | None]:
    """AUROC and average precision, which no threshold changes; name: of the scores' product."""
    return evaluation.auroc(_scores, _truth), evaluation.average_precision(_scores, _truth)


def counts(subject: Subject, threshold: float, columns: int = 6) -> None:
    """What the threshold does to the images shown, where it is known which are anomalous."""
    outside = int((subject.scores > threshold).sum())
    if subject.is_anomaly is None:
        st.info("This data set does not have the model's normal class, so nothing is anomalous.")
        st.metric("Above the threshold", f"{outside:,} of {len(subject.scores):,}")
        return
    table = evaluation.confusion(subject.scores, subject.is_anomaly, threshold)
    name = products.file_name("view", subject.parameters)
    auroc, average_precision = _of_ranking(name, subject.scores, subject.is_anomaly)
    rows = [
        ("AUROC", auroc, "", "Chance that an anomaly scores above a normal image."),
        ("AP", average_precision, "", "Average precision: the mean precision over all recalls."),
        (
            "Recall",
            table.recall,
            f"{table.true_positives:,} TP, {table.false_negatives:,} FN",
            "Share of anomalous images above the threshold.",
        ),
        (
            "False alarms",
            table.false_alarm_rate,
            f"{table.false_positives:,} FP, {table.true_negatives:,} TN",
            "Share of normal images above the threshold.",
        ),
        ("Precision", table.precision, "", "Share of anomalies among images above the threshold."),
        ("F1", table.f1, "", "Harmonic mean of precision and recall."),
    ]
    for place, (label, share, count, meaning) in enumerate(rows):
        if place % columns == 0:
            row = st.columns(columns)
        row[place % columns].metric(
            label,
            "not defined" if share is None else f"{share:.1%}",
            count or None,
            delta_color="off",
            delta_arrow="off",
            help=meaning,
        )
