"""What a reader of a study sees: one cell after another, and nothing that could sway or tell.

Neither a page, nor its data, nor the address of a picture names the cell, its image or case, other readers,
or whether it was shown before: a reader's phase and position are all that is said. What the model says
comes with the cell in the assisted phase alone.

Start at `reading_page`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from leuknet.errors import ConflictError
from leuknet.room.showing import shown_anew
from leuknet.store.cases import find_image
from leuknet.store.cell_nouns import GivenVerdict
from leuknet.store.cells import find_cell
from leuknet.store.database import Store
from leuknet.store.nouns import User
from leuknet.store.study_nouns import PHASES, NewStudyRead, Phase, Study, StudyItem
from leuknet.store.study_pictures import shown_cell
from leuknet.store.study_reads import item_at, next_item, progress, read_history, save_read, undo_read
from leuknet.web.error_answers import not_here
from leuknet.web.pages.study_access import ReadStudy, model_word, picture_of
from leuknet.web.permissions import Files, OpenStore, SignedIn
from leuknet.web.pools import DECISIONS, decides, in_pool
from leuknet.web.templating import render_page
from leuknet.web.text import texts_under

router = APIRouter(prefix="/studies/{study_id}/read")

LONGEST_S = 3600.0
"""Most seconds that count for one cell: who is longer at it has left the window open."""

Position = Annotated[int, Path(ge=1, le=10_000_000)]
ReadId = Annotated[str, Form(pattern=r"^\d{0,18}$")]
Note = Annotated[str, Form(max_length=4000)]


@router.get("")
def reading_page(request: Request, user: SignedIn, store: OpenStore, study: ReadStudy) -> Response:
    """The cell whose turn it is; or, if there is none, why."""
    item = next_item(store, study.id, reader_id=user.id)
    if item is None:
        return own_page(request, store, study, user)
    shown = _shown(store, study, item)
    content = {"study": study, "shown": shown, "state": as_data(shown), "texts": as_data(_script_texts())}
    return render_page(request, "study_read.html", content)


@router.get("/{phase}/{position}/view.png")
def view(
    user: SignedIn, store: OpenStore, files: Files, study: ReadStudy, phase: Phase, position: Position
) -> Response:
    """The cell at a place of the reader's own order; no browser keeps it, since others share its address."""
    found = shown_cell(store, study.id, reader_id=user.id, phase=phase, position=position)
    if found is None:
        raise not_here()
    showing = (study.seed, user.id, PHASES.index(phase), position)
    return Response(shown_anew(picture_of(store, files, *found), showing), media_type="image/png")


@router.post("/{phase}/{position}")
@decides
async def save(
    request: Request,
    user: SignedIn,
    store: OpenStore,
    study: ReadStudy,
    phase: Phase,
    position: Position,
    verdict: Annotated[GivenVerdict, Form()],
    expected: ReadId = "",
    note: Note = "",
    shown_at: Annotated[float, Form(allow_inf_nan=False)] = 0.0,
    seconds: Annotated[float | None, Form(allow_inf_nan=False)] = None,
) -> Response:
    """Save what the reader says, and go on; the same once more, its answer having been lost, is no error."""
    supersedes = int(expected) if expected else None

    def decide() -> Response:
        item = _item(store, study, user, phase=phase, position=position)
        told = NewStudyRead(item.id, verdict, plain_lines(note), bounded_seconds(seconds, since=shown_at))
        with _once(store, study, user, item, (verdict, told.note, supersedes)):
            save_read(store, told, reader_id=user.id, expected_read_id=supersedes)
        return _go_on(request, store, study, user)

    return await in_pool(DECISIONS, decide)


@router.post("/{phase}/{position}/undo")
@decides
async def undo(
    request: Request,
    user: SignedIn,
    store: OpenStore,
    study: ReadStudy,
    phase: Phase,
    position: Position,
    expected: ReadId,
) -> Response:
    """Take back what the reader said of an earlier cell, and show it again."""
    supersedes = int(expected or 0)

    def take_back() -> Response:
        item = _item(store, study, user, phase=phase, position=position)
        with _once(store, study, user, item, ("withdrawn", "", supersedes)):
            undo_read(store, item.id, reader_id=user.id, expected_read_id=supersedes)
        return _go_on(request, store, study, user)

    return await in_pool(DECISIONS, take_back)


def own_page(request: Request, store: Store, study: Study, user: User) -> Response:
    """Return a reader's page of a study: what it asks, how far the reader is, when it goes on."""
    state = progress(store, study.id, reader_id=user.id)
    content = {"study": study, "state": state, "standing": standing(study, state)}
    return render_page(request, "study_own.html", content)


