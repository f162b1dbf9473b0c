"""Adjudication: a lead decides of the cells on which the readers of a study differ.

Readers are shown under the pseudonyms of the report, and what the model says only once the lead has decided.

Start at `disputes_page`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import RedirectResponse, Response

from leuknet.errors import ConflictError
from leuknet.store.adjudications import adjudicate, disputes
from leuknet.store.cases import find_image
from leuknet.store.cell_nouns import GivenVerdict
from leuknet.store.cells import find_cell
from leuknet.store.database import Store
from leuknet.store.studies import reader_ids_of
from leuknet.store.study_nouns import Dispute, NewAdjudication, Study
from leuknet.web.error_answers import not_here
from leuknet.web.pages.study_access import FinishedStudy, model_word, picture_of, pixels_alone
from leuknet.web.pages.study_reading import Note, ReadId, plain_lines
from leuknet.web.permissions import Files, OpenStore, SignedIn
from leuknet.web.pools import DECISIONS, decides, in_pool
from leuknet.web.templating import render_page

router = APIRouter(prefix="/studies/{study_id}/disputes")

CellId = Annotated[int, Path(ge=1, lt=2**63)]


@router.get("")
def disputes_page(request: Request, store: OpenStore, study: FinishedStudy) -> Response:
    """The next cell that waits for a decision; if none does, all that were decided."""
    found = disputes(store, study.id)
    waiting = next((dispute for dispute in found if dispute.adjudication is None), None)
    if waiting is not None:
        return RedirectResponse(f"/studies/{study.id}/disputes/{waiting.cell_id}", 303)
    return render_page(request, "study_disputes.html", {"study": study, "disputes": found})


@router.get("/{cell_id}")
def dispute_page(request: Request, store: OpenStore, study: FinishedStudy, cell_id: CellId) -> Response:
    """One disputed cell."""
    return _page(request, store, study, cell_id)


@router.get("/{cell_id}/view.png")
def view(store: OpenStore, files: Files, study: FinishedStudy, cell_id: CellId) -> Response:
    """The picture of a disputed cell."""
    _dispute(disputes(store, study.id), cell_id)
    cell = find_cell(store, cell_id)
    if cell is None:
        raise not_here()
    picture = picture_of(store, files, cell.image_id, cell_id)
    return Response(pixels_alone(picture), media_type="image/png")


@router.post("/{cell_id}")
@decides
async def decide(
    request: Request,
    user: SignedIn,
    store: OpenStore,
    study: FinishedStudy,
    cell_id: CellId,
    verdict: Annotated[GivenVerdict, Form()],
    expected: ReadId = "",
    note: Note = "",
) -> Response:
    """Decide of a cell, or decide anew: earlier decisions are kept."""
    new = NewAdjudication(study.id, cell_id, user.id, verdict, plain_lines(note))
    supersedes = int(expected) if expected else None

    def save() -> Response:
        _dispute(disputes(store, study.id), cell_id)
        try:
            adjudicate(store, new, expected_id=supersedes)
        except ConflictError as error:
            return _page(request, store, study, cell_id, error=error)
        return RedirectResponse(f"/studies/{study.id}/disputes/{cell_id}", 303)

    return await in_pool(DECISIONS, save)


def _page(
    request: Request, store: Store, study: Study, cell_id: int, *, error: ConflictError | None = None
) -> Response:
    found = disputes(store, study.id)
    dispute = _dispute(found, cell_id)
    cell = find_cell(store, cell_id)
    image = None if cell is None else find_image(store, cell.image_id)
    if cell is None or image is None:
        raise not_here()
    number = {reader_id: n for n, reader_id in enumerate(reader_ids_of(store, study.id), start=1)}
    place = found.index(dispute)
    content: dict[str, Any] = {
        "study": study,
        "dispute": dispute,
        "said": [(number[reader_id], verdict) for reader_id, verdict in dispute.verdicts],
        "microns_per_pixel": image.microns_per_pixel,
        "model": None if dispute.adjudication is None else replace(cell, outcome=model_word(cell.outcome)),
        "place": place + 1,
        "total": len(found),
        "n_decided": sum(decided.adjudication is not None for decided in found),
        "previous": found[place - 1].cell_id if place else None,
        "next": _next_after(found, place),
        "error": error,
    }
    return render_page(request, "study_dispute.html", content, status=200 if error is None else 409)


def _dispute(found: tuple[Dispute, ...], cell_id: int) -> Dispute:
    dispute = next((disputed for disputed in found if disputed.cell_id == cell_id), None)
    if dispute is None:
        raise not_here()
    return dispute


def _next_after(found: tuple[Dispute, ...], place: int) -> int | None:
    """Return the next cell without a decision, from this one on and round; None if all are decided."""
    order = [*found[place + 1 :], *found[:place]]
    return next((dispute.cell_id for dispute in order if dispute.adjudication is None), None)
