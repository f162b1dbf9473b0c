"""The page of a case: its gallery, what is uploaded into it, notes on it, and who may see it.

Start at `case_page`.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from leuknet.errors import LeukNetError
from leuknet.fields.scale import COARSEST_UM, FINEST_UM
from leuknet.room.intake import received
from leuknet.room.intake_checks import check_scale
from leuknet.store.accounts import list_users
from leuknet.store.cases import give_access, take_access
from leuknet.store.gallery import failed_images, images_to_show
from leuknet.store.notes import LONGEST, add_note, notes_of
from leuknet.store.nouns import Case, User
from leuknet.store.scorings import score_again
from leuknet.store.summaries import people_with_access
from leuknet.store.uploads import uploads_of
from leuknet.web.model_facts import model_of
from leuknet.web.pages.case_events import progress_of
from leuknet.web.pages.case_nouns import ImageOfCase
from leuknet.web.permissions import Configured, Files, Lead, OpenStore, SignedIn, VisibleCase
from leuknet.web.templating import at_least, render_page, script_texts

router = APIRouter(prefix="/cases/{case_id}")

MOST_SHOWN = 200
"""Fields, and images that could not be scored, that a page lists."""

Account = Annotated[int, Form(ge=1, lt=2**63)]

KINDS = ("auto", "crop", "field", "slide", "archive", "table")


@router.get("")
def case_page(
    request: Request, case: VisibleCase, user: SignedIn, store: OpenStore, settings: Configured
) -> Response:
    """The case."""
    return show_case(request, case, user, store, settings)


@router.post("/notes")
def write_note(
    request: Request,
    case: VisibleCase,
    user: SignedIn,
    store: OpenStore,
    settings: Configured,
    note: Annotated[str, Form()],
) -> Response:
    """Add a note on the case as a whole."""
    try:
        add_note(store, case.id, note, user=user)
    except LeukNetError as error:
        return show_case(request, case, user, store, settings, error=error)
    return RedirectResponse(f"/cases/{case.id}#notes", 303)


@router.post("/access")
def give(case: VisibleCase, lead: Lead, store: OpenStore, user_id: Account) -> Response:
    """Let an account see the case."""
    give_access(store, case.id, user_id, actor=lead.actor)
    return RedirectResponse(f"/cases/{case.id}#access", 303)


@router.post("/access/take")
def take(case: VisibleCase, lead: Lead, store: OpenStore, user_id: Account) -> Response:
    """Hide the case from an account again."""
    take_access(store, case.id, user_id, actor=lead.actor)
    return RedirectResponse(f"/cases/{case.id}#access", 303)


@router.post("/images/{image_id}/scale")
def state_scale(
    request: Request,
    case: VisibleCase,
    image: ImageOfCase,
    user: SignedIn,
    store: OpenStore,
    settings: Configured,
    microns_per_pixel: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """State the scale of an image that could not be scored, and let it be tried again."""
    try:
        stated = scale_of(microns_per_pixel)
        score_again(store, image.id, microns_per_pixel=stated, job="score", actor=user.actor)
    except LeukNetError as error:
        return show_case(request, case, user, store, settings, error=error)
    return RedirectResponse(f"/cases/{case.id}", 303)


def scale_of(typed: str) -> float | None:
    """Return a scale as it was typed, with a point or a comma; None for nothing.

    Raises
    ------
    SettingError
        If it is no number, or none of µm per pixel at which cells can be found.
    """
    typed = typed.strip().replace(",", ".")
    if not typed:
        return None
    try:
        stated = float(typed)
    except ValueError:
        stated = -1.0
    check_scale(stated)
    return stated


def show_case(
    request: Request,
    case: Case,
    user: User,
    store: OpenStore,
    settings: Configured,
    *,
    error: LeukNetError | None = None,
) -> Response:
    """Return the page of a case, with an error at its head if there is one."""
    content = _content(case, user, store, request.app.state.files) | {
        "error": error,
        "model": model_of(settings),
        "kinds": KINDS,
        "most_shown": MOST_SHOWN,
        "finest": FINEST_UM,
        "coarsest": COARSEST_UM,
        "texts": script_texts("case_script"),
    }
    return render_page(request, "case.html", content, status=200 if error is None else 422)


def _content(case: Case, user: User, store: OpenStore, files: Files) -> dict[str, Any]:
    people = list_users(store)
    names = {account.id: account.name for account in people}
    allowed = people_with_access(store, [case.id])[case.id] if at_least(user, "lead") else ()
    known = {account.id for account in allowed}
    return {
        "case": case,
        "progress": progress_of(store, case, user),
        "fields": images_to_show(store, case.id, limit=MOST_SHOWN),
        "failed": failed_images(store, case.id, limit=MOST_SHOWN),
        "unfinished": [
            (upload.name, round(100 * received(files, upload) / upload.n_bytes))
            for upload in uploads_of(store, case.id)
            if upload.state == "receiving" and upload.user_id == user.id
        ],
        "notes": [(names[note.user_id], note) for note in notes_of(store, case.id)],
        "longest_note": LONGEST,
        "allowed": allowed,
        "others": [
            account
            for account in people
            if account.active and account.role == "reader" and account.id not in known
        ],
    }
