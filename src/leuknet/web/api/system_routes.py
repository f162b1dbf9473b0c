"""Whether the reading room answers, who the token acts for, and the page that describes the API."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from leuknet.store.accounts import list_users
from leuknet.store.nouns import Account
from leuknet.web.api.access import ApiUser
from leuknet.web.api.reference import read_reference
from leuknet.web.api.schemas import Health
from leuknet.web.permissions import OpenStore
from leuknet.web.templating import render_page

router = APIRouter(tags=["Account"])
open_router = APIRouter(tags=["Reading room"])


@open_router.get("/health")
def health(store: OpenStore) -> Health:
    """Tell whether the reading room and its database answer; needs no token."""
    list_users(store)  # raises if the database is gone
    return Health(status="ok", version=version("leuknet"))


@open_router.get("/docs", include_in_schema=False)
def reference(request: Request) -> HTMLResponse:
    """The description of the API as a page that needs no script and no network."""
    return render_page(request, "api.html", {"reference": read_reference(request.app.openapi())})


@router.get("/me")
def me(user: ApiUser) -> Account:
    """Tell which account the token acts for."""
    return user
