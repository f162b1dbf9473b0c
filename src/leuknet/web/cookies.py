"""The two cookies: a session, and a mark for browsers that are not signed in; and what forms carry of them.

Start at `form_token`.
"""

from __future__ import annotations

import hashlib
import secrets

from fastapi import Request, Response

from leuknet.web.settings import Settings

SESSION_COOKIE, VISIT_COOKIE = "leuknet_session", "leuknet_visit"


def form_token(cookie: str) -> str:
    """Return what a form must carry to be ours: only who knows the browser's cookie can make it."""
    return hashlib.sha256(f"form:{cookie}".encode()).hexdigest()


def cookie_of(request: Request) -> str | None:
    """Return the browser's session, or the mark that it got before it had one."""
    return request.cookies.get(SESSION_COOKIE) or request.cookies.get(VISIT_COOKIE)


def token_for(request: Request) -> tuple[str, str | None]:
    """Return the token for the forms of a page, and a new mark where the browser has no cookie yet."""
    cookie = cookie_of(request)
    if cookie is not None:
        return form_token(cookie), None
    visit = secrets.token_urlsafe(16)
    return form_token(visit), visit


def set_cookie(answer: Response, name: str, value: str, *, settings: Settings) -> None:
    """Give a browser a cookie that no script reads, no other site's form sends, and that ends with it."""
    answer.set_cookie(name, value, httponly=True, samesite="lax", secure=settings.is_secure, path="/")
