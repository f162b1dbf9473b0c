"""Turns masks into outlines and outlines into masks.

An outline is what other programs draw and exchange: a closed polygon in pixels of the full image, x before y,
the origin in the upper left corner of the upper left pixel. Start at `outline_of` or `mask_of`.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import shapely  # type: ignore[import-untyped]  # shapely ships no types
from numpy.typing import NDArray
from skimage.draw import polygon2mask
from skimage.measure import find_contours

from leuknet.types import CellBox, Mask

Outline = NDArray[np.float64]
"""(K, 2) x and y of a polygon; first and last point are the same."""

Parts = tuple[tuple[Outline, ...], ...]
"""A shape in pieces: of each its outer ring, then its holes."""

_TOLERANCE_PX = 0.4


def outline_of(mask: Mask, box: CellBox) -> Outline:
    """Return the outline of the largest part of a mask, simplified by less than a pixel.

    Parameters
    ----------
    mask : (H, W) bool
        At least one pixel.
    box
        Where the mask lies in the image.
    """
    contours = find_contours(np.pad(mask, 1).astype(np.float64), 0.5)
    ring = shapely.LineString(max(contours, key=area_of))
    simple = shapely.get_coordinates(shapely.simplify(ring, _TOLERANCE_PX, preserve_topology=False))
    if len(simple) < 4:  # of a pixel or a line of them, nothing would be left
        simple = max(contours, key=area_of)
    # The middle of the first padded pixel is (0, 0) here and (-0.5, -0.5) in the mask.
    return np.asarray(np.round(simple[:, ::-1] - 0.5 + (box.left_px, box.top_px), 2))


def mask_of(outline: Outline, box: CellBox) -> Mask:
    """Return which pixels of a box have their middle within an outline."""
    shape = box.bottom_px - box.top_px, box.right_px - box.left_px
    places = outline[:, ::-1] - (box.top_px + 0.5, box.left_px + 0.5)
    return cast(Mask, polygon2mask(shape, places))


def mask_of_parts(parts: Parts, box: CellBox) -> Mask:
    """Return which pixels of a box have their middle in one of the pieces, and in none of its holes."""
    mask = np.zeros((box.bottom_px - box.top_px, box.right_px - box.left_px), bool)
    for outer, *holes in parts:
        piece = mask_of(outer, box)
        for hole in holes:
            piece &= ~mask_of(hole, box)
        mask |= piece
    return mask


def largest(parts: Parts) -> Outline:
    """Return the outer ring of the largest piece."""
    return max((outer for outer, *_ in parts), key=area_of)


def box_around(outline: Outline) -> CellBox:
    """Return the smallest box of whole pixels that holds an outline."""
    left, top = np.floor(outline.min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(outline.max(axis=0)).astype(int).tolist()
    return CellBox(top, left, bottom, right)


def area_of(points: NDArray[np.float64]) -> float:
    """Return the area within a closed ring in px²."""
    y, x = points[:, 0], points[:, 1]
    return float(abs(np.dot(y[:-1], x[1:]) - np.dot(y[1:], x[:-1]))) / 2
