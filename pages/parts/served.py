"""What the browser fetches by itself: the map's library, points, and sheets of small pictures.

Every address changes with what lies behind it, so a browser keeps what it has fetched.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from deepsvdd_core import datasets, figures, jobs, products
from pages.parts import waiting

COMPONENTS = Path(__file__).parents[2] / "assets" / "components"
SHEET = 256  # images on one sheet
COLUMNS = 16  # images in one row of it
KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}
PATIENCE = 60  # seconds a browser waits for maps
SUBJECT = ("model", "digest", "dataset", "fingerprint", "split")  # what `jobs.subject` gives
EXPLAINED = (*SUBJECT, "index", "explainer")
PLACES = [f"{{{name}}}" for name in EXPLAINED[:-1]] + ["{explainer:path}"]  # names may have a slash
RELEVANCE = f"files/relevance-{products.LAYOUT}"  # files kept by a browser may have other arrays


class Fresh(StaticFiles):
    """Files whose address stays when they change: the browser asks each time whether they did."""

    def file_response(self, *about: object, **more: object) -> Response:
        response = super().file_response(*about, **more)
        response.headers["Cache-Control"] = "no-cache"
        return response


def routes() -> list[Route | Mount]:
    """For the app: everything below `files/`."""
    pictures = "{dataset}/{fingerprint}/{split}/{sheet:int}.png"
    return [
        Mount("/files/components", Fresh(directory=COMPONENTS)),
        Route("/files/arrays/{name}", arrays),
        Route("/" + "/".join([RELEVANCE, *PLACES]), relevance),
        Route(f"/files/images/{pictures}", images),
        Route(f"/files/heatmaps/{{model}}/{{digest}}/{pictures}", heatmaps),
    ]


def array_address(kind: str, parameters: dict) -> str:
    """Where the browser finds a stored product."""
    return f"files/arrays/{products.file_name(kind, parameters)}"


def image_sheets(parameters: dict, shape: tuple[int, ...]) -> dict[str, object]:
    """What the browser must know of the sheets with the images of a data set."""
    return _sheets("images", ("dataset", "fingerprint", "split"), parameters, shape)


def heatmap_sheets(parameters: dict, shape: tuple[int, ...]) -> dict[str, object]:
    """What the browser must know of the sheets with a model's heatmaps of a data set."""
    return _sheets("heatmaps", SUBJECT, parameters, shape)


def relevance_address(asked: dict) -> str:
    """Where the browser finds what the engine answers to "explain"; computed when first fetched."""
    return "/".join([RELEVANCE, *(quote(str(asked[name]), safe="") for name in EXPLAINED)])


def _sheets(
    kind: str, names: tuple[str, ...], parameters: dict, shape: tuple[int, ...]
) -> dict[str, object]:
    place = "/".join(quote(parameters[name], safe="") for name in names)
    _, height, width = shape
    size = {"size": SHEET, "columns": COLUMNS, "width": width, "height": height}
    return {"address": f"files/{kind}/{place}", **size}


def arrays(request: Request) -> Response:
    """A product as it lies on the disk."""
    return _file(request.path_params["name"])


def _file(name: str) -> Response:
    path = products.find(name)
    if path is None:
        return Response("There is nothing here.", status_code=404)
    return FileResponse(path, headers=KEPT, media_type="application/octet-stream")


def relevance(request: Request) -> Response:
    """A map of one image; the engine computes it when it is first asked for."""
    asked = {**request.path_params}
    if not re.fullmatch(r"[0-9]{1,9}", asked["index"]):
        return Response("There is no such image.", status_code=404)
    asked["index"] = int(asked["index"])
    name = products.file_name("explain", asked)
    if products.find(name) is None:
        answer = jobs.engine().request("explain", **asked)
        if isinstance(answer, jobs.Job):
            with contextlib.suppress(TimeoutError):
                jobs.wait(answer, PATIENCE)
    return _file(name)


async def images(request: Request) -> Response:
    """One sheet of the test images of a data set."""
    return await _picture(image_sheet, request)


async def heatmaps(request: Request) -> Response:
    """One sheet of heatmaps; the engine computes them when they are first asked for."""
    return await _picture(heatmap_sheet, request)


async def _picture(make: Callable[..., bytes], request: Request) -> Response:
    try:
        content = await run_in_threadpool(make, **request.path_params)
    except LookupError:
        return Response("There is no such sheet.", status_code=404)
    return Response(content, media_type="image/png", headers=KEPT)


@lru_cache(maxsize=128)
def image_sheet(dataset: str, fingerprint: str, split: str, sheet: int) -> bytes:
    """A PNG of up to SHEET images. Raises LookupError where there are none."""
    part = known_images(dataset, fingerprint, split)[sheet * SHEET : (sheet + 1) * SHEET]
    if len(part) == 0:
        raise LookupError(sheet)
    return figures.sheet(part, COLUMNS)


def known_images(dataset: str, fingerprint: str, split: str) -> np.ndarray:
    """Images (N, C, H, W) of a data set that a page has shown before.

    Raises:
        LookupError: no page has.
    """
    named = {"dataset": dataset, "fingerprint": fingerprint, "split": split}
    if dataset in datasets.DATASETS and not datasets.source(dataset).slow:
        return waiting.bundled(dataset).shown(split).images
    return waiting.stored(products.file_name("images", named))["images"]


@lru_cache(maxsize=128)
def heatmap_sheet(sheet: int, **subject: str) -> bytes:
    """A PNG of up to SHEET heatmaps on the one colour scale of the data set.

    subject: what `jobs.subject` gives.

    Raises:
        LookupError: the engine could not make them.
    """
    asked = {**subject, "first": sheet * SHEET, "count": SHEET}
    engine = jobs.engine()
    answer = engine.request("heatmaps", **asked)
    if isinstance(answer, jobs.Job):
        if jobs.wait(answer, PATIENCE).state != "finished":
            raise LookupError(answer.message)
        answer = engine.request("heatmaps", **asked)
    maps = figures.diverging(answer["relevance"], float(answer["limit"]))
    return figures.sheet(maps, COLUMNS)
