"""Cursors: where a page of a list ends, as a text that a program sends back and need not understand.

Start at `write_cursor`.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Annotated, Any

from fastapi import Query

from leuknet.errors import SettingError
from leuknet.store.cell_pages import CellPlace

_LARGEST = 2**63 - 1

Cursor = Annotated[
    str | None,
    Query(
        max_length=200,
        description="`next` of the page before, with the same order and filters; leave it out for the first.",
    ),
]

Limit = Annotated[int, Query(ge=1, le=500, description="Most items of a page.")]


def write_cursor(order: str, place: CellPlace) -> str:
    """Return the cursor of the page after a place."""
    text = json.dumps([order, place.key, place.cell_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, order: str) -> CellPlace | None:
    """Return the place after which a page begins; SettingError if it is no cursor of this order."""
    if cursor is None:
        return None
    place = _place(_decoded(cursor), order)
    if place is None:
        raise SettingError(
            "cannot find this page",
            why="the cursor is none of this list in this order",
            fix="send `next` of the page before as it is, or leave the cursor out for the first page",
        )
    return place


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
    if not is_key or type(cell_id) is not int or not 0 <= cell_id <= _LARGEST:
        return None
    return CellPlace(key, cell_id)
