"""Cells that a person outlined in another program, as if a finder had found them.

Start at `cells_from_outlines`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from leuknet.errors import DataError
from leuknet.fields.colour import BLOCK, FieldColours, reduction, view_field
from leuknet.fields.describe import describe
from leuknet.fields.find import MOST_UM
from leuknet.fields.geojson import OutlinedCell
from leuknet.fields.outline import box_around, mask_of
from leuknet.fields.slides import Field
from leuknet.types import CellBox, FieldScale, FoundCell

_MARGIN_UM = 16.0  # within which the glass around a cell is measured


def cells_from_outlines(
    field: Field, scale: FieldScale, outlines: Sequence[OutlinedCell], colours: FieldColours
) -> Iterator[tuple[OutlinedCell, FoundCell]]:
    """Yield each outlined cell with what it is in the image, in their order.

    The outline is the user's to the pixel; nucleus, sharpness and flags are measured. What lies outside of
    the image is cut off, and flagged.

    Raises
    ------
    DataError
        If an outline holds no pixel of the image, or is larger than any cell.
    """
    um = scale.microns_per_pixel
    factor, margin = reduction(um), math.ceil(_MARGIN_UM / um)
    step = factor * BLOCK
    whole = field.height_px, field.width_px
    for outlined in outlines:
        box = box_around(outlined.outline)
        sides_um = (um * (box.bottom_px - box.top_px), um * (box.right_px - box.left_px))
        window = CellBox(
            *(max(0, first - margin) // step * step for first in (box.top_px, box.left_px)),
            *(
                min(end, last + margin)
                for end, last in zip(whole, (box.bottom_px, box.right_px), strict=True)
            ),
        )
        inside = window.top_px < window.bottom_px and window.left_px < window.right_px
        mask = np.zeros((1, 1), bool)
        if inside and max(sides_um) <= MOST_UM:
            mask = mask_of(outlined.outline, window)
        if not mask.any():
            raise DataError(
                f"cannot use the outline {outlined.name!r}",
                why=f"it is {sides_um[1]:.0f} x {sides_um[0]:.0f} µm, with {mask.sum()} pixels in the image",
                fix=f"export cells only, of at most {MOST_UM:g} µm a side, and of this very image",
            )
        height, width = window.bottom_px - window.top_px, window.right_px - window.left_px
        pixels = field.read(window.top_px, window.left_px, height, width)
        view = view_field(pixels, um, colours)
        share = np.asarray(Image.fromarray(mask * np.uint8(255)).reduce(factor))
        regions = (share >= min(128, int(share.max()))).astype(np.int64)
        for cell in describe(regions, view, pixels, at=(window.top_px, window.left_px), whole=whole):
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            place = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            nucleus = np.zeros(mask.shape, bool)
            top, left = cell.box.top_px - window.top_px, cell.box.left_px - window.left_px
            nucleus[top : top + cell.mask.shape[0], left : left + cell.mask.shape[1]] = cell.nucleus
            yield (
                outlined,
                replace(
                    cell,
                    box=CellBox(
                        window.top_px + place[0].start,
                        window.left_px + place[1].start,
                        window.top_px + place[0].stop,
                        window.left_px + place[1].stop,
                    ),
                    pixels=pixels[place].copy(),
                    mask=mask[place],
                    nucleus=(nucleus & mask)[place],
                    area_um2=float(mask.sum()) * um**2,
                ),
            )
