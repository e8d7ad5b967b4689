"""Detection minus explanation, corruption by corruption."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from deepsvdd_core import benchmark, datasets
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.products import Arrays
from pages.parts import card, fields, laboratory, versus, waiting
from pages.parts.frame import plain
from pages.parts.subject import Subject, choose, title

CLOSE = 5.0  # percentage points that count as agreement
NUMBER = st.column_config.NumberColumn(format="%.1f")
SIGNED = st.column_config.NumberColumn(format="%+.1f")
DIGITS = tuple("0123456789")


def show(subject: Subject) -> None:
    """The table of one model or two, and a way to the models of the thesis."""
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        count = laboratory.choose_count(
            "spoilt",
            "Normal images to spoil, at most",
            "100",
            "More give steadier figures and take longer.",
        )
    with right:
        second = versus.choose_second(subject)
    for one in (subject, second):
        if one is not None:
            st.markdown(f"**{plain(title(one.entry))}**")
            found = measured(one, count)
            if found is not None:
                _table(one, found)
                _example(one, found)
    with st.container(border=True):
        _thesis(subject)


def measured(subject: Subject, count: int, others: tuple = ()) -> Arrays | None:
    """The figures of a model, or of its ensemble with others."""
    return waiting.result(
        "clever_hans",
        "Spoiling images and explaining them",
        units=16 * min(count, subject.normals) * (1 + len(others)),
        of=subject.method,
        **subject.parameters,
        others=[[entry.name, entry.digest] for entry in others],
        count=count,
    )


def lines(found: Arrays) -> list[str]:
    """The names of the corruptions."""
    return found["names"].tobytes().decode().splitlines()


def _table(subject: Subject, found: Arrays) -> None:
    choices = Experiment.from_dict(subject.entry.header["experiment"])
    table = pd.DataFrame(
        {
            "Corruption": lines(found),
            "AUROC %": 100 * found["auroc"],
            "Cosine": 100 * found["cosine"],
            "Random map": 100 * found["chance"],
            "Beyond chance": 100 * (found["cosine"] - found["chance"]),
            "Clever Hans": 100 * found["score"],
        }
    )
    is_raw = not choices.contrast_normalisation  # as the thesis' images were
    is_chosen = choices.method != "oc-svm-oracle"  # whose labels are others than the thesis'
    comparable = (
        is_chosen
        and is_raw
        and choices.normal_classes == DIGITS
        and choices.dataset.startswith("mnist")
    )
    known = benchmark.published_mnist_c(choices.method) if comparable else {}
    columns = {name: NUMBER for name in table.columns[1:]} | {"Beyond chance": SIGNED}
    if any(known.values()):
        for name, own, quantity in (
            ("Thesis AUROC", "AUROC %", "auroc"),
            ("Thesis Clever Hans", "Clever Hans", "clever hans score"),
        ):
            if not known[quantity]:
                continue
            table[name] = table["Corruption"].map(known[quantity])
            table[f"{name} difference"] = table[own] - table[name]
            columns |= {name: NUMBER, f"{name} difference": SIGNED}
    table = table.sort_values("Clever Hans", ascending=False)
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config=columns,
        placeholder="",
        key=f"table-{subject.entry.digest}",
        alt="AUROC, explanation accuracy and Clever Hans score of fifteen corruptions.",
    )
    st.caption(
        f"{int(found['used'])} normal images, each spoilt in fifteen ways. AUROC: spoilt against "
        "clean. Cosine: of relevance and true change |x̃ - x|, times 100. Random map: what a map of "
        "random numbers would reach; judge the cosine by what lies beyond it. Clever Hans: AUROC "
        "minus cosine; high means detected for another reason than the change."
    )
    if any(known.values()):
        _agreement(table, known["clever hans score"])
    else:
        st.caption(
            "The thesis' values (Tables 4.2 and 4.4) hold for models of all ten digits without "
            "contrast normalisation, so none stand here; train one below."
        )


def _agreement(table: pd.DataFrame, top: dict[str, float]) -> None:
    """How far the replay is the thesis'."""
    close = int((table["Thesis AUROC difference"].abs() <= CLOSE).sum())
    said = f"{close} of {len(table)} AUROCs lie within {CLOSE:.0f} points of the thesis."
    if top:
        said += (
            f" Highest Clever Hans scores here: {', '.join(table['Corruption'][: len(top)])}; in "
            f"the thesis: {', '.join(top)}."
        )
    st.markdown(said)
    st.caption(
        "Thesis: Tables 4.2 and 4.4, of which the latter names the highest three of three methods "
        "alone. Its Deep SVDD is another network, pre-trained on letters, its autoencoder a larger "
        "one, and its images were drawn anew here."
    )


def _example(subject: Subject, found: Arrays) -> None:
    names = lines(found)
    highest = names[int(np.argmax(found["score"]))]
    digest = subject.entry.digest
    name = choose(f"look-{digest[:6]}", "Look at one image", names, highest)
    place = names.index(name)
    limit = laboratory.limit_of(found["relevance"][place])
    columns = st.columns([1, 1, 1, 2])
    columns[0].image(
        card.enlarged(found["spoilt"][place]),
        width=laboratory.WIDTH,
        output_format="PNG",
        caption=name,
    )
    truth = np.round(255 * found["truth"][place]).astype(np.uint8)
    columns[1].image(
        card.enlarged(truth[None]),
        width=laboratory.WIDTH,
        output_format="PNG",
        caption="true change, white: from black to white",
    )
    laboratory.relevance(columns[2], found["relevance"][place], limit, "relevance")
    laboratory.scale(limit, found["explainer"].tobytes().decode())


def _thesis(subject: Subject) -> None:
    """Train a model as the thesis' study had it, and turn to it."""
    dataset = subject.dataset
    method = choose(
        "thesis",
        "The thesis' models: every class normal",
        list(laboratory.MODELS),
        "kde",
        laboratory.MODELS.__getitem__,
        widget=st.segmented_control,
        required=True,
        help="On the training images of the data set above, at most 10,000. The width 2^2.5 is the "
        "one whose AUROCs are the thesis'; a likelihood on held-out digits would choose another.",
    )
    classes = datasets.source(dataset).class_names
    entry = laboratory.trained(laboratory.experiment(method, dataset, classes), "Train it")
    if entry is None or entry.name == subject.entry.name:
        return

    def turn() -> None:
        fields.set_value("choose-model", entry.name)
        fields.set_value(f"choose-data-{entry.name}", dataset)

    st.button("Show its table", on_click=turn, icon=":material/arrow_upward:")
