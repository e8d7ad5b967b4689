"""The steps of the Clever Hans laboratory, and what they share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from deepsvdd_core import datasets, figures, jobs, library
from deepsvdd_core.experiment import Experiment
from pages.parts import card, training, waiting
from pages.parts.subject import choose, fitting_datasets

COUNTS = ("50", "100", "200", "400")
REPLAYED = 10_000  # training images of the thesis' models here; all of a smaller data set
THESIS_WIDTH = 2**2.5  # of the KDE whose AUROCs are those of thesis Table 4.2
ALL_NORMAL = {
    "kde": "KDE on pixels, width 2^2.5",
    "one-class": "Deep SVDD",
    "reconstruction": "Autoencoder",
}


def step(name: str, title: str, sentence: str, show: Callable[[], None]) -> None:
    """A step of the visit; nothing of it runs before it is opened. The link knows if it is."""
    st.subheader(title)
    box = st.expander(sentence, key=f"step-{name}", bind="query-params")
    if box.open:
        with box:
            show()


def choose_count(name: str, label: str, default: str, help: str) -> int:
    """How many images, at most."""
    return int(
        choose(name, label, COUNTS, default, widget=st.segmented_control, required=True, help=help)
    )


def experiment(method: str, dataset: str, normal: tuple[str, ...], **more: object) -> Experiment:
    """A method of ALL_NORMAL on a data set, as this laboratory trains it."""
    source = datasets.source(dataset)
    choices: dict[str, object] = {"detector": "deep", "objective": method}
    if method == "kde":
        shallow = {"detector": "shallow", "estimator": "kde"}
        choices = {**shallow, "width": THESIS_WIDTH, "principal_components": False}
    return Experiment(
        dataset,
        normal,
        encoder=source.encoder,
        contrast_normalisation=source.contrast_normalisation,
        **choices,
        **more,
    )


def all_normal(method: str, dataset: str) -> Experiment:
    """All classes normal, as in the thesis' study of MNIST-C (section 4.4)."""
    classes = datasets.source(dataset).class_names
    return experiment(method, dataset, classes, most_images=REPLAYED)


def trained(wanted: Experiment, label: str) -> library.ModelEntry | None:
    """The model of an experiment; while there is none, a button that trains it, or progress."""
    try:
        return library.find(wanted.name)
    except ValueError:
        pass
    engine = jobs.engine()
    asked = {"experiment": wanted.to_dict()}
    same = [j for j in engine.jobs.values() if (j.kind, j.parameters) == ("train", asked)]
    if same and same[-1].is_active:
        training.follow(same[-1].id)
    elif same and same[-1].state in ("failed", "cancelled"):
        waiting.explain_end(same[-1])
    elif st.button(label, key=f"train-{wanted.key}", icon=":material/play_arrow:"):
        engine.train(wanted)
        st.rerun()
    return None


def subject_of(entry: library.ModelEntry) -> dict[str, str]:
    """What names a model and the data set it was trained on in a request."""
    own = entry.header["experiment"]["dataset"]
    dataset = own if own in fitting_datasets(entry) else fitting_datasets(entry)[0]
    return jobs.subject(entry, dataset)


def limit_of(maps: np.ndarray) -> float:
    """The end of one colour scale for all these maps."""
    return float(np.quantile(np.abs(maps), 0.999)) or 1.0


def relevance(column: object, relevance: np.ndarray, limit: float, caption: str) -> None:
    """A relevance map (H, W) in a column, red for positive."""
    colours = figures.diverging(relevance[None], limit)[0]
    column.image(card.enlarged(colours), width=card.WIDTH, output_format="PNG", caption=caption)


def scale(limit: float, what: str = "score units") -> None:
    """What the colours mean."""
    st.caption(
        f"Red pushes towards anomalous, blue towards normal; full colour at ±{limit:.2g} {what}, "
        "the same for all maps here."
    )
