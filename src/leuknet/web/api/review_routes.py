"""What the account says of cells; what others say is for leads, under `/labels`."""

from __future__ import annotations

from fastapi import APIRouter

from leuknet.store.cell_nouns import NewReview, Review
from leuknet.store.reviews import save_review, undo_review
from leuknet.web.api.access import JSON_BODY, ApiCell, ApiUser
from leuknet.web.api.problems import problems
from leuknet.web.api.schemas import OwnReview, SentReview, Undo
from leuknet.web.permissions import OpenStore
from leuknet.web.pools import DECISIONS, decides, in_pool

router = APIRouter(tags=["Reviews"], prefix="/cases/{case_id}/cells/{cell_id}/reviews")

_SENT = problems(400, 404, 408, 409, 413, 415, 422)


@router.get("", responses=problems(404))
def own_review(found: ApiCell) -> OwnReview:
    """Tell what this account says of a cell."""
    return OwnReview(review=found.review)


@router.post("", status_code=201, dependencies=[JSON_BODY], responses=_SENT)
@decides
async def save(new: SentReview, found: ApiCell, user: ApiUser, store: OpenStore) -> Review:
    """Say what a cell is. It is on the disk when the answer comes; what was said before is kept."""
    review = NewReview(found.cell.id, user.id, new.verdict, new.note)
    return await in_pool(DECISIONS, save_review, store, review, expected_review_id=new.expected_review_id)


@router.post("/undo", status_code=201, dependencies=[JSON_BODY], responses=_SENT)
@decides
async def undo(new: Undo, found: ApiCell, user: ApiUser, store: OpenStore) -> Review:
    """Take the newest review back: what held before it holds again."""
    cell_id, expected = found.cell.id, new.expected_review_id
    return await in_pool(
        DECISIONS, undo_review, store, cell_id, reader_id=user.id, expected_review_id=expected
    )
