"""A reading room of made-up images, large enough to measure: a gallery of many cells, and a whole slide.

The pixels are those of one simulated field, repeated; the cells lie where the field has them, with scores
that are drawn at random. Start at `fill_room`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from leuknet.fields.outline import outline_of
from leuknet.room.pictures import ensure_cell_pictures
from leuknet.room.room_files import RoomFiles, image_path
from leuknet.simulation.draw_fields import draw_field
from leuknet.store import open_store
from leuknet.store.accounts import create_user
from leuknet.store.cases import add_image, create_case
from leuknet.store.cell_nouns import NewCell
from leuknet.store.cells import add_cells, cells_of
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, CaseImage, ImageKind, NewImage, User
from leuknet.types import CellBox, Pixels

NAME, PASSWORD = "Ada", "twelve letters and more"
GALLERY, SLIDE = "Gallery", "Slide"
FIELD_PX = (1536, 2048)  # both whole tiles, so that the repeated field is cut into repeated tiles
TILE_PX = 256
UM = 0.12


def fill_room(
    folder: Path, *, gallery_cells: int = 10_000, slide_px: int = 20_000, slide_cells: int = 2_000
) -> None:
    """Make an account and two cases in an empty folder."""
    files = RoomFiles(folder)
    folder.mkdir(parents=True)
    pixels, drawn = draw_field(*FIELD_PX, cells=24, leukaemic_share=0.5, seed=1)
    places = [(cell.box, outline_of(cell.mask, cell.box)[:, ::-1]) for cell in drawn]
    with open_store(f"sqlite:///{folder / 'reading-room.db'}") as store:
        user = create_user(store, NAME, password=PASSWORD, role="lead", actor=SYSTEM)
        field = folder / "field.png"
        Image.fromarray(np.tile(pixels, (2, 2, 1))).save(field)
        image = _keep(
            store, files, user, field, title=GALLERY, kind="field", shape=(2 * FIELD_PX[0], 2 * FIELD_PX[1])
        )
        add_cells(store, image.id, _cells(places, gallery_cells, shape=(3072, 4096), seed=2), actor=SYSTEM)
        ensure_cell_pictures(files, image, cells_of(store, image.case_id, limit=gallery_cells))
        slide = folder / "slide.tif"
        write_slide(slide, pixels, slide_px)
        image = _keep(store, files, user, slide, title=SLIDE, kind="slide", shape=(slide_px, slide_px))
        add_cells(
            store, image.id, _cells(places, slide_cells, shape=(slide_px, slide_px), seed=3), actor=SYSTEM
        )


def write_slide(path: Path, pixels: Pixels, side_px: int) -> None:
    """Write a pyramid TIFF as scanners do: JPEG tiles of 256 pixels, each level half of the one before."""
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for factor in (1, 2, 4, 8, 16, 32):
            side = side_px // factor
            small = np.asarray(Image.fromarray(pixels).reduce(factor))
            writer.write(
                _tiles(small, side),
                shape=(side, side, 3),
                dtype=np.uint8,
                tile=(TILE_PX, TILE_PX),
                photometric="rgb",
                compression="jpeg",
                subfiletype=int(factor > 1),
                metadata=None,
            )


def _tiles(small: Pixels, side: int) -> Iterator[Pixels]:
    for top in range(0, side, TILE_PX):
        for left in range(0, side, TILE_PX):
            rows = np.arange(top, top + TILE_PX) % small.shape[0]
            columns = np.arange(left, left + TILE_PX) % small.shape[1]
            yield np.ascontiguousarray(small[np.ix_(rows, columns)])


def _cells(
    places: list[tuple[CellBox, np.ndarray]], n: int, *, shape: tuple[int, int], seed: int
) -> list[NewCell]:
    """Repeat the field's cells over a larger image; where cells outnumber places, some lie twice."""
    random = np.random.default_rng(seed)
    offsets = [
        (top, left)
        for top in range(0, shape[0] - FIELD_PX[0] + 1, FIELD_PX[0])
        for left in range(0, shape[1] - FIELD_PX[1] + 1, FIELD_PX[1])
    ]
    chosen = random.permutation(len(offsets) * len(places))
    found = []
    for number, probability in enumerate(random.random(n)):
        repeat, place = divmod(int(chosen[number % len(chosen)]), len(places))
        (top, left), (box, outline) = offsets[repeat], places[place]
        moved = CellBox(box.top_px + top, box.left_px + left, box.bottom_px + top, box.right_px + left)
        outcome = "uncertain" if 0.4 < probability < 0.6 else "leukaemic" if probability > 0.5 else "normal"
        points = tuple((float(row) + top, float(column) + left) for row, column in outline)
        flags = ("touching",) if number % 9 == 0 else ()
        found.append(
            NewCell(f"c{number}", moved, float(probability), outcome, flags, (), "5eed5eed5eed", points)
        )
    return found


def _keep(
    store: Store,
    files: RoomFiles,
    user: User,
    file: Path,
    *,
    title: str,
    kind: ImageKind,
    shape: tuple[int, int],
) -> CaseImage:
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    path = image_path(sha256, file.suffix)
    files.image(path).parent.mkdir(parents=True, exist_ok=True)
    n_bytes = file.stat().st_size
    file.rename(files.image(path))
    new = NewImage(sha256, file.name, kind, *shape, n_bytes, UM, path)
    return add_image(store, create_case(store, title, user=user).id, new, actor=SYSTEM)
