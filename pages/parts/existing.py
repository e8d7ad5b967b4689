"""Whether there is what an address names, told at once and without the engine."""

from __future__ import annotations

import math
import re
import time

from deepsvdd_core import catalogue, datasets, library, products
from pages.parts import waiting
from pages.parts.subject import SPLITS

TRUSTED, AGAIN = 10.0, 1.0  # seconds a fingerprint is believed, and between two looks at least

_looked: dict[str, tuple[str, float]] = {}  # the fingerprint of a data set, and when it was read


def number(text: str) -> int:
    """A row or a sheet. Raises LookupError for anything but up to nine digits."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise LookupError(text)
    return int(text)


def check_images(dataset: str, fingerprint: str, split: str, row: int) -> None:
    """Raises LookupError where no page has shown this image."""
    if split not in SPLITS or row >= count(dataset, fingerprint, split):
        raise LookupError(dataset)


def check_model(model: str, digest: str) -> None:
    """Raises LookupError where the library has no model of this name with this content."""
    try:
        current = library.find(model).digest
    except ValueError as error:
        raise LookupError(model) from error
    if digest != current:
        raise LookupError(model)


def check_explainer(name: str) -> None:
    """Raises LookupError where no explainer has this name."""
    if name not in catalogue.names("explainers", "EXPLAINERS"):
        raise LookupError(name)


def count(dataset: str, fingerprint: str, split: str) -> int:
    """How many images a page has shown of a data set. Raises LookupError where none has."""
    if fingerprint != _fingerprint(dataset, fingerprint):
        raise LookupError(dataset)
    if is_bundled(dataset):
        whole = waiting.bundled(dataset, fingerprint)
        return len(whole.test.labels) + (len(whole.train.labels) if split == "all" else 0)
    return products.length(images_name(dataset, fingerprint, split), "images")


def is_bundled(dataset: str) -> bool:
    """Whether the server may read this data set itself."""
    return dataset in datasets.DATASETS and not datasets.source(dataset).slow


def images_name(dataset: str, fingerprint: str, split: str) -> str:
    """The file name of the product with the images of a data set that is not bundled."""
    named = {"dataset": dataset, "fingerprint": fingerprint, "split": split}
    return products.file_name("images", named)


def _fingerprint(dataset: str, wanted: str) -> str:
    """Of a data set; seldom read, as an image folder may have many files."""
    known, when = _looked.get(dataset, ("", -math.inf))
    age = time.monotonic() - when
    if age > TRUSTED or (known != wanted and age > AGAIN):
        if dataset not in datasets.available():
            raise LookupError(dataset)
        try:
            known = datasets.fingerprint(dataset)
        except (ValueError, OSError) as error:
            raise LookupError(dataset) from error
        _looked[dataset] = known, time.monotonic()
    return known
