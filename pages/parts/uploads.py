"""What visitors upload is bounded, per visitor and in all, and dropped when they have gone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime import get_instance

UPLOAD = "/_stcore/upload_file/"
OF_ONE, OF_ALL = 3, 10  # uploads of the greatest size that a visitor, and all together, may keep
PATIENCE = 120  # seconds for one upload
LOOK = 1  # seconds between two looks for visitors who have gone


class Uploads:
    """Between the browser and Streamlit's store, which keeps everything in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.coming: Counter[str] = Counter()  # bytes on their way, by session
        self.watch: asyncio.Task | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = _session(scope)
        if session is None:
            await self.app(scope, receive, send)
            return
        if not get_instance().is_active_session(session):
            await _refuse(400, "Only an open page may upload; open it again.", scope, receive, send)
            return
        size = _size(scope)
        if size > most():
            sentence = f"A file may have up to {st.get_option('server.maxUploadSize')} MB."
            await _refuse(413, sentence, scope, receive, send)
        elif self._kept(session) + size > OF_ONE * most():
            sentence = "This page keeps no more uploads; remove some, or open it again."
            await _refuse(413, sentence, scope, receive, send)
        elif self._kept() + size > OF_ALL * most():
            sentence = "No more uploads can be kept at the moment; try again in a few minutes."
            await _refuse(413, sentence, scope, receive, send)
        else:
            await self._take(session, size, scope, receive, send)

    async def _take(
        self, session: str, size: int, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.coming[session] += size
        if self.watch is None or self.watch.done():
            self.watch = asyncio.create_task(release())
        try:
            async with asyncio.timeout(PATIENCE):
                await self.app(scope, receive, send)
        except TimeoutError:
            await PlainTextResponse("This upload took too long.", 408)(scope, receive, send)
        finally:
            self.coming[session] -= size
            self.coming += Counter()  # without those at zero

    def _kept(self, session: str | None = None) -> int:
        """Bytes of one session or of all, with those on their way."""
        if session is not None:
            return self.coming[session] + stored(session)
        return self.coming.total() + sum(map(stored, list(_files())))


def most() -> int:
    """Bytes of one upload, with what surrounds a file."""
    return st.get_option("server.maxUploadSize") * 2**20 + 2**14


def stored(session: str) -> int:
    """Bytes that Streamlit keeps of a session."""
    return sum(len(file.data) for file in list(_files().get(session, {}).values()))


async def release() -> None:
    """Drop the uploads of sessions that have ended, until there are none.

    Streamlit drops them when it next has to do with another session, which may be never.
    """
    ended: dict[str, float] = {}
    while True:
        await asyncio.sleep(LOOK)
        for session in list(_files()):
            if get_instance().is_active_session(session):
                ended.pop(session, None)
                continue
            since = ended.setdefault(session, time.monotonic())
            if time.monotonic() - since > st.get_option("server.disconnectedSessionTTL"):
                get_instance().uploaded_file_mgr.remove_session_files(session)
        if not _files():
            return


def _files() -> dict[str, dict]:
    return get_instance().uploaded_file_mgr.file_storage


def _session(scope: Scope) -> str | None:
    """Whose upload this is, or None where it is none."""
    if scope["type"] != "http" or scope["method"] != "PUT":
        return None
    _, found, rest = scope["path"].partition(UPLOAD)
    return rest.partition("/")[0] if found else None


def _size(scope: Scope) -> int:
    """Bytes to expect; the most there may be where the browser does not say."""
    told = Headers(scope=scope).get("content-length", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 16 else most()


async def _refuse(status: int, text: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer after the body has come, else a browser hears of a broken connection only."""
    left = 2 * most()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    break
    await PlainTextResponse(text, status_code=status)(scope, receive, send)
