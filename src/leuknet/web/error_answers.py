"""How an error reaches a person or a program: one page, one fragment, one JSON shape, and the right status.

The JSON is that of RFC 9457 (`application/problem+json`): `title` says what could not be done, `detail` why,
and `fix` what to try.

Start at `answer_errors`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from leuknet.errors import (
    AccountError,
    BusyError,
    ConflictError,
    DataError,
    LeukNetError,
    MissingExtraError,
    NotFoundError,
    SettingError,
    StoreError,
)
from leuknet.web.templating import render_page
from leuknet.web.text import text

API = "/api/"

_log = logging.getLogger("leuknet.web")


class NeedsSignInError(Exception):
    """Nobody is signed in, and the page is not for everyone."""


class ForgedError(LeukNetError):
    """A form that is not ours, or of a page that was opened before signing in anew."""

    def __init__(self) -> None:
        super().__init__(
            text("error.forged.what"), why=text("error.forged.why"), fix=text("error.forged.fix")
        )


class ForbiddenError(LeukNetError):
    """The account's role does not allow it."""

    def __init__(self, role: str) -> None:
        why = text("error.forbidden.why", role=role)
        super().__init__(text("error.forbidden.what"), why=why, fix=text("error.forbidden.fix"))


class SlowDownError(LeukNetError):
    """Too many tries in a short time."""

    def __init__(self, seconds: int) -> None:
        why = text("error.slow_down.why", seconds=seconds)
        super().__init__(text("error.slow_down.what"), why=why, fix=text("error.slow_down.fix"))
        self.seconds = seconds


# The first that fits: subclasses stand before what they derive from.
_STATUS: Mapping[type[LeukNetError], int] = {
    ForgedError: 403,
    ForbiddenError: 403,
    SlowDownError: 429,
    NotFoundError: 404,
    BusyError: 429,
    ConflictError: 409,
    AccountError: 422,
    StoreError: 503,
    SettingError: 422,
    DataError: 422,
    MissingExtraError: 501,
}

_PLAIN = {400: "bad_request", 404: "not_found", 405: "method", 413: "too_large", 408: "too_slow"}


def not_here() -> NotFoundError:
    """Return the error for whatever a user may not see or that does not exist: the two must look alike."""
    return NotFoundError(
        text("error.not_found.what"), why=text("error.not_found.why"), fix=text("error.not_found.fix")
    )


def status_of(error: LeukNetError) -> int:
    """Return the HTTP status that says of what sort an error is."""
    return next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)


def too_large(request: Request) -> Response:
    """Return the answer to a request whose body is said to be too large; nobody will read that body."""
    return answer(request, 413, _words("too_large"), headers={"Connection": "close"})


def answer_errors(app: FastAPI) -> None:
    """Let an application answer every error in words."""
    app.add_exception_handler(LeukNetError, _known)
    app.add_exception_handler(NeedsSignInError, _sign_in)
    app.add_exception_handler(RequestValidationError, _misfit)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(Exception, _bug)


def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, LeukNetError)  # noqa: S101
    status = status_of(error)
    headers = {}
    if isinstance(error, SlowDownError):
        headers["Retry-After"] = str(error.seconds)
    elif status == 503:
        _log.warning("%s: %s", error.what, error.why)
        headers["Retry-After"] = "10"
        # The error itself names the database's address.
        error = StoreError(text("error.database.what"), why=text("error.database.why"), fix=error.fix)
    return answer(request, status, error, headers=headers)


def _sign_in(request: Request, error: Exception) -> Response:
    if request.url.path.startswith(API):
        return answer(request, 401, _words("unsigned"), headers={"WWW-Authenticate": "Bearer"})
    if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
        return RedirectResponse(f"/sign-in?next={request.url.path}", 303)
    return answer(request, 401, _words("unsigned"))


def _misfit(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    faults = error.errors()
    if any(fault["loc"][:1] == ("path",) for fault in faults):
        return answer(request, 404, not_here())  # an id of another form is an id that does not exist
    told = "; ".join(f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in faults[:5])
    # A field's name is the client's own: half a character of it cannot be sent back.
    told = told.encode(errors="backslashreplace").decode()
    words = LeukNetError(text("error.misfit.what"), why=told, fix=text("error.misfit.fix"))
    return answer(request, 422, words)


def _plain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    words = _words(_PLAIN.get(error.status_code, "bad_request"))
    headers = dict(error.headers or {})
    if error.status_code in (408, 413):
        headers["Connection"] = "close"  # else the server would read on, to reach the next request
    return answer(request, error.status_code, words, headers=headers)


def _bug(request: Request, error: Exception) -> Response:
    _log.error("%s %s", request.method, request.url.path, exc_info=error)
    return answer(request, 500, _words("bug"))


def _words(name: str) -> LeukNetError:
    what, why, fix = (text(f"error.{name}.{part}") for part in ("what", "why", "fix"))
    return LeukNetError(what, why=why, fix=fix)


def answer(
    request: Request, status: int, error: LeukNetError, *, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error as JSON or as a page."""
    told = dict(headers or {})
    if request.url.path.startswith(API) or "application/json" in request.headers.get("Accept", ""):
        body = {
            "type": "about:blank",
            "status": status,
            "title": error.what,
            "detail": error.why,
            "fix": error.fix,
        }
        return JSONResponse(body, status, headers=told, media_type="application/problem+json")
    return render_page(request, "error.html", {"error": error}, status=status, headers=told)
