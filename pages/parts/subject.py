"""Choose a model and a data set, and bring what pages show of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st

from deepsvdd_core import datasets, jobs, library, tasks
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.products import Arrays
from deepsvdd_core.sphere import Centre, Sphere
from pages.parts import fields, link, waiting
from pages.parts.frame import plain

FIRST = next(  # of the models that come with the program
    (name for name in sorted(library.shipped()) if "-ankle-boot-one-class-" in name), ""
)
LONGEST_TITLE = 200  # signs
SPLITS = {"test": "Test images", "all": "With training"}


class Subject(NamedTuple):
    """A model and images of a data set, scored.

    images (N, C, H, W) uint8, labels (N,) int64, is_anomaly (N,) bool or None where the data set
    does not have the model's normal classes; view: the arrays of `pipeline.asking.view`;
    parameters: what names all this in a request to the engine.
    """

    entry: library.ModelEntry
    dataset: str
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    is_anomaly: np.ndarray | None
    view: Arrays
    parameters: dict[str, str]

    @property
    def shown(self) -> str:
        """Which images these are; what belongs to them alone belongs to this."""
        return f"{self.parameters['fingerprint']}/{self.parameters['split']}"

    @property
    def scores(self) -> np.ndarray:
        return self.view["scores"]

    @property
    def method(self) -> str:
        """How the model was made."""
        return Experiment.from_dict(self.entry.header["experiment"]).method

    @property
    def explainer(self) -> str:
        """Whose maps stand for the model; empty where there are none."""
        return self.view["explainer"].tobytes().decode()

    @property
    def normals(self) -> int:
        """How many of the images are known to be normal."""
        return 0 if self.is_anomaly is None else int((~self.is_anomaly).sum())

    @property
    def has_sphere(self) -> bool:
        """Whether the score is a distance to a centre."""
        return "radial" in self.view

    @property
    def sphere(self) -> Sphere:
        """Radii and kind of score, without the centres, which stay with the engine."""
        radii = self.view["radii"]
        score = self.view["score_kind"].tobytes().decode()
        return Sphere(np.empty((len(radii), 0), np.float32), radii, score)

    @property
    def centre(self) -> Centre | None:
        """Where the one centre of its sphere comes from, if it is taken from codes."""
        if "centre" not in self.view:
            return None
        rule = self.view["centre"].tobytes().decode()
        return Centre(rule, float(self.view["centre_replaced"]))

    @property
    def threshold(self) -> float:
        return float(self.view["threshold"])


def choose(
    name: str,
    label: str,
    options: Sequence[str],
    default: str,
    title: Callable[[str], str] = str,
    widget: Callable[..., str] = st.selectbox,
    of: str = "",
    **about: object,
) -> str:
    """A menu whose choice stands in the link and stays when the page is left.

    A link to something that is not there gets a sentence and the default. of: what the choice
    belongs to, as a data set to a model; with another one the default comes, or what was chosen for
    that one before.
    """
    key = fields.key(f"choose-{name}{of and f'-{of}'}")
    linked = st.query_params.get(name) if link.owns(name, of) else link.new(name)
    wrong = None
    if linked is not None and linked not in options:
        wrong = f"There is no {label.lower()} “{plain(linked)}” here; this is another one."
    last = st.session_state.get(f"last-{name}-{of}")
    known = (st.session_state.get(key), linked, last, default)
    known += tuple(options)  # a default may come from a file
    # Also when it is known: a widget of this key on another page is not this widget.
    st.session_state[key] = next(value for value in known if value in options)
    titles = _distinct({option: title(option) for option in options})
    value = widget(label, options, format_func=titles.__getitem__, key=key, **about)
    st.session_state[f"last-{name}-{of}"] = value
    link.write(name, value)
    link.tell(name, value, wrong)
    return value


def _distinct(titles: dict[str, str]) -> dict[str, str]:
    """Titles that occur twice get the option's name: a menu tells its options apart by title."""
    counts = Counter(titles.values())
    return {
        option: text if counts[text] == 1 else f"{text} · {option}"
        for option, text in titles.items()
    }


def choose_subject() -> Subject:
    """Menus for model and data set; the page stops here while there is nothing to show."""
    models = {entry.name: entry for entry in library.entries()}
    if not models:
        st.info("There is no model yet; train one on the Train page.")
        st.stop()
    left, middle, right = st.columns([4, 3, 3])
    with left:
        name = choose(
            "model", "Model", list(models), start_model(models), lambda n: title(models[n])
        )
    fitting = fitting_datasets(models[name])
    with middle:
        own = models[name].header["experiment"]["dataset"]
        dataset = choose(
            "data",
            "Data set",
            fitting,
            shown_first(own, fitting),
            lambda n: datasets.source(n).title,
            of=name,
            help="Only data sets of the model's image size are listed.",
        )
    with right:
        split = choose(
            "split",
            "Images",
            list(SPLITS),
            "test",
            SPLITS.__getitem__,
            widget=st.segmented_control,
            required=True,
            help="A model may have seen training images; figures with them say little about new "
            "ones.",
        )
    return subject(models[name], dataset, split)


