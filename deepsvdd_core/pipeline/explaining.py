"""Questions about what a model sees in single images, and how far such maps can be trusted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deepsvdd_core import honesty
from deepsvdd_core.corruptions import CORRUPTIONS, Corruption
from deepsvdd_core.detectors import Detector
from deepsvdd_core.explainers import POSITIVE, Explainer, Ledger, comparing, supported
from deepsvdd_core.honesty.localisation import pooled_pixel_auroc
from deepsvdd_core.pipeline.maps import compared, explainer_of, limit_by
from deepsvdd_core.pipeline.running import Arrays
from deepsvdd_core.pipeline.subject import Subject, spread, text
from deepsvdd_core.progress import OnStep, Progress
from deepsvdd_core.projections import PLACES, PROJECTIONS

JUDGED_ON = 60  # spoilt images
JUDGED_BY = 500  # training images that fit a network with random weights
PART = 12  # images explained between two chances to cancel


def explainers(subject: Subject) -> Arrays:
    """What can explain a model: names, a line of UTF-8 each, and what is known of them.

    The first stands for the model on this data set.
    is_positive (n,) uint8: the maps are never negative. has_masks: 1 where the data set's test
    images come with masks.

    Raises:
        ValueError: nothing explains this kind of model.
    """
    first = explainer_of(subject)
    names = [first, *(name for name in supported(subject.detector) if name != first)]
    return {
        "names": text("\n".join(names)),
        "is_positive": np.array([name in POSITIVE for name in names], np.uint8),
        "has_masks": np.float64(subject.data.test.masks is not None),
    }


def explain(subject: Subject, *, index: int, explainer: str) -> Arrays:
    """relevance (H, W) float32 of an image by one explainer, and the score.

    constants: what the map's sum lacks of the score, where the explainer keeps an account.

    Raises:
        ValueError: the explainer does not apply to this model.
    """
    detector, image = subject.detector, subject.shown.images[index : index + 1]
    explains, ledger = _explainer(subject, explainer)
    found = {
        "relevance": explains(detector, image)[0],
        "score": np.float64(detector.anomaly_score(image)[0]),
    }
    if ledger is not None:
        found["constants"] = np.float64(ledger(detector, image).total[0])
    return found


def scale(subject: Subject, *, explainer: str, on_step: OnStep) -> Arrays:
    """limit: the end of the colour scale of all maps of an explainer on a data set."""
    _explainer(subject, explainer)
    return {"limit": np.float64(limit_by(subject, explainer, on_step))}


def judge(
    subject: Subject,
    *,
    explainer: str,
    corruptions: list[str],
    progress: Progress,
    on_step: OnStep,
) -> Arrays:
    """The verdict of `honesty.judge` on up to 60 spoilt normal test images.

    corruptions: names that spoil the images in turn, local ones. The arrays of `_verdict`; besides
    area and random_area, and curves (2, S): mean excess over the clean originals while pixels are
    restored in the order of the map and in a random one, from 1 at the start. shares (S,): of the
    pixels.

    Raises:
        ValueError: the data set lacks the normal classes, or no image became stranger.
    """
    detector, dataset = subject.detector, subject.data
    explains, ledger = _explainer(subject, explainer)
    clean = spread(dataset.test.images[subject.normal(dataset.test, fewest=2)], JUDGED_ON)
    training = spread(dataset.train.images[subject.normal(dataset.train, fewest=2)], JUDGED_BY)
    spoilt, kinds = np.empty_like(clean), len(corruptions)
    for place, kind in enumerate(corruptions):
        spoilt[place::kinds] = _corruption(kind)(clean[place::kinds]).images
    watched = _watched(explains, f"Judging {explainer}", 2 * len(clean), progress, on_step)
    found = honesty.judge(detector, watched, spoilt, clean, training, ledger=ledger)
    return {
        **_verdict(found),
        "area": np.float64(found.area),
        "random_area": np.float64(found.random_area),
        "curves": np.stack(found.curves),
        "shares": np.linspace(0, honesty.MOST_RESTORED, len(found.curves[0])),
    }


def _watched(
    explains: Explainer, text: str, count: int, progress: Progress, on_step: OnStep
) -> Explainer:
    """An explainer that tells after each part how many of so many images are done."""
    done = 0

    def watched(model: Detector, images: np.ndarray) -> np.ndarray:
        nonlocal done
        maps = []
        for start in range(0, len(images), PART):
            progress(text, min(1.0, done / count))
            on_step()
            maps.append(explains(model, images[start : start + PART]))
            done += PART
        return np.concatenate(maps)

    return watched


def _verdict(found: honesty.Verdict) -> Arrays:
    """A verdict as arrays.

    misfit, peak, likeness: NaN where they do not apply. found, low, high: what decides, with its
    95 % interval. level, faults (one a line) and badge in UTF-8. count: images judged.
    """
    numbers = {name: getattr(found, name) for name in ("misfit", "peak", "likeness", "count")}
    numbers |= {"found": found.found.value, "low": found.found.low, "high": found.found.high}
    texts = {"level": found.level, "faults": "\n".join(found.faults), "badge": found.badge}
    return {
        **{name: np.float64(np.nan if v is None else v) for name, v in numbers.items()},
        **{name: text(value) for name, value in texts.items()},
    }


def spoil(
    subject: Subject,
    *,
    rows: list[int],
    corruption: str,
    severity: float | None,
    seed: int,
    explainer: str | None,
) -> Arrays:
    """Images of these rows under a corruption, and what the model says before and after.

    The seed alone decides what is drawn, so a row of images gets the same line. images (n, C, H, W)
    uint8, masks (n, H, W) uint8, before and after (n,): scores. With a sphere: coordinates (n, 2)
    on the radial map. With an explainer: relevance (n, 2, H, W), before and after.

    Raises:
        ValueError: there is no such corruption, it does not suit the images, or the severity does
            not suit it.
    """
    if corruption not in CORRUPTIONS:
        raise ValueError(
            f"There is no corruption {corruption}; choose from {', '.join(CORRUPTIONS)}."
        )
    detector, clean = subject.detector, subject.shown.images[rows]
    parts = [CORRUPTIONS[corruption](image[None], seed=seed, severity=severity) for image in clean]
    spoilt = np.concatenate([part.images for part in parts])
    embeddings, after = detector.embed_and_score(spoilt)
    found = {
        "images": spoilt,
        "masks": np.concatenate([part.masks for part in parts]).astype(np.uint8),
        "before": detector.anomaly_score(clean),
        "after": after,
    }
    if detector.sphere is not None:
        drawn = PROJECTIONS["radial"](subject.embeddings, detector.sphere)
        found["coordinates"] = PLACES["radial"](
            embeddings, subject.embeddings, drawn, detector.sphere
        )
    if explainer is not None:
        explains, _ = _explainer(subject, explainer)
        found["relevance"] = np.stack([explains(detector, clean), explains(detector, spoilt)], 1)
    return found


def localise(subject: Subject, *, explainer: str, progress: Progress, on_step: OnStep) -> Arrays:
    """The verdict of `honesty.judge_masked` on the test images whose anomalies have masks.

    The arrays of `_verdict`, with the mean pixel AUROC as what decides; pooled: one ROC over all
    pixels of all test images, NaN where not defined.

    Raises:
        ValueError: the data set has no masks.
    """
    detector, test = subject.detector, subject.data.test
    if test.masks is None:
        raise ValueError(
            "The images of this data set have no masks of their anomalies; put them into "
            "ground_truth/<class>/<name>_mask.png of an image folder."
        )
    explains, ledger = _explainer(subject, explainer)
    said, count = f"Comparing {explainer} with the masks", len(test.images) + honesty.MOST_TESTED
    watched = _watched(explains, said, count, progress, on_step)
    maps = watched(detector, test.images)
    both = test.masks.any(axis=(1, 2)) & ~test.masks.all(axis=(1, 2))
    if not both.any():
        raise ValueError("No mask of this data set marks a part of an image; look at the masks.")
    found = honesty.judge_masked(
        detector,
        watched,
        test.images[both],
        maps[both],
        test.masks[both],
        _fitting(subject),
        ledger=ledger,
    )
    pooled = pooled_pixel_auroc(np.nan_to_num(maps), test.masks)
    return {**_verdict(found), "pooled": np.float64(np.nan if pooled is None else pooled)}


def _fitting(subject: Subject) -> np.ndarray | None:
    """Normal training images that fit a network with random weights, or None without any."""
    train = subject.data.train
    try:
        return spread(train.images[subject.normal(train)], JUDGED_BY)
    except ValueError:
        return None


def _corruption(name: str) -> Corruption:
    if name not in CORRUPTIONS:
        raise ValueError(f"There is no corruption {name}; choose from {', '.join(CORRUPTIONS)}.")
    return CORRUPTIONS[name]


def _explainer(
    subject: Subject, name: str
) -> tuple[Explainer, Callable[[Detector, np.ndarray], Ledger] | None]:
    """An explainer that compares with the right references, and its account."""
    detector = subject.detector
    applies = supported(detector)
    if name not in applies:
        explainer_of(subject)
        raise ValueError(
            f"{name} does not apply to {detector.experiment.method}; choose from "
            f"{', '.join(applies)}."
        )
    return comparing(name, compared(subject, name))
