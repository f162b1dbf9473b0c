"""One cell of a case: its panel beside the gallery, what a reader decides of it, and why the model says so.

Start at `panel` and `review`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from leuknet.errors import ConflictError
from leuknet.explain.occlusion import MAP_LEGEND
from leuknet.fields.surroundings import shown_square
from leuknet.room.cards import meaning_of
from leuknet.room.room_files import RoomFiles
from leuknet.room.similar import similar_cells
from leuknet.room.swaying import may_see_others, reviews_to_show
from leuknet.store.accounts import names_of
from leuknet.store.cases import find_image
from leuknet.store.cell_nouns import CaseCell, GivenVerdict, NewReview, ReaderReview
from leuknet.store.cell_pages import ReadCell
from leuknet.store.database import Store
from leuknet.store.gallery import images_of_cells
from leuknet.store.jobs import add_job, jobs_of
from leuknet.store.nouns import CaseImage, User
from leuknet.store.reviews import current_review, review_history, save_review, undo_review
from leuknet.types import FLAG_MEANINGS, CellBox
from leuknet.web.error_answers import answer, not_here
from leuknet.web.model_facts import class_names_of
from leuknet.web.pages.case_nouns import CellOfCase
from leuknet.web.pages.case_pictures import map_path
from leuknet.web.permissions import Configured, Files, OpenStore, SignedIn, VisibleCase
from leuknet.web.pools import DECISIONS, decides, in_pool
from leuknet.web.templating import render_page

router = APIRouter(prefix="/cases/{case_id}")

N_SIMILAR = 8


class Decision(BaseModel):
    """What a reader says of a cell, and which review of theirs it takes the place of."""

    verdict: GivenVerdict
    note: Annotated[str, Field(max_length=4000)] = ""
    expected_review_id: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None


class Undo(BaseModel):
    """Which review is taken back."""

    expected_review_id: Annotated[int, Field(ge=1, le=2**63 - 1)]


@router.get("/cells/{cell_id}/panel")
def panel(
    request: Request,
    case: VisibleCase,
    found: CellOfCase,
    user: SignedIn,
    store: OpenStore,
    files: Files,
    settings: Configured,
) -> Response:
    """All about one cell beside the gallery."""
    image = find_image(store, found.cell.image_id)
    if image is None:
        raise not_here()
    history = review_history(store, found.cell.id)
    names = names_of(store)
    content = {
        "case": case,
        "image": image,
        "cell": found.cell,
        "meaning": meaning_of(found.cell.outcome, class_names_of(settings)),
        "own": found.review,
        "shown": _shown(found.cell.box, found.cell.outline, image),
        "history": [(names[shown.reader_id], shown) for shown in reversed(reviews_to_show(history, user))],
        "others_hidden": not may_see_others(history, user),
        "similar": _similar(store, case.id, found.cell.id),
        "flag_meanings": FLAG_MEANINGS,
        "map": _map_state(store, case.id, found.cell, files),
        "map_legend": MAP_LEGEND,
        "has_crop": image.kind != "crop" and files.crop(image.id, found.cell.id).is_file(),
    }
    return render_page(request, "parts/cell_panel.html", content)


@router.post("/cells/{cell_id}/review")
@decides
async def review(
    request: Request,
    case: VisibleCase,
    found: CellOfCase,
    user: SignedIn,
    store: OpenStore,
    decision: Decision,
) -> Response:
    """Save what the reader says of a cell; 409 with what is there now if they said otherwise elsewhere."""
    new = NewReview(found.cell.id, user.id, decision.verdict, decision.note.strip())
    expected = decision.expected_review_id

    def decide() -> ReaderReview:
        return save_review(store, new, expected_review_id=expected)

    return await in_pool(DECISIONS, _saved, request, store, found, user, decide)


@router.post("/cells/{cell_id}/undo")
@decides
async def undo(
    request: Request, case: VisibleCase, found: CellOfCase, user: SignedIn, store: OpenStore, taken_back: Undo
) -> Response:
    """Take the reader's newest review of a cell back."""
    cell_id, expected = found.cell.id, taken_back.expected_review_id

    def take_back() -> ReaderReview:
        return undo_review(store, cell_id, reader_id=user.id, expected_review_id=expected)

    return await in_pool(DECISIONS, _saved, request, store, found, user, take_back)


