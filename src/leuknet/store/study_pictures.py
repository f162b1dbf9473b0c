"""Which cell a reader of a study is shown at a position: for its picture, and for nothing else.

A reader's page asks for the next picture before its turn, so that no reader waits for it. What is known of
an item beyond its picture comes from `study_reads`, when its turn has come.

Start at `shown_cell`.
"""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from leuknet.store.database import Store
from leuknet.store.study_nouns import Phase
from leuknet.store.study_reads import item_at, progress
from leuknet.store.study_tables import study_items
from leuknet.store.tables import cells


def shown_cell(
    store: Store, study_id: UUID, *, reader_id: int, phase: Phase, position: int
) -> tuple[int, int] | None:
    """Return the image and the cell at a position of a reader's order.

    None unless the reader has reached it, or it follows the one whose turn it is; StoreError if there is no
    such study.
    """
    item = item_at(store, study_id, reader_id=reader_id, phase=phase, position=position)
    if item is not None:
        return item.image_id, item.cell_id
    state = progress(store, study_id, reader_id=reader_id)
    turn = next(
        (reached.next_position for reached in state.phases if reached.phase == state.phase == phase), None
    )
    if turn is None or position != turn + 1:
        return None
    query = sa.select(cells.c.image_id, cells.c.id).join(study_items, study_items.c.cell_id == cells.c.id)
    here = (study_items.c.study_id == study_id) & (study_items.c.reader_id == reader_id)
    here &= (study_items.c.phase == phase) & (study_items.c.position == position)
    with store.reading() as connection:
        row = connection.execute(query.where(here)).one_or_none()
    return None if row is None else (row.image_id, row.id)
