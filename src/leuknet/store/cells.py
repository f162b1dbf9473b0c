"""The cells of a case's images: where they lie, and how a model scored them.

Start at `add_cells` and `cells_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from leuknet.errors import ConflictError
from leuknet.store.cases import require_open
from leuknet.store.cell_nouns import CaseCell, NewCell
from leuknet.store.database import Change, Store, not_found
from leuknet.store.tables import cells, images
from leuknet.types import CellBox

CellOrder = Literal["found", "probability", "uncertainty"]
"""As found; the most probable first; those nearest to 0.5 first. Cells without a score come last."""


def add_cells(store: Store, image_id: int, new: Sequence[NewCell], *, actor: str) -> None:
    """Put cells into an image of an open case, all or none; one line in the log for all of them.

    Raises
    ------
    StoreError
        If there is no such image.
    ConflictError
        If the case is signed, or the image has a cell of one of these names.
    """
    with store.writing(actor) as change:
        case_id = change.execute(sa.select(images.c.case_id).where(images.c.id == image_id)).scalar()
        if case_id is None:
            raise not_found("image", image_id)
        require_open(change.connection, case_id)
        try:
            if new:
                change.execute(cells.insert(), [_row(image_id, cell) for cell in new])
        except sa.exc.IntegrityError as error:
            if not _names_clash(error):
                raise
            raise ConflictError(
                f"cannot add cells to image {image_id}",
                why="it has a cell of one of these names already, or two of these share one",
                fix="look whether another job added them; give each cell of an image a name of its own",
            ) from error
        models = sorted({cell.model_id for cell in new})
        change.log("cells.added", f"image:{image_id}", n_cells=len(new), models=models)


def insert_cells(change: Change, new: Sequence[tuple[int, NewCell]]) -> list[int]:
    """Put cells into images, given by their ids, within a transaction; return their own ids, in order.

    The caller has checked that the case is open and the images hold no cells of these names, and logs it.
    """
    if not new:
        return []
    insert = cells.insert().returning(cells.c.id, sort_by_parameter_order=True)
    return list(change.execute(insert, [_row(image_id, cell) for image_id, cell in new]).scalars())


def cells_of(
    store: Store, case_id: UUID, *, order: CellOrder = "found", limit: int = 200, offset: int = 0
) -> tuple[CaseCell, ...]:
    """Return a part of a case's cells; each cell has one place in an order."""
    query = sa.select(cells).join(images).where(images.c.case_id == case_id)
    if order != "found":
        query = query.order_by(cells.c.probability.is_(None))
    if order == "probability":
        query = query.order_by(cells.c.probability.desc())
    if order == "uncertainty":
        query = query.order_by(sa.func.abs(cells.c.probability - 0.5))
    with store.reading() as connection:
        rows = connection.execute(query.order_by(cells.c.id).limit(limit).offset(offset))
        return tuple(cell_of_row(row) for row in rows)


def has_cell(store: Store, case_id: UUID, image_id: int, cell_id: int) -> bool:
    """Tell whether a cell is one of this image, and the image one of this case."""
    here = (cells.c.id == cell_id) & (images.c.id == image_id) & (images.c.case_id == case_id)
    with store.reading() as connection:
        return connection.execute(sa.select(cells.c.id).join(images).where(here)).first() is not None


def find_cell(store: Store, cell_id: int) -> CaseCell | None:
    """Return a cell, None if there is none."""
    with store.reading() as connection:
        row = connection.execute(sa.select(cells).where(cells.c.id == cell_id)).one_or_none()
    return None if row is None else cell_of_row(row)


def _row(image_id: int, cell: NewCell) -> dict[str, Any]:
    row = asdict(cell)
    return {"image_id": image_id, **row.pop("box"), **row}


def cell_of_row(row: sa.Row[Any]) -> CaseCell:
    """Return the cell that a row of `cells` states."""
    values = row._asdict()
    box = CellBox(*(values.pop(f"{side}_px") for side in ("top", "left", "bottom", "right")))
    outline = tuple((point[0], point[1]) for point in values.pop("outline"))
    values |= {name: tuple(values[name]) for name in ("flags", "warnings")}
    return CaseCell(**values, box=box, outline=outline)


def _names_clash(error: sa.exc.IntegrityError) -> bool:
    text = str(error.orig)
    return "uq_cells_image_id_name" in text or "cells.image_id, cells.name" in text
