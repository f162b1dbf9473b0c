"""Cuts a found cell out as a model expects it: at true scale, on black, in the middle of a square.

Start at `cut_cell`.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from leuknet.data.transform import place_on_canvas
from leuknet.types import FoundCell, Pixels


def cut_cell(pixels: Pixels, cell: FoundCell, *, microns_per_pixel: float, crop_um: float | None) -> Pixels:
    """Return one cell on black.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        The cell's box at full resolution.
    cell
        Where in the box the cell is.
    microns_per_pixel
        Scale of `pixels`.
    crop_um
        Scale of the result; None keeps that of the pixels. What lies outside of the cell is black before it
        is rescaled, with a filter that widens as it shrinks, as in the published crops.

    Returns
    -------
    (H', W', 3) uint8
        The box at the new scale. At least one pixel each way.
    """
    alone = np.where(cell.mask[..., None], np.maximum(pixels, 1), 0).astype(np.uint8)
    if crop_um is None or crop_um == microns_per_pixel:
        return alone
    h, w = cell.mask.shape
    size = tuple(max(1, round(side * microns_per_pixel / crop_um)) for side in (w, h))
    scaled = np.asarray(Image.fromarray(alone).resize(size, Image.Resampling.BILINEAR))
    mask = Image.fromarray(cell.mask * np.uint8(255)).resize(size, Image.Resampling.BILINEAR)
    inside = np.asarray(mask) > 127
    return np.where(inside[..., None], np.maximum(scaled, 1), 0).astype(np.uint8)


def on_canvas(crop: Pixels, canvas_px: int) -> tuple[Pixels, bool]:
    """Return a crop in the middle of a black square, and whether it was too large for it and lost its rim."""
    return place_on_canvas(crop, canvas_px), max(crop.shape[:2]) > canvas_px
