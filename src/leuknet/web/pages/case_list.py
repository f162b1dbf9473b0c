"""The list of cases, and making a new one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from leuknet.errors import SettingError
from leuknet.store.cases import create_case
from leuknet.store.nouns import User
from leuknet.store.summaries import case_summaries, people_with_access
from leuknet.web.permissions import OpenStore, SignedIn
from leuknet.web.templating import at_least, render_page

router = APIRouter()


@router.get("/cases")
def all_cases(request: Request, user: SignedIn, store: OpenStore) -> Response:
    """The cases that the user may see, the newest first."""
    return _page(request, user, store)


@router.post("/cases")
def make_case(
    request: Request, user: SignedIn, title: Annotated[str, Form(max_length=1000)], store: OpenStore
) -> Response:
    """Make an empty case."""
    try:
        case = create_case(store, title, user=user)
    except SettingError as error:
        return _page(request, user, store, error=error)
    return RedirectResponse(f"/cases/{case.id}", 303)


def _page(request: Request, user: User, store: OpenStore, *, error: SettingError | None = None) -> Response:
    found = case_summaries(store, user)
    ids = [summary.case.id for summary in found]
    content = {
        "cases": found,
        "people": people_with_access(store, ids) if at_least(user, "lead") else None,
        "demonstration": getattr(request.app.state, "demonstration", False),
        "error": error,
    }
    return render_page(request, "cases.html", content, status=200 if error is None else 422)
