"""Writes the small pictures that show a cell: its thumb for the gallery and its view for the zoom.

Both show the cell as it lies in the image: the square of `leuknet.fields.surroundings` where it was found in
a field or slide, the whole picture where a file is the crop of one cell. All can be made anew from the kept
image, so `derived/` may be deleted at any time.

Start at `write_cell_pictures` while the image is at hand, and `ensure_cell_pictures` later. Tiles of whole
images are in `deep_zoom`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from leuknet.data.images import read_pixels
from leuknet.data.measure import BLACK_LEVEL
from leuknet.errors import ShapeError
from leuknet.fields.surroundings import surroundings
from leuknet.records import write_whole
from leuknet.room.files import RoomFiles
from leuknet.room.open_fields import open_image
from leuknet.store.nouns import CaseCell, CaseImage, ImageKind
from leuknet.types import Pixels

THUMB_PX = 96
"""Side of a thumb."""

_THUMB_QUALITY = 80
_MARGIN = 1.2  # side of a crop's thumb, over that of its cell
# Of 9 levels: the highest saves a sixth of the bytes and takes five times as long.
_COMPRESSION = 1


def write_cell_pictures(
    files: RoomFiles, image_id: int, cell_id: int, pixels: Pixels, *, kind: ImageKind
) -> None:
    """Write thumb and view of a cell; older ones are replaced.

    Parameters
    ----------
    files
        Of the reading room.
    image_id, cell_id
        Whose pictures these are.
    pixels : (H, W, 3) uint8
        Of a field or slide what `surroundings` gives; of a crop the whole picture.
    kind
        Of the image. The thumb of a crop shows the cell, not the wide black canvas around it.

    Raises
    ------
    ShapeError
        If `pixels` is not one 8-bit colour image.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise ShapeError(
            f"cannot draw cell {cell_id}",
            why=f"its surroundings are {pixels.shape} {pixels.dtype}, not (H, W, 3) uint8",
            fix="give one 8-bit colour image",
        )
    picture = Image.fromarray(pixels)
    h, w = pixels.shape[:2]
    left, top, right, bottom = _square_of_cell(pixels) if kind == "crop" else (0, 0, w, h)
    # Beyond the picture `crop` gives black, which is what surrounds the cell of a crop.
    thumb = picture.crop((left, top, right, bottom)).resize((THUMB_PX, THUMB_PX), Image.Resampling.LANCZOS)
    for path, shown, options in (
        (files.thumb(image_id, cell_id), thumb, {"format": "WEBP", "quality": _THUMB_QUALITY}),
        (files.view(image_id, cell_id), picture, {"format": "PNG", "compress_level": _COMPRESSION}),
    ):
        content = io.BytesIO()
        shown.save(content, **options)  # type: ignore[arg-type]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.getvalue())


def ensure_cell_pictures(files: RoomFiles, image: CaseImage, cells: Sequence[CaseCell]) -> int:
    """Make thumbs and views that are missing anew from the kept image.

    Parameters
    ----------
    files
        Of the reading room.
    image
        The image that all of the cells lie in; it is opened only if a picture is missing.
    cells
        Some of its cells.

    Returns
    -------
    int
        How many cells were drawn.

    Raises
    ------
    UnreadableImageError
        If the kept image is gone or damaged.
    """
    missing = [cell for cell in cells if not _has_pictures(files, cell)]
    if not missing:
        return 0
    if image.kind == "crop":
        pixels = read_pixels(files.image(image.path)).pixels
        for cell in missing:
            write_cell_pictures(files, image.id, cell.id, pixels, kind="crop")
        return len(missing)
    with open_image(files, image) as field:
        for cell in missing:
            square = surroundings(field, cell.box)
            write_cell_pictures(files, image.id, cell.id, square, kind=image.kind)
    return len(missing)


def _has_pictures(files: RoomFiles, cell: CaseCell) -> bool:
    here = (cell.image_id, cell.id)
    return files.thumb(*here).is_file() and files.view(*here).is_file()


def _square_of_cell(pixels: Pixels) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a square around what is not black, which may reach beyond."""
    h, w = pixels.shape[:2]
    bright = pixels.max(axis=2) > BLACK_LEVEL
    rows, columns = np.flatnonzero(np.any(bright, axis=1)), np.flatnonzero(np.any(bright, axis=0))
    top, bottom, left, right, margin = 0, h, 0, w, 1.0
    if rows.size and (rows.size < h or columns.size < w):
        top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        margin = _MARGIN
    side = round(margin * max(bottom - top, right - left))
    first_row, first_column = (top + bottom - side) // 2, (left + right - side) // 2
    return first_column, first_row, first_column + side, first_row + side
