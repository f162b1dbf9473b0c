"""Pictures of a microscope's camera: one page, small enough to be held in memory as a whole.

Start at `open_picture`; `is_plain` tells which TIFF is one.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import TiffImagePlugin

from leuknet.fields.slide_layout import Layout, Level, ignored_warnings
from leuknet.fields.tiff_scale import MAKERS, Scale, scale_of_tags
from leuknet.images import tiff_header
from leuknet.images.reading import MAX_FILE_BYTES, read_pixels
from leuknet.types import Pixels

MAX_FIELD_SIDE_PX = 12_000
"""Longest side of an image that is held in memory as a whole; no microscope camera has more."""


def open_picture(path: Path, scale: Scale = (None, ())) -> Layout:
    """Open an image that fits into memory, and hold it there; its scale is for the caller to say."""
    image = read_pixels(path, max_side_px=MAX_FIELD_SIDE_PX)
    microns_per_pixel, notes = scale
    return held_layout(image.pixels, microns_per_pixel, (*image.warnings, *notes))


def held_layout(pixels: Pixels, microns_per_pixel: float | None, warnings: tuple[str, ...]) -> Layout:
    """Return a layout of pixels in memory, all at one resolution."""
    held = [pixels]

    def read(top: int, left: int, height: int, width: int) -> Pixels:
        (whole,) = held  # fails after `close`, as it does for a slide
        return whole[top : top + height, left : left + width].copy()

    height, width = pixels.shape[:2]
    levels = (Level(height, width, 1, 1, read),)
    return Layout(levels, microns_per_pixel, warnings, held.clear, serves_threads=True)


def first_directory(path: Path) -> TiffImagePlugin.ImageFileDirectory_v2 | None:
    """Read the tags of a TIFF's first page with Pillow, which is always there; None if it cannot."""
    with ignored_warnings(), path.open("rb") as file:
        return tiff_header.first_directory(file)


def is_plain(path: Path, first: TiffImagePlugin.ImageFileDirectory_v2) -> bool:
    """Say whether a TIFF is one small picture that Pillow reads: untiled, of one page, with no slide's
    description.
    """
    sides = [first.get(tag) for tag in (256, 257)]
    is_small = all(isinstance(side, int) and side <= MAX_FIELD_SIDE_PX for side in sides)
    is_alone = not first.next and not {322, 330} & set(first)  # TileWidth, SubIFDs
    described = str(first.get(270, ""))
    is_slide = "<OME" in described[:4096] or described.startswith("Aperio")
    is_read = first.get(259, 1) in tiff_header.PILLOW_COMPRESSIONS and first.get(262) != 6  # YCbCr
    return is_small and is_alone and not is_slide and is_read and path.stat().st_size <= MAX_FILE_BYTES


def scale_of_directory(path: Path, first: TiffImagePlugin.ImageFileDirectory_v2) -> Scale:
    """Return the scale that the tags of a page state, and what is to be said of it."""
    tags: dict[int, Any] = dict(first)
    if MAKERS & set(tags):
        # They point to places elsewhere in the file. Without tifffile such a file has no scale of its own.
        with suppress(Exception), ignored_warnings():
            import tifffile

            with tifffile.TiffFile(path, _multifile=False) as tiff:
                kept = tiff.pages.first.tags
                tags |= {tag: kept.valueof(tag) for tag in MAKERS if tag in kept}
    return scale_of_tags(tags)
