"""The cell of a field or slide on black, as the model saw it.

It is written while the cell is scored. If `derived/` was emptied since, it is cut again by the outline that
the database keeps, which is the cell's to within half a pixel.

Start at `write_crop`, or `ensure_crop` later.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from leuknet.errors import DataError
from leuknet.fields.cut import cut_cell
from leuknet.fields.outline import mask_of
from leuknet.images.transform import place_on_canvas
from leuknet.records import write_whole
from leuknet.room.cards import RoomModel
from leuknet.room.open_fields import kept_images, open_image
from leuknet.room.room_files import RoomFiles
from leuknet.store.cell_nouns import CaseCell
from leuknet.store.nouns import CaseImage
from leuknet.types import FoundCell, ModelCard, Pixels

# Of 9 levels: the highest saves a sixth of the bytes and takes five times as long.
_COMPRESSION = 1


def write_crop(pixels: Pixels, path: Path) -> None:
    """Write a crop as PNG, whole or not at all; its folder is made where it lacks."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG", compress_level=_COMPRESSION)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.getvalue())


def ensure_crop(files: RoomFiles, image: CaseImage, cell: CaseCell, *, card: ModelCard) -> Path:
    """Return the file that shows a cell as the model saw it, made anew where it is missing.

    Parameters
    ----------
    files, image, cell
        The image of a crop is its own crop.
    card
        Of the model that scored the cell.

    Raises
    ------
    UnreadableImageError
        If the kept image is gone or damaged.
    DataError
        If the cell has no outline, the image no scale, or the model no canvas, by which it could be cut.
    """
    if image.kind == "crop":
        return files.image(image.path)
    path = files.crop(image.id, cell.id)
    if path.is_file():
        return path
    if not cell.outline or image.microns_per_pixel is None or card.canvas_px is None:
        raise DataError(
            f"cannot cut cell {cell.name} out again",
            why="its outline, the scale of its image or the canvas of the model is not known",
            fix="upload the image again",
        )
    box = cell.box
    with open_image(files, image) as field:
        pixels = field.read(box.top_px, box.left_px, box.bottom_px - box.top_px, box.right_px - box.left_px)
    mask = mask_of(np.array(cell.outline)[:, ::-1], box)
    middle = (box.top_px + box.bottom_px) // 2, (box.left_px + box.right_px) // 2
    found = FoundCell(box, *middle, pixels, mask, mask, area_um2=0.0, nucleus_um2=0.0, sharpness=0.0)
    crop = cut_cell(found, microns_per_pixel=image.microns_per_pixel, crop_um=card.microns_per_pixel)
    write_crop(place_on_canvas(crop, card.canvas_px), path)
    return path


def find_crop(files: RoomFiles, image: CaseImage, cell: CaseCell, *, model: RoomModel | None) -> Path | None:
    """Return the cell of a field or slide on black for whoever shows it; None if there is none.

    Parameters
    ----------
    files, image, cell
        Not of a crop, which is its own.
    model
        The room's, by whose card it is cut again if it scored the cell; None if the room has none.

    Raises
    ------
    StoreError
        If it is to be cut again, and the kept image is gone or damaged.
    """
    path = files.crop(image.id, cell.id)
    if path.is_file() or model is None or cell.model_id not in model.ids:
        return path if path.is_file() else None
    try:
        with kept_images():
            return ensure_crop(files, image, cell, card=model.card)
    except DataError:  # a cell of a table, without an outline
        return None
