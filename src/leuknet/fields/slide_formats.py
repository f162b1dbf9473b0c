"""The libraries that read whole slides, each turned into a `Layout` for `slides.Field`.

tifffile says what a TIFF holds, because OpenSlide turns 16-bit and grey pixels into 8-bit RGB without a word,
shows the first plane of a stack, and takes 72 dpi for a scale. OpenSlide then decodes what it knows: the
formats of scanners, which bend their standards, and tiled TIFF. tifffile decodes the rest of TIFF, and
pydicom what OpenSlide leaves of DICOM. All come with the extra `slides` and are imported when needed.

A header is not believed: a tile that claims more than `MAX_TILE_PX` is refused before memory is taken, also
where a JPEG inside a tile makes the claim.

Start at `open_tiff`.
"""

from __future__ import annotations

import io
import itertools
import math
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, Jpeg2KImagePlugin, JpegImagePlugin

# The filters of `warnings` belong to the whole process, so all that change them must share one lock.
from leuknet.data.images import WARNINGS_LOCK
from leuknet.errors import MissingExtraError, UnreadableImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import tifffile
    from pydicom import Dataset

    from leuknet.types import Pixels

MAX_TILE_PX = 64 * 2**20
"""Pixels that a tile, strip or frame may have; scanners write at most 4096 a side."""

MAX_SLIDE_SIDE_PX = 1_000_000
"""A whole slide at 0.1 micrometres a pixel stays below."""

_SCALES_UM = (0.01, 10.0)
# What cameras, screens, printers and scanners write when nobody measured a scale; those up to 2540 dpi fall
# out of `_SCALES_UM` anyway.
_USUAL_DPI = (
    72,
    75,
    96,
    100,
    120,
    144,
    150,
    180,
    200,
    240,
    300,
    350,
    400,
    600,
    1200,
    2400,
    3200,
    4800,
    6400,
    9600,
)

