"""A case's cells, page by page, with what one reader says of them.

A page begins after a place in an order, not after a number of cells: cells that are scored meanwhile neither
push others out of a page nor show them twice. Each cell has one place in an order, ties go by number.

Start at `cell_page`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from leuknet.store.cell_nouns import CaseCell, CellOrder, ReaderReview
from leuknet.store.cells import cell_of_row
from leuknet.store.database import Store
from leuknet.store.decisions import REVIEWS
from leuknet.store.tables import cells, images, reviews


@dataclass(frozen=True)
class CellPlace:
    """The place of a cell in an order.

    Attributes
    ----------
    key
        By which it is ordered: the probability, or how far that is from 0.5; None if it has none, and in the
        order in which cells were found.
    """

    key: float | None
    cell_id: int


@dataclass(frozen=True)
class ReadCell:
    """A cell, and the newest review of one reader, a withdrawn one too; None if there never was one."""

    cell: CaseCell
    review: ReaderReview | None


@dataclass(frozen=True)
class CellPage:
    """Some cells in an order.

    Attributes
    ----------
    end
        After which the next page begins; None if this one is the last.
    """

    cells: tuple[ReadCell, ...]
    end: CellPlace | None


@dataclass(frozen=True)
class CellCounts:
    """How many cells a case has.

    Attributes
    ----------
    outcomes
        By what the model says, in alphabetical order.
    reviewed
        Those of which one reader says something now.
    """

    outcomes: dict[str, int]
    reviewed: int

    @property
    def cells(self) -> int:
        """All of them."""
        return sum(self.outcomes.values())


def cell_page(
    store: Store,
    case_id: UUID,
    *,
    reader_id: int,
    order: CellOrder = "found",
    outcome: str | None = None,
    reviewed: bool | None = None,
    after: CellPlace | None = None,
    limit: int = 100,
) -> CellPage:
    """Return the cells that follow a place.

    Parameters
    ----------
    reader_id
        Whose reviews come with the cells, and count for `reviewed`.
    outcome
        Only cells of which the model says this.
    reviewed
        Only cells of which the reader says something now, or of which they do not.
    after
        Where the page before ended, in the same order.
    limit
        Most cells, at least 1.
    """
    key = _key(order)
    query = sa.select(cells).join(images).where(images.c.case_id == case_id)
    if outcome is not None:
        query = query.where(cells.c.outcome == outcome)
    if reviewed is not None:
        query = query.where(_is_reviewed(reader_id) if reviewed else ~_is_reviewed(reader_id))
    if after is not None:
        query = query.where(_follows(key, after, descending=order == "probability"))
    if order != "found":
        query = query.order_by(key.is_(None), key.desc() if order == "probability" else key)
    with store.reading() as connection:
        rows = connection.execute(query.order_by(cells.c.id).limit(limit + 1)).all()
        shown = rows[:limit]
        said = _newest(connection, [row.id for row in shown], reader_id)
    found = tuple(ReadCell(cell_of_row(row), said.get(row.id)) for row in shown)
    return CellPage(found, _place(found[-1].cell, order) if len(rows) > limit else None)


def find_case_cell(store: Store, case_id: UUID, cell_id: int, *, reader_id: int) -> ReadCell | None:
    """Return a cell if it is one of this case, with the newest review of a reader."""
    query = sa.select(cells).join(images)
    with store.reading() as connection:
        row = connection.execute(
            query.where(images.c.case_id == case_id, cells.c.id == cell_id)
        ).one_or_none()
        if row is None:
            return None
        return ReadCell(cell_of_row(row), _newest(connection, [cell_id], reader_id).get(cell_id))


def count_cells(store: Store, case_id: UUID, *, reader_id: int) -> CellCounts:
    """Return how many cells a case has, and of how many of them a reader says something now."""
    here = images.c.case_id == case_id
    by_outcome = sa.select(cells.c.outcome, sa.func.count()).join(images).where(here)
    by_outcome = by_outcome.group_by(cells.c.outcome).order_by(cells.c.outcome)
    reviewed = sa.select(sa.func.count()).select_from(cells.join(images)).where(here, _is_reviewed(reader_id))
    with store.reading() as connection:
        outcomes = {str(outcome): int(n) for outcome, n in connection.execute(by_outcome)}
        return CellCounts(outcomes, int(connection.execute(reviewed).scalar_one()))


def _key(order: CellOrder) -> sa.ColumnElement[float | None]:
    if order == "probability":
        return cells.c.probability
    if order == "uncertainty":
        return sa.func.abs(cells.c.probability - 0.5)
    return sa.cast(sa.null(), sa.Double())


def _place(cell: CaseCell, order: CellOrder) -> CellPlace:
    # The same arithmetic as the database's: doubles on both sides.
    if order == "found" or cell.probability is None:
        return CellPlace(None, cell.id)
    key = cell.probability if order == "probability" else abs(cell.probability - 0.5)
    return CellPlace(key, cell.id)


def _follows(
    key: sa.ColumnElement[float | None], after: CellPlace, *, descending: bool
) -> sa.ColumnElement[bool]:
    later = cells.c.id > after.cell_id
    if after.key is None:
        return key.is_(None) & later
    beyond = key < after.key if descending else key > after.key
    return beyond | ((key == after.key) & later) | key.is_(None)


def _newest(connection: sa.Connection, cell_ids: Sequence[int], reader_id: int) -> dict[int, ReaderReview]:
    found = REVIEWS.newest(connection, reviews.c.cell_id.in_(cell_ids), reviews.c.reader_id == reader_id)
    return {review.cell_id: review for review in found}


def _is_reviewed(reader_id: int) -> sa.ColumnElement[bool]:
    own = (reviews.c.cell_id == cells.c.id) & (reviews.c.reader_id == reader_id)
    return sa.exists().where(own, reviews.c.verdict != "withdrawn", REVIEWS.is_newest)
