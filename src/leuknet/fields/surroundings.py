"""What lies around a cell, as a person wants to see it: the cell and a little of its neighbours.

Start at `surroundings`.
"""

from __future__ import annotations

import numpy as np

from leuknet.fields.field import Field
from leuknet.types import CellBox, Pixels

AROUND = 1.4
"""Side of the square that is shown, over the longer side of the cell's box."""


def surroundings(field: Field, box: CellBox) -> Pixels:
    """Return a square of the image around a cell at full resolution.

    Parameters
    ----------
    field
        The image.
    box
        Of the cell, within the image.

    Returns
    -------
    (S, S, 3) uint8
        S is `AROUND` times the longer side of the box; white where it reaches beyond the image.
    """
    top, left, side = shown_square(box)
    first_row, first_column = max(0, top), max(0, left)
    height = min(field.height_px, top + side) - first_row
    width = min(field.width_px, left + side) - first_column
    square = np.full((side, side, 3), 255, np.uint8)
    rows = slice(first_row - top, first_row - top + height)
    columns = slice(first_column - left, first_column - left + width)
    square[rows, columns] = field.read(first_row, first_column, height, width)
    return square


def shown_square(box: CellBox) -> tuple[int, int, int]:
    """Return top, left and side of the square around a cell, pixels of its image; it may reach beyond it."""
    side = round(AROUND * max(box.bottom_px - box.top_px, box.right_px - box.left_px))
    return (box.top_px + box.bottom_px - side) // 2, (box.left_px + box.right_px - side) // 2, side
