"""What readers decide of cells: only ever added to.

Each reader has a line of reviews for each cell, in which each takes the place of the one before. An undo is a
further review that restores an earlier one. Two readers therefore never meet; one reader in two windows does,
and then the second to save gets a ConflictError instead of overwriting what it had not seen.

Start at `save_review` and `current_reviews`.
"""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

import sqlalchemy as sa

from leuknet.errors import ConflictError, SettingError
from leuknet.store.audit_log import digest
from leuknet.store.cases import require_open
from leuknet.store.database import Change, Store, not_found
from leuknet.store.newest import IS_NEWEST_REVIEW
from leuknet.store.nouns import VERDICTS, NewReview, Review
from leuknet.store.tables import cells, images, reviews


def save_review(store: Store, review: NewReview, *, expected_review_id: int | None) -> Review:
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
    if review.verdict not in VERDICTS or review.verdict == "withdrawn":
        given = ", ".join(verdict for verdict in VERDICTS if verdict != "withdrawn")
        raise SettingError(
            "cannot save the review", why=f"{review.verdict!r} is no verdict", fix=f"use {given}"
        )
    with store.writing(f"user:{review.reader_id}") as change:
        _require_cell(change, review.cell_id)
        current = _current(change.connection, review.cell_id, review.reader_id)
        _require_expected(current, expected_review_id)
        return _add(change, review, supersedes=expected_review_id, restores=None)


def undo_review(store: Store, cell_id: int, *, reader_id: int, expected_review_id: int) -> Review:
    """Take a reader's current review back: what held before it holds again, or `withdrawn` if nothing did.

    Undone again, it goes one further back. The reviews that were taken back are kept.

    Raises
    ------
    ConflictError
        If the current review is another, or is itself withdrawn; or the case is signed.
    """
    with store.writing(f"user:{reader_id}") as change:
        _require_cell(change, cell_id)
        current = _current(change.connection, cell_id, reader_id)
        _require_expected(current, expected_review_id)
        if current is None or current.verdict == "withdrawn":
            raise ConflictError("cannot undo", why="nothing is decided of this cell", fix="decide it first")
        # An undo stands for the review that it restores; what that one superseded is one further back.
        undone = current if current.restores is None else _review(change.connection, current.restores)
        before = None if undone.supersedes is None else _review(change.connection, undone.supersedes)
        if before is not None and before.restores is not None:
            before = _review(change.connection, before.restores)
        if before is None or before.verdict == "withdrawn":
            new = NewReview(cell_id, reader_id, "withdrawn", "")
            return _add(change, new, supersedes=current.id, restores=None)
        new = NewReview(cell_id, reader_id, before.verdict, before.note)
        return _add(change, new, supersedes=current.id, restores=before.id)


def current_reviews(store: Store, case_id: UUID, *, reader_id: int | None = None) -> tuple[Review, ...]:
    """Return the current review of each cell and reader of a case, in this order, without withdrawn ones.

    With `reader_id`, only what this reader decided: what a blinded reader may see.
    """
    query = (
        sa.select(reviews)
        .join(cells, cells.c.id == reviews.c.cell_id)
        .join(images, images.c.id == cells.c.image_id)
        .where(images.c.case_id == case_id, reviews.c.verdict != "withdrawn", IS_NEWEST_REVIEW)
        .order_by(reviews.c.cell_id, reviews.c.reader_id)
    )
    if reader_id is not None:
        query = query.where(reviews.c.reader_id == reader_id)
    with store.reading() as connection:
        return tuple(Review(**row._asdict()) for row in connection.execute(query))


def current_review(store: Store, cell_id: int, *, reader_id: int) -> Review | None:
    """Return a reader's current review of a cell, a withdrawn one too; None if there never was one."""
    with store.reading() as connection:
        return _current(connection, cell_id, reader_id)


def review_history(store: Store, cell_id: int) -> tuple[Review, ...]:
    """Return all that was ever decided of a cell, by anyone, the oldest first."""
    query = sa.select(reviews).where(reviews.c.cell_id == cell_id).order_by(reviews.c.id)
    with store.reading() as connection:
        return tuple(Review(**row._asdict()) for row in connection.execute(query))


def _current(connection: sa.Connection, cell_id: int, reader_id: int) -> Review | None:
    here = (reviews.c.cell_id == cell_id) & (reviews.c.reader_id == reader_id)
    row = connection.execute(sa.select(reviews).where(here, IS_NEWEST_REVIEW)).one_or_none()
    return None if row is None else Review(**row._asdict())


def _review(connection: sa.Connection, review_id: int) -> Review:
    return Review(**connection.execute(sa.select(reviews).where(reviews.c.id == review_id)).one()._asdict())


def _require_cell(change: Change, cell_id: int) -> None:
    query = sa.select(images.c.case_id).join(cells).where(cells.c.id == cell_id)
    case_id = change.execute(query).scalar()
    if case_id is None:
        raise not_found("cell", cell_id)
    require_open(change.connection, case_id)


def _require_expected(current: Review | None, expected: int | None) -> None:
    found = None if current is None else current.id
    if found != expected:
        seen = "none" if expected is None else f"number {expected}"
        now = "none" if current is None else f"number {current.id}, {current.verdict!r}"
        raise ConflictError(
            "cannot save the review",
            why=f"the current review of this cell by this reader was to be {seen}, and is {now}",
            fix="look at the cell again, and decide with what is there now; nothing was overwritten",
        )


def _add(change: Change, new: NewReview, *, supersedes: int | None, restores: int | None) -> Review:
    extra = {"decided_at": change.at, "supersedes": supersedes, "restores": restores}
    values = {**asdict(new), **extra}
    try:
        review_id = change.execute(reviews.insert().values(**values).returning(reviews.c.id)).scalar_one()
    except sa.exc.IntegrityError as error:
        raise not_found("reader", new.reader_id) from error
    change.log(
        "review.saved",
        f"review:{review_id}",
        cell=new.cell_id,
        verdict=new.verdict,
        note_sha256=digest(new.note),
        supersedes=supersedes,
        restores=restores,
    )
    return Review(**values, id=review_id)
