"""Cells that were found in the image of a smear.

Start at `FoundCell`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from leuknet.types.datasets import Pixels

Mask = NDArray[np.bool_]
"""(H, W), True where something is."""

CellFlag = Literal["border", "touching", "blurred", "small", "large", "ragged"]
"""Why a found cell may be worth less than others; `FLAG_MEANINGS` says it in words."""

FLAG_MEANINGS: dict[CellFlag, str] = {
    "border": "cut by the border of the image",
    "touching": "touches another cell: the outline between them is estimated",
    "blurred": "out of focus",
    "small": "smaller than a leukocyte: debris, a clump of platelets or a bare nucleus",
    "large": "larger than a leukocyte: a smudge or a clump of cells",
    "ragged": "ragged outline or nucleus in shreds: a smudge, or badly cut out",
}

ScaleSource = Literal["stated", "file", "red cell"]
"""Where an image's scale is from: the user, the file's own data, or a red cell that the user measured."""


@dataclass(frozen=True)
class CellBox:
    """A rectangle of pixels at full resolution; bottom and right are the first row and column outside."""

    top_px: int
    left_px: int
    bottom_px: int
    right_px: int


@dataclass(frozen=True)
class FieldScale:
    """How large a pixel of an image is, in µm a side, and how that is known."""

    microns_per_pixel: float
    source: ScaleSource


@dataclass(frozen=True, eq=False)
class FoundCell:
    """One leukocyte in a field or slide.

    Attributes
    ----------
    box
        The smallest that holds the cell.
    row_px, column_px
        The middle of its nucleus. No two cells of an image share it: with the image, it names the cell.
    pixels : (H, W, 3) uint8
        What the box holds, at full resolution.
    mask, nucleus : (H, W) bool
        Which pixels of the box are the cell, and which of these its nucleus.
    area_um2, nucleus_um2
        Their areas in µm².
    sharpness
        Natural logarithm of the variance of the Laplacian of its optical density, over that of the density
        itself, at a fixed scale; blur lowers it.
    flags
        What may be wrong with it, in the order of `FLAG_MEANINGS`.
    """

    box: CellBox
    row_px: int
    column_px: int
    pixels: Pixels
    mask: Mask
    nucleus: Mask
    area_um2: float
    nucleus_um2: float
    sharpness: float
    flags: tuple[CellFlag, ...] = ()

    @property
    def id(self) -> str:
        """Row and column of its nucleus: `r01234-c00567`."""
        return f"r{self.row_px:05d}-c{self.column_px:05d}"
