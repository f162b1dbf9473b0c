"""All cells of a case or image in few columns, for a gallery that sorts and filters them itself.

Start at `gallery_rows`. Pages of whole cells are in `cell_pages`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from leuknet.store.cell_nouns import Verdict
from leuknet.store.database import Store
from leuknet.store.decisions import REVIEWS
from leuknet.store.nouns import CaseImage
from leuknet.store.tables import cells, images, reviews, scorings
from leuknet.types import CellBox


class GalleryRow(NamedTuple):
    """A cell, and the newest review of one reader, a withdrawn one too; None if there never was one."""

    cell_id: int
    image_id: int
    probability: float | None
    outcome: str
    flags: tuple[str, ...]
    has_warnings: bool
    verdict: Verdict | None
    review_id: int | None


class OutlinedCell(NamedTuple):
    """Where a cell lies in its image."""

    cell_id: int
    box: CellBox
    outline: tuple[tuple[float, float], ...]


def gallery_rows(
    store: Store, case_id: UUID, *, reader_id: int, image_id: int | None = None
) -> tuple[GalleryRow, ...]:
    """Return the cells of a case, or of one of its images, in the order in which they were found."""
    here = [images.c.case_id == case_id, *([] if image_id is None else [images.c.id == image_id])]
    query = sa.select(
        cells.c.id, cells.c.image_id, cells.c.probability, cells.c.outcome, cells.c.flags, cells.c.warnings
    )
    query = query.join(images).where(*here).order_by(cells.c.id)
    own = sa.select(reviews.c.cell_id, reviews.c.verdict, reviews.c.id)
    own = own.join(cells, cells.c.id == reviews.c.cell_id).join(images).where(*here)
    own = own.where(reviews.c.reader_id == reader_id, REVIEWS.is_newest)
    with store.reading() as connection:
        said = {row[0]: (row[1], row[2]) for row in connection.execute(own)}
        return tuple(
            GalleryRow(*row[:4], tuple(row[4]), bool(row[5]), *said.get(row[0], (None, None)))
            for row in connection.execute(query)
        )


def images_of_cells(store: Store, cell_ids: Sequence[int]) -> dict[int, int]:
    """Return the image in which each of some cells lies."""
    query = sa.select(cells.c.id, cells.c.image_id).where(cells.c.id.in_(cell_ids))
    with store.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def outlined_cells(store: Store, image_id: int) -> tuple[OutlinedCell, ...]:
    """Return where the cells of an image lie."""
    sides = (cells.c.top_px, cells.c.left_px, cells.c.bottom_px, cells.c.right_px)
    query = sa.select(cells.c.id, *sides, cells.c.outline).where(cells.c.image_id == image_id)
    with store.reading() as connection:
        return tuple(
            OutlinedCell(row[0], CellBox(*row[1:5]), tuple((point[0], point[1]) for point in row[5]))
            for row in connection.execute(query.order_by(cells.c.id))
        )


def images_to_show(store: Store, case_id: UUID, *, limit: int) -> tuple[tuple[CaseImage, int], ...]:
    """Return the fields and slides of a case in the order they came, with how many cells each has."""
    counted = (
        sa.select(sa.func.count()).where(cells.c.image_id == images.c.id).scalar_subquery().label("told")
    )
    query = sa.select(images, counted).where(images.c.case_id == case_id, images.c.kind != "crop")
    with store.reading() as connection:
        rows = connection.execute(query.order_by(images.c.id).limit(limit))
        return tuple((_image(row), int(row.told)) for row in rows)


def failed_images(store: Store, case_id: UUID, *, limit: int) -> tuple[tuple[CaseImage, str], ...]:
    """Return images of a case that could not be scored, and why."""
    query = sa.select(images, scorings.c.error.label("told")).join(scorings)
    query = query.where(images.c.case_id == case_id, scorings.c.state == "failed").order_by(images.c.id)
    with store.reading() as connection:
        return tuple((_image(row), str(row.told)) for row in connection.execute(query.limit(limit)))


def _image(row: sa.Row[Any]) -> CaseImage:
    values = row._asdict()
    del values["told"]
    return CaseImage(**values)
