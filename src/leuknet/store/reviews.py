"""What readers decide of cells: only ever added to, as `decisions` says.

Each reader has a line of reviews for each cell. An undo is a further review that restores an earlier one. Two
readers therefore never meet; one reader in two windows does, and then the second to save gets an error.

Start at `save_review` and `current_reviews`.
"""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from leuknet.store.cases import require_open
from leuknet.store.cell_nouns import NewReview, ReaderReview
from leuknet.store.database import Change, Store, not_found
from leuknet.store.decisions import REVIEWS
from leuknet.store.tables import cells, images, reviews


def save_review(store: Store, review: NewReview, *, expected_review_id: int | None) -> ReaderReview:
    """Save what a reader decided; on the disk when this returns.

    Parameters
    ----------
    expected_review_id
        The reader's current review of this cell as the reader saw it, None if there was none.

    Raises
    ------
    ConflictError
        If the reader has decided otherwise since, elsewhere; or the case is signed.
    SettingError
        If the verdict is none that a reader can give.
    StoreError
        If there is no such cell or reader.
    """
    REVIEWS.require_given(review.verdict)
    with store.writing(f"user:{review.reader_id}") as change:
        _require_cell(change, review.cell_id)
        REVIEWS.require_newest(_current(change, review.cell_id, review.reader_id), expected_review_id)
        return REVIEWS.add(change, review, supersedes=expected_review_id, restores=None)


def undo_review(store: Store, cell_id: int, *, reader_id: int, expected_review_id: int) -> ReaderReview:
    """Take a reader's current review back: what held before it holds again, or `withdrawn` if nothing did.

    Undone again, it goes one further back. The reviews that were taken back are kept.

    Raises
    ------
    ConflictError
        If the current review is another, or is itself withdrawn; or the case is signed.
    """
    with store.writing(f"user:{reader_id}") as change:
        _require_cell(change, cell_id)
        current = REVIEWS.require_undoable(_current(change, cell_id, reader_id), expected_review_id)
        # An undo stands for the review that it restores; what that one superseded is one further back.
        undone = current if current.restores is None else REVIEWS.find(change.connection, current.restores)
        before = None if undone.supersedes is None else REVIEWS.find(change.connection, undone.supersedes)
        if before is not None and before.restores is not None:
            before = REVIEWS.find(change.connection, before.restores)
        if before is None or before.verdict == "withdrawn":
            new = NewReview(cell_id, reader_id, "withdrawn", "")
            return REVIEWS.add(change, new, supersedes=current.id, restores=None)
        new = NewReview(cell_id, reader_id, before.verdict, before.note)
        return REVIEWS.add(change, new, supersedes=current.id, restores=before.id)


def current_reviews(store: Store, case_id: UUID, *, reader_id: int | None = None) -> tuple[ReaderReview, ...]:
    """Return the current review of each cell and reader of a case, in this order, without withdrawn ones.

    With `reader_id`, only what this reader decided: what a blinded reader may see.
    """
    query = (
        sa.select(reviews)
        .join(cells, cells.c.id == reviews.c.cell_id)
        .join(images, images.c.id == cells.c.image_id)
        .where(images.c.case_id == case_id, reviews.c.verdict != "withdrawn", REVIEWS.is_newest)
        .order_by(reviews.c.cell_id, reviews.c.reader_id)
    )
    if reader_id is not None:
        query = query.where(reviews.c.reader_id == reader_id)
    return store.read_all(ReaderReview, query)


def current_review(store: Store, cell_id: int, *, reader_id: int) -> ReaderReview | None:
    """Return a reader's current review of a cell, a withdrawn one too; None if there never was one."""
    with store.reading() as connection:
        return REVIEWS.newest_one(connection, *_line(cell_id, reader_id))


def review_history(store: Store, cell_id: int) -> tuple[ReaderReview, ...]:
    """Return all that was ever decided of a cell, by anyone, the oldest first."""
    return REVIEWS.history(store, reviews.c.cell_id == cell_id)


def _line(cell_id: int, reader_id: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return reviews.c.cell_id == cell_id, reviews.c.reader_id == reader_id


def _current(change: Change, cell_id: int, reader_id: int) -> ReaderReview | None:
    return REVIEWS.newest_one(change.connection, *_line(cell_id, reader_id))


def _require_cell(change: Change, cell_id: int) -> None:
    query = sa.select(images.c.case_id).join(cells).where(cells.c.id == cell_id)
    case_id = change.execute(query).scalar()
    if case_id is None:
        raise not_found("cell", cell_id)
    require_open(change.connection, case_id)
