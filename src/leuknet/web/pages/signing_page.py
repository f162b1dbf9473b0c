"""How a case ends: what is decided, what is open, the signature, and what can be taken away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from leuknet.errors import LeukNetError
from leuknet.room.labels import LABEL_OUTCOMES
from leuknet.room.signing import SUFFIXES, readiness, sign_case
from leuknet.room.webhook import queue_event
from leuknet.store.accounts import names_of
from leuknet.store.notes import notes_of
from leuknet.store.nouns import Case, User
from leuknet.store.signatures import AMENDMENT, reopen, signatures_of
from leuknet.store.uploads import find_upload, give_up
from leuknet.types import ModelCard
from leuknet.web.downloads import labelled_answer, signed_answer
from leuknet.web.error_answers import not_here, status_of
from leuknet.web.model_facts import model_of
from leuknet.web.permissions import Configured, Files, Lead, OpenStore, SignedIn, VisibleCase
from leuknet.web.settings import Settings
from leuknet.web.templating import at_least, render_page

router = APIRouter()

Reason = Annotated[str, Form(max_length=20_000)]

# A report holds its own styles and pictures, and no script; it may do nothing else, whatever is in it.
_REPORT_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
)


@router.get("/cases/{case_id}/signing")
def signing(request: Request, case: VisibleCase, user: SignedIn, store: OpenStore) -> Response:
    """What is decided of a case, what stands in the way of signing it, and its signed versions."""
    return _page(request, case, user, store)


@router.post("/cases/{case_id}/sign")
def sign(
    request: Request,
    case: VisibleCase,
    user: Lead,
    store: OpenStore,
    files: Files,
    settings: Configured,
    reason: Reason = "",
) -> Response:
    """Sign a case and lock it."""
    now = datetime.now(UTC)
    try:
        sign_case(store, files, case, user=user, reason=reason, now=now, models=models_of(settings))
    except LeukNetError as error:
        return _page(request, case, user, store, error=error, reason=reason)
    queue_event(store, case.id, "case.signed", webhook=settings.webhook, actor=user.actor)
    return RedirectResponse(f"/cases/{case.id}/signing", 303)


@router.post("/cases/{case_id}/uploads/{upload_id}/give-up")
def give_up_upload(
    request: Request, case: VisibleCase, upload_id: UUID, user: Lead, store: OpenStore, files: Files
) -> Response:
    """End an upload that stands in the way of signing, whoever began it."""
    upload = find_upload(store, upload_id)
    if upload is None or upload.case_id != case.id:
        raise not_here()
    try:
        give_up(store, upload, actor=user.actor)
    except LeukNetError as error:
        return _page(request, case, user, store, error=error)
    files.part(upload.id).unlink(missing_ok=True)
    return RedirectResponse(f"/cases/{case.id}/signing", 303)


@router.post("/cases/{case_id}/reopen")
def amend(request: Request, case: VisibleCase, user: Lead, store: OpenStore, reason: Reason = "") -> Response:
    """Open a signed case again for an amendment."""
    try:
        reopen(store, case.id, user=user, reason=reason)
    except LeukNetError as error:
        return _page(request, case, user, store, error=error, reason=reason)
    return RedirectResponse(f"/cases/{case.id}/signing", 303)


@router.get("/cases/{case_id}/signed/{version}/report{suffix}")
def report(case: VisibleCase, version: int, suffix: str, store: OpenStore, files: Files) -> Response:
    """A signed version in one of its forms."""
    answer = signed_answer(store, files, case, version, suffix, shown=suffix in (".html", ".pdf"))
    if suffix == ".html":
        answer.headers["Content-Security-Policy"] = _REPORT_POLICY
    return answer


@router.get("/cases/{case_id}/labelled.zip")
def labelled(case: VisibleCase, user: Lead, store: OpenStore, files: Files) -> Response:
    """The cells with a label as a data set for training."""
    return labelled_answer(store, files, [case], f"labelled-{case.id}.zip")


def models_of(settings: Settings) -> Mapping[str, ModelCard]:
    """Return the cards of the models that this room has, by model id."""
    model = model_of(settings)
    return {} if model is None else dict.fromkeys(model.ids, model.card)


def _amendment(store: OpenStore, case: Case) -> str:
    """Return why a case was opened again, as its note says: what its next version's reason begins with."""
    notes = [note.text for note in notes_of(store, case.id) if note.text.startswith(AMENDMENT)]
    return notes[-1].partition(": ")[2] if notes else ""


def _page(
    request: Request,
    case: Case,
    user: User,
    store: OpenStore,
    *,
    error: LeukNetError | None = None,
    reason: str = "",
) -> Response:
    ready = readiness(store, case)
    if not reason and ready.version > 1:
        reason = _amendment(store, case)
    content = {
        "case": case,
        "ready": ready,
        "counts": [(outcome, ready.counts.get(outcome, 0)) for outcome in LABEL_OUTCOMES],
        "signatures": signatures_of(store, case.id)[::-1],
        "names": names_of(store),
        "suffixes": SUFFIXES,
        "may_sign": at_least(user, "lead"),
        "error": error,
        "reason": reason,
    }
    return render_page(request, "signing.html", content, status=200 if error is None else status_of(error))
