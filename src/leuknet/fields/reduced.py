"""Regions of an image at 1/2, 1/4, 1/8 of its resolution and so on, as a viewer that pans and zooms asks for.

The image at a factor is defined once, whatever the file holds: each of its pixels is the mean of a square of
`factor` pixels a side at full resolution, counted from the upper left corner; at the lower and right border,
of what there is of the square. A level of the file whose size fits that grid is taken as it is, since whoever
wrote it averaged already; others are brought to it. A part is thus the same however the image is cut, but for
OpenSlide, which places a part of a level at whole pixels of full resolution.

A file without small levels would have to be read as a whole for one coarse tile. `with_small_levels` makes
those that are missing, once, in a folder.

Start at `read_reduced`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from leuknet.errors import SettingError, ShapeError
from leuknet.fields.field import Field
from leuknet.fields.slide_layout import Level
from leuknet.records.whole import whole_file
from leuknet.types import Pixels

LEVEL_SUFFIX = ".npy"
"""Of the files of levels that were made."""

_STEP = 8
"""A level that is made is so many times smaller than the one before."""

_WIDEST_STEP = 16  # what a file may leave out between two levels
_SMALL_PX = 2048  # a level with no longer side needs no smaller one below it
_LARGEST_QUICK = 32  # Pillow divides by the pixels of a square in 24 bits: of large ones that is far off
_BLOCK_PX = 256  # of the made level, read at once: 2048 pixels a side of the one before


def read_reduced(field: Field, region: tuple[int, int, int, int], *, factor: int) -> Pixels:
    """Return a region of an image at a fraction of its resolution.

    Parameters
    ----------
    field
        The image.
    region
        Top, left, height and width in pixels of the reduced image, which has ceil(height / factor) x
        ceil(width / factor) of them.
    factor
        A power of two; 1 is full resolution.

    Returns
    -------
    (h, w, 3) uint8
        Rounded to the nearest value.

    Raises
    ------
    SettingError
        If the factor is no power of two.
    ShapeError
        If the region is empty or does not lie within the reduced image.
    UnreadableImageError
        If that part of the file is damaged or cut off, or the field is closed.
    """
    if factor < 1 or factor & (factor - 1):
        raise SettingError(
            "cannot reduce the image", why=f"by {factor}, no power of two", fix="use 1, 2, 4, 8 ..."
        )
    top, left, height, width = region
    rows, columns = math.ceil(field.height_px / factor), math.ceil(field.width_px / factor)
    if not (0 <= top < top + height <= rows and 0 <= left < left + width <= columns):
        raise ShapeError(
            "cannot read a region of the reduced image",
            why=f"{height} x {width} pixels from row {top}, column {left} are empty or reach outside of the "
            f"{rows} x {columns} pixels there are at 1/{factor}",
            fix="ask for a region of at least one pixel within the image",
        )
    fitting = ((level, scale) for level in field.whole_levels if max(scale := _scale(field, level)) <= factor)
    level, (down, across) = max(fitting, key=lambda pair: pair[1])
    return _read(field, level, region, (factor / down, factor / across))


def with_small_levels(field: Field, folder: Path) -> Field:
    """Return an image with such small levels that no reduced region costs much more than its own pixels.

    Parameters
    ----------
    field
        The image; it must stay open while the result is used, and closing either closes both.
    folder
        Of this image alone. What the file lacks is read from there, or made, which reads the file once: up to
        a minute for a large slide. May be deleted at any time.

    Raises
    ------
    UnreadableImageError
        If a part of the file is damaged or cut off.
    """
    scale = 1.0
    while max(field.height_px, field.width_px) / scale > _SMALL_PX:
        stored = [max(_scale(field, level)) for level in field.whole_levels]
        following = [smaller for smaller in stored if scale < smaller <= _WIDEST_STEP * scale]
        if following:
            scale = max(following)
            continue
        scale = 2.0 ** math.floor(math.log2(scale)) * _STEP
        level = _made_level(field, folder / f"reduced-{scale:.0f}{LEVEL_SUFFIX}", factor=int(scale))
        field = replace(field, layout=replace(field.layout, levels=(*field.layout.levels, level)))
    return field


def _scale(field: Field, level: Level) -> tuple[float, float]:
    """Return pixels at full resolution for one of a level, down and across: whole if its size allows it."""
    power = 2 ** round(math.log2(field.width_px / level.width_px))
    sizes = ((field.height_px, level.height_px), (field.width_px, level.width_px))
    # Some programs round the size of a level down, others up.
    if all(abs(full / power - small) < 1 for full, small in sizes):
        return float(power), float(power)
    return field.height_px / level.height_px, field.width_px / level.width_px


def _read(
    field: Field, level: Level, region: tuple[int, int, int, int], ratio: tuple[float, float]
) -> Pixels:
    """Return a region, counted in pixels that are `ratio` times as large as those of a level."""
    top, left, height, width = region
    (first, last, upper, lower), (start, end, before, behind) = (
        _span(at, length, times, size)
        for at, length, times, size in zip(
            (top, left), (height, width), ratio, (level.height_px, level.width_px), strict=True
        )
    )
    pixels = field.read_level(level, (first, start, last - first, end - start))
    if ratio[0] != ratio[1] or not ratio[0].is_integer():
        box = (before - start, upper - first, behind - start, lower - first)
        return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX, box=box))
    if ratio[0] > 1:
        pixels = _mean_of_squares(pixels, int(ratio[0]))
    # A level whose size was rounded down lacks the last row or column: the one before is its best estimate.
    lacking = ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0))
    return np.pad(pixels, lacking, mode="edge") if any(map(sum, lacking)) else pixels


def _mean_of_squares(pixels: Pixels, side: int) -> Pixels:
    """Return the mean of each square, at the border of what there is of it."""
    if side <= _LARGEST_QUICK:
        return np.array(Image.fromarray(pixels).reduce(side))
    rows, columns = (np.arange(0, length, side) for length in pixels.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(pixels, rows, axis=0, dtype=np.int64), columns, axis=1)
    lengths = (np.diff(np.append(at, end)) for at, end in zip((rows, columns), pixels.shape[:2], strict=True))
    counts = np.multiply.outer(*lengths)[..., None]
    means: Pixels = ((2 * sums + counts) // (2 * counts)).astype(np.uint8)
    return means


def _span(at: int, length: int, ratio: float, size: int) -> tuple[int, int, float, float]:
    """Return which pixels of a level to read on one axis, and which part of them counts; never none."""
    upper = min(at * ratio, size - 1)
    lower = min((at + length) * ratio, size)
    return math.floor(upper), math.ceil(lower), upper, lower


def _made_level(field: Field, path: Path, *, factor: int) -> Level:
    """Return the image at a factor from a file of pixels, which is made where it lacks."""
    height, width = math.ceil(field.height_px / factor), math.ceil(field.width_px / factor)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            kept = np.lib.format.open_memmap(part, "w+", dtype=np.uint8, shape=(height, width, 3))
            for top, left in product(range(0, height, _BLOCK_PX), range(0, width, _BLOCK_PX)):
                size = (min(_BLOCK_PX, height - top), min(_BLOCK_PX, width - left))
                block = read_reduced(field, (top, left, *size), factor=factor)
                kept[top : top + size[0], left : left + size[1]] = block
            kept.flush()
    pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    if pixels.shape != (height, width, 3) or pixels.dtype != np.uint8:
        raise ValueError(f"{path} holds {pixels.shape} {pixels.dtype}, not {(height, width, 3)} uint8")

    def read(top: int, left: int, height: int, width: int) -> Pixels:
        return np.array(pixels[top : top + height, left : left + width])

    return Level(height, width, 1, 1, read)
