"""How answers become nouns, those of the reading room itself: see `leuknet.store.nouns` and `cell_nouns`.

Times carry their zone. A newer reading room may tell more than is named there; that is left out.

Start at `read`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

from leuknet.store.cell_nouns import ReviewedCell

Picture = Literal["thumb", "view", "crop"]


@dataclass(frozen=True)
class Cell(ReviewedCell):
    """A cell, what a model says of it, and what this account said of it when it was asked for."""

    case_id: UUID


Noun = TypeVar("Noun")


def read(kind: type[Noun], found: Mapping[str, Any], **known: Any) -> Noun:
    """Return what an answer states as a noun; `known` is what its address says already."""
    hints = get_type_hints(kind)
    stated = {**found, **known}
    values = {field.name: _value(hints[field.name], stated[field.name]) for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**values)


def _value(kind: Any, stated: Any) -> Any:
    if stated is None:
        return None
    # Of a kind that may be None, the other one.
    kind = next(iter(set(get_args(kind)) - {type(None)})) if type(None) in get_args(kind) else kind
    if get_origin(kind) is tuple:
        return tuple(_value(get_args(kind)[0], item) for item in stated)
    if is_dataclass(kind):
        return read(kind, stated)  # type: ignore[arg-type]
    if kind is datetime:
        return datetime.fromisoformat(stated)
    return UUID(str(stated)) if kind is UUID else stated
