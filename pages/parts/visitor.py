"""Who a visitor is: known by a signed cookie, or for one session where there is none.

What a visitor makes is theirs to cancel and to delete. The teacher, who started the server and read
the link it printed, may do so for all.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import ipaddress
import os
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, quote, urlencode

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepsvdd_core import jobs, library

YEAR = 365 * 24 * 3600  # seconds a browser keeps the cookie
TEACHER = "teacher"  # what the teacher's ids begin with, and the name in the link


@functools.cache
def secret() -> bytes:
    """What cookies are signed with; kept in the home, so that they outlive the server."""
    path = library.home() / "secret"
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(32))
        kept = path.read_bytes()
        if len(kept) == 32:
            return kept
    return secrets.token_bytes(32)  # the disk takes nothing: cookies end with the server


def _mark(text: str) -> str:
    return hmac.new(secret(), text.encode(), hashlib.sha256).hexdigest()[:32]


def cookie_name() -> str:
    """Servers on one computer share their browsers' cookies, so each has a name of its own."""
    return f"visitor-{_mark('name')[:8]}"


def teacher_key() -> str:
    """What makes a browser the teacher's when it opens the app with `?teacher=<key>`."""
    return _mark("teacher key")


def signed(visitor: str) -> str:
    """The cookie of a visitor."""
    return f"{visitor}.{_mark(f'visitor {visitor}')}"


def verified(cookie: str | None) -> str | None:
    """The visitor of a cookie; None for a cookie that this server has not signed."""
    if not isinstance(cookie, str):
        return None
    visitor, _, mark = cookie.partition(".")
    right = hmac.compare_digest(mark.encode(), _mark(f"visitor {visitor}").encode())
    return visitor if visitor and right else None


class Introduce:
    """Middleware: a browser that comes without a cookie of this server gets one with its page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Of ASGI."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if scope.get("method") != "GET" or "text/html" not in headers.get("accept", ""):
            await self.app(scope, receive, send)
            return
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        asked = query.pop(TEACHER, None)
        known = verified(_sent(headers.get("cookie", "")))
        if asked is not None:
            right = hmac.compare_digest(asked.encode(), teacher_key().encode())
            is_new = right and not (known or "").startswith(TEACHER)
            cookie = _cookie(scope, f"{TEACHER}-{secrets.token_hex(8)}") if is_new else {}
            # One slash in front and nothing that a browser takes for another host.
            path = quote(scope["path"].replace("\\", "/").lstrip("/"))
            there = f"{scope.get('root_path', '')}/{path}"
            where = f"{there}?{urlencode(query)}" if query else there
            await RedirectResponse(where, 303, headers=cookie)(scope, receive, send)
            return

        async def introduced(message: Message) -> None:
            if message["type"] == "http.response.start" and known is None:
                for name, value in _cookie(scope, secrets.token_hex(8)).items():
                    MutableHeaders(scope=message).append(name, value)
            await send(message)

        await self.app(scope, receive, introduced)


def _sent(header: str) -> str | None:
    try:
        found = SimpleCookie(header).get(cookie_name())
    except CookieError:
        return None
    return found and found.value


def _cookie(scope: Scope, visitor: str) -> dict[str, str]:
    safe = "; Secure" if scope["scheme"] == "https" else ""
    about = f"Path=/; Max-Age={YEAR}; HttpOnly; SameSite=Lax{safe}"
    return {"set-cookie": f"{cookie_name()}={signed(visitor)}; {about}"}


def engine() -> jobs.Visit:
    """The engine as this visitor sees it."""
    visitor = name()
    return jobs.Visit(jobs.engine(), visitor, visitor.startswith(TEACHER))


def name() -> str:
    """The id of who looks at this page."""
    known = verified(st.context.cookies.get(cookie_name()))
    return known or st.session_state.setdefault("visitor", f"session-{secrets.token_hex(8)}")


def may_delete(owners: frozenset[str]) -> bool:
    """Whether this visitor may delete a model of these owners.

    One that nobody is known to own is the teacher's, and anybody's where no other computer can
    visit.
    """
    visitor = name()
    is_teacher = visitor.startswith(TEACHER)
    return is_teacher or visitor in owners or (not owners and is_at_home())


def is_at_home() -> bool:
    """Whether the server listens on this computer alone."""
    address = st.get_option("server.address")
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
