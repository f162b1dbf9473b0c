"""Pictures of a microscope's camera: one page, small enough to be held in memory as a whole.

Start at `open_picture`; `is_plain` tells which TIFF is one.
"""

from __future__ import annotations

from pathlib import Path

from PIL import TiffImagePlugin

from leuknet.fields.slide_layout import Layout, Level, ignored_warnings, microns_of_resolution, one_scale
from leuknet.images.reading import MAX_FILE_BYTES, read_pixels
from leuknet.types import Pixels

MAX_FIELD_SIDE_PX = 12_000
"""Longest side of an image that is held in memory as a whole; no microscope camera has more."""


def open_picture(path: Path, microns_per_pixel: float | None) -> Layout:
    """Open an image that fits into memory, and hold it there; its scale is for the caller to say."""
    image = read_pixels(path, max_side_px=MAX_FIELD_SIDE_PX)
    return held_layout(image.pixels, microns_per_pixel, image.warnings)


def held_layout(pixels: Pixels, microns_per_pixel: float | None, warnings: tuple[str, ...]) -> Layout:
    """Return a layout of pixels in memory, all at one resolution."""
    held = [pixels]

    def read(top: int, left: int, height: int, width: int) -> Pixels:
        (whole,) = held  # fails after `close`, as it does for a slide
        return whole[top : top + height, left : left + width].copy()

    height, width = pixels.shape[:2]
    levels = (Level(height, width, 1, 1, read),)
    return Layout(levels, microns_per_pixel, warnings, held.clear, serves_threads=True)


def first_directory(path: Path, head: bytes) -> TiffImagePlugin.ImageFileDirectory_v2 | None:
    """Read the tags of a TIFF's first page with Pillow, which is always there; None if it cannot."""
    directory = None
    try:
        with ignored_warnings(), path.open("rb") as file:
            # The header of a BigTIFF is longer, and Pillow knows only the little-endian one.
            directory = TiffImagePlugin.ImageFileDirectory_v2(head[: 16 if head[2] == 43 else 8])
            file.seek(directory.next)
            directory.load(file)
            dict(directory)  # decodes the values
    except Exception:
        return None
    return directory


def is_plain(path: Path, first: TiffImagePlugin.ImageFileDirectory_v2) -> bool:
    """Say whether a TIFF is one small picture: untiled, of one page, without a slide's description."""
    sides = [first.get(tag) for tag in (256, 257)]
    is_small = all(isinstance(side, int) and side <= MAX_FIELD_SIDE_PX for side in sides)
    is_alone = not first.next and not {322, 330} & set(first)  # TileWidth, SubIFDs
    described = str(first.get(270, ""))
    is_slide = "<OME" in described[:4096] or described.startswith("Aperio")
    return is_small and is_alone and not is_slide and path.stat().st_size <= MAX_FILE_BYTES


def scale_of_directory(first: TiffImagePlugin.ImageFileDirectory_v2) -> float | None:
    """Return the scale that the tags of a page state, in micrometres per pixel."""
    across, down, unit = (first.get(tag) for tag in (282, 283, 296))
    scale, _ = one_scale(microns_of_resolution(across, unit), microns_of_resolution(down, unit))
    return scale
