"""Which rows hold now, in tables where a change is a further row that supersedes the one before it."""

from __future__ import annotations

import sqlalchemy as sa

from leuknet.store.tables import adjudications, reviews


def _none_supersedes(table: sa.Table) -> sa.ColumnElement[bool]:
    later = table.alias("later")
    return ~sa.exists().where(later.c.supersedes == table.c.id)


# Made once: that costs as much as running a query with them.
IS_NEWEST_REVIEW = _none_supersedes(reviews)
"""The condition that a row of `reviews` is the newest of its reader on its cell, a withdrawn one too."""

IS_NEWEST_ADJUDICATION = _none_supersedes(adjudications)
"""The condition that a row of `adjudications` is the newest on its cell in its study, a withdrawn one too."""
