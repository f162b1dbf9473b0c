"""One opened image of a smear: its size, a region at full resolution, and the whole at a glance.

Whichever reader opened it, a field reads only what is asked for, and never more than a few hundred megabytes
at a time. Start at `Field`; `leuknet.fields.slides` opens one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image

from leuknet.errors import LeukNetError, SettingError, ShapeError
from leuknet.fields.slide_layout import Layout, Level, unreadable
from leuknet.types import Pixels

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
