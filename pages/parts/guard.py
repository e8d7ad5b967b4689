"""What every request passes before Streamlit sees it: who may ask, and headers on every answer."""

from __future__ import annotations

import base64
import functools
import hashlib
import ipaddress
import os
import re
import socket
import sys
from pathlib import Path

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.parts import visitor
from pages.parts.uploads import Uploads

METRICS = "/_stcore/metrics"  # answered only with DEEPSVDD_METRICS=1
HOST = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^\s\[\]:/?#@\\]+)(:[0-9]{1,5})?")
NO_DEVICES = ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope")
NO_DEVICES += ("magnetometer", "microphone", "midi", "payment", "usb")


def middleware() -> list[Middleware]:
    """For the app, the outermost first."""
    kinds = (Head, Doorkeeper, visitor.Introduce, Uploads)
    return [Middleware(kind) for kind in kinds]


class Head:
    """Headers on every answer, also on errors."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        is_begun = False

        async def begin(message: Message) -> None:
            nonlocal is_begun
            if message["type"].endswith(("http.response.start", "websocket.accept")):
                is_begun = True
            if message["type"].endswith("http.response.start"):
                MutableHeaders(scope=message).update(headers())
            await send(message)

        try:
            await self.app(scope, receive, begin)
        except Exception:  # otherwise Starlette answers outside of all middleware
            if scope["type"] == "http" and not is_begun:
                answer = PlainTextResponse("Something went wrong here.", status_code=500)
                await answer(scope, receive, begin)
            raise


class Doorkeeper:
    """Requests under names and from pages that are not ours are refused.

    A page of another site could otherwise point its own name at this computer (DNS rebinding) and
    read everything here with the browser of a visitor.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = None if scope["type"] == "lifespan" else _refusal(scope)
        await (answer or self.app)(scope, receive, send)


def _refusal(scope: Scope) -> PlainTextResponse | None:
    asked = Headers(scope=scope)
    hosts, here = asked.getlist("host"), (scope.get("server") or ("",))[0]
    if len(hosts) != 1 or not is_known(hosts[0], here):
        return PlainTextResponse(
            "This app does not answer under this name; see server.allowedHosts.", status_code=400
        )
    origin = asked.get("origin")
    if scope["type"] == "websocket" and origin and not is_ours(origin, hosts[0]):
        return PlainTextResponse("Another site may not use this app.", status_code=403)
    wants_metrics = scope["path"].rstrip("/").endswith(METRICS)
    if wants_metrics and os.environ.get("DEEPSVDD_METRICS") != "1":
        return PlainTextResponse("There is nothing here.", status_code=404)
    return None


def is_known(host: str, here: str) -> bool:
    """Whether a Host header names this computer, or a name of `server.allowedHosts`.

    here: the address at which the connection arrived.
    """
    found = HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].strip("[]").lower().rstrip(".")
    address = _address(name)
    if address is not None and (address.is_loopback or address.is_unspecified):
        return True
    if address is not None and address == _address(here):
        return True
    return name in own_names() or any(map(functools.partial(_fits, name), _allowed()))


def is_ours(origin: str, host: str) -> bool:
    """Whether a page of this origin (scheme://name:port) may open a connection to this host."""
    if not st.get_option("server.enableCORS") or origin in st.get_option(
        "server.corsAllowedOrigins"
    ):
        return True
    scheme, _, asking = origin.lower().partition("://")
    usual = {"http": ":80", "https": ":443"}.get(scheme, "")
    return asking.removesuffix(usual) == host.lower().removesuffix(usual)


@functools.cache
def own_names() -> frozenset[str]:
    """Names of this computer, and the one that Streamlit shows in links."""
    name = socket.gethostname().lower()
    chosen = [st.get_option(option) for option in ("server.address", "browser.serverAddress")]
    return frozenset(
        {"localhost", name, f"{name}.local", *(text.lower() for text in chosen if text)}
    )


def _allowed() -> list[str]:
    return st.get_option("server.allowedHosts")


def _fits(name: str, pattern: str) -> bool:
    """As Streamlit reads `server.allowedHosts`."""
    pattern = pattern.strip().lower().rstrip(".")
    if pattern.startswith("*."):
        return name.endswith(pattern[1:])
    return pattern in ("*", name)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


@functools.cache
def headers() -> dict[str, str]:
    """What a browser is told with every answer."""
    devices = ", ".join(f"{name}=()" for name in NO_DEVICES)
    return {
        "Content-Security-Policy": "; ".join(f"{key} {value}" for key, value in policy().items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": devices,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def policy() -> dict[str, str]:
    """Where a page may load what from."""
    return {
        "default-src": "'none'",
        # blob: is how Streamlit loads components; 'unsafe-eval' what Plotly draws its points with.
        "script-src": " ".join(["'self' blob: 'unsafe-eval'", *inline_scripts()]),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


def inline_scripts() -> list[str]:
    """Hashes of the scripts inside Streamlit's own page, the only inline ones that may run."""
    page = Path(sys.modules["streamlit"].__file__).parent / "static" / "index.html"
    scripts = re.findall(r"<script>(.*?)</script>", page.read_text(encoding="utf-8"), re.DOTALL)
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
