"""Fills a reading room with simulated images, so that whoever opens it first has something to look at.

Start at `add_demonstration`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from uuid import UUID

from PIL import Image

from leuknet.room.intake import take_whole
from leuknet.room.intake_checks import Limits
from leuknet.room.room_files import RoomFiles
from leuknet.simulation.draw import draw_cell
from leuknet.simulation.draw_fields import FIELD_UM, draw_field
from leuknet.simulation.population import draw_population
from leuknet.store.cases import case_of, create_case
from leuknet.store.database import Store
from leuknet.store.nouns import Announcement, Case, User
from leuknet.types import Label, Pixels

N_CELLS = 48
"""Single cells of the demonstration; two thirds are drawn leukaemic."""

CELLS_TITLE = "SIMULATED: single cells"
FIELD_TITLE = "SIMULATED: a field of a smear"

_SEED = 11


def add_demonstration(store: Store, files: RoomFiles, *, user: User) -> tuple[Case, Case]:
    """Make two cases of simulated images, drawn by a program: single cells, and a field of a smear.

    They are taken in like any upload, and a worker scores them.

    Raises
    ------
    StoreError
        If the disk is full.
    """
    cells = create_case(store, CELLS_TITLE, user=user)
    for number, pixels in enumerate(_draw_cells(), start=1):
        _take_in(store, files, cells, user, f"cell-{number:02d}.png", pixels)
    field = create_case(store, FIELD_TITLE, user=user)
    pixels, _ = draw_field(1536, 2048, cells=24, leukaemic_share=0.6, seed=_SEED)
    _take_in(store, files, field, user, "field.png", pixels)
    return cells, field


def demonstration_cases(store: Store, case_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Return those of these cases that are the demonstration's, by their titles."""
    with store.reading() as connection:
        found = [case_of(connection, case_id) for case_id in case_ids]
    return frozenset(case.id for case in found if case.title in (CELLS_TITLE, FIELD_TITLE))


def _draw_cells() -> Iterator[Pixels]:
    population = draw_population(["prelim"], scale=0.1, seed=_SEED)
    for place in range(N_CELLS):
        label = Label.NORMAL if place % 3 == 2 else Label.LEUKAEMIC
        cell = [drawn for drawn in population if drawn.subject.label is label][place]
        yield draw_cell(cell.traits, cell.nuisance, seed=cell.seed)


def _take_in(store: Store, files: RoomFiles, case: Case, user: User, name: str, pixels: Pixels) -> None:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    png = content.getvalue()
    announced = Announcement(name, len(png), key=name, microns_per_pixel=FIELD_UM)
    take_whole(store, files, case.id, announced, png, user=user, limits=Limits())
