"""What all readers of slides give, and what they share: resolutions, scales, limits and refusals.

A header is not believed: a tile that claims more than `MAX_TILE_PX` is refused before memory is taken.

Start at `Layout`.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leuknet.errors import MissingExtraError, UnreadableImageError
from leuknet.images.reading import WARNINGS_LOCK
from leuknet.types import Pixels

MAX_TILE_PX = 64 * 2**20
"""Pixels that a tile, strip or frame may have; scanners write at most 4096 a side."""

MAX_SLIDE_SIDE_PX = 1_000_000
"""A whole slide at 0.1 micrometres a pixel stays below."""

_SCALES_UM = (0.01, 10.0)

# What cameras, screens, printers and scanners write when nobody measured a scale; those up to 2540 dpi fall
# out of `_SCALES_UM` anyway.
_USUAL_DPI = (
    72, 75, 96, 100, 120, 144, 150, 180, 200, 240, 300, 350, 400, 600, 1200, 2400, 3200, 4800, 6400, 9600,
)  # fmt: skip

COPY_AGAIN = "copy it again from its source"
EXPORT = "export it as an 8-bit RGB pyramidal TIFF"
ONE_PLANE = "export the one plane wanted as an 8-bit RGB image"

NOT_SQUARE = "its pixels are not square"

RegionReader = Callable[[int, int, int, int], Pixels]
"""Takes top, left, height and width in pixels of a level; gives (height, width, 3) uint8."""


@dataclass(frozen=True)
class Level:
    """One resolution of an image.

    Attributes
    ----------
    height_px, width_px
        Its size.
    segment_height_px, segment_width_px
        Size of what is decoded at once: a tile, a strip, a frame; 1 x 1 if any region costs no more than
        its own pixels.
    read
        Reads a region of it.
    """

    height_px: int
    width_px: int
    segment_height_px: int
    segment_width_px: int
    read: RegionReader


@dataclass(frozen=True)
class Layout:
    """What an opened file holds.

    Attributes
    ----------
    levels
        At least one, the full resolution first.
    microns_per_pixel
        Micrometres, or None if the file does not say.
    warnings
        One sentence each.
    close
        May be called twice.
    serves_threads
        Whether several threads may read at once.
    """

    levels: tuple[Level, ...]
    microns_per_pixel: float | None
    warnings: tuple[str, ...]
    close: Callable[[], None]
    serves_threads: bool = False


def unreadable(path: Path, why: str, fix: str) -> UnreadableImageError:
    """Return the error that names the file, quoted as in `images`."""
    return UnreadableImageError(f"cannot read the image {str(path)!r}", why=why, fix=fix)


@contextmanager
def ignored_warnings() -> Iterator[None]:
    """Keep a library's remarks on a file from the user's screen; the checks here are stricter.

    The filters of `warnings` belong to the whole process, so all that change them must share one lock.
    """
    with WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def microns_of_resolution(resolution: object, unit: object) -> float | None:
    """Return a TIFF's scale in micrometres, None if its resolution is not one of a microscope.

    Parameters
    ----------
    resolution
        XResolution or YResolution, in pixels per unit.
    unit
        ResolutionUnit: 2 for inch, 3 for centimetre.
    """
    try:
        per_inch = float(resolution) * {2: 1.0, 3: 2.54}[unit]  # type: ignore[arg-type, index]
        if any(abs(per_inch - usual) < 0.01 * usual for usual in _USUAL_DPI):
            return None
        return 25_400 / per_inch
    except (TypeError, ValueError, KeyError, ZeroDivisionError):
        return None


def one_scale(across_um: float | None, down_um: float | None) -> tuple[float | None, tuple[str, ...]]:
    """Return the scale if both directions agree on one that a microscope can have; else why not."""
    if across_um is None or down_um is None:
        return None, ()
    lowest, highest = _SCALES_UM
    if not (lowest <= across_um <= highest and lowest <= down_um <= highest):
        return None, ()
    if not math.isclose(across_um, down_um, rel_tol=0.01):
        return None, (f"{NOT_SQUARE}: {across_um:.4g} x {down_um:.4g} micrometres",)
    return across_um, ()


@contextmanager
def slides_extra() -> Iterator[None]:
    """Turn a missing library into an error that names the extra."""
    try:
        yield
    except (ImportError, OSError) as error:  # OSError: OpenSlide's shared library does not load
        why = f"a library is missing: {error}"
        fix = "pip install 'leuknet[slides]'"
        raise MissingExtraError("cannot open a whole slide", why=why, fix=fix) from error


def number(text: object) -> float | None:
    """Return what a text, a number or a fraction of two says as a number, None if it says none."""
    try:
        return text[0] / text[1] if isinstance(text, tuple) else float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None


def check_claims(path: Path, size: tuple[int, int], segment: tuple[int, int]) -> None:
    """Refuse sides and tiles that no slide has, before memory is taken for them."""
    if not 0 < max(size) <= MAX_SLIDE_SIDE_PX or min(size) < 1:
        why = f"it claims {size[0]} x {size[1]} pixels, at most {MAX_SLIDE_SIDE_PX} a side"
        raise unreadable(path, why, f"{COPY_AGAIN}: its header is likely damaged")
    if min(segment) < 1 or segment[0] * segment[1] > MAX_TILE_PX:
        why = f"its tiles or strips claim {segment[0]} x {segment[1]} pixels, at most {MAX_TILE_PX} in all"
        raise unreadable(path, why, "save it with tiles of 256 x 256 pixels")


def by_segments(
    segment: Callable[[int, int], Pixels], size: tuple[int, int], tile: tuple[int, int]
) -> RegionReader:
    """Return a reader of regions that decodes only the tiles that meet the region.

    `segment` takes a tile's row and column and gives its pixels, of `tile` size or cut at the image's edge.
    """

    def read(top: int, left: int, height: int, width: int) -> Pixels:
        pixels = np.empty((height, width, 3), np.uint8)
        rows = range(top // tile[0], (top + height - 1) // tile[0] + 1)
        columns = range(left // tile[1], (left + width - 1) // tile[1] + 1)
        for row, column in itertools.product(rows, columns):
            above, before = row * tile[0], column * tile[1]
            upper, lower = max(top, above), min(top + height, above + tile[0], size[0])
            start, end = max(left, before), min(left + width, before + tile[1], size[1])
            part = segment(row, column)[upper - above : lower - above, start - before : end - before]
            # A part that is too small must not be stretched over its place.
            if part.shape != (lower - upper, end - start, 3):
                raise ValueError(f"the tile at row {above}, column {before} is too small")
            pixels[upper - top : lower - top, start - left : end - left] = part
        return pixels

    return read