def standing(study: Study, state: Any) -> Literal["closed", "through", "reading", "waiting"]:
    """Return where a reader stands: `waiting` is for the assisted phase."""
    if state.read == state.total:
        return "through"
    if study.state == "closed":
        return "closed"
    return "waiting" if state.phase is None else "reading"


def bounded_seconds(seconds: float | None, *, since: float, now: float | None = None) -> float:
    """Return the time that a reader looked at a cell, as far as it can be true.

    Parameters
    ----------
    seconds
        As the page counted it; None if it ran no script, and all the time since it was sent counts.
    since
        When the page was sent, in seconds since 1970.
    now
        The present, if it is not now.
    """
    passed = max(0.0, (time.time() if now is None else now) - since)
    return round(min(passed if seconds is None else max(0.0, seconds), passed, LONGEST_S), 2)


def as_data(shown: dict[str, Any]) -> str:
    """Return data for a script as JSON that is safe within a page."""
    return json.dumps(shown).replace("<", "\\u003c")


@contextmanager
def _once(
    store: Store, study: Study, user: User, item: StudyItem, said: tuple[str, str, int | None]
) -> Iterator[None]:
    """Let the same be said once more, its first answer having been lost.

    `said` is the verdict, its note, and the read of which they take the place.
    """
    try:
        yield
    except ConflictError:
        read = _item(store, study, user, phase=item.phase, position=item.position).read
        if read is None or (read.verdict, read.note, read.supersedes) != said:
            raise


def _go_on(request: Request, store: Store, study: Study, user: User) -> Response:
    if "application/json" not in request.headers.get("Accept", ""):
        return RedirectResponse(f"/studies/{study.id}/read", 303)
    item = next_item(store, study.id, reader_id=user.id)
    return JSONResponse({"done": True} if item is None else _shown(store, study, item))


def _item(store: Store, study: Study, user: User, *, phase: Phase, position: int) -> StudyItem:
    item = item_at(store, study.id, reader_id=user.id, phase=phase, position=position)
    if item is None:
        raise not_here()
    return item


def _shown(store: Store, study: Study, item: StudyItem) -> dict[str, Any]:
    """Return all that the page knows of an item: what is not in here, no reader can find."""
    here = f"/studies/{study.id}/read/{item.phase}"
    state = progress(store, study.id, reader_id=item.reader_id)
    phase = next(found for found in state.phases if found.phase == item.phase)
    before = item_at(store, study.id, reader_id=item.reader_id, phase=item.phase, position=item.position - 1)
    undo = before if before and before.read and before.read.verdict != "withdrawn" else None
    image = find_image(store, item.image_id)
    earlier = [read for read in read_history(store, item.id) if read.verdict != "withdrawn"]
    return {
        "phase": item.phase,
        "position": item.position,
        "total": phase.total,
        "read": phase.read,
        "last": phase.read == phase.total - 1,
        "address": f"{here}/{item.position}",
        "picture": f"{here}/{item.position}/view.png",
        "next_picture": f"{here}/{item.position + 1}/view.png" if item.position < phase.total else None,
        "microns_per_pixel": None if image is None else image.microns_per_pixel,
        "expected": "" if item.read is None else str(item.read.id),
        "shown_at": round(time.time(), 2),
        "before": {"verdict": earlier[-1].verdict, "note": earlier[-1].note} if earlier else None,
        "undo": None
        if undo is None or undo.read is None
        else {"address": f"{here}/{undo.position}/undo", "expected": str(undo.read.id)},
        "model": _model(store, item) if item.phase == "assisted" else None,
    }


def _script_texts() -> dict[str, str]:
    """Return the words of the page's script: those of the page that it changes, and its own."""
    page = texts_under("study")
    shared = {
        key: page[key] for key in ("count", "cell_alt", "before", "model", "probability", "no_probability")
    }
    error = {key: texts_under("error")[key] for key in ("why", "fix")}
    return shared | error | texts_under("verdict") | texts_under("study_script")


def _model(store: Store, item: StudyItem) -> dict[str, Any] | None:
    cell = find_cell(store, item.cell_id)
    if cell is None:
        return None
    word = model_word(cell.outcome)
    return {"probability": cell.probability, "outcome": word, "warnings": list(cell.warnings)}


def plain_lines(note: str) -> str:
    """Return a note as it was typed: forms send line breaks of their own."""
    return note.replace("\r\n", "\n").strip()
