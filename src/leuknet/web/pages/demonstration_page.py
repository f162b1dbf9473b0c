"""Simulated cases, one click away."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from leuknet.room.demonstration import add_demonstration
from leuknet.web.permissions import Files, OpenStore, SignedIn

router = APIRouter()


@router.post("/demonstration")
def make_demonstration(user: SignedIn, store: OpenStore, files: Files) -> Response:
    """Add cases of simulated images, which a worker then scores."""
    add_demonstration(store, files, user=user)
    return RedirectResponse("/cases", 303)
