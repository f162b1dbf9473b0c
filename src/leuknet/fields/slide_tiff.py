"""TIFF, BigTIFF and OME-TIFF as slides.

tifffile says what a TIFF holds, because OpenSlide turns 16-bit and grey pixels into 8-bit RGB without a word,
shows the first plane of a stack, and takes 72 dpi for a scale. OpenSlide then decodes what it knows, tifffile
the rest. A JPEG inside a tile that claims too much is refused, too.

Start at `open_tiff`.
"""

from __future__ import annotations

import io
import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Jpeg2KImagePlugin, JpegImagePlugin

from leuknet.fields.slide_layout import (
    COPY_AGAIN,
    EXPORT,
    ONE_PLANE,
    Layout,
    Level,
    RegionReader,
    by_segments,
    check_claims,
    microns_of_resolution,
    number,
    one_scale,
    ratio,
    slides_extra,
    unreadable,
)
from leuknet.fields.slide_openslide import open_openslide
from leuknet.types import Pixels

if TYPE_CHECKING:
    import tifffile

_MICRONS = {"m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "Å": 1e-4}

# Those of which a tile's size is known before it is decoded.
_COMPRESSIONS = {1, 5, 7, 8, 32773, 32946, 34712, 34925, 50000}

_IMAGES_IN_TILES = {7: JpegImagePlugin.JpegImageFile, 34712: Jpeg2KImagePlugin.Jpeg2KImageFile}


def open_tiff(path: Path) -> Layout:
    """Open a TIFF, BigTIFF, OME-TIFF, or a scanner's format built on TIFF.

    Raises
    ------
    UnreadableImageError
        If it is not one 8-bit RGB image, cut off, or claims absurd sizes.
    MissingExtraError
        If tifffile, imagecodecs or OpenSlide are not installed.
    """
    with slides_extra():
        import imagecodecs  # noqa: F401  tifffile misses it only when a tile is decoded
        import openslide
        import tifffile
    with ExitStack() as stack:
        # A multi-file OME-TIFF names other files, which could lie anywhere.
        tiff = stack.enter_context(tifffile.TiffFile(path, _multifile=False))
        every = list(tiff.series)
        series = max(every, key=lambda image: image.keyframe.imagewidth * image.keyframe.imagelength)
        page, *pages = (_first_page(level) for level in series.levels)
        _check_planes(path, dict(zip(series.axes, series.shape, strict=True)))
        for level in (page, *pages):
            _check_colours(path, level)
        vendor = openslide.OpenSlide.detect_format(path)
        if vendor not in (None, "generic-tiff"):
            return open_openslide(path)
        levels = tuple(_tiff_level(path, tiff, level) for level in (page, *pages))
        if tiff.is_ome:
            scale, notes = _ome_scale(path, _ome_pixels(tiff, every.index(series)))
        else:
            across, down, unit = (page.tags.valueof(name) for name in (282, 283, 296))
            scales = [microns_of_resolution(ratio(value), unit) for value in (across, down)]
            scale, notes = one_scale(*scales)
        if len(every) > 1:
            notes = (*notes, f"it holds {len(every)} images, of which the largest is used")
        if vendor is not None and not tiff.is_ome:
            opened = open_openslide(path)
            return Layout(opened.levels, scale, notes, opened.close, opened.serves_threads)
        return Layout(levels, scale, notes, stack.pop_all().close)


def _first_page(series: tifffile.TiffPageSeries) -> tifffile.TiffPage:
    page = series.pages[0]
    if page is None:
        raise ValueError("its first page is missing")
    return page.aspage()


def _check_planes(path: Path, sizes: dict[str, int]) -> None:
    planes = {axis: size for axis, size in sizes.items() if axis not in "YXS" and size > 1}
    if "C" in planes:
        why = f"it has {planes['C']} separate channels, as fluorescence has, instead of one RGB image"
        raise unreadable(path, why, "use the bright-field image")
    if planes:
        why = f"it holds several pictures of one place: a focus stack, a time series or pages ({planes})"
        raise unreadable(path, why, ONE_PLANE)


def _check_colours(path: Path, page: tifffile.TiffPage) -> None:
    if page.bitspersample != 8 or page.dtype != np.uint8:
        raise unreadable(path, f"{page.bitspersample} bits per channel instead of 8", EXPORT)
    if page.samplesperpixel != 3:
        what = "it is grey or has a palette" if page.samplesperpixel == 1 else "it is not RGB"
        raise unreadable(path, f"{what}: {page.samplesperpixel} channels instead of 3", EXPORT)
    # JPEG and JPEG 2000 hold YCbCr that decoders turn into RGB; elsewhere the file's own rules would count.
    decoded = page.photometric == 6 and page.compression in (7, 33003)
    if page.photometric != 2 and not decoded:
        raise unreadable(path, f"its colours are not RGB but {page.photometric!r}", EXPORT)


def _ome_pixels(tiff: tifffile.TiffFile, index: int) -> dict[str, Any]:
    import tifffile

    images = tifffile.xml2dict(tiff.ome_metadata or "")["OME"]["Image"]
    pixels: dict[str, Any] = (images if isinstance(images, list) else [images])[index]["Pixels"]
    return pixels


def _ome_scale(path: Path, pixels: dict[str, Any]) -> tuple[float | None, tuple[str, ...]]:
    # tifffile passes over planes that lie in other files.
    _check_planes(path, {axis: int(pixels.get(f"Size{axis}", 1)) for axis in "ZT"})
    scales = []
    for axis in "XY":
        unit = _MICRONS.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        size = number(pixels.get(f"PhysicalSize{axis}"))
        scales.append(None if unit is None or size is None else size * unit)
    return one_scale(*scales)


def _tiff_level(path: Path, tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Level:
    if page.compression not in _COMPRESSIONS:
        raise unreadable(path, f"its compression is {page.compression!r}", "export it with JPEG or deflate")
    size = (page.imagelength, page.imagewidth)
    tile = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    file = tiff.filehandle
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if max(ends, default=0) > file.size:
        raise unreadable(path, f"cut off: {max(ends)} bytes are needed, it has {file.size}", COPY_AGAIN)
    if page.is_contiguous and not page.is_tiled and page.planarconfig == 1:
        check_claims(path, size, (1, 1))
        return Level(*size, 1, 1, _by_rows(file, page.dataoffsets[0], page.imagewidth))
    tile = (min(tile[0], size[0]), tile[1]) if not page.is_tiled else tile
    check_claims(path, size, tile)
    across, down = math.ceil(size[1] / tile[1]), math.ceil(size[0] / tile[0])
    planes = 3 if page.planarconfig == 2 else 1
    if len(ends) < across * down * planes:
        raise unreadable(path, "damaged: some of its tiles or strips are missing", COPY_AGAIN)

    def segment(row: int, column: int) -> Pixels:
        numbers = [(plane * down + row) * across + column for plane in range(planes)]
        if planes > 1:
            return np.concatenate([_decoded(file, page, number, (*tile, 1)) for number in numbers], axis=-1)
        return _decoded(file, page, numbers[0], (*tile, 3))

    return Level(*size, *tile, by_segments(segment, size, tile))


def _decoded(
    file: tifffile.FileHandle, page: tifffile.TiffPage, number: int, shape: tuple[int, int, int]
) -> Pixels:
    """Return a tile or strip, of at most this shape."""
    count = page.databytecounts[number]
    if count == 0:  # scanners leave out tiles without anything on them
        return np.full(shape, 255, np.uint8)
    file.seek(page.dataoffsets[number])
    data = file.read(count)
    if len(data) < count:
        raise ValueError(f"{len(data)} of {count} bytes are left")
    if page.compression in _IMAGES_IN_TILES:
        with _IMAGES_IN_TILES[page.compression](io.BytesIO(data)) as claim:
            if claim.width > shape[1] or claim.height > shape[0]:
                raise ValueError(f"a tile claims {claim.size} pixels")
    pixels, _, _ = page.decode(data, number, jpegtables=page.jpegtables)
    if pixels is None or pixels.dtype != np.uint8:
        raise ValueError("a tile holds other data than its header says")
    first: Pixels = pixels[0]  # of a depth of one
    return first


def _by_rows(file: tifffile.FileHandle, offset: int, across: int) -> RegionReader:
    """Read uncompressed pixels where they lie: such files often are one single strip."""

    def read(top: int, left: int, height: int, width: int) -> Pixels:
        pixels = np.empty((height, width, 3), np.uint8)
        for row in range(height):
            file.seek(offset + ((top + row) * across + left) * 3)
            pixels[row] = np.frombuffer(file.read(width * 3), np.uint8).reshape(width, 3)
        return pixels

    return read
