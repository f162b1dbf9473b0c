"""What the account says of cells; what others say is for leads, under `/labels`."""

from __future__ import annotations

from fastapi import APIRouter

from leuknet.store.nouns import NewReview
from leuknet.store.reviews import save_review, undo_review
from leuknet.web.api.access import JSON_BODY, ApiCell, ApiUser
from leuknet.web.api.problems import problems
from leuknet.web.api.schemas import NewReviewShape, OwnReview, ReviewShape, Undo
from leuknet.web.who import Room

router = APIRouter(tags=["Reviews"], prefix="/cases/{case_id}/cells/{cell_id}/reviews")

_SENT = problems(400, 404, 408, 409, 413, 415, 422)


@router.get("", responses=problems(404))
def own_review(found: ApiCell) -> OwnReview:
    """Tell what this account says of a cell."""
    return OwnReview(review=None if found.review is None else ReviewShape.model_validate(found.review))


@router.post("", status_code=201, dependencies=[JSON_BODY], responses=_SENT)
def save(new: NewReviewShape, found: ApiCell, user: ApiUser, store: Room) -> ReviewShape:
    """Say what a cell is. It is on the disk when the answer comes; what was said before is kept."""
    review = NewReview(found.cell.id, user.id, new.verdict, new.note)
    saved = save_review(store, review, expected_review_id=new.expected_review_id)
    return ReviewShape.model_validate(saved)


@router.post("/undo", status_code=201, dependencies=[JSON_BODY], responses=_SENT)
def undo(new: Undo, found: ApiCell, user: ApiUser, store: Room) -> ReviewShape:
    """Take the newest review back: what held before it holds again."""
    expected = new.expected_review_id
    saved = undo_review(store, found.cell.id, reader_id=user.id, expected_review_id=expected)
    return ReviewShape.model_validate(saved)
