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
from leuknet.fields.describe import box_at, describe
from leuknet.fields.field import Field
from leuknet.fields.find import MOST_UM
from leuknet.fields.geojson import OutlinedCell
from leuknet.fields.outline import Outline, Parts, box_around, mask_of_parts
from leuknet.fields.shapes import box_of
from leuknet.types import CellBox, FieldScale, FoundCell, Mask

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
    factor = reduction(um)
    whole = field.height_px, field.width_px
    for outlined in outlines:
        window = _window(outlined, whole, um)
        at = window.top_px, window.left_px
        mask = _mask(outlined, window, um)
        pixels = field.read(*at, *mask.shape)
        view = view_field(pixels, um, colours)
        share = np.asarray(Image.fromarray(mask * np.uint8(255)).reduce(factor))
        regions = (share >= min(128, int(share.max()))).astype(np.int64)
        for cell in describe(regions, view, pixels, at=at, whole=whole):
            place = box_of(mask)
            nucleus = np.zeros(mask.shape, bool)
            top, left = cell.box.top_px - at[0], cell.box.left_px - at[1]
            nucleus[top : top + cell.mask.shape[0], left : left + cell.mask.shape[1]] = cell.nucleus
            as_outlined = replace(
                cell,
                box=box_at(place, at),
                pixels=pixels[place].copy(),
                mask=mask[place],
                nucleus=(nucleus & mask)[place],
                area_um2=float(mask.sum()) * um**2,
            )
            yield outlined, as_outlined


def _window(outlined: OutlinedCell, whole: tuple[int, int], um: float) -> CellBox:
    """Return the part of the image that is looked at for a cell, empty if the cell lies outside of it."""
    box, margin = box_around(_points(outlined)), math.ceil(_MARGIN_UM / um)
    step = reduction(um) * BLOCK
    top, left = (max(0, first - margin) // step * step for first in (box.top_px, box.left_px))
    return CellBox(top, left, min(whole[0], box.bottom_px + margin), min(whole[1], box.right_px + margin))


def _parts(outlined: OutlinedCell) -> Parts:
    return outlined.parts or ((outlined.outline,),)


def _points(outlined: OutlinedCell) -> Outline:
    """Return the points of all outer rings."""
    return np.concatenate([outer for outer, *_ in _parts(outlined)])


def _mask(outlined: OutlinedCell, window: CellBox, um: float) -> Mask:
    box = box_around(_points(outlined))
    height_um, width_um = um * (box.bottom_px - box.top_px), um * (box.right_px - box.left_px)
    mask = np.zeros((1, 1), bool)
    is_inside = window.top_px < window.bottom_px and window.left_px < window.right_px
    if is_inside and max(height_um, width_um) <= MOST_UM:
        mask = mask_of_parts(_parts(outlined), window)
    if not mask.any():
        raise DataError(
            f"cannot use the outline {outlined.name!r}",
            why=f"it is {width_um:.0f} x {height_um:.0f} µm, with {mask.sum()} pixels in the image",
            fix=f"export cells only, of at most {MOST_UM:g} µm a side, and of this very image",
        )
    return mask
