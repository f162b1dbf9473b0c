"""Cuts a found cell out as a model expects it: on black, at the model's scale.

`leuknet.images.transform.place_on_canvas` then sets it in the middle of the model's square.

Start at `cut_cell`.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from leuknet.types import FoundCell, Mask, Pixels


def cut_cell(cell: FoundCell, *, microns_per_pixel: float, crop_um: float | None) -> Pixels:
    """Return one cell on black.

    Parameters
    ----------
    cell
        As it was found.
    microns_per_pixel
        Scale at which it was found.
    crop_um
        Scale of the result; None keeps that of the field. What lies outside of the cell is black before it
        is rescaled, with a filter that widens as it shrinks, as in the published crops.

    Returns
    -------
    (H', W', 3) uint8
        The box at the new scale. At least one pixel each way.
    """
    return set_on_black(cell.pixels, cell.mask, microns_per_pixel=microns_per_pixel, crop_um=crop_um)


def set_on_black(pixels: Pixels, mask: Mask, *, microns_per_pixel: float, crop_um: float | None) -> Pixels:
    """Return what a mask (H, W) shows of pixels (H, W, 3) on black, as `cut_cell` does."""
    alone = np.where(mask[..., None], np.maximum(pixels, 1), 0).astype(np.uint8)
    if crop_um is None or crop_um == microns_per_pixel:
        return alone
    h, w = mask.shape
    size = tuple(max(1, round(side * microns_per_pixel / crop_um)) for side in (w, h))
    scaled = np.asarray(Image.fromarray(alone).resize(size, Image.Resampling.BILINEAR))
    shown = Image.fromarray(mask * np.uint8(255)).resize(size, Image.Resampling.BILINEAR)
    inside = np.asarray(shown) > 127
    return np.where(inside[..., None], np.maximum(scaled, 1), 0).astype(np.uint8)
