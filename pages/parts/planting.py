"""Plant a mark in training images, train on them, and look for it in the model's maps."""

from __future__ import annotations

import numpy as np
import streamlit as st

from deepsvdd_core import datasets, figures
from deepsvdd_core.corruptions import ARTEFACTS
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.products import Arrays
from pages.parts import frame, laboratory, waiting, ways
from pages.parts.subject import Subject, choose

SHARES = ("5", "10", "25", "50")
SHOWN = 6  # images of a strategy


def show(subject: Subject) -> None:
    """Menus, a training, and what the maps of its model tell."""
    wanted = _choose(subject)
    entry = laboratory.trained(wanted, "Plant and train")
    if entry is None:
        return
    st.markdown(f"The library holds *{frame.plain(wanted.title)}*.")
    count = laboratory.choose_count(
        "looked", "Training images to look at, at most", "400", "With and without the mark."
    )
    found = waiting.result(
        "find_mark",
        "Explaining training images",
        units=count,
        of=wanted.method,
        **laboratory.subject_of(entry),
        count=count,
    )
    if found is not None:
        _verdict(found)
        ways.gap(found)
        _strategies(found)


def _choose(subject: Subject) -> Experiment:
    dataset = subject.dataset
    names = datasets.source(dataset).class_names
    top, bottom = st.columns(3), st.columns(2)
    with top[0]:
        label = choose("planted-class", f"Normal class of {dataset}", names, names[0], of=dataset)
    with top[1]:
        mark = choose("mark", "Mark", list(ARTEFACTS), "planted tag", _short)
    with top[2]:
        seed = choose("planted-seed", "Seed", ("0", "1", "2"), "0")
    with bottom[0]:
        share = choose(
            "share",
            "Share of the training images that carry it",
            SHARES,
            "10",
            "{} %".format,
            widget=st.segmented_control,
            required=True,
        )
    with bottom[1]:
        method = choose(
            "planted-method",
            "Model to train",
            list(laboratory.MODELS),
            "reconstruction",
            laboratory.MODELS.__getitem__,
            widget=st.segmented_control,
            required=True,
            help="The maps of an autoencoder or KDE show a mark clearly; Deep SVDD learns to live "
            "with it, and its maps often hide it among other differences. Try both.",
        )
    return laboratory.experiment(
        method,
        dataset,
        (label,),
        artefact=mark,
        artefact_share=int(share) / 100,
        seed=int(seed),
    )


def _short(mark: str) -> str:
    return mark.removeprefix("planted ")


def _verdict(found: Arrays) -> None:
    best = int(np.argmax(found["match"]))
    inside, area = float(found["inside"]), float(found["area"])
    columns = st.columns(4)
    for column, name, value, help in (
        (columns[0], "Strategies", f"{int(found['count'])}", "By the eigengap, below."),
        (
            columns[1],
            "Adjusted Rand index",
            f"{float(found['rand']):.2f}",
            "Agreement of all strategies with who carries the mark: 1 is perfect, 0 is chance. A "
            "strategy too many lowers it.",
        ),
        (
            columns[2],
            "Best strategy alone",
            f"{found['match'][best]:.2f}",
            f"F1 score of strategy {best + 1} as an answer to who carries the mark.",
        ),
        (
            columns[3],
            "Relevance in the mark",
            f"{inside:.0%}",
            "Share of the positive relevance that lies in the marked pixels, on images with it.",
        ),
    ):
        column.metric(name, value, help=help)
    st.caption(
        f"The marked pixels are {area:.1%} of the area, so they hold {inside / area:.1f} times "
        f"their share; on images without the mark the same place holds "
        f"{float(found['elsewhere']):.1%}."
    )


def _strategies(found: Arrays) -> None:
    limit = laboratory.limit_of(found["mean_maps"])
    for k, rows in enumerate(found["typical"]):
        members = found["labels"] == k
        marked = int(found["is_planted"][members].sum())
        left, right = st.columns([1, 5])
        laboratory.relevance(left, found["mean_maps"][k], limit, "mean map")
        with right:
            st.markdown(
                f"**Strategy {k + 1}**: {int(members.sum())} images, {marked} with the mark"
            )
            images = found["images"][rows[rows >= 0][:SHOWN]].repeat(2, axis=2).repeat(2, axis=3)
            st.image(figures.sheet(images, SHOWN), caption="the most typical training images")
    laboratory.scale(limit, found["explainer"].tobytes().decode())
