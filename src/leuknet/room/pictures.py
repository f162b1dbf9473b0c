"""Writes the small pictures that show a cell: its thumb for the gallery and its view for the zoom.

Both show the cell as it lies in the image: the square of `leuknet.fields.surroundings` where it was found in
a field or slide, the whole picture where a file is the crop of one cell. All can be made anew from the kept
image, so `derived/` may be deleted at any time.

Start at `write_cell_pictures` while the image is at hand, and `ensure_cell_pictures` later. Tiles of whole
images are in `deep_zoom`.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from leuknet.errors import ShapeError
from leuknet.fields.surroundings import surroundings
from leuknet.images.measures import BLACK_LEVEL
from leuknet.images.reading import read_pixels
from leuknet.records import write_whole
from leuknet.room.budget import DECODING
from leuknet.room.open_fields import open_image
from leuknet.room.room_files import RoomFiles
from leuknet.store.cell_nouns import CaseCell
from leuknet.store.nouns import CaseImage, ImageKind
from leuknet.types import Pixels

THUMB_PX = 96
"""Side of a thumb."""

_THUMB_QUALITY = 80
_MARGIN = 1.2  # side of a crop's thumb, over that of its cell
# A 300 px square of a smear takes 5.5 ms and 86 kB, at Pillow's own settings 27 ms and 90 kB: noise of a
# camera repeats nowhere, and to look for what repeats is in vain.
_PNG = {"format": "PNG", "compress_level": 1, "compress_type": zlib.Z_RLE}


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
    # Beyond the picture `crop` gives black, which is what surrounds the cell of a crop.
    square = picture.crop(_square_of_cell(picture)) if kind == "crop" else picture
    thumb = square.resize((THUMB_PX, THUMB_PX), Image.Resampling.LANCZOS)
    for path, shown, options in (
        (files.thumb(image_id, cell_id), thumb, {"format": "WEBP", "quality": _THUMB_QUALITY}),
        (files.view(image_id, cell_id), picture, _PNG),
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
    BusyError
        If others are read all the while, and together they would take too much memory.
    """
    missing = [cell for cell in cells if not _has_pictures(files, cell)]
    if not missing:
        return 0
    if image.kind == "crop":
        with DECODING.take(image.height_px * image.width_px):
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


def _square_of_cell(picture: Image.Image) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a square around what is not black, which may reach beyond."""
    whole = (0, 0, *picture.size)
    box = picture.point([level > BLACK_LEVEL for level in range(256)] * 3).getbbox() or whole
    left, top, right, bottom = box
    side = round((1 if box == whole else _MARGIN) * max(bottom - top, right - left))
    first_column, first_row = (left + right - side) // 2, (top + bottom - side) // 2
    return first_column, first_row, first_column + side, first_row + side
