"""What the browser fetches by itself: the map's library, points, and sheets of small pictures.

Every address changes with what lies behind it, so a browser keeps what it has fetched.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import numpy as np
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from deepsvdd_core import figures, jobs, products
from pages.parts import existing, waiting
from pages.parts.components import COMPONENTS
from pages.parts.turns import Busy, Turns

SHEET = 256  # images on one sheet
HEATMAP_SHEET = 64  # heatmaps; each takes some milliseconds
COLUMNS = 16  # images in one row of it
KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}
FRESH = {"Cache-Control": "no-store"}
MOST_KEPT = 128  # sheets in memory
BROWSER = "a browser"  # who asks the engine on behalf of all who wait for an address
LOOK = 0.02  # seconds between two looks at a job
IMAGES = ("dataset", "fingerprint", "split")
SUBJECT = ("model", "digest", *IMAGES)  # what `jobs.subject` gives
EXPLAINED = (*SUBJECT, "index", "explainer")
PLACES = [f"{{{name}}}" for name in EXPLAINED[:-1]] + ["{explainer:path}"]  # names may have a slash
# Files that a browser keeps may have other arrays.
RELEVANCE = f"files/relevance-{products.layout('explain')}"
HEATMAPS = f"heatmaps-{products.layout('heatmaps')}"

# Its own threads: those of the server are for what must never wait, such as the first page.
_threads = ThreadPoolExecutor(2, "served")
_turns = Turns()
_sheets: dict[str, bytes] = {}  # by address, used last is last


class Fresh(StaticFiles):
    """Files whose address stays when they change: the browser asks each time whether they did."""

    def file_response(self, *about: object, **more: object) -> Response:
        response = super().file_response(*about, **more)
        response.headers["Cache-Control"] = "no-cache"
        return response


def routes() -> list[Route | Mount]:
    """For the app: everything below `files/`."""
    pictures = "{dataset}/{fingerprint}/{split}/{sheet}.png"
    return [
        Mount("/files/components", Fresh(directory=COMPONENTS)),
        Route("/files/arrays/{name}", arrays),
        Route("/" + "/".join([RELEVANCE, *PLACES]), relevance),
        Route(f"/files/images/{pictures}", images),
        Route(f"/files/{HEATMAPS}/{{model}}/{{digest}}/{pictures}", heatmaps),
        Route("/files/{rest:path}", nothing),
    ]


def array_address(kind: str, parameters: dict) -> str:
    """Where the browser finds a stored product."""
    return f"files/arrays/{products.file_name(kind, parameters)}"


def image_sheets(parameters: dict, shape: tuple[int, ...]) -> dict[str, object]:
    """What the browser must know of the sheets with the images of a data set."""
    return _described("images", IMAGES, parameters, shape, SHEET)


def heatmap_sheets(parameters: dict, shape: tuple[int, ...]) -> dict[str, object]:
    """What the browser must know of the sheets with a model's heatmaps of a data set."""
    return _described(HEATMAPS, SUBJECT, parameters, shape, HEATMAP_SHEET)


def relevance_address(asked: dict) -> str:
    """Where the browser finds what the engine answers to "explain"; computed when first fetched."""
    return "/".join([RELEVANCE, *(quote(str(asked[name]), safe="") for name in EXPLAINED)])


def _described(
    kind: str, names: tuple[str, ...], parameters: dict, shape: tuple[int, ...], size: int
) -> dict[str, object]:
    place = "/".join(quote(parameters[name], safe="") for name in names)
    _, height, width = shape
    about = {"size": size, "columns": COLUMNS, "width": width, "height": height}
    return {"address": f"files/{kind}/{place}", **about}


async def arrays(request: Request) -> Response:
    """A product as it lies on the disk."""
    return await _soon(_stored, request.path_params["name"])


async def nothing(request: Request) -> Response:
    """Any other address below `files/`; Streamlit would answer with its first page."""
    return _missing()


def _stored(name: str) -> Response:
    about = {"headers": KEPT, "media_type": "application/octet-stream"}
    try:
        content = products.content(name)
    except LookupError:
        return _missing()
    return (FileResponse if isinstance(content, Path) else Response)(content, **about)


def _missing(text: str = "There is nothing here.") -> Response:
    return PlainTextResponse(text, status_code=404, headers=FRESH)