def subject(entry: library.ModelEntry, dataset: str, split: str = "test") -> Subject:
    """The model's view of the data set; the page stops here while it is being computed."""
    parameters = jobs.subject(entry, dataset, split)
    test = images(dataset, parameters["fingerprint"], split)
    if test is None:
        st.stop()
    view = waiting.result(
        "view",
        f"Scoring {len(test.split.images):,} images of {dataset}",
        units=len(test.split.images),
        of=Experiment.from_dict(entry.header["experiment"]).method,
        **parameters,
    )
    if view is None:
        st.stop()
    if entry.fault:
        st.error(plain(f"Found when this model had been trained: {entry.fault}"))
    for note in (*test.notes, *changes(entry, dataset, parameters["fingerprint"])):
        st.warning(plain(note))
    normal = tuple(entry.header["experiment"]["normal_classes"])
    labelled = set(normal) <= set(test.split.class_names)
    return Subject(
        entry,
        dataset,
        test.split.images,
        test.split.labels,
        test.split.class_names,
        tasks.anomaly_mask(test.split, normal) if labelled else None,
        view,
        parameters,
    )


def changes(entry: library.ModelEntry, dataset: str, fingerprint: str) -> list[str]:
    """Sentences about a model whose own data set is not what it was when the model was trained."""
    known = entry.fingerprints.get(dataset)
    if not known or known == fingerprint:
        return []
    classes = datasets.source(dataset).class_names
    then = entry.header["provenance"].get("class_names", [])
    said = [
        f"{dataset} is not the same as when this model was trained; the AUROC in its name is of "
        "the images of then, all else on this page of those of now."
    ]
    gone = [name for name in then if name not in classes]
    if gone:
        said.append(f"Since then these classes have gone: {', '.join(gone)}.")
    new = [name for name in classes if name not in then]
    if then and new:
        said.append(f"These classes are new: {', '.join(new)}.")
    missing = [name for name in entry.header["experiment"]["normal_classes"] if name in gone]
    if missing:
        said.append(
            f"As {', '.join(missing)} was normal to the model, it is not known any more which "
            "images are anomalous."
        )
    return said


class ShownImages(NamedTuple):
    """Images of a data set and what the user should know of it."""

    split: datasets.ImageSet
    notes: tuple[str, ...]


def images(dataset: str, fingerprint: str, split: str) -> ShownImages | None:
    """Bundled samples are read here; other sets by the engine, with progress."""
    if not datasets.source(dataset).slow:
        loaded = waiting.bundled(dataset, fingerprint)
        return ShownImages(loaded.shown(split), loaded.notes)
    source = datasets.source(dataset)
    text = f"Downloading {source.title}" if source.is_missing else f"Reading {source.title}"
    arrays = waiting.result(
        "images",
        text,
        units=source.download if source.is_missing else source.size,
        of="download" if source.is_missing else "",
        dataset=dataset,
        fingerprint=fingerprint,
        split=split,
    )
    if arrays is None:
        return None
    names, notes = (
        tuple(filter(None, arrays[name].tobytes().decode().split("\n")))
        for name in ("classes", "notes")
    )
    return ShownImages(datasets.ImageSet(arrays["images"], arrays["labels"], names), notes)


def start_model(models: Sequence[str]) -> str:
    """The model shown when nobody has chosen: a shipped garment, or the first there is."""
    return FIRST if FIRST in models else next(iter(models))


def title(entry: library.ModelEntry) -> str:
    """One line for menus."""
    auroc = entry.header["provenance"].get("auroc")
    quality = "" if auroc is None else f" · AUROC {auroc:.1%}"
    own = datasets.printable(entry.header["provenance"].get("title", "").strip(), LONGEST_TITLE)
    return f"{own or entry.name}{quality}"


def fitting_datasets(entry: library.ModelEntry) -> list[str]:
    """Data sets whose images have the size the model takes."""
    shape = tuple(entry.header["provenance"]["image_shape"])
    return [name for name in datasets.available() if datasets.source(name).image_shape == shape]


def shown_first(own: str, fitting: Sequence[str]) -> str:
    """The bundled sample of the model's data set, else that set, else any."""
    sample = datasets.DATASETS[own].sample if own in datasets.DATASETS else None
    return next(name for name in (sample, own, *fitting) if name in fitting)
