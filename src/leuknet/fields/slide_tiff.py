"""TIFF, BigTIFF and OME-TIFF as slides.

tifffile says what a TIFF holds, because OpenSlide turns 16-bit and grey pixels into 8-bit RGB without a word,
shows the first plane of a stack, and takes 72 dpi for a scale. OpenSlide then decodes what it knows, tifffile
the rest. A JPEG inside a tile that claims too much is refused, too.

Start at `open_tiff`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import ImageFile, Jpeg2KImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from leuknet.fields.slide_layout import (
    COPY_AGAIN,
    EXPORT,
    ONE_PLANE,
    Layout,
    Level,
    RegionReader,
    by_segments,
    check_claims,
    number,
    slides_extra,
    unreadable,
)
from leuknet.fields.slide_openslide import open_openslide
from leuknet.fields.tiff_scale import MAKERS, Scale, scale_of_sizes, scale_of_tags
from leuknet.images.tiff_header import compression_name, orientation_note
from leuknet.types import Pixels

if TYPE_CHECKING:
    import tifffile

# Compressions whose tiles are images with a header of their own: its claim is checked before it is decoded.
_IMAGES_IN_TILES: dict[int, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    7: JpegImagePlugin.JpegImageFile,
    33005: Jpeg2KImagePlugin.Jpeg2KImageFile,
    34712: Jpeg2KImagePlugin.Jpeg2KImageFile,
    34933: PngImagePlugin.PngImageFile,
    50001: WebPImagePlugin.WebPImageFile,
}

# Those of which a tile's size is known before it is decoded.
_COMPRESSIONS = {1, 5, 8, 32773, 32946, 34925, 50000, *_IMAGES_IN_TILES}


_PREMULTIPLIED = 1
_ALPHA = {_PREMULTIPLIED, 2}
"""TIFF's words for a channel that is alpha; 0 says nothing of it."""


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
        if vendor not in (None, "generic-tiff") and (opened := _by_openslide(path)):
            return opened
        levels = tuple(_tiff_level(path, tiff, level) for level in (page, *pages))
        scale, notes = _scale(path, tiff, every.index(series), page)
        notes += _notes(page, len(every))
        # OpenSlide turns each tile of its own by the tag of orientation, and blends a fourth channel.
        if vendor is not None and not tiff.is_ome and _is_plain_rgb(page) and (opened := _by_openslide(path)):
            return Layout(opened.levels, scale, notes, opened.close, opened.serves_threads)
        return Layout(levels, scale, notes, stack.pop_all().close)


def _by_openslide(path: Path) -> Layout | None:
    """Open with OpenSlide; None where it does not know the compression, which tifffile may."""
    import openslide

    try:
        return open_openslide(path)
    except openslide.OpenSlideError as error:
        if "Unsupported" not in str(error):
            raise
        return None


def _is_plain_rgb(page: tifffile.TiffPage) -> bool:
    return page.samplesperpixel == 3 and page.tags.valueof(274, default=1) == 1


def _scale(path: Path, tiff: tifffile.TiffFile, index: int, page: tifffile.TiffPage) -> Scale:
    if tiff.is_ome:
        return _ome_scale(path, _ome_pixels(tiff, index))
    wanted = {270, 282, 283, 296, *MAKERS}
    return scale_of_tags({tag: page.tags.valueof(tag) for tag in wanted if tag in page.tags})


def _notes(page: tifffile.TiffPage, images: int) -> tuple[str, ...]:
    notes = orientation_note(page.tags.valueof(274, default=1))
    if images > 1:
        notes.append(f"it holds {images} images, of which the largest is used")
    if page.samplesperpixel == 4:
        is_alpha = page.extrasamples[0] in _ALPHA
        said = "what its alpha channel makes transparent is shown white"
        notes.append(said if is_alpha else "its fourth channel, of no stated meaning, was dropped")
    return tuple(notes)


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
    # A fourth channel of an RGB page is its alpha, as Photoshop, GIMP and GDAL write it.
    has_alpha = page.samplesperpixel == 4 and page.photometric == 2 and len(page.extrasamples) == 1
    if page.samplesperpixel != 3 and not (has_alpha and page.compression != 7):
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


def _ome_scale(path: Path, pixels: dict[str, Any]) -> Scale:
    # tifffile passes over planes that lie in other files.
    _check_planes(path, {axis: int(pixels.get(f"Size{axis}", 1)) for axis in "ZT"})
    sizes = (number(pixels.get("PhysicalSizeX")), number(pixels.get("PhysicalSizeY")))
    units = (str(pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "XY")
    return scale_of_sizes(sizes, (next(units), next(units)))


def _tiff_level(path: Path, tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Level:
    if page.compression not in _COMPRESSIONS:
        why = f"its compression is {compression_name(int(page.compression))}, which is not read"
        raise unreadable(path, why, "export it with JPEG or deflate")
    size = (page.imagelength, page.imagewidth)
    tile = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    file = tiff.filehandle
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if max(ends, default=0) > file.size:
        raise unreadable(path, f"cut off: {max(ends)} bytes are needed, it has {file.size}", COPY_AGAIN)
    if page.is_contiguous and not page.is_tiled and page.planarconfig == 1:
        check_claims(path, size, (1, 1))
        return Level(*size, 1, 1, _by_rows(file, page.dataoffsets[0], page))
    tile = (min(tile[0], size[0]), tile[1]) if not page.is_tiled else tile
    check_claims(path, size, tile)
    across, down = math.ceil(size[1] / tile[1]), math.ceil(size[0] / tile[0])
    channels = page.samplesperpixel
    planes = channels if page.planarconfig == 2 else 1
    if len(ends) < across * down * planes:
        raise unreadable(path, "damaged: some of its tiles or strips are missing", COPY_AGAIN)

    def segment(row: int, column: int) -> Pixels:
        numbers = [(plane * down + row) * across + column for plane in range(planes)]
        parts = [_decoded(file, page, number, (*tile, channels // planes)) for number in numbers]
        return _on_white(parts[0] if planes == 1 else np.concatenate(parts, axis=-1), page)

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


def _by_rows(file: tifffile.FileHandle, offset: int, page: tifffile.TiffPage) -> RegionReader:
    """Read uncompressed pixels where they lie: such files often are one single strip."""
    across, channels = page.imagewidth, page.samplesperpixel

    def read(top: int, left: int, height: int, width: int) -> Pixels:
        pixels = np.empty((height, width, channels), np.uint8)
        for row in range(height):
            file.seek(offset + ((top + row) * across + left) * channels)
            line = np.frombuffer(file.read(width * channels), np.uint8)
            pixels[row] = line.reshape(width, channels)
        return _on_white(pixels, page)

    return read


def _on_white(pixels: Pixels, page: tifffile.TiffPage) -> Pixels:
    """Return RGB of pixels that may have a fourth channel; what is transparent is white, as glass is."""
    kind = page.extrasamples[0] if pixels.shape[-1] == 4 else 0
    rgb = pixels[..., :3]
    if kind not in _ALPHA or (pixels[..., 3] == 255).all():
        return rgb
    alpha = pixels[..., 3:].astype(np.uint16)
    own = rgb if kind == _PREMULTIPLIED else (rgb * alpha + 127) // 255
    shown: Pixels = np.minimum(own + (255 - alpha), 255).astype(np.uint8)
    return shown
