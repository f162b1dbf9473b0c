"""The first account, signing in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from leuknet.errors import AccountError
from leuknet.room.demonstration import add_demonstration
from leuknet.store.accounts import create_first_account, folded_name, verify_password
from leuknet.store.nouns import User
from leuknet.store.sign_in import end_session, start_session
from leuknet.web.cookies import SESSION_COOKIE, set_cookie
from leuknet.web.permissions import Configured, Files, OpenStore
from leuknet.web.templating import render_page
from leuknet.web.text import text

router = APIRouter()

Name = Annotated[str, Form(max_length=400)]
Password = Annotated[str, Form(max_length=4000)]


@router.get("/first-account/{token}")
def first_account(request: Request, token: str) -> Response:
    """The page to which the server's one-time link leads."""
    return render_page(request, "first_account.html", {"token": token, "name": "", "error": None})


@router.post("/first-account/{token}")
def make_first_account(
    request: Request,
    token: str,
    name: Name,
    password: Password,
    store: OpenStore,
    files: Files,
    settings: Configured,
) -> Response:
    """Make the first account, an admin, and sign it in."""
    request.app.state.rate_limit.count("sign-in", request.client.host if request.client else "")
    try:
        user = create_first_account(store, token, name, password=password)
    except AccountError as error:
        content = {"token": token, "name": name, "error": error}
        return render_page(request, "first_account.html", content, status=422)
    if settings.demo:
        add_demonstration(store, files, user=user)
    return _with_session(user, "/cases", store, settings)


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/cases") -> Response:  # noqa: A002 - the word in the address
    """Where one signs in."""
    return render_page(request, "sign_in.html", {"next": _own_path(next), "name": "", "error": None})


@router.post("/sign-in")
def sign_in(
    request: Request,
    name: Name,
    password: Password,
    store: OpenStore,
    settings: Configured,
    next: Annotated[str, Form()] = "/cases",  # noqa: A002
) -> Response:
    """Start a session; a wrong name and a wrong password look alike, and both count against guessing."""
    limit = request.app.state.rate_limit
    limit.count("sign-in", request.client.host if request.client else "")
    limit.count("password", folded_name(name))
    user = verify_password(store, name, password)
    if user is None:
        what, why, fix = (text(f"sign_in.wrong.{part}") for part in ("what", "why", "fix"))
        wrong = AccountError(what, why=why, fix=fix)
        content = {"next": _own_path(next), "name": name, "error": wrong}
        return render_page(request, "sign_in.html", content, status=401)
    return _with_session(user, _own_path(next), store, settings)


@router.post("/sign-out")
def sign_out(request: Request, store: OpenStore) -> Response:
    """End the browser's session, if it has one."""
    token = request.cookies.get(SESSION_COOKIE)
    if token is not None:
        end_session(store, token)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


def _with_session(user: User, path: str, store: OpenStore, settings: Configured) -> Response:
    # Always a new token: one that somebody planted before signing in is worth nothing after it.
    token, _ = start_session(store, user)
    answer = RedirectResponse(path, 303)
    set_cookie(answer, SESSION_COOKIE, token, settings=settings)
    return answer


def _own_path(path: str) -> str:
    """Return a path of ours, never another site's address."""
    # Browsers read a backslash as a slash, and drop control characters.
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_ours else "/cases"
