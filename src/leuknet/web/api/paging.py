"""Cursors: where a page of a list ends, as a text that a program sends back and need not understand.

Start at `write_cursor`.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from leuknet.errors import SettingError
from leuknet.store.cell_pages import CellPlace
from leuknet.store.nouns import Case
from leuknet.web.api.schemas import LARGEST

Cursor = Annotated[
    str | None,
    Query(
        max_length=200,
        description="`next` of the page before, with the same order and filters; leave it out for the first.",
    ),
]

Limit = Annotated[int, Query(ge=1, le=500, description="Most items of a page.")]


def write_cursor(order: str, place: CellPlace) -> str:
    """Return the cursor of the page after a place of a list; `order` names both list and order."""
    return _encoded([order, place.key, place.cell_id])


def write_case_cursor(case: Case) -> str:
    """Return the cursor of the page of cases after this one."""
    return _encoded(["cases", case.created_at.isoformat(), str(case.id)])


def read_cursor(cursor: str | None, order: str) -> CellPlace | None:
    """Return the place after which a page begins, None for the first page.

    Raises
    ------
    SettingError
        If it is no cursor of this list in this order.
    """
    if cursor is None:
        return None
    place = _place(_decoded(cursor), order)
    if place is None:
        raise _no_page()
    return place


def cases_after(cases: Sequence[Case], cursor: str | None) -> Sequence[Case]:
    """Return the cases that follow a place among all, the newest first; errors as `read_cursor`."""
    if cursor is None:
        return cases
    found = _decoded(cursor)
    try:
        _, at, case_id = found
        end = datetime.fromisoformat(at).astimezone(UTC), UUID(case_id)
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise _no_page() from None
    return [case for case in cases if (end[0] - case.created_at, case.id) > (timedelta(0), end[1])]


def _no_page() -> SettingError:
    return SettingError(
        "cannot find this page",
        why="the cursor is none of this list in this order",
        fix="send `next` of the page before as it is, or leave the cursor out for the first page",
    )


def _encoded(parts: list[Any]) -> str:
    text = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> Any:
    try:
        return json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        return None


def _place(found: Any, order: str) -> CellPlace | None:
    if not isinstance(found, list) or len(found) != 3 or found[0] != order:
        return None
    key, cell_id = found[1:]
    is_key = key is None or (type(key) in (int, float) and abs(key) <= 1 and math.isfinite(key))
    if not is_key or type(cell_id) is not int or not 0 <= cell_id <= LARGEST:
        return None
    return CellPlace(key, cell_id)
