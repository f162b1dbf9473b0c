"""All that counts towards the label of a case's cells, read at once: reviews, and words of leads in studies.

Start at `verdicts_of`; `leuknet.room.labels` says what follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from leuknet.store.cell_nouns import Word
from leuknet.store.database import Store
from leuknet.store.decisions import ADJUDICATIONS, REVIEWS
from leuknet.store.study_tables import adjudications, studies
from leuknet.store.tables import cells, images, reviews, users


@dataclass(frozen=True)
class CellWord(Word):
    """What a person says of this cell now."""

    cell_id: int


def verdicts_of(store: Store, case_id: UUID) -> tuple[tuple[int, ...], tuple[CellWord, ...]]:
    """Return the ids of a case's cells, ascending, and what is said of them now, withdrawn words left out.

    Adjudications count once their study is closed; what readers said in studies is not here at all.
    """
    of_case = cells.join(images, images.c.id == cells.c.image_id)
    ids = sa.select(cells.c.id).select_from(of_case).where(images.c.case_id == case_id).order_by(cells.c.id)
    with store.reading() as connection:
        found = tuple(connection.execute(ids).scalars())
        given = tuple(CellWord(**row._asdict()) for row in connection.execute(_said(case_id)))
    return found, given


def _said(case_id: UUID) -> sa.CompoundSelect[Any]:
    reviewed = (
        sa.select(
            reviews.c.cell_id,
            reviews.c.reader_id.label("user_id"),
            reviews.c.verdict,
            (users.c.role != "reader").label("of_lead"),
            sa.literal(False).label("adjudicated"),
            reviews.c.decided_at,
        )
        .join(users, users.c.id == reviews.c.reader_id)
        .join(cells, cells.c.id == reviews.c.cell_id)
        .join(images, images.c.id == cells.c.image_id)
        .where(images.c.case_id == case_id, reviews.c.verdict != "withdrawn", REVIEWS.is_newest)
    )
    adjudicated = (
        sa.select(
            adjudications.c.cell_id,
            adjudications.c.lead_id,
            adjudications.c.verdict,
            sa.literal(True),
            sa.literal(True),
            adjudications.c.decided_at,
        )
        .join(studies, studies.c.id == adjudications.c.study_id)
        .join(cells, cells.c.id == adjudications.c.cell_id)
        .join(images, images.c.id == cells.c.image_id)
        .where(
            images.c.case_id == case_id, adjudications.c.verdict != "withdrawn", studies.c.state == "closed"
        )
        .where(ADJUDICATIONS.is_newest)
    )
    return sa.union_all(reviewed, adjudicated).order_by("cell_id", "user_id", "decided_at")
