"""Maps of neighbourhoods by UMAP (McInnes et al., 2018): in the plane, and of directions."""

from __future__ import annotations

import warnings

import numpy as np

from deepsvdd_core.progress import OnStep, Progress, nothing, silent
from deepsvdd_core.projections.base import (
    Projection,
    neighbours,
    pca,
    polar,
    principal,
    unit,
)
from deepsvdd_core.sphere import Sphere

NEIGHBOURS = 15  # UMAP's own default; it counts a point as its first neighbour
FEWEST = 5  # points for which UMAP makes sense
SEARCH = 0.2  # share of the progress bar that the search for neighbours gets


class EpochBar:
    """A file to which tqdm writes per cent of epochs; passes them on, and may stop the layout."""

    def __init__(self, progress: Progress, on_step: OnStep) -> None:
        self.progress, self.on_step = progress, on_step
        self.stopped = False

    def write(self, text: str) -> None:
        """One state of the bar: a carriage return, a number, blanks."""
        if self.stopped or not text.strip():
            return
        try:
            self.progress("Laying out the map", SEARCH + (1 - SEARCH) * float(text) / 100)
            self.on_step()
        except BaseException:
            from tqdm.auto import tqdm

            self.stopped = True
            tqdm.get_lock().release()  # tqdm holds it while writing and frees it only on success
            raise

    def flush(self) -> None:
        """Nothing is held back."""

    def options(self) -> dict:
        """What UMAP hands to tqdm."""
        return {
            "file": self,
            "disable": False,
            "bar_format": "{percentage:.1f}",
            "mininterval": 0.2,
            "miniters": 1,
        }


def umap(
    embeddings: np.ndarray,
    sphere: Sphere | None = None,
    seed: int = 0,
    *,
    progress: Progress = silent,
    on_step: OnStep = nothing,
) -> Projection:
    """Planar UMAP (N, 2): keeps neighbourhoods, not distances; a sphere has no image in it.

    With fewer than five points it is the principal plane.
    """
    if len(embeddings) < FEWEST:
        return Projection(pca(embeddings), {})
    return Projection(_lay_out(embeddings, seed, progress, on_step), {})


def spherical(
    embeddings: np.ndarray,
    sphere: Sphere,
    seed: int = 0,
    *,
    progress: Progress = silent,
    on_step: OnStep = nothing,
) -> Projection:
    """Spherical map (N, 3): true distance in units of the radius, directions laid out by UMAP.

    The hypersphere is exactly the unit sphere; of several, the nearest one counts. Directions from
    the centre that are close in the embedding stay close: a UMAP that measures chords on a sphere,
    started from the principal components. With fewer than five points these are the directions.

    Of the 15 nearest directions among 10,000 MNIST images it keeps 29 %, a 3-D UMAP normalised
    afterwards 22 %; of 5,000, it keeps 34 %, the 3-D UMAP 28 %, the haversine UMAP 18 % and
    principal components 7 %.

    Raises:
        ValueError: when there is no sphere, or one without a radius.
    """
    seen = polar(embeddings, sphere)
    if len(embeddings) < FEWEST:
        mean, components = principal(seen.directions, 3)
        towards = (seen.directions - mean) @ components.T
    else:
        from deepsvdd_core.projections.chord import MIDDLE, chord

        missing = max(0, 3 - embeddings.shape[1])  # the start needs three dimensions
        directions = np.pad(seen.directions, ((0, 0), (0, missing)))
        options = {"n_components": 3, "output_metric": chord, "init": "pca", "min_dist": 0.0}
        layout = _lay_out(directions, seed, progress, on_step, n_epochs=300, **options)
        towards = layout - MIDDLE
    return Projection(seen.units[:, None] * on_sphere(towards), {"center": np.zeros(3)})


def on_sphere(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, 3) brought to length 1; zero, which has no direction, goes to the pole."""
    directions = unit(vectors)
    directions[~directions.any(axis=1), 2] = 1
    return unit(directions)


def _lay_out(
    points: np.ndarray,
    seed: int,
    progress: Progress,
    on_step: OnStep,
    **options: object,
) -> np.ndarray:
    """Points (N, d) laid out by UMAP on their exact neighbours; float64 (N, 2 or more)."""
    from umap import UMAP  # imported here: it compiles for seconds

    count, most = len(points), min(NEIGHBOURS, len(points) - 1)
    indices = np.arange(count)[:, None].repeat(most, axis=1).astype(np.int32)
    lengths = np.zeros((count, most), np.float32)
    for rows, nearest, far in neighbours(points, points, most - 1, own=np.arange(count)):
        indices[rows, 1:], lengths[rows, 1:] = nearest, far
        progress("Searching neighbours", SEARCH * (rows[-1] + 1) / count)
        on_step()
    bar = EpochBar(progress, on_step)
    with warnings.catch_warnings():
        # Without its own search, UMAP cannot place new points, as it says; `placing` does.
        warnings.filterwarnings("ignore", message=r"precomputed_knn\[2\]")
        mapper = UMAP(
            n_neighbors=most,
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(indices, lengths, None),
            tqdm_kwds=bar.options(),
            **options,
        )
        return mapper.fit_transform(points.astype(np.float32)).astype(np.float64)
