"""Opens an image of a blood smear, be it one camera field or a whole slide, behind one small interface.

A whole slide has billions of pixels and does not fit into memory, a camera field does. Who looks for cells in
either wants the same three things: the size, a region at full resolution, and the whole at a glance. `Field`
gives them, reads only what is asked for, and never more than a few hundred megabytes at a time.

The file's content decides which reader opens it, never its name alone:

| content | reader |
|---|---|
| PNG, JPEG, BMP; a TIFF of one untiled page that is small enough | `slide_picture.open_picture` |
| any other TIFF, BigTIFF, OME-TIFF, SVS, NDPI | `slide_tiff.open_tiff` |
| DICOM | `slide_dicom.open_dicom` |
| one of the slide names in `_SEVERAL_FILES`: MRXS begins like a JPEG | `slide_openslide.open_openslide` |

The scale is what the file says or None, never a guess. All pixels are 8-bit RGB as stored, without colour
management. Whichever way a file is mangled, `UnreadableImageError` says so, at the latest when the damaged
part is read.

Start at `open_field`; `hold_field` does it for pixels in memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image

from leuknet.errors import LeukNetError, MissingExtraError, SettingError, ShapeError
from leuknet.fields.slide_dicom import open_dicom
from leuknet.fields.slide_layout import COPY_AGAIN, Layout, Level, unreadable
from leuknet.fields.slide_openslide import open_openslide
from leuknet.fields.slide_picture import (
    first_directory,
    held_layout,
    is_plain,
    open_picture,
    scale_of_directory,
)
from leuknet.fields.slide_tiff import open_tiff
from leuknet.types import Pixels

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SEVERAL_FILES = {".mrxs", ".vms", ".vmu", ".svslide", ".czi"}

# What an overview reads at once: large enough that few tiles are decoded twice, small in memory.
_BLOCK_SIDE_PX = 2896
_LEAST_OVERVIEW_PX = 512


@dataclass(frozen=True)
class Field:
    """One opened image of a smear; a context manager that closes its file.

    Not to be shared between threads, unless its layout says so: open the file once in each.

    Attributes
    ----------
    path
        The file that was opened.
    layout
        The resolutions that the file holds and how each is read.
    """

    path: Path
    layout: Layout

    @property
    def height_px(self) -> int:
        """Height at full resolution."""
        return self.layout.levels[0].height_px

    @property
    def width_px(self) -> int:
        """Width at full resolution."""
        return self.layout.levels[0].width_px

    @property
    def microns_per_pixel(self) -> float | None:
        """Edge of a pixel in micrometres at full resolution; None where the file does not say."""
        return self.layout.microns_per_pixel

    @property
    def whole_levels(self) -> tuple[Level, ...]:
        """The resolutions that show the whole image: a label or thumbnail of another cut may pose as one."""
        full = self.layout.levels[0]
        smaller = (
            level
            for level in self.layout.levels[1:]
            if abs(full.height_px * level.width_px / full.width_px - level.height_px)
            <= 2 + 0.01 * level.height_px
        )
        return (full, *smaller)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was odd but not wrong: one sentence each, without the file's name."""
        return self.layout.warnings

    def read(self, top_px: int, left_px: int, height_px: int, width_px: int) -> Pixels:
        """Return a region at full resolution.

        Parameters
        ----------
        top_px, left_px
            Its upper left corner, counted from the image's, from 0.
        height_px, width_px
            Its size, at least 1 each.

        Returns
        -------
        (height_px, width_px, 3) uint8
            A copy. White where the file holds no pixels or transparent ones.

        Raises
        ------
        ShapeError
            If the region is empty or does not lie within the image.
        UnreadableImageError
            If that part of the file is damaged, cut off, or the field is closed.
        """
        fits_rows = 0 <= top_px < top_px + height_px <= self.height_px
        if not (fits_rows and 0 <= left_px < left_px + width_px <= self.width_px):
            raise ShapeError(
                "cannot read a region of the image",
                why=f"{height_px} x {width_px} pixels from row {top_px}, column {left_px} are empty or reach "
                f"outside of the {self.height_px} x {self.width_px} pixels there are",
                fix="ask for a region of at least one pixel within the image",
            )
        return self.read_level(self.layout.levels[0], (top_px, left_px, height_px, width_px))

    def overview(self, max_side_px: int) -> Pixels:
        """Return the whole image, made smaller by averaging; never made larger.

        It begins from the smallest stored resolution that is large enough, and reads it block by block:
        memory stays bounded though the file may hold the full resolution only.

        Parameters
        ----------
        max_side_px
            Length that the longer side may have, at least 1.

        Returns
        -------
        (h, w, 3) uint8
            With the image's proportions, to the nearest pixel and at least 1.

        Raises
        ------
        SettingError
            If `max_side_px` is below 1.
        UnreadableImageError
            If part of the file is damaged or cut off, or the field is closed.
        """
        if max_side_px < 1:
            why = f"{max_side_px} pixels were asked for"
            raise SettingError("cannot make an overview", why=why, fix="ask for at least 1 pixel a side")
        height, width = self._shrunk_size(max_side_px)
        level = self._level_for(height, width)
        # An output of a few pixels would need blocks of any size: it is made from a larger one.
        larger, wider = self._shrunk_size(max(max_side_px, _LEAST_OVERVIEW_PX))
        shrunk = self._shrink(level, min(larger, level.height_px), min(wider, level.width_px))
        if shrunk.shape[:2] == (height, width):
            return shrunk
        return np.array(Image.fromarray(shrunk).resize((width, height), Image.Resampling.BOX))

    def close(self) -> None:
        """Close the file; `read` and `overview` fail afterwards. Closing twice does no harm."""
        self.layout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _shrunk_size(self, max_side_px: int) -> tuple[int, int]:
        longer = max(self.height_px, self.width_px)
        factor = min(1.0, max_side_px / longer)
        return max(1, round(self.height_px * factor)), max(1, round(self.width_px * factor))

    def _level_for(self, height: int, width: int) -> Level:
        large = (
            level for level in self.whole_levels if level.height_px >= height and level.width_px >= width
        )
        return min(large, key=lambda level: level.width_px)

    def _shrink(self, level: Level, height: int, width: int) -> Pixels:
        across = max(1, _BLOCK_SIDE_PX // level.segment_width_px) * level.segment_width_px
        across = min(across, level.width_px)
        down = max(1, _BLOCK_SIDE_PX**2 // across // level.segment_height_px) * level.segment_height_px
        row_step = max(1, down * height // level.height_px)
        column_step = max(1, across * width // level.width_px)
        shrunk = np.empty((height, width, 3), np.uint8)
        for row in range(0, height, row_step):
            to_row = min(row + row_step, height)
            upper, lower = (at * level.height_px / height for at in (row, to_row))
            top, bottom = math.floor(upper), min(math.ceil(lower), level.height_px)
            for column in range(0, width, column_step):
                to_column = min(column + column_step, width)
                start, end = (at * level.width_px / width for at in (column, to_column))
                left, right = math.floor(start), min(math.ceil(end), level.width_px)
                block = Image.fromarray(self.read_level(level, (top, left, bottom - top, right - left)))
                size = (to_column - column, to_row - row)
                box = (start - left, upper - top, min(end, right) - left, min(lower, bottom) - top)
                # The mean over each output pixel's own area, to fractions of a pixel: no seam between blocks.
                small = block.resize(size, Image.Resampling.BOX, box=box)
                shrunk[row:to_row, column:to_column] = np.asarray(small)
        return shrunk

    def read_level(self, level: Level, region: tuple[int, int, int, int]) -> Pixels:
        """Return a region, top, left, height and width, of one of the layout's levels, in its own pixels.

        Raises
        ------
        UnreadableImageError
            If that part of the file is damaged, cut off, or the field is closed.
        """
        try:
            return level.read(*region)
        except (LeukNetError, MemoryError):
            raise
        except Exception as error:
            # The libraries and their codecs raise nearly anything on damaged data.
            why = f"rows {region[0]} and following, columns {region[1]} and following: {error!r}"
            raise unreadable(self.path, f"closed, damaged or cut off; {why}", "copy it again") from error


def open_field(path: Path) -> Field:
    """Open an image of a smear; the module's table states what is read and by what.

    Parameters
    ----------
    path
        A camera field (PNG, JPEG, BMP, TIFF) or a whole slide (pyramidal TIFF, OME-TIFF, SVS, NDPI, MRXS and
        what else OpenSlide reads, DICOM whole-slide microscopy).

    Returns
    -------
    Field
        Open; the caller closes it, best with `with`.

    Raises
    ------
    UnreadableImageError
        If the file is missing, a folder, empty, damaged, cut off, or holds something else than one 8-bit RGB
        image: grey, 16 bits, separate fluorescence channels, a focus stack, a time series.
    MissingExtraError
        If the file needs the slide libraries and they are not installed.
    """
    head = _first_bytes(path)
    try:
        return Field(path, _layout(path, head))
    except (LeukNetError, MemoryError):
        raise
    except Exception as error:
        why = f"its header is damaged or cut off: {error!r}"
        raise unreadable(path, why, COPY_AGAIN) from error


def hold_field(pixels: Pixels, *, name: str = "pixels") -> Field:
    """Let an array be searched like an opened image.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        The field; not copied.
    name
        What messages call it.

    Raises
    ------
    ShapeError
        If the array is none of an image.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise ShapeError(
            "cannot search these pixels",
            why=f"the array is {pixels.shape} {pixels.dtype}, and must be (H, W, 3) uint8",
            fix="give RGB pixels from 0 to 255, such as numpy.asarray(image.convert('RGB'))",
        )
    return Field(Path(name), held_layout(pixels, None, ()))


def _first_bytes(path: Path) -> bytes:
    check = "check the path and its permissions"
    try:
        if path.exists() and not path.is_file():
            # Opening a pipe would wait for ever.
            why = "it is a folder, a device or a pipe"
            raise unreadable(path, why, "name the image or slide file itself")
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        raise unreadable(path, error.strerror or repr(error), check) from error
    except (ValueError, RuntimeError) as error:  # a null character; a loop of links
        raise unreadable(path, repr(error), check) from error
    if not head:
        raise unreadable(path, "the file has zero bytes", COPY_AGAIN)
    return head


def _layout(path: Path, head: bytes) -> Layout:
    if path.suffix.lower() in _SEVERAL_FILES:
        return open_openslide(path)
    if head[128:] == b"DICM":
        return open_dicom(path)
    if not head.startswith(_TIFF):
        return open_picture(path, None)
    first = first_directory(path, head)
    if first is not None and is_plain(path, first):
        return open_picture(path, scale_of_directory(first))
    try:
        return open_tiff(path)
    except MissingExtraError:
        if first is None:
            return open_picture(path, None)  # most likely damaged, which needs no library to be told
        raise
