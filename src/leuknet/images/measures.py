"""Measures a picture without any network: how large its cell is, how stained, how sharp.

These few numbers do two jobs. They are the features of baselines that should not work as well as they do
(cell area alone tells most of C-NMC apart), and they say whether an image is of the kind that a model was
trained on, in words that a person can check. All speak of the pixels that are not black, which is the
cell where it was segmented and the whole picture where it was not.

Start at `measure`. Nothing here reads a file or knows a model.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from leuknet.errors import ShapeError
from leuknet.types import Pixels

BLACK_LEVEL = 8
"""A pixel is black if no channel exceeds this: JPEG blurs a black canvas by a few grey levels, and stained
cells are far brighter."""

# Rec. 601, as in Pillow's mode L.
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# A Laplacian of rounded channels is never quieter than this variance, whatever the picture shows: the sum of
# the squared weights (4, 1, 1, 1, 1), times the variance of a rounding error, 1/12, as grey averages three.
_ROUNDING = 20 / 12 * float((_GREY**2).sum())


class Measures(NamedTuple):
    """What is measured on one image; all finite, all 0 (but `black_share`) where it is all black.

    Attributes
    ----------
    area_px
        Pixels that are not black.
    black_share
        Share of black pixels in the picture, 0..1.
    fill
        Share of their bounding box that the pixels fill, 0..1: 0.79 for a disc, 1 for a whole picture.
    red, green, blue
        Mean of the pixels that are not black, 0..255.
    contrast
        Standard deviation of their grey levels, 0..128.
    sharpness
        Natural logarithm of the variance of the grey levels' Laplacian within the cell, its rim left out.
        Blur lowers it, noise raises it; -0.3 is what rounding to whole levels alone would give.
    """

    area_px: float
    black_share: float
    fill: float
    red: float
    green: float
    blue: float
    contrast: float
    sharpness: float


def measure(pixels: Pixels) -> Measures:
    """Measure one image, as it was read from disk.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        sRGB.

    Raises
    ------
    ShapeError
        If the array is of another shape or type, or empty.

    References
    ----------
    Pech-Pacheco et al. (2000), "Diatom autofocusing in brightfield microscopy: a comparative study",
    ICPR, for the variance of the Laplacian as a measure of focus.

    Examples
    --------
    >>> picture = np.zeros((10, 10, 3), np.uint8)
    >>> picture[2:6, 1:6] = (200, 100, 150)
    >>> measure(picture)[:4]
    (20.0, 0.8, 1.0, 200.0)
    """
    check_image(pixels, "measure")
    bright = pixels[:, :, 0] > BLACK_LEVEL
    bright |= pixels[:, :, 1] > BLACK_LEVEL
    bright |= pixels[:, :, 2] > BLACK_LEVEL
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    if not rows.size:
        return Measures(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    cell = bright[box]
    area = int(np.count_nonzero(cell))
    grey = pixels[box] @ _GREY
    red, green, blue = (float(channel[cell].mean()) for channel in np.moveaxis(pixels[box], 2, 0))
    return Measures(
        area_px=float(area),
        black_share=1 - area / bright.size,
        fill=area / cell.size,
        red=red,
        green=green,
        blue=blue,
        contrast=float(grey[cell].std(dtype=np.float64)),
        sharpness=_sharpness(grey, cell),
    )


def check_image(pixels: Pixels, doing: str) -> None:
    """Raise a `ShapeError` that says what cannot be done, unless `pixels` are one (H, W, 3) uint8 image."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or pixels.size == 0:
        raise ShapeError(
            f"cannot {doing} the image",
            why=f"it is an array of {pixels.shape} {pixels.dtype}, not of (H, W, 3) uint8",
            fix="give one 8-bit colour image",
        )


def _sharpness(grey: NDArray[np.float32], cell: NDArray[np.bool_]) -> float:
    """Return the sharpness of the pixels that are three or more from a black one and from the box's edge."""
    # Twice as quick as `binary_erosion`.
    inner = ndimage.minimum_filter(cell.view(np.uint8), size=5, mode="constant").view(np.bool_)
    if not inner.any():
        return 0.0
    return math.log(float(ndimage.laplace(grey)[inner].var(dtype=np.float64)) + _ROUNDING)