_MICRONS = {"m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "Å": 1e-4}

# Those of which a tile's size is known before it is decoded.
_COMPRESSIONS = {1, 5, 7, 8, 32773, 32946, 34712, 34925, 50000}
_IMAGES_IN_TILES = {7: JpegImagePlugin.JpegImageFile, 34712: Jpeg2KImagePlugin.Jpeg2KImageFile}

_COPY_AGAIN = "copy it again from its source"
_EXPORT = "export it as an 8-bit RGB pyramidal TIFF"
_ONE_PLANE = "export the one plane wanted as an 8-bit RGB image"


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
        Takes top, left, height and width in this level's pixels; gives (height, width, 3) uint8.
    """

    height_px: int
    width_px: int
    segment_height_px: int
    segment_width_px: int
    read: Callable[[int, int, int, int], Pixels]


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
    """

    levels: tuple[Level, ...]
    microns_per_pixel: float | None
    warnings: tuple[str, ...]
    close: Callable[[], None]


def unreadable(path: Path, why: str, fix: str) -> UnreadableImageError:
    """Return the error that names the file, quoted as in `images`."""
    return UnreadableImageError(f"cannot read the image {str(path)!r}", why=why, fix=fix)


@contextmanager
def ignored_warnings() -> Iterator[None]:
    """Keep a library's remarks on a file from the user's screen; the checks here are stricter."""
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
        per_unit = float(resolution)  # type: ignore[arg-type]
        per_inch = per_unit * {2: 1.0, 3: 2.54}[unit]  # type: ignore[index]
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
        return None, (f"its pixels are not square: {across_um:.4g} x {down_um:.4g} micrometres",)
    return across_um, ()


def open_openslide(path: Path) -> Layout:
    """Open what OpenSlide recognises.

    Raises
    ------
    UnreadableImageError
        If OpenSlide does not recognise it, or a tile claims too many pixels.
    MissingExtraError
        If OpenSlide is not installed.
    """
    with _slides_extra():
        import openslide
    if openslide.OpenSlide.detect_format(path) is None:
        why = "OpenSlide does not recognise it: it is damaged, or files that belong beside it are missing"
        raise unreadable(path, why, "copy the slide again with all its files and folders")
    with ExitStack() as stack:
        slide = stack.enter_context(openslide.OpenSlide(path))
        said = slide.properties

        def level(number: int) -> Level:
            width, height = slide.level_dimensions[number]
            tile = [
                int(said.get(f"openslide.level[{number}].tile-{side}", 1)) for side in ("height", "width")
            ]
            _check_claims(path, (height, width), (tile[0], tile[1]))
            downsample = slide.level_downsamples[number]

            def read(top: int, left: int, height: int, width: int) -> Pixels:
                corner = (round(left * downsample), round(top * downsample))
                rgba = slide.read_region(corner, number, (width, height))
                if rgba.getchannel("A").getextrema() != (255, 255):
                    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
                    rgba = Image.alpha_composite(white, rgba)
                return np.array(rgba.convert("RGB"))

            return Level(height, width, tile[0], tile[1], read)

        levels = tuple(level(number) for number in range(slide.level_count))
        across, down = (said.get(f"openslide.mpp-{axis}") for axis in "xy")
        scale, notes = one_scale(_number(across), _number(down))
        return Layout(levels, scale, notes, stack.pop_all().close)


def open_tiff(path: Path) -> Layout:
    """Open a TIFF, BigTIFF, OME-TIFF, or a scanner's format built on TIFF.

    Raises
    ------
    UnreadableImageError
        If it is not one 8-bit RGB image, cut off, or claims absurd sizes.
    MissingExtraError
        If tifffile, imagecodecs or OpenSlide are not installed.
    """
    with _slides_extra():
        import imagecodecs  # noqa: F401  tifffile misses it only when a tile is decoded
        import openslide
        import tifffile
    with ExitStack() as stack:
        # A multi-file OME-TIFF names other files, which could lie anywhere.
        tiff = stack.enter_context(tifffile.TiffFile(path, _multifile=False))
        every = list(tiff.series)
        series = max(every, key=lambda one: one.keyframe.imagewidth * one.keyframe.imagelength)
        page, *pages = (_first_page(level) for level in series.levels)
        _check_planes(path, dict(zip(series.axes, series.shape, strict=True)))
        for one in (page, *pages):
            _check_colours(path, one)
        vendor = openslide.OpenSlide.detect_format(path)
        if vendor not in (None, "generic-tiff"):
            return open_openslide(path)
        levels = tuple(_tiff_level(path, tiff, one) for one in (page, *pages))
        if tiff.is_ome:
            scale, notes = _ome_scale(path, _ome_pixels(tiff, every.index(series)))
        else:
            across, down, unit = (page.tags.valueof(name) for name in (282, 283, 296))
            scales = [microns_of_resolution(_ratio(value), unit) for value in (across, down)]
            scale, notes = one_scale(*scales)
        if len(every) > 1:
            notes = (*notes, f"it holds {len(every)} images, of which the largest is used")
        if vendor is not None and not tiff.is_ome:
            opened = open_openslide(path)
            return Layout(opened.levels, scale, notes, opened.close)
        return Layout(levels, scale, notes, stack.pop_all().close)


def open_dicom(path: Path) -> Layout:
    """Open a DICOM whole-slide image: its whole series with OpenSlide, or this one file with pydicom.

    Raises
    ------
    UnreadableImageError
        If it is another kind of DICOM file, not 8-bit RGB, has several focal planes or optical paths, or
        OpenSlide refuses it and its tiles are not stored in full.
    MissingExtraError
        If pydicom or OpenSlide are not installed.
    """
    with _slides_extra():
        import openslide
        import pydicom
        from pydicom.pixels.utils import pixel_array
    with ignored_warnings():
        said = pydicom.dcmread(path, stop_before_pixels=True)
        size, tile = _check_dicom(path, said)
        is_full = said.get("DimensionOrganizationType") == "TILED_FULL" and "ConcatenationUID" not in said
        number = said.get("NumberOfFrames", 1)
        scale, notes = _dicom_scale(said)
    refused: Exception
    try:
        return open_openslide(path)
    except (openslide.OpenSlideError, UnreadableImageError) as error:
        refused = error
    if not is_full:
        why = f"its tiles are not stored in full in one file, and OpenSlide refuses it: {refused}"
        raise unreadable(path, why, "export it as TILED_FULL, or as a pyramidal TIFF")
    across = math.ceil(size[1] / tile[1])
    if number < across * math.ceil(size[0] / tile[0]):
        raise unreadable(path, "damaged: it has fewer frames than its size needs", _COPY_AGAIN)

    def segment(row: int, column: int) -> Pixels:
        with ignored_warnings():
            pixels: Pixels = pixel_array(path, index=row * across + column)
        return pixels

    level = Level(*size, *tile, _by_segments(segment, size, tile))
    return Layout((level,), scale, notes, lambda: None)


@contextmanager
def _slides_extra() -> Iterator[None]:
    try:
        yield
    except (ImportError, OSError) as error:  # OSError: OpenSlide's shared library does not load
        raise MissingExtraError(
            "cannot open a whole slide",
            why=f"a library is missing: {error}",
            fix="pip install 'leuknet[slides]'",
        ) from error


def _number(text: object) -> float | None:
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _ratio(value: Any) -> float | None:
    return value[0] / value[1] if isinstance(value, tuple) and len(value) == 2 and value[1] else None


def _check_claims(path: Path, size: tuple[int, int], segment: tuple[int, int]) -> None:
    if not 0 < max(size) <= MAX_SLIDE_SIDE_PX or min(size) < 1:
        why = f"it claims {size[0]} x {size[1]} pixels, at most {MAX_SLIDE_SIDE_PX} a side"
        raise unreadable(path, why, f"{_COPY_AGAIN}: its header is likely damaged")
    if min(segment) < 1 or segment[0] * segment[1] > MAX_TILE_PX:
        why = f"its tiles or strips claim {segment[0]} x {segment[1]} pixels, at most {MAX_TILE_PX} in all"
        raise unreadable(path, why, "save it with tiles of 256 x 256 pixels")


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
        raise unreadable(path, why, _ONE_PLANE)


def _check_colours(path: Path, page: tifffile.TiffPage) -> None:
    if page.bitspersample != 8 or page.dtype != np.uint8:
        raise unreadable(path, f"{page.bitspersample} bits per channel instead of 8", _EXPORT)
    if page.samplesperpixel != 3:
        what = "it is grey or has a palette" if page.samplesperpixel == 1 else "it is not RGB"
        raise unreadable(path, f"{what}: {page.samplesperpixel} channels instead of 3", _EXPORT)
    # JPEG and JPEG 2000 hold YCbCr that decoders turn into RGB; elsewhere the file's own rules would count.
    decoded = page.photometric == 6 and page.compression in (7, 33003)
    if page.photometric != 2 and not decoded:
        raise unreadable(path, f"its colours are not RGB but {page.photometric!r}", _EXPORT)


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
        size = _number(pixels.get(f"PhysicalSize{axis}"))
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
        raise unreadable(path, f"cut off: {max(ends)} bytes are needed, it has {file.size}", _COPY_AGAIN)
    if page.is_contiguous and not page.is_tiled and page.planarconfig == 1:
        _check_claims(path, size, (1, 1))
        return Level(*size, 1, 1, _by_rows(file, page.dataoffsets[0], page.imagewidth))
    tile = (min(tile[0], size[0]), tile[1]) if not page.is_tiled else tile
    _check_claims(path, size, tile)
    across, down = math.ceil(size[1] / tile[1]), math.ceil(size[0] / tile[0])
    planes = 3 if page.planarconfig == 2 else 1
    if len(ends) < across * down * planes:
        raise unreadable(path, "damaged: some of its tiles or strips are missing", _COPY_AGAIN)

    def segment(row: int, column: int) -> Pixels:
        parts = [decoded((plane * down + row) * across + column) for plane in range(planes)]
        return np.concatenate(parts, axis=-1) if planes > 1 else parts[0]

    def decoded(index: int) -> Pixels:
        count = page.databytecounts[index]
        if count == 0:  # scanners leave out tiles without anything on them
            return np.full((*tile, 3 // planes), 255, np.uint8)
        file.seek(page.dataoffsets[index])
        data = file.read(count)
        if len(data) < count:
            raise ValueError(f"{len(data)} of {count} bytes are left")
        if page.compression in _IMAGES_IN_TILES:
            with _IMAGES_IN_TILES[page.compression](io.BytesIO(data)) as claim:
                if claim.width > tile[1] or claim.height > tile[0]:
                    raise ValueError(f"a tile claims {claim.size} pixels")
        pixels, _, _ = page.decode(data, index, jpegtables=page.jpegtables)
        if pixels is None or pixels.dtype != np.uint8:
            raise ValueError("a tile holds other data than its header says")
        first: Pixels = pixels[0]  # of a depth of one
        return first

    return Level(*size, *tile, _by_segments(segment, size, tile))


def _by_rows(file: tifffile.FileHandle, offset: int, across: int) -> Callable[[int, int, int, int], Pixels]:
    """Read uncompressed pixels where they lie: such files often are one single strip."""

    def read(top: int, left: int, height: int, width: int) -> Pixels:
        pixels = np.empty((height, width, 3), np.uint8)
        for row in range(height):
            file.seek(offset + ((top + row) * across + left) * 3)
            pixels[row] = np.frombuffer(file.read(width * 3), np.uint8).reshape(width, 3)
        return pixels

    return read


def _by_segments(
    segment: Callable[[int, int], Pixels], size: tuple[int, int], tile: tuple[int, int]
) -> Callable[[int, int, int, int], Pixels]:
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


def _check_dicom(path: Path, said: Dataset) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the sizes of the image and of its tiles, height first."""
    from pydicom.uid import VLWholeSlideMicroscopyImageStorage

    if said.file_meta.get("MediaStorageSOPClassUID") != VLWholeSlideMicroscopyImageStorage:
        kind = said.file_meta.get("MediaStorageSOPClassUID", "unnamed")
        why = f"it is DICOM of another kind than whole-slide microscopy: {getattr(kind, 'name', kind)}"
        raise unreadable(path, why, "name a whole-slide file")
    if said.BitsAllocated != 8:
        raise unreadable(path, f"{said.BitsAllocated} bits per channel instead of 8", _EXPORT)
    if said.SamplesPerPixel != 3:
        raise unreadable(path, f"it is grey: {said.SamplesPerPixel} channels instead of 3", _EXPORT)
    if said.get("NumberOfOpticalPaths", 1) > 1:
        why = f"it has {said.NumberOfOpticalPaths} separate channels (optical paths) instead of one RGB image"
        raise unreadable(path, why, "use the bright-field image")
    if said.get("TotalPixelMatrixFocalPlanes", 1) > 1:
        why = f"it is a focus stack of {said.TotalPixelMatrixFocalPlanes} planes"
        raise unreadable(path, why, _ONE_PLANE)
    size, tile = (said.TotalPixelMatrixRows, said.TotalPixelMatrixColumns), (said.Rows, said.Columns)
    _check_claims(path, size, tile)
    return size, tile


def _dicom_scale(said: Dataset) -> tuple[float | None, tuple[str, ...]]:
    try:
        shared = said.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        down, across = (float(millimetres) * 1000 for millimetres in shared.PixelSpacing)
    except (AttributeError, IndexError, TypeError, ValueError):
        return None, ()
    return one_scale(across, down)
