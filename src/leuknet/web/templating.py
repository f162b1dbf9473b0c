"""Turns templates into answers. Start at `render_page`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leuknet.store.nouns import ROLES, User
from leuknet.web.cookies import VISIT_COOKIE, set_cookie, token_for
from leuknet.web.text import text, texts_under

STATIC = Path(__file__).parent / "static"


def render_page(
    request: Request,
    template: str,
    content: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Return a template of the folder `templates` as an answer; a name that it lacks is an error.

    Every template has `t` (see `leuknet.web.text.text`), `user` (None if nobody is signed in), `form_token`,
    `path`, `worker_trouble` (None unless a lead is to know of it), and the filters `when` and `share`.
    """
    user: User | None = getattr(request.state, "user", None)
    token, visit = token_for(request)
    html = (
        _environment()
        .get_template(template)
        .render(
            user=user,
            form_token=token,
            path=request.url.path,
            worker_trouble=request.app.state.workers.trouble if at_least(user, "lead") else None,
            **(content or {}),
        )
    )
    answer = HTMLResponse(html, status, headers=dict(headers or {}))
    if visit is not None:
        set_cookie(answer, VISIT_COOKIE, visit, settings=request.app.state.settings)
    return answer


def script_texts(prefix: str) -> str:
    """Return the texts of a script as JSON that is safe within a page."""
    return json.dumps(texts_under(prefix)).replace("<", "\\u003c")


def when(moment: datetime) -> str:
    """Return a time as a person reads it, UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def at_least(user: User | None, role: str) -> bool:
    """Whether an account may do what a role may."""
    return user is not None and ROLES.index(user.role) >= ROLES.index(role)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"t": text, "version": version("leuknet"), "asset": _asset, "at_least": at_least}
    environment.filters |= {"when": when}
    return environment


@lru_cache(maxsize=64)
def _asset(name: str) -> str:
    """Return a static file's address, which changes with its content: browsers may keep it for ever."""
    return f"/static/{name}?{sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"
