"""What readers of open studies may not see: the cases that they still read blinded.

A reader of an open study who has an item left to read, in any phase, is blinded to its cases: with what the
model or others say of them in view, no read is blinded. Other cases that hold one of their images, in any
lossless format, are closed with them, and such a reader uploads nothing: a picture of the study, sent in
again, would be scored. That holds for leads and admins who read, too. Who made the study and is no reader of
it sees all.

Start at `blinded_cases`. `leuknet.store.cases` asks here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from leuknet.store.database import Store
from leuknet.store.study_tables import studies, study_cases, study_items, study_readers, study_reads
from leuknet.store.tables import images


def blinded_cases(store: Store, user_id: int) -> frozenset[UUID]:
    """Return the cases of which a user may see nothing for now."""
    with store.reading() as connection:
        return frozenset(connection.execute(blinded_case_ids(user_id)).scalars().all())


def is_reading(store: Store, user_id: int, study_id: UUID) -> bool:
    """Tell whether a user has items left in an open study; a lead, too, may see no result of it then."""
    query = blinding_studies(user_id).where(studies.c.id == study_id)
    with store.reading() as connection:
        return connection.execute(query).first() is not None


def reads_blinded(store: Store, user_id: int) -> bool:
    """Tell whether a user has items left in any open study."""
    with store.reading() as connection:
        return connection.execute(blinding_studies(user_id)).first() is not None


@lru_cache(maxsize=1000)  # it is part of nearly every request, and making it costs more than running it
def blinded_case_ids(user_id: int) -> sa.CompoundSelect[Any]:
    """Return the query of the cases of which a user may see nothing, for use within others."""
    reading = blinding_studies(user_id).join(study_cases).with_only_columns(study_cases.c.case_id)
    read = images.alias("read")
    same = (
        sa.select(images.c.case_id).join(read, read.c[by] == images.c[by]).where(read.c.case_id.in_(reading))
        for by in ("sha256", "pixels_sha256")  # two queries: for an "or" of them no index is used
    )
    return sa.union_all(reading, *same)


def blinding_studies(user_id: int) -> sa.Select[Any]:
    """Return the query of the open studies in which a user has items left to read.

    Items are read in their order, and the last one ends the reading: it alone is asked for, however many
    there are.
    """
    last_phase = sa.case((studies.c.mode == "both", "assisted"), else_=studies.c.mode)
    others = study_items.alias("others")
    last = sa.select(sa.func.max(others.c.position)).where(
        others.c.study_id == studies.c.id, others.c.reader_id == user_id, others.c.phase == last_phase
    )
    left = sa.exists().where(
        study_items.c.study_id == studies.c.id,
        study_items.c.reader_id == user_id,
        study_items.c.phase == last_phase,
        study_items.c.position == last.correlate(studies).scalar_subquery(),
        ~has_read(),
    )
    return (
        sa.select(studies.c.id)
        .join(study_readers)
        .where(study_readers.c.user_id == user_id, studies.c.state == "open", left)
    )


def has_read() -> sa.ColumnElement[bool]:
    """Return the condition that a row of `study_items` has a read that counts."""
    return sa.exists().where(*counting_read(study_reads.c))


def counting_read(read: Any) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """Return the conditions that a row of `study_reads` is the one that counts for a row of `study_items`.

    A reader's reads of an item are one line, in which each supersedes the one before: the newest has the
    highest number. Asked for in this way, each item costs one look into the index of items. As an anti-join,
    PostgreSQL took minutes for 100,000 reads that it had not yet counted.
    """
    every = study_reads.alias("every")
    # "+ 0": else PostgreSQL may walk all reads, the highest number first, until it meets one of the item.
    newest = sa.select(sa.func.max(every.c.id + 0)).where(every.c.item_id == study_items.c.id)
    return read.id == newest.correlate(study_items).scalar_subquery(), read.verdict != "withdrawn"
