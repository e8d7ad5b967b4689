"""Right for the wrong reason? Questions about where a model looks, and at marks planted in data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.metrics import adjusted_rand_score

from deepsvdd_core import datasets, library
from deepsvdd_core import strategies as spectral
from deepsvdd_core.corruptions import CORRUPTIONS, MNIST_C, Planted, difference
from deepsvdd_core.evaluation import auroc
from deepsvdd_core.honesty import localisation
from deepsvdd_core.honesty.localisation import cosine, mass, overlap, random_cosine, strongest
from deepsvdd_core.pipeline.ensembles import judge_of
from deepsvdd_core.pipeline.maps import analysed, explained
from deepsvdd_core.pipeline.running import Arrays, clean_task_of, planted
from deepsvdd_core.pipeline.subject import Subject, sampled, text
from deepsvdd_core.progress import OnStep, Progress
from deepsvdd_core.projections import PLACES, PROJECTIONS, pca
from deepsvdd_core.selection import unpacked
from deepsvdd_core.tasks import class_labels

PART = 50  # images explained between two chances to cancel
FEWEST = 10  # images for a figure


def clever_hans(
    subject: Subject, *, others: list[list[str]], count: int, progress: Progress, on_step: OnStep
) -> Arrays:
    """How well MNIST-C's corruptions are found, and how well the maps show where (Table 4.4).

    others: models that form an ensemble with the subject's, as [name, digest]. Up to `count` normal
    images are spoilt in each way. names: a line of UTF-8 per corruption; per corruption, (K,)
    float64 fractions: auroc of spoilt against clean images; cosine, the mean of those of relevance
    and |x̃ - x|; chance, the same for random maps; score, auroc minus cosine. used: how many images.
    explainer: what makes the maps, UTF-8.
    Of one image: spoilt (K, 1, H, W) uint8, truth and relevance (K, H, W) float32.

    Raises:
        ValueError: colour images, too few normal ones, or a model without explanation.
    """
    judge, clean = judge_of(subject, others), _normal_images(subject, count)
    calm = judge.score(clean)
    truth = np.repeat([False, True], len(clean))
    columns: dict[str, list] = {name: [] for name in ("auroc", "cosine", "chance")}
    seen: dict[str, list] = {name: [] for name in ("spoilt", "truth", "relevance")}
    for place, (name, corruption) in enumerate(MNIST_C.items()):

        def inside(said: str, part: float, name: str = name, place: int = place) -> None:
            progress(f"{name}: {said}", (place + part) / len(MNIST_C))

        inside("spoiling images", 0.0)
        on_step()
        spoilt = corruption(clean).images
        maps = _maps(judge.explain, spoilt, inside, on_step)
        where = difference(clean, spoilt)
        columns["auroc"].append(auroc(np.concatenate([calm, judge.score(spoilt)]), truth))
        columns["cosine"].append(cosine(maps, where).mean())
        columns["chance"].append(random_cosine(where).mean())
        for kind, values in zip(seen, (spoilt, where, maps), strict=True):
            seen[kind].append(values[0])
    arrays = {name: np.array(values, np.float64) for name, values in columns.items()}
    return {
        "names": text("\n".join(MNIST_C)),
        "explainer": text(judge.explainer),
        "used": np.float64(len(clean)),
        **arrays,
        "score": localisation.clever_hans(arrays["auroc"], arrays["cosine"]),
        "spoilt": np.stack(seen["spoilt"]),
        "truth": np.stack(seen["truth"]),
        "relevance": np.stack(seen["relevance"]).astype(np.float32),
    }


def strategies(
    subject: Subject, *, label: str, count: int, progress: Progress, on_step: OnStep
) -> Arrays:
    """Ways in which a model decides about the images of one class, by its relevance maps.

    rows (n,) int32 of up to `count` shown images; strategies of these as `strategies.Strategies`,
    with typical (K, 12) int32 as rows of the shown images, -1 where there are fewer. explainer:
    what makes the maps, UTF-8.

    Raises:
        ValueError: no such class, or fewer than 20 images of it.
    """
    shown, detector = subject.shown, subject.detector
    members = np.flatnonzero(shown.labels == class_labels(shown, (label,))[0])
    if len(members) < spectral.FEWEST:
        raise ValueError(
            f"Class {label} has {len(members)} images here, strategies need at least "
            f"{spectral.FEWEST}; choose another class or a larger data set."
        )
    rows = sampled(members, count)
    name, explain = analysed(subject)
    maps = _maps(lambda part: explain(detector, part), shown.images[rows], progress, on_step)
    found = spectral.find(maps)
    typical = np.where(found.typical < 0, -1, rows[found.typical])
    return {
        "rows": rows.astype(np.int32),
        "explainer": text(name),
        **_found(found),
        "typical": typical.astype(np.int32),
    }


def find_mark(subject: Subject, *, count: int, progress: Progress, on_step: OnStep) -> Arrays:
    """Whether the strategies of a model betray the mark planted in its training images.

    Of up to `count` normal training images, marked ones at their share: strategies as
    `strategies.Strategies`; is_planted (n,) uint8; rand: the adjusted Rand index of strategies and
    truth; match (K,): the F1 score of each strategy as an answer to who carries the mark; inside,
    area: share of positive relevance in the marked pixels and of their area, means
    over marked images; elsewhere: relevance in the same place of images without a mark. images
    (n, C, H, W) uint8; typical (K, 12) int32 are rows of these. explainer: what makes the maps.

    Raises:
        ValueError: nothing was planted for this model, or too few images carry the mark.
    """
    marked, _ = _planted(subject)
    rows = sampled(np.arange(len(marked.images)), count)
    images, masks, is_planted = (values[rows] for values in marked)
    if not 0 < is_planted.sum() < len(rows):
        raise ValueError(
            f"{int(is_planted.sum())} of {len(rows)} images carry the mark, so there is nothing to "
            "tell apart; plant another share or look at more images."
        )
    detector, (name, explain) = subject.detector, analysed(subject)
    maps = _maps(lambda part: explain(detector, part), images, progress, on_step)
    found = spectral.find(maps)
    everywhere = np.broadcast_to(masks[is_planted].any(axis=0), masks.shape)
    held = mass(maps, everywhere)
    return {
        **_found(found),
        "explainer": text(name),
        "is_planted": is_planted.astype(np.uint8),
        "rand": np.float64(adjusted_rand_score(is_planted, found.labels)),
        "match": np.array([_f1(found.labels == k, is_planted) for k in range(found.count)]),
        "inside": held.relevance[is_planted].mean(),
        "elsewhere": held.relevance[~is_planted].mean(),
        "area": held.area.mean(),
        "images": images,
    }


def remove_mark(subject: Subject, *, count: int, on_step: OnStep) -> Arrays:
    """What the planted mark is worth: scores and places of marked images with and without it.

    Of up to `count` images with and as many without the mark: before, removed (original pixels) and
    masked (mean of the images without, in the marked pixels), (m,) float64 scores; without (k,).
    at_before, at_removed, at_masked (m, 2), at_without (k, 2) float32 on the radial map in units of
    the radius, or where there is no sphere in the plane of the principal components. images,
    images_removed, images_masked (m, C, H, W) uint8; threshold and radial (1 or 0) are scalars.

    Raises:
        ValueError: nothing was planted for this model, or no image carries the mark.
    """
    marked, clean = _planted(subject)
    if not 0 < marked.is_planted.sum() < len(clean):
        raise ValueError("No image, or every one, carries the mark; plant another share.")
    with_mark = sampled(np.flatnonzero(marked.is_planted), count)
    without = sampled(np.flatnonzero(~marked.is_planted), count)
    mean = np.round(clean[without].mean(axis=0)).astype(np.uint8)
    images, masks = marked.images[with_mark], marked.masks[with_mark]
    sets = {
        "before": images,
        "removed": clean[with_mark],
        "masked": np.where(masks[:, None], mean, images),
        "without": clean[without],
    }
    detector, result, embeddings = subject.detector, {}, {}
    for name, part in sets.items():
        on_step()
        embeddings[name], result[name] = detector.embed_and_score(part)
    together = np.concatenate([*embeddings.values()])
    sphere = detector.sphere
    if sphere is None:
        coordinates = pca(together)
    else:
        drawn = PROJECTIONS["radial"](embeddings["without"], sphere)
        coordinates = PLACES["radial"](together, embeddings["without"], drawn, sphere)
    places = np.split(coordinates, np.cumsum([len(part) for part in sets.values()])[:-1])
    return {
        **result,
        **{f"at_{name}": np.asarray(at, np.float32) for name, at in zip(sets, places, strict=True)},
        "images": images,
        "images_removed": sets["removed"],
        "images_masked": sets["masked"],
        "threshold": np.float64(detector.threshold),
        "radial": np.float64(sphere is not None),
    }


def guess(subject: Subject, *, index: int, corruption: str, drawn: str) -> Arrays:
    """A visitor's guess where the model looks, beside where it does.

    corruption: what is done to the shown image first, a name in CORRUPTIONS or "". drawn: the
    guessed pixels, as `selection.packed`. score, relevance (H, W) and constants, see `explained`;
    strongest (H, W) uint8, the fewest pixels with half of the positive relevance. Fractions:
    overlap, the intersection over union of guess and these; covered, the positive relevance within
    the guess; area of the guess.
    With a corruption: truth (H, W) uint8; true_overlap of guess and truth, true_covered, the
    positive relevance within the truth, and true_area.

    Raises:
        ValueError: nothing was drawn, or it belongs to an image of another size.
    """
    images = subject.shown.images[index : index + 1]
    truth = None
    if corruption:
        images, truth = CORRUPTIONS[corruption](images, seed=index)
    size = images.shape[2] * images.shape[3]
    guessed = unpacked(drawn, size).reshape(1, *images.shape[2:])
    if not guessed.any():
        raise ValueError("Nothing is drawn yet; draw where you think the model looks.")
    shown = explained(subject, images)
    relevance = shown["relevance"]
    core, covered = strongest(relevance), mass(relevance, guessed)
    result = {
        **{name: values[0] for name, values in shown.items()},
        "score": subject.detector.anomaly_score(images)[0],
        "strongest": core[0].astype(np.uint8),
        "overlap": overlap(guessed, core)[0],
        "covered": covered.relevance[0],
        "area": covered.area[0],
    }
    if truth is None:
        return result
    held = mass(relevance, truth)
    return {
        **result,
        "truth": truth[0].astype(np.uint8),
        "true_overlap": overlap(guessed, truth)[0],
        "true_covered": held.relevance[0],
        "true_area": held.area[0],
    }


def _normal_images(subject: Subject, count: int) -> np.ndarray:
    """Up to `count` of the shown images that are normal to the model."""
    shown = subject.shown
    if shown.images.shape[1] > 1:
        raise ValueError(
            "MNIST-C's corruptions are defined on grey images; choose a grey data set."
        )
    return shown.images[sampled(subject.normal(shown, FEWEST), count)]


def _planted(subject: Subject) -> tuple[Planted, np.ndarray]:
    """The normal training images with the planted marks, and as they were, (N, C, H, W) uint8."""
    experiment = subject.detector.experiment
    if experiment.artefact is None:
        raise ValueError(
            "Nothing was planted in the training images of this model; plant a mark first."
        )
    if library.find(subject.model).fingerprints != datasets.fingerprints(experiment.datasets):
        raise ValueError(
            f"The images of {experiment.dataset} are not known to be those this model was trained "
            "on, nor which of them carry the mark; plant it again."
        )
    task = clean_task_of(experiment)
    return planted(task, experiment), task.train_images[task.semi_labels >= 0]


def _f1(answer: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * (answer & truth).sum() / (answer.sum() + truth.sum()))


def _maps(
    explain: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    progress: Progress,
    on_step: OnStep,
) -> np.ndarray:
    """Relevance maps (N, H, W), a part at a time."""
    maps = []
    for start in range(0, len(images), PART):
        progress("explaining images", start / len(images))
        on_step()
        maps.append(explain(images[start : start + PART]))
    return np.concatenate(maps)


def _found(found: spectral.Strategies) -> Arrays:
    return {
        "labels": found.labels.astype(np.int32),
        "eigenvalues": found.eigenvalues,
        "count": np.float64(found.count),
        "mean_maps": found.mean_maps,
        "typical": found.typical.astype(np.int32),
    }
