"""Measures colour, texture and shape of a cell, by the features that came before networks learned their own.

They are what a network must beat: with boosted trees on top, see `leuknet.evaluation.baselines`, they make a
classifier of the kind that the literature on leukaemic cells is full of. All speak of the pixels that are
not black.

Start at `describe_texture`; `TEXTURES` names the numbers in their order.

References
----------
Haralick, Shanmugam & Dinstein (1973), "Textural features for image classification", IEEE Transactions on
Systems, Man, and Cybernetics 3(6), for the co-occurrence of grey levels. Ojala, Pietikäinen & Mäenpää (2002),
"Multiresolution gray-scale and rotation invariant texture classification with local binary patterns", IEEE
TPAMI 24(7).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2gray, rgb2lab
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern
from skimage.measure import label, regionprops

from leuknet.images.measures import BLACK_LEVEL
from leuknet.types import Pixels

TEXTURE_VERSION = 1
"""To be raised with every change that changes a number: textures may have been kept."""

GREY_LEVELS = 32
"""Levels into which grey is divided before co-occurrences are counted."""

_DISTANCES_PX = (1, 4)
_RADII_PX = (1, 3)
_POINTS = 8
_MIN_PIXELS = 25  # less is no cell, and has no texture
_HARALICK = ("contrast", "homogeneity", "energy", "correlation")
_SHAPE = ("area", "perimeter", "eccentricity", "solidity", "extent", "axis_major_length", "axis_minor_length")

TEXTURES = (
    *(f"shape {name}" for name in _SHAPE),
    *(f"{statistic} {channel}" for statistic in ("mean", "deviation") for channel in ("L", "a", "b")),
    *(f"{name} at {distance} px" for name in _HARALICK for distance in _DISTANCES_PX),
    *(f"pattern {number} at {radius} px" for radius in _RADII_PX for number in range(_POINTS + 2)),
)
"""What each number of `describe_texture` is."""


def describe_texture(pixels: Pixels) -> NDArray[np.float32]:
    """Return the features of one image.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        sRGB; a cell on black, or a whole picture.

    Returns
    -------
    (T,) float32
        In the order of `TEXTURES`; all 0 where nearly all is black. Shape is that of the largest piece,
        lengths in pixels; colours are CIELAB under D65; co-occurrences are means over four directions;
        patterns are shares of the pixels.
    """
    lit = pixels.max(axis=2) > BLACK_LEVEL
    if np.count_nonzero(lit) < _MIN_PIXELS:
        return np.zeros(len(TEXTURES), dtype=np.float32)
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    cell, lit = pixels[box], lit[box]
    largest = max(regionprops(label(lit)), key=lambda piece: piece.area)
    colours = rgb2lab(cell[lit])
    grey = (255 * rgb2gray(cell)).astype(np.uint8)
    return np.array(
        [
            *(float(largest[name]) for name in _SHAPE),
            *colours.mean(axis=0),
            *colours.std(axis=0),
            *_co_occurrence(grey, lit),
            *(share for radius in _RADII_PX for share in _patterns(grey, lit, radius)),
        ],
        dtype=np.float32,
    )


def _co_occurrence(grey: NDArray[np.uint8], lit: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Haralick's features at each distance, one after the other; black pixels count in none."""
    levels = np.where(lit, 1 + grey.astype(np.int64) * GREY_LEVELS // 256, 0).astype(np.uint8)
    angles = np.arange(4) * np.pi / 4
    counts = graycomatrix(levels, _DISTANCES_PX, angles, levels=GREY_LEVELS + 1, symmetric=True)[1:, 1:]
    return np.concatenate([graycoprops(counts, name).mean(axis=1) for name in _HARALICK])


def _patterns(grey: NDArray[np.uint8], lit: NDArray[np.bool_], radius: int) -> NDArray[np.float64]:
    codes = local_binary_pattern(grey, _POINTS, radius, method="uniform")[lit].astype(np.int64)
    return np.asarray(np.bincount(codes, minlength=_POINTS + 2) / codes.size)
