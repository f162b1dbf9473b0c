"""What the list of cases and a case's own page say at a glance: how much there is, how far it is.

Start at `case_summaries`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from leuknet.store.cases import seen_by
from leuknet.store.database import Store
from leuknet.store.decisions import REVIEWS
from leuknet.store.nouns import Case, User
from leuknet.store.tables import case_access, cases, cells, images, jobs, reviews, scorings, users

SILENCE = timedelta(minutes=1)
"""How long a job waits, while no worker is heard of, until none is thought alive."""


@dataclass(frozen=True)
class CaseSummary:
    """A case and how far it is.

    Attributes
    ----------
    images, cells
        How many it has.
    scored, failed
        Images of which a model has scored the cells, and those of which it could not.
    reviewed
        Cells of which the user says something now.
    """

    case: Case
    images: int
    scored: int
    failed: int
    cells: int
    reviewed: int

    @property
    def waiting(self) -> int:
        """Images that are not scored yet."""
        return self.images - self.scored - self.failed


def case_summaries(store: Store, user: User) -> tuple[CaseSummary, ...]:
    """Return the cases that a user may see, as `leuknet.store.cases.cases_of`, in one query."""
    query = seen_by(user, _summary(user))
    with store.reading() as connection:
        rows = connection.execute(query.order_by(cases.c.created_at.desc(), cases.c.id))
        return tuple(_of_row(row) for row in rows)


def case_summary(store: Store, case: Case, user: User) -> CaseSummary:
    """Return how far one case is; that the user may see it, the caller has checked."""
    with store.reading() as connection:
        return _of_row(connection.execute(_summary(user).where(cases.c.id == case.id)).one())


def people_with_access(store: Store, case_ids: Sequence[UUID]) -> dict[UUID, tuple[User, ...]]:
    """Return the accounts that were given access to each of some cases, by name."""
    query = sa.select(case_access.c.case_id, users.c.id, users.c.name, users.c.role, users.c.active)
    query = query.add_columns(users.c.created_at).join(users, users.c.id == case_access.c.user_id)
    query = query.where(case_access.c.case_id.in_(case_ids)).order_by(users.c.folded_name)
    found: dict[UUID, tuple[User, ...]] = dict.fromkeys(case_ids, ())
    with store.reading() as connection:
        for case_id, *account in connection.execute(query):
            found[case_id] += (User(*account),)
    return found


def is_worker_missing(store: Store, now: datetime) -> bool:
    """Tell whether a job has waited for longer than `SILENCE` while no worker was heard of."""
    waits = sa.exists().where(jobs.c.state == "queued", jobs.c.created_at < now - SILENCE)
    heard = sa.exists().where(jobs.c.heartbeat_at >= now - SILENCE)
    with store.reading() as connection:
        return bool(connection.execute(sa.select(waits & ~heard)).scalar_one())


def _summary(user: User) -> sa.Select[Any]:
    of_case = images.c.case_id == cases.c.id

    def count(name: str, source: sa.FromClause, *where: sa.ColumnElement[bool]) -> sa.Label[int]:
        query = sa.select(sa.func.count()).select_from(source).where(of_case, *where)
        return query.correlate(cases).scalar_subquery().label(name)

    with_cells = images.join(cells, cells.c.image_id == images.c.id)
    said = (reviews.c.reader_id == user.id) & (reviews.c.verdict != "withdrawn")
    return sa.select(
        cases,
        count("images", images),
        count("scored", images.join(scorings), scorings.c.state == "scored"),
        count("failed", images.join(scorings), scorings.c.state == "failed"),
        count("cells", with_cells),
        count(
            "reviewed",
            with_cells.join(reviews, reviews.c.cell_id == cells.c.id),
            said,
            REVIEWS.is_newest,
        ),
    )


def _of_row(row: sa.Row[Any]) -> CaseSummary:
    case = Case(row.id, row.title, row.created_by, row.created_at, row.state)
    return CaseSummary(case, row.images, row.scored, row.failed, row.cells, row.reviewed)
