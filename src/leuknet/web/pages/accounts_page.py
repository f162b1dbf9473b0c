"""One's own account, and the list of accounts that admins keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from leuknet.errors import AccountError
from leuknet.store import accounts
from leuknet.store.database import Store
from leuknet.store.nouns import ROLES, Role
from leuknet.store.sign_in import create_api_token, list_api_tokens, revoke_api_token
from leuknet.web.cookies import SESSION_COOKIE
from leuknet.web.error_answers import not_here
from leuknet.web.pages.signing_in import Name, Password
from leuknet.web.permissions import Admin, OpenStore, SignedIn
from leuknet.web.templating import render_page
from leuknet.web.text import text

router = APIRouter()


@router.get("/account")
def own_account(request: Request, user: SignedIn, store: OpenStore) -> Response:
    """One's own account: password and API tokens."""
    return _own(request, user.id, store)


@router.post("/account/password")
def change_own_password(
    request: Request, user: SignedIn, current: Password, password: Password, store: OpenStore
) -> Response:
    """Change one's own password; all sessions and tokens end, this session too."""
    request.app.state.rate_limit.count("password", accounts.folded_name(user.name))
    if accounts.verify_password(store, user.name, current) is None:
        what, why, fix = (text(f"account.wrong.{part}") for part in ("what", "why", "fix"))
        return _own(request, user.id, store, error=AccountError(what, why=why, fix=fix))
    try:
        accounts.change_password(store, user.id, password=password, actor=user.actor)
    except AccountError as error:
        return _own(request, user.id, store, error=error)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


@router.post("/account/tokens")
def make_token(
    request: Request, user: SignedIn, name: Annotated[str, Form(max_length=100)], store: OpenStore
) -> Response:
    """Make an API token, and show it this once."""
    try:
        token, _ = create_api_token(store, user, name)
    except AccountError as error:
        return _own(request, user.id, store, error=error)
    return _own(request, user.id, store, new_token=token)


@router.post("/account/tokens/{token_id}/revoke")
def revoke_token(user: SignedIn, token_id: int, store: OpenStore) -> Response:
    """Make one of one's own tokens worthless."""
    if token_id not in {token.id for token in list_api_tokens(store, user.id)}:
        raise not_here()
    revoke_api_token(store, token_id, actor=user.actor)
    return RedirectResponse("/account", 303)


@router.get("/accounts")
def all_accounts(request: Request, _admin: Admin, store: OpenStore) -> Response:
    """All accounts."""
    return _all(request, store)


@router.post("/accounts")
def make_account(
    request: Request,
    admin: Admin,
    name: Name,
    password: Password,
    role: Annotated[Role, Form()],
    store: OpenStore,
) -> Response:
    """Make an account."""
    return _changed(
        request,
        store,
        lambda: accounts.create_user(store, name, password=password, role=role, actor=admin.actor),
    )


@router.post("/accounts/{user_id}/role")
def change_role(
    request: Request, admin: Admin, user_id: int, role: Annotated[Role, Form()], store: OpenStore
) -> Response:
    """Let an account do more or less."""
    return _changed(request, store, lambda: accounts.set_role(store, user_id, role, actor=admin.actor))


@router.post("/accounts/{user_id}/active")
def switch_account(
    request: Request, admin: Admin, user_id: int, active: Annotated[bool, Form()], store: OpenStore
) -> Response:
    """Switch an account on or off."""
    return _changed(
        request, store, lambda: accounts.set_active(store, user_id, active=active, actor=admin.actor)
    )


@router.post("/accounts/{user_id}/password")
def reset_password(
    request: Request, admin: Admin, user_id: int, password: Password, store: OpenStore
) -> Response:
    """Give an account another password."""
    return _changed(
        request, store, lambda: accounts.change_password(store, user_id, password=password, actor=admin.actor)
    )


def _own(
    request: Request,
    user_id: int,
    store: OpenStore,
    *,
    error: AccountError | None = None,
    new_token: str | None = None,
) -> Response:
    tokens = [token for token in list_api_tokens(store, user_id) if token.revoked_at is None]
    status = 200 if error is None else 422
    content = {"tokens": tokens, "new_token": new_token, "error": error}
    return render_page(request, "account.html", content, status=status)


def _changed(request: Request, store: Store, change: Callable[[], object]) -> Response:
    """Make a change and lead back to the list; with what is wrong at its head if it cannot be made."""
    try:
        change()
    except AccountError as error:
        return _all(request, store, error=error)
    return RedirectResponse("/accounts", 303)


def _all(request: Request, store: Store, *, error: AccountError | None = None) -> Response:
    content = {"accounts": accounts.list_users(store), "roles": ROLES, "error": error}
    return render_page(request, "accounts.html", content, status=200 if error is None else 422)
