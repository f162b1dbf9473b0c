"""Finds the same cell in pictures that differ in their bytes: a perceptual hash first, then the pixels.

A copy saved anew, a little brighter, or shifted by a pixel, and one cell photographed in two overlapping
fields, have other bytes and yet show the same cell: on two sides of a split they leak. The hash is pHash of
the ImageHash library with 256 bits: the signs, about their median, of the 16 x 16 lowest frequencies of the
grey picture at 64 x 64 pixels. It is a first sieve: two round, smooth cells of different people come as near
as 20 bits. What a cell has inside tells them apart: the pixels of pairs that pass the sieve are compared.
Decision 0006 says how the limits were chosen, and what they find and miss.

Start at `perceptual_hash` and `same_cell_in`; `leuknet.data.overlap` compares whole sides.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import irfft2, rfft2
from scipy.ndimage import gaussian_filter

from leuknet.errors import UnreadableImageError
from leuknet.images.reading import read_pixels
from leuknet.images.transform import place_on_canvas
from leuknet.types import CellImage, Pixels

HASH_NAME = "pHash"

_SIDE = 16
HASH_BITS = _SIDE * _SIDE

LIMITS = ((28, 0.62), (44, 0.81))
"""Bits up to which hashes may differ, and the likeness from which two such pictures show one cell."""

NEAR_BITS = LIMITS[-1][0]
"""Bits up to which two pictures are compared at all."""

SUSPECT_BITS = 18
"""Bits up to which two pictures are suspected to show one cell where the pixels are not at hand."""

_PICTURE_PX = 225  # half of C-NMC's canvas
_FINE_PX, _COARSE_PX = 2.0, 8.0  # structure between these sizes counts: no noise or focus, no shading
_SHIFT_PX = 24
_BLACK = 10  # grey; JPEG leaves a little more than 0 around a cell
_KEPT = 256


def perceptual_hash(pixels: Pixels) -> str:
    """Return the perceptual hash of one image.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        The whole canvas, with the cell at true scale; all images that are compared have the same canvas.
        Nothing is cut or centred here.

    Returns
    -------
    str
        `HASH_BITS` bits as 64 lower-case hex digits. An image of one colour has all bits 0 but perhaps one.

    References
    ----------
    ImageHash, https://github.com/JohannesBuchner/imagehash (BSD 2-clause), `phash(image, hash_size=16)`.
    """
    return str(imagehash.phash(Image.fromarray(pixels), hash_size=_SIDE))


Structure = NDArray[np.float32]
"""(S, S) fine structure of a picture, with a sum of squares of 1, or 0 everywhere where there is none."""


def fine_structure(pixels: Pixels) -> Structure:
    """Return what makes one cell differ from another of its size: what is neither noise nor shading.

    Outline and shading, which all roundish cells share, are taken away, and so is what focus and noise
    change. Black, which is no cell, stays 0.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        As for `perceptual_hash`.
    """
    grey = Image.fromarray(pixels).convert("L").resize((_PICTURE_PX, _PICTURE_PX), Image.Resampling.BILINEAR)
    values = np.asarray(grey, dtype=np.float32)
    cell = (values > _BLACK).astype(np.float32)

    def mean_around(size_px: float) -> Structure:
        share = np.maximum(gaussian_filter(cell, size_px), 1e-3)
        return np.asarray(gaussian_filter(values * cell, size_px) / share, dtype=np.float32)

    detail = (mean_around(_FINE_PX) - mean_around(_COARSE_PX)) * cell
    norm = float(np.linalg.norm(detail))
    return detail / norm if norm else detail


def likeness(first: Structure, second: Structure) -> float:
    """Return the correlation of two pictures' fine structure, moved onto each other as well as it goes.

    Moves of up to `_SHIFT_PX` pixels along each axis are tried.
    """
    moved = irfft2(rfft2(first) * np.conj(rfft2(second)), s=first.shape)
    near = np.r_[-_SHIFT_PX : _SHIFT_PX + 1]
    return float(moved[np.ix_(near, near)].max())


def is_one_cell(bits: int, alike: float) -> bool:
    """Return whether two pictures show one cell, from the bits of their hashes that differ and `likeness`.

    Examples
    --------
    >>> is_one_cell(20, 0.7), is_one_cell(20, 0.3), is_one_cell(40, 0.7), is_one_cell(40, 0.95)
    (True, False, False, True)
    """
    return any(bits <= most and alike >= least for most, least in LIMITS)


def same_cell_in(
    cells: Iterable[CellImage], *, root: Path | None, canvas_px: int | None
) -> Callable[[str, str, int], bool | None]:
    """Return a function that says whether two contents, by sha256, show one cell, given the bits that differ.

    It answers None where one of them is not among the cells, or cannot be read. The last pictures are kept,
    since pairs come in the order of their first.

    Parameters
    ----------
    cells
        Whose pictures are at hand.
    root, canvas_px
        As for `leuknet.images.survey.survey`.
    """
    paths = {cell.sha256: cell.path for cell in cells}

    @functools.lru_cache(maxsize=_KEPT)
    def look(content: str) -> Structure | None:
        if content not in paths:
            return None
        try:
            pixels = read_pixels(paths[content], root=root).pixels
        except UnreadableImageError:
            return None
        return fine_structure(pixels if canvas_px is None else place_on_canvas(pixels, canvas_px))

    def same(first: str, second: str, bits: int) -> bool | None:
        one, other = look(first), look(second)
        return None if one is None or other is None else is_one_cell(bits, likeness(one, other))

    return same
