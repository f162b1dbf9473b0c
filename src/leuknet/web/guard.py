"""What protects every request before a page sees it: names, sizes, times, headers, and other sites' forms.

Start at `protect`. Who is signed in and may see what is in `permissions`.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import MutableMapping
from typing import Any

from fastapi import FastAPI, Request
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leuknet.web.cookies import cookie_of, form_token
from leuknet.web.error_answers import ForgedError, SlowDownError, too_large
from leuknet.web.settings import Settings

CHUNK_BYTES = 8 * 2**20
"""Most bytes of one request: larger files come in parts of this size."""

BODY_LIMIT = CHUNK_BYTES + 2**20

HEALTH = "/healthz"
"""Answers under any name: what watches a server, a balancer or an orchestrator, asks its bare address."""

SILENCE_S, REQUEST_S = 30, 300
"""How long a client may be silent within a request, and how long the server waits for all of its body."""

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def protect(app: FastAPI, settings: Settings) -> None:
    """Put the guards around an application; the last one added sees a request first."""
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=BODY_LIMIT)
    app.add_middleware(_AnnouncedSize)
    app.add_middleware(_InTime)
    app.add_middleware(_KnownNames, names=settings.allowed_hosts)
    app.add_middleware(_SafeHeaders, secure=settings.is_secure)


class _SafeHeaders:
    """Adds headers that tell a browser what a page may not do, and to keep none that does not say so."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self.app = app
        self.headers = dict(_HEADERS)
        if secure:
            self.headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with if scope["type"] == "http" else send)


class _AnnouncedSize:
    """Refuses a body that is said to be too large in words, before any of it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            announced = Headers(scope=scope).get("content-length", "")
            if announced.isdecimal() and int(announced[:20]) > BODY_LIMIT:
                await too_large(Request(scope, receive))(scope, receive, send)
                return
        await self.app(scope, receive, send)


class _KnownNames:
    """Refuses requests under a name that is not ours: a foreign page that had its own name lead here."""

    def __init__(self, app: ASGIApp, *, names: frozenset[str]) -> None:
        self.app = app
        self.names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "").lower()
            name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
            if name not in self.names and scope["path"] != HEALTH:
                text = "This name is not one of the reading room. Set it with --public-url.\n"
                await PlainTextResponse(text, 421)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class _InTime:
    """Ends a request whose body stops coming or drips: slow clients must not hold connections for ever."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        whole = scope["type"] != "http"
        left = float(REQUEST_S)  # of waiting for the client: what the server itself takes is not the client's

        async def receive_soon() -> MutableMapping[str, Any]:
            nonlocal whole, left
            if whole:  # what comes after the body is that the client has gone, whenever that is
                return await receive()
            asked = time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), min(SILENCE_S, left))
            except TimeoutError:
                raise HTTPException(408) from None
            left -= time.monotonic() - asked
            whole = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        await self.app(scope, receive_soon, send)


async def own_form(request: Request) -> None:
    """Raise ForgedError unless a request that changes something comes from a page of ours.

    A page of another site can make a browser send our cookie, but cannot read it, nor what is made of it.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    cookie = cookie_of(request)
    given = request.headers.get("X-Form-Token", "")
    kind = request.headers.get("Content-Type", "")
    if not given and kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        given = str((await request.form()).get("form_token", ""))
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if not cookie or site == "cross-site" or not hmac.compare_digest(form_token(cookie), given):
        raise ForgedError


class RateLimit:
    """Counts what one account or address does in a time, in the memory of this process."""

    def __init__(self, requests_per_minute: int) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._rates = {
            "request": parse(f"{requests_per_minute}/minute"),
            "sign-in": parse("10/minute"),
            "password": parse("20/15 minutes"),
        }

    def count(self, what: str, doer: str) -> None:
        """Raise SlowDownError if an account or address has done this too often just now."""
        if not self._limiter.hit(self._rates[what], what, doer):
            raise SlowDownError(self._rates[what].get_expiry())
