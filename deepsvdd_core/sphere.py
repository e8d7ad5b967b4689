"""Follow a score to the distance it stands for: hyperspheres, thresholds and drawn radii."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# Sums of squares differ in their last digits between libraries; the same point must still lie on
# the same side of a threshold in scores and in distances.
ROUNDING = 1e-13
MOSTLY = 0.5  # share of replaced coordinates above which a centre is one of signs
TOLD_APART = 10  # spheres; more are one fine covering
NOTHING = 1e-9  # a radius that is so small beside others


class RadialScore(NamedTuple):
    """score = growth(distance) - offset(radius), with growth rising; inverse undoes growth.

    All three take and give float64 arrays; the inverse is 0 below growth(0).
    """

    growth: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]
    offset: Callable[[np.ndarray], np.ndarray]


def _root(squared: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(squared, 0))


SCORES: dict[str, RadialScore] = {
    "squared": RadialScore(np.square, _root, np.zeros_like),
    "beyond": RadialScore(np.square, _root, np.square),
    "huber": RadialScore(
        lambda distance: np.sqrt(np.square(distance) + 1),
        lambda level: _root(np.square(np.maximum(level, 1)) - 1),
        np.ones_like,
    ),
    "norm": RadialScore(np.abs, lambda level: np.maximum(level, 0), np.zeros_like),
}


class Centre(NamedTuple):
    """How the one centre of a hypersphere was found, see `Experiment.centre_rule`.

    replaced: the share of its coordinates that are 0.1 or -0.1 in place of the mean code's.
    """

    rule: str
    replaced: float

    @property
    def in_words(self) -> str:
        """What the sphere lies around, in a sentence or two."""
        if self.rule == "signs":
            return (
                "Centre of signs: every coordinate is 0.1 or -0.1, with the sign of the mean code "
                "before training. The sphere lies around this pattern, to which training pulls the "
                "codes, not around where they began."
            )
        text = (
            "Centre of codes: the mean code before training; "
            f"{self.replaced:.0%} of its coordinates were nearer to 0 than 0.1 and are 0.1 or -0.1."
        )
        if self.replaced > MOSTLY:
            text += " So it is a pattern of signs rather than a place among the codes."
        return text


class Sphere(NamedTuple):
    """centers (K, d) float32 and radii (K,) float64, in embedding units.

    score: how the anomaly score follows from the distance to a centre, a name in `SCORES`. Of
    several spheres, the one with the smallest score counts.
    """

    centers: np.ndarray
    radii: np.ndarray
    score: str

    @property
    def units(self) -> np.ndarray:
        """(K,) float64: the length that counts as 1 around each centre, its radius.

        Where a sphere has shrunk to nothing, the mean radius of the others; without any, 1.
        """
        radii = np.asarray(self.radii, np.float64)
        has_size = radii > NOTHING * radii.max(initial=0)
        has_size &= radii > np.finfo(np.float32).tiny
        return np.where(has_size, radii, radii[has_size].mean() if has_size.any() else 1.0)

    def radii_at(self, threshold: float) -> np.ndarray:
        """(K,) float64: the distances within which no score exceeds the threshold.

        An embedding is scored above the threshold exactly when it is farther than this from the
        centre of its sphere; 0 where no distance has so low a score.
        """
        kind = SCORES[self.score]
        offset = kind.offset(np.asarray(self.radii, np.float64))
        level = threshold + offset
        slack = ROUNDING * (abs(threshold) + offset)
        return np.where(level > kind.growth(np.zeros(1)), kind.inverse(level + slack), 0.0)


def locate(embeddings: np.ndarray, sphere: Sphere) -> tuple[np.ndarray, np.ndarray]:
    """Which sphere each embedding (N, d) belongs to, and its distance to that one's centre.

    (N,) int64, the sphere in which it has the smallest score, and (N,) float64.
    """
    kind = SCORES[sphere.score]
    offsets = kind.offset(np.asarray(sphere.radii, np.float64))
    nearest = np.zeros(len(embeddings), np.int64)
    length = np.full(len(embeddings), np.inf)
    lowest = np.full(len(embeddings), np.inf)
    for k, center in enumerate(sphere.centers):
        to_center = np.linalg.norm(embeddings.astype(np.float64) - center, axis=1)
        scores = kind.growth(to_center) - offsets[k]
        lower = scores < lowest
        nearest[lower], length[lower], lowest[lower] = k, to_center[lower], scores[lower]
    return nearest, length


def nearest_sphere(embeddings: np.ndarray, sphere: Sphere) -> np.ndarray:
    """(N,) int: the sphere in which each embedding (N, d) has the smallest score."""
    return locate(embeddings, sphere)[0]


def distances(embeddings: np.ndarray, sphere: Sphere) -> np.ndarray:
    """Distance of each embedding (N, d) to the centre of its nearest sphere, float64 (N,)."""
    return locate(embeddings, sphere)[1]
