"""How many cells cases hold. Start at `n_cells_of`."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa

from leuknet.store.database import Store
from leuknet.store.tables import cells, images


def n_cells_of(store: Store, case_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return how many cells each of some cases has, 0 for one without images."""
    counts = dict.fromkeys(case_ids, 0)
    query = sa.select(images.c.case_id, sa.func.count()).join(cells, cells.c.image_id == images.c.id)
    query = query.where(images.c.case_id.in_(counts)).group_by(images.c.case_id)
    with store.reading() as connection:
        return counts | {case_id: int(n) for case_id, n in connection.execute(query)}
