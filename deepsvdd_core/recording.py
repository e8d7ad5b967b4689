"""What training did to a few test images, epoch by epoch, to be shown as a film."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from deepsvdd_core.sphere import Sphere

MOST_FRAMES = 60


class Recording(NamedTuple):
    """E frames of N test images, from "before training" to the last epoch.

    embeddings (E, N, d) float32; rows (N,) int64 into the test split; stages (E,) names and epochs
    (E,) int64 as in the reports of training; centers (E, K, d) float32 and radii (E, K) float64 of
    K spheres, NaN where an epoch has fewer, K = 0 without a sphere; score: a name in
    `sphere.SCORES`, or empty; losses and aurocs (E,) float64, NaN where not defined.
    """

    embeddings: np.ndarray
    rows: np.ndarray
    stages: tuple[str, ...]
    epochs: np.ndarray
    centers: np.ndarray
    radii: np.ndarray
    score: str
    losses: np.ndarray
    aurocs: np.ndarray

    def spheres(self) -> list[Sphere]:
        """One per frame; empty without a sphere."""
        if not self.score:
            return []
        there = np.isfinite(self.radii)
        return [
            Sphere(centers[kept], radii[kept], self.score)
            for centers, radii, kept in zip(self.centers, self.radii, there, strict=True)
        ]

    def arrays(self) -> dict[str, np.ndarray]:
        """The same as arrays; texts as UTF-8, stages one a line."""
        texts = {"stages": "\n".join(self.stages), "score": self.score}
        coded = {name: np.frombuffer(text.encode(), np.uint8) for name, text in texts.items()}
        return {**self._asdict(), **coded}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """The inverse of `arrays`; more arrays than these do not matter."""
        texts = {name: arrays[name].tobytes().decode() for name in ("stages", "score")}
        values = {name: arrays[name] for name in cls._fields if name not in texts}
        return cls(**values, stages=tuple(texts["stages"].split("\n")), score=texts["score"])


class Frame(NamedTuple):
    """One look at the images; None where a figure is not defined."""

    stage: str
    epoch: int
    loss: float | None
    auroc: float | None
    embeddings: np.ndarray
    sphere: Sphere | None


class Recorder:
    """Keeps at most 60 frames, evenly thinned as more come; the first and the last are always kept.

    rows (N,): which test images the frames show.
    """

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self.frames: list[Frame] = []
        self.seen = 0
        self.every = 1

    def add(self, frame: Frame) -> None:
        """Keep a frame, for now."""
        if self.frames and (self.seen - 1) % self.every:
            self.frames.pop()  # it was there only for being the last
        if len(self.frames) == MOST_FRAMES:
            self.frames = self.frames[::2]
            self.every *= 2
        self.frames.append(frame._replace(sphere=_copy(frame.sphere)))
        self.seen += 1

    def settle(self, sphere: Sphere | None) -> None:
        """Give the last frame the sphere that the finished model has."""
        self.frames[-1] = self.frames[-1]._replace(sphere=_copy(sphere))

    def recording(self) -> Recording:
        """All frames that are kept."""
        frames = self.frames
        spheres = [frame.sphere for frame in frames if frame.sphere is not None]
        most = max((len(sphere.radii) for sphere in spheres), default=0)
        dimension = frames[0].embeddings.shape[1]
        centers = np.full((len(frames), most, dimension), np.nan, np.float32)
        radii = np.full((len(frames), most), np.nan)
        for index, sphere in enumerate(spheres):
            centers[index, : len(sphere.radii)] = sphere.centers
            radii[index, : len(sphere.radii)] = sphere.radii
        return Recording(
            embeddings=np.stack([frame.embeddings for frame in frames]),
            rows=self.rows,
            stages=tuple(frame.stage for frame in frames),
            epochs=np.array([frame.epoch for frame in frames]),
            centers=centers,
            radii=radii,
            score=spheres[-1].score if spheres else "",
            losses=np.array([frame.loss for frame in frames], float),
            aurocs=np.array([frame.auroc for frame in frames], float),
        )


def _copy(sphere: Sphere | None) -> Sphere | None:
    """Training goes on changing the arrays of a sphere."""
    if sphere is None:
        return None
    return sphere._replace(centers=sphere.centers.copy(), radii=sphere.radii.copy())
