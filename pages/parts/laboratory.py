"""The steps of the Clever Hans laboratory, and what they share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from deepsvdd_core import datasets, figures, jobs, library
from deepsvdd_core.experiment import Experiment
from pages.parts import card, places, training, visitor, waiting
from pages.parts.subject import choose, fitting_datasets

COUNTS = ("50", "100", "200", "400")
WIDTH = 132  # pixels of a picture on the screen
MOST_TRAINED_ON = 10_000  # images of a data set that is not a bundled sample
MODELS = {
    "kde": "KDE on pixels, width 2^2.5",
    "one-class": "Deep SVDD",
    "reconstruction": "Autoencoder",
}
EVERY = "all classes"
# A small network for a few epochs, shown anomalies in two places of MNIST-C.
SMALL_FCDD = {
    "encoder": "fcdd-28-small",
    "epochs": 10,
    "batch_size": 50,
    "spoilt": "dotted line+zigzag",
}
CHOICES: dict[str, dict[str, object]] = {
    # The width whose AUROCs are those of thesis Table 4.2.
    "kde": {
        "detector": "shallow",
        "estimator": "kde",
        "width": 2**2.5,
        "principal_components": False,
    },
    "one-class": {"objective": "one-class"},
    "reconstruction": {"objective": "reconstruction"},
    **{name: {"objective": name, **SMALL_FCDD} for name in ("fcdd", "fcdd-masks")},
}


def step(name: str, title: str, sentence: str, show: Callable[[], None]) -> None:
    """A step of the visit; nothing of it runs before it is opened. The link knows if it is."""
    st.subheader(title)
    box = st.expander(sentence, key=f"step-{name}", bind="query-params")
    if box.open:
        with box, places.at(name):  # two steps may ask for the same training or figures
            show()


def choose_count(name: str, label: str, default: str, help: str) -> int:
    """How many images, at most."""
    return int(
        choose(name, label, COUNTS, default, widget=st.segmented_control, required=True, help=help)
    )


def choose_normal(name: str, dataset: str) -> tuple[str, ...]:
    """One class of a data set that is normal, or all of them."""
    names = datasets.source(dataset).class_names
    normal = choose(name, "Normal", [EVERY, *names], EVERY, of=dataset)
    return names if normal == EVERY else (normal,)


def experiment(method: str, dataset: str, normal: tuple[str, ...], **more: object) -> Experiment:
    """A method of CHOICES on a data set, as this laboratory trains it.

    Without contrast normalisation, which hides some corruptions and spreads others over the image.
    """
    source = datasets.source(dataset)
    return Experiment(
        dataset,
        normal,
        contrast_normalisation=False,
        most_images=MOST_TRAINED_ON if source.slow else None,
        **{"encoder": source.encoder, **CHOICES[method], **more},
    )


def trained(wanted: Experiment, label: str) -> library.ModelEntry | None:
    """The model of an experiment; while there is none, a button that trains it, or progress."""
    asked = jobs.training(wanted)
    entry = library.trained(wanted, asked["fingerprints"])
    if entry is not None:
        return entry
    same = [
        job
        for job in visitor.engine().own("train")
        if job.asks_for("train", asked)  # a download changes the fingerprint of what it brings
        or (job.is_active and job.parameters["experiment"] == asked["experiment"])
    ]
    if same and same[-1].is_active:
        _follow(same[-1].id, places.here())
    elif same and same[-1].state in ("failed", "cancelled"):
        waiting.explain_end(same[-1])
    elif (
        st.button(label, key=f"{places.here()}train-{wanted.key}", icon=":material/play_arrow:")
        and training.begin(wanted) is not None
    ):
        st.rerun()
    return None


@st.fragment(run_every=training.STEP)
def _follow(job_id: str, place: str) -> None:
    """Progress of a training; runs the page again when it has ended."""
    engine = visitor.engine()
    job = engine.find(job_id)
    if job is None or not job.is_active:
        st.rerun()
    left, right = st.columns([5, 1], vertical_alignment="center")
    left.progress(training.fraction(job), text=training.stage(job))
    if right.button("Cancel", key=f"{place}cancel-{job_id}"):
        engine.cancel(job)
        st.rerun()


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
    column.image(card.enlarged(colours), width=WIDTH, output_format="PNG", caption=caption)


def scale(limit: float, explainer: str) -> None:
    """Who made the maps, and what their colours mean."""
    st.caption(
        f"Maps by {explainer}. Red pushes towards anomalous, blue towards normal; full colour at "
        f"±{limit:.2g} score units, the same for all maps beside each other."
    )
