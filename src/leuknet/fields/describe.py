"""Turns regions of a field into cells: outline, nucleus, size, sharpness, and what may be wrong with them.

Whatever found the regions, its cells come out of here alike. Start at `describe`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import regionprops

from leuknet.fields.colour import WORKING_UM, FieldView
from leuknet.fields.find import MOST_UM, Regions
from leuknet.fields.shapes import box_of, fill_holes
from leuknet.types import CellBox, CellFlag, FoundCell, Mask, Pixels

_SMALL_UM2, _LARGE_UM2 = 30.0, 450.0
_LEAST_SOLIDITY = 0.8
_TOUCHING_SHARE = 0.1  # of the outline
# 1% of the cells on which the finder was tuned lie below, and more than half of them once blurred by 0.6 µm.
_LEAST_SHARPNESS = -5.6
_ROUNDING = 1e-5  # about the variance of the Laplacian where a camera's 256 levels show no structure


def describe(
    regions: Regions, view: FieldView, pixels: Pixels, *, at: tuple[int, int], whole: tuple[int, int]
) -> Iterator[FoundCell]:
    """Yield the cells of regions, from top to bottom.

    Parameters
    ----------
    regions
        (H, W), at the view's resolution.
    view
        What the regions were found in.
    pixels : (H', W', 3) uint8
        The viewed part at full resolution.
    at
        Row and column of its upper left corner in the image.
    whole
        Height and width of the image.
    """
    for region in regionprops(regions):
        longest_px = max(side.stop - side.start for side in region.slice)
        if longest_px * view.microns_per_pixel > MOST_UM:
            continue
        # One more on each side, for what touches.
        around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in region.slice)
        mask = regions[around] == region.label
        nucleus = _nucleus(view.score[around], mask, view.microns_per_pixel)
        y, x = np.nonzero(nucleus)
        sharpness = _sharpness(view, around, mask)
        area_um2 = float(region.area * view.microns_per_pixel**2)
        place, full, full_nucleus = _enlarge(mask, nucleus, around, view.factor, pixels.shape[:2])
        box = box_at(place, at)
        noted: dict[CellFlag, bool] = {
            "border": _meets_border(box, whole),
            "touching": _touching_share(regions[around], mask) > _TOUCHING_SHARE,
            "blurred": sharpness < _LEAST_SHARPNESS,
            "small": area_um2 < _SMALL_UM2,
            "large": area_um2 > _LARGE_UM2,
            "ragged": region.solidity < _LEAST_SOLIDITY,
        }
        middle = view.factor // 2
        yield FoundCell(
            box,
            row_px=at[0] + (around[0].start + int(y.sum()) // y.size) * view.factor + middle,
            column_px=at[1] + (around[1].start + int(x.sum()) // x.size) * view.factor + middle,
            pixels=pixels[place].copy(),
            mask=full,
            nucleus=full_nucleus,
            area_um2=area_um2,
            nucleus_um2=float(y.size * view.microns_per_pixel**2),
            sharpness=sharpness,
            flags=tuple(flag for flag, is_so in noted.items() if is_so),
        )


def box_at(place: tuple[slice, slice], at: tuple[int, int]) -> CellBox:
    """Return the box of a place in a window, whose upper left corner is at this row and column."""
    rows, columns = place
    return CellBox(
        at[0] + int(rows.start), at[1] + int(columns.start), at[0] + int(rows.stop), at[1] + int(columns.stop)
    )


def _meets_border(box: CellBox, whole: tuple[int, int]) -> bool:
    return min(box.top_px, box.left_px) <= 0 or box.bottom_px >= whole[0] or box.right_px >= whole[1]


def _nucleus(score: np.ndarray[tuple[int, ...], np.dtype[np.float32]], mask: Mask, side_um: float) -> Mask:
    """Return the darker part of a cell, by Otsu's threshold within it."""
    inside = score[mask]
    if np.ptp(inside) == 0:
        return mask
    dark = mask & (score > threshold_otsu(inside))
    clean = fill_holes(ndimage.binary_opening(dark), 2 / side_um**2) & mask
    return clean if clean.any() else mask


def _sharpness(view: FieldView, window: tuple[slice, ...], mask: Mask) -> float:
    green = view.density[window][..., 1].astype(np.float64)
    fine = float(ndimage.laplace(green, mode="nearest")[mask].var()) + _ROUNDING
    # Over the variance itself, for pale stains; of smooth things the Laplacian grows with the pixel's area.
    coarse = float(green[mask].var()) + _ROUNDING
    return math.log(fine / coarse) - 4 * math.log(view.microns_per_pixel / WORKING_UM)


def _touching_share(around: Regions, mask: Mask) -> float:
    """Return the share of a cell's outline that lies against another cell."""
    rim = ndimage.binary_dilation(mask) & ~mask
    return float((around[rim] > 0).mean()) if rim.any() else 0.0


def _enlarge(
    mask: Mask, nucleus: Mask, window: tuple[slice, ...], factor: int, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], Mask, Mask]:
    """Return place, mask and nucleus at full resolution, with smooth outlines."""
    top, left = window[0].start * factor, window[1].start * factor
    size = mask.shape[1] * factor, mask.shape[0] * factor
    full, full_nucleus = (
        np.asarray(Image.fromarray(part * np.uint8(255)).resize(size, Image.Resampling.BILINEAR)) > 127
        for part in (mask, nucleus)
    )
    # The last working row and column may reach beyond the image.
    full = full[: shape[0] - top, : shape[1] - left]
    rows, columns = inner = box_of(full)
    place = slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop)
    return place, full[inner], (full_nucleus[: shape[0] - top, : shape[1] - left] & full)[inner]