@router.get("/cells/{cell_id}/map")
def map_state(case: VisibleCase, found: CellOfCase, store: OpenStore, files: Files) -> Response:
    """Say whether the explanation of a cell's score is there, waits, or failed and why."""
    return JSONResponse(_map_state(store, case.id, found.cell, files))


@router.post("/cells/{cell_id}/map")
def ask_for_map(
    case: VisibleCase, found: CellOfCase, user: SignedIn, store: OpenStore, files: Files
) -> Response:
    """Let the worker explain a cell's score, unless it is done or waits already."""
    state = _map_state(store, case.id, found.cell, files)
    if state["state"] in ("none", "failed"):
        add_job(store, case.id, "explain", actor=user.actor, detail={"cell": found.cell.id})
        state = {"state": "waiting", "error": ""}
    return JSONResponse(state)


def _map_state(store: Store, case_id: UUID, cell: CaseCell, files: RoomFiles) -> dict[str, str]:
    path = map_path(files, cell)
    if path is None or cell.probability is None:
        return {"state": "never", "error": ""}
    if path.is_file():
        return {"state": "ready", "error": ""}
    explaining = [job for job in jobs_of(store, case_id) if job.kind == "explain"]
    last = next((job for job in reversed(explaining) if job.detail["cell"] == cell.id), None)
    if last is None:
        return {"state": "none", "error": ""}
    told = last.error or str(last.detail.get("note", ""))
    # Done without a picture: the folder of derived files was emptied since, or a note says why.
    if last.state == "done" and not told:
        return {"state": "none", "error": ""}
    return {"state": "waiting" if last.state in ("queued", "running") else "failed", "error": told}


def _told(saved: ReaderReview) -> dict[str, Any]:
    withdrawn = saved.verdict == "withdrawn"
    return {"review_id": saved.id, "verdict": "" if withdrawn else saved.verdict, "note": saved.note}


def _shown(box: CellBox, outline: tuple[tuple[float, float], ...], image: CaseImage) -> dict[str, Any]:
    """Where box and outline of a cell lie within its view."""
    if image.kind == "crop":
        return {"width": image.width_px, "height": image.height_px, "box": None, "outline": ""}
    top, left, side = shown_square(box)
    height, width = box.bottom_px - box.top_px, box.right_px - box.left_px
    points = " ".join(f"{column - left + 0.5:.1f},{row - top + 0.5:.1f}" for row, column in outline)
    frame = {"x": box.left_px - left, "y": box.top_px - top, "width": width, "height": height}
    return {"width": side, "height": side, "box": frame, "outline": points}


def _saved(
    request: Request, store: Store, found: ReadCell, user: User, decide: Callable[[], ReaderReview]
) -> Response:
    """Tell what is saved, or, with 409, what is there now."""
    try:
        return JSONResponse(_told(decide()))
    except ConflictError as error:
        return _conflict(request, error, current_review(store, found.cell.id, reader_id=user.id))


def _conflict(request: Request, error: ConflictError, current: ReaderReview | None) -> Response:
    refused = answer(request, 409, error)
    if not isinstance(refused, JSONResponse):
        return refused
    now = {"review_id": None, "verdict": "", "note": ""} if current is None else _told(current)
    return JSONResponse(
        json.loads(bytes(refused.body)) | {"current": now}, 409, media_type=refused.media_type
    )


def _similar(store: Store, case_id: UUID, cell_id: int) -> list[tuple[int, int]]:
    near = similar_cells(store, case_id, cell_id, limit=N_SIMILAR)
    images = images_of_cells(store, [found.cell_id for found in near])
    return [(found.cell_id, images[found.cell_id]) for found in near]
