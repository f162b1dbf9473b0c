"""Operations on masks that look no further than they say, so that a tile gives what the whole image gives.

All take and return (H, W) bool; lengths are in pixels. Beyond the edge, a mask is taken to go on as it is at
the edge. Start anywhere.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import remove_small_holes

from leuknet.types import Mask

NOWHERE_PX = 1e6
"""Distance from a mask that is empty: beyond any pixel of a tile."""


def distance_to(mask: Mask) -> NDArray[np.float64]:
    """Return the distance of each pixel from the nearest of the mask; `NOWHERE_PX` where that is empty.

    It is always finite: on infinite heights scikit-image's `h_maxima` loops without end or writes where it
    must not.
    """
    if not mask.any():
        return np.full(mask.shape, NOWHERE_PX)
    return cast(NDArray[np.float64], ndimage.distance_transform_edt(~mask))


def opened(mask: Mask, radius_px: float) -> Mask:
    """Remove what a disc of this radius does not fit into."""
    inner = ~np.pad(mask, 1, mode="edge")
    core = distance_to(inner)[1:-1, 1:-1] > radius_px
    return distance_to(core) <= radius_px


def fill_holes(mask: Mask, area_px: float) -> Mask:
    """Fill the holes of at most this area."""
    return cast(Mask, remove_small_holes(mask, max_size=area_px))


def box_of(mask: Mask) -> tuple[slice, slice]:
    """Return the rows and columns of the smallest box that holds all of a mask; it must not be empty."""
    (box,) = ndimage.find_objects(mask.view(np.uint8))
    return cast(tuple[slice, slice], box)


def keep_large(mask: Mask, area_px: float) -> Mask:
    """Remove the connected parts that are smaller than this area."""
    labels, _ = ndimage.label(mask)
    keep = np.bincount(labels.ravel()) >= area_px
    keep[0] = False
    return cast(Mask, keep[labels])