def _answered(handler: Callable[[Request], Awaitable[Response]]) -> Callable:
    """A handler that may raise LookupError for what is not there, and Busy."""

    @functools.wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except LookupError as error:
            return _missing(*(text for text in error.args[:1] if isinstance(error, Refused)))
        except Busy:
            text = "Too much is being computed at the moment; try again in a few seconds."
            return PlainTextResponse(text, status_code=503, headers={**FRESH, "Retry-After": "2"})

    return answer


class Refused(LookupError):
    """The engine cannot answer; the text says why."""


@_answered
async def relevance(request: Request) -> Response:
    """A map of one image; the engine computes it when it is first asked for."""
    asked = {**request.path_params, "index": existing.number(request.path_params["index"])}
    await _soon(_check_map, **asked)
    name = products.file_name("explain", asked)
    if not await _soon(products.exists, name):
        await _in_turn(request, functools.partial(_made, "explain", asked))
    return await _soon(_stored, name)


def _check_map(index: int, explainer: str, model: str, digest: str, **images: str) -> None:
    existing.check_explainer(explainer)
    existing.check_model(model, digest)
    existing.check_images(**images, row=index)


@_answered
async def images(request: Request) -> Response:
    """One sheet of the test images of a data set."""
    return await _picture(request, _image_sheet, SHEET)


@_answered
async def heatmaps(request: Request) -> Response:
    """One sheet of heatmaps; the engine computes them when they are first asked for."""
    await _soon(existing.check_model, *(request.path_params[name] for name in SUBJECT[:2]))
    return await _picture(request, _heatmap_sheet, HEATMAP_SHEET)


async def _picture(request: Request, draw: Callable[..., Awaitable[bytes]], size: int) -> Response:
    """A sheet of so many pictures that was drawn before, or is now."""
    asked = {**request.path_params}
    first = existing.number(asked.pop("sheet")) * size
    await _soon(existing.check_images, *(asked[name] for name in IMAGES), row=first)
    address = request.url.path
    content = _sheets.pop(address, None)
    if content is None:
        content = await _in_turn(request, functools.partial(draw, first, **asked))
    _sheets[address] = content
    while len(_sheets) > MOST_KEPT:
        del _sheets[next(iter(_sheets))]
    return Response(content, media_type="image/png", headers=KEPT)


async def _image_sheet(first: int, **shown: str) -> bytes:
    """A PNG of up to SHEET images."""
    part = (await _soon(known_images, **shown))[first : first + SHEET]
    return await _soon(figures.sheet, part, COLUMNS)


async def _heatmap_sheet(first: int, **subject: str) -> bytes:
    """A PNG of up to HEATMAP_SHEET heatmaps on the one colour scale of the data set."""
    answer = await _made("heatmaps", {**subject, "first": first, "count": HEATMAP_SHEET})
    return await _soon(_coloured, answer["relevance"], float(answer["limit"]))


def _coloured(maps: np.ndarray, limit: float) -> bytes:
    return figures.sheet(figures.diverging(maps, limit), COLUMNS)


def known_images(dataset: str, fingerprint: str, split: str) -> np.ndarray:
    """Images (N, C, H, W) of a data set that a page has shown before.

    Raises:
        LookupError: no page has.
    """
    if existing.is_bundled(dataset):
        return waiting.bundled(dataset, fingerprint).shown(split).images
    return waiting.stored(existing.images_name(dataset, fingerprint, split))["images"]


async def _made(kind: str, asked: dict) -> products.Arrays:
    """What the engine answers. Raises Refused where it cannot."""
    for _ in range(2):
        answer = await _soon(jobs.engine().request, kind, visitor=BROWSER, **asked)
        if not isinstance(answer, jobs.Job):
            return answer
        while answer.is_active:
            answer.heard_of(BROWSER)
            await asyncio.sleep(LOOK)
        if answer.state != "finished":
            break
    raise Refused(answer.message or "This was cancelled.")


async def _in_turn(request: Request, make: Callable[[], Awaitable[object]]) -> object:
    client = request.client.host if request.client else ""
    return await _turns.take(request.url.path, make, client, request.is_disconnected)


async def _soon(work: Callable[..., object], *about: object, **more: object) -> object:
    """What takes milliseconds, in a thread of its own."""
    run = asyncio.get_running_loop().run_in_executor
    return await run(_threads, functools.partial(work, *about, **more))
