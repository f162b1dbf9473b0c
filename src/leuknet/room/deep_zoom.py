"""Cuts an image into DeepZoom tiles, which viewers such as OpenSeadragon pan and zoom through.

Level 0 is one pixel, each level twice as large as the one before, and the last is full resolution; tiles are
256 pixels a side without overlap, which is how most slides store theirs, so that a tile at full resolution is
one tile of the file. `leuknet.fields.reduced` says what a pixel of a level is.

Why not `openslide.deepzoom`: it reads only what OpenSlide reads, resamples from wherever the file's levels
happen to lie, so that neighbouring tiles need not meet, and of a file without small levels reads all for one
coarse tile. Its geometry, which is all that could be shared, is a dozen lines.

Start at `tile_jpeg`. Tiles are kept in `derived/tiles`; `trim_tiles` keeps them within bounds.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from xml.etree.ElementTree import Element, SubElement, tostring

from PIL import Image

from leuknet.errors import NotFoundError
from leuknet.fields.field import Field
from leuknet.fields.reduced import LEVEL_SUFFIX, read_reduced, with_small_levels
from leuknet.records import write_whole
from leuknet.room.intake_checks import left_for_files
from leuknet.room.open_fields import open_image
from leuknet.room.room_files import RoomFiles
from leuknet.store.nouns import CaseImage
from leuknet.types import Pixels

TILE_PX = 256

MOST_TILE_BYTES = 4 * 2**30
"""What `trim_tiles` leaves of all tiles."""

_QUALITY = 85


class Sized(Protocol):
    """What has a size at full resolution: an open field, or an image of a case."""

    @property
    def height_px(self) -> int:
        """Height."""

    @property
    def width_px(self) -> int:
        """Width."""


@dataclass(frozen=True)
class DeepZoom:
    """The levels of an image and their tiles; made by `deep_zoom`."""

    height_px: int
    width_px: int

    @property
    def levels(self) -> int:
        """How many there are; the last, `levels` - 1, is full resolution."""
        return (max(self.height_px, self.width_px) - 1).bit_length() + 1

    def factor(self, level: int) -> int:
        """Return pixels at full resolution for one of a level, on each axis."""
        return 1 << (self.levels - 1 - level)

    def size(self, level: int) -> tuple[int, int]:
        """Return height and width of a level."""
        factor = self.factor(level)
        return math.ceil(self.height_px / factor), math.ceil(self.width_px / factor)

    def tiles(self, level: int) -> tuple[int, int]:
        """Return how many rows and columns of tiles a level has."""
        height, width = self.size(level)
        return math.ceil(height / TILE_PX), math.ceil(width / TILE_PX)

    def region(self, level: int, column: int, row: int) -> tuple[int, int, int, int]:
        """Return top, left, height and width of a tile within its level.

        Raises
        ------
        NotFoundError
            If there is no such tile.
        """
        rows, columns = self.tiles(level) if 0 <= level < self.levels else (0, 0)
        if not (0 <= row < rows and 0 <= column < columns):
            raise NotFoundError(
                f"cannot find the tile at level {level}, column {column}, row {row}",
                why=f"level {level} of the {self.levels} levels from 0 has {columns} columns and {rows} rows",
                fix="ask for tiles that the .dzi file describes",
            )
        height, width = self.size(level)
        top, left = row * TILE_PX, column * TILE_PX
        return top, left, min(TILE_PX, height - top), min(TILE_PX, width - left)

    def dzi(self) -> str:
        """Return the XML that tells a viewer of the levels."""
        image = Element("Image", TileSize=str(TILE_PX), Overlap="0", Format="jpeg")
        image.set("xmlns", "http://schemas.microsoft.com/deepzoom/2008")
        SubElement(image, "Size", Width=str(self.width_px), Height=str(self.height_px))
        return tostring(image, encoding="unicode", xml_declaration=True)


def deep_zoom(image: Sized) -> DeepZoom:
    """Return the levels of an image; nothing is read."""
    return DeepZoom(image.height_px, image.width_px)


def read_tile(field: Field, level: int, column: int, row: int) -> Pixels:
    """Return one tile (h, w, 3) uint8, at most `TILE_PX` a side.

    Raises
    ------
    NotFoundError
        If there is no such tile.
    UnreadableImageError
        If that part of the file is damaged.
    """
    deep = deep_zoom(field)
    region = deep.region(level, column, row)
    return read_reduced(field, region, factor=deep.factor(level))


def tile_jpeg(files: RoomFiles, image: CaseImage, level: int, column: int, row: int) -> bytes:
    """Return one tile as JPEG: a kept one, or one that is made, and kept if the disk has room; for any number
    of threads.

    Raises
    ------
    NotFoundError
        If there is no such tile.
    UnreadableImageError
        If the kept image is gone, or that part of it is damaged.
    """
    deep_zoom(image).region(level, column, row)  # before anything is opened
    path = files.tile(image.id, level, column, row)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    with open_image(files, image, complete=_completing(files, image)) as field:
        pixels = read_tile(field, level, column, row)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=_QUALITY)
    if left_for_files(files) > 0:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.getvalue())
    return content.getvalue()


def prepare_tiles(files: RoomFiles, image: CaseImage) -> None:
    """Make what tiles of an image need, so that nobody waits for it later; nothing for most files.

    A slide without small levels is read once as a whole for them, which takes up to a minute.

    Raises
    ------
    UnreadableImageError
        If the kept image is gone or damaged.
    """
    with open_image(files, image, complete=_completing(files, image)):
        pass


def trim_tiles(files: RoomFiles, *, max_bytes: int = MOST_TILE_BYTES) -> int:
    """Delete tiles until those of all images together take no more than `max_bytes`; return how many went.

    The oldest go first, and the small levels that were made for slides, which take longest to make, last.
    """
    folder = files.tile(0, 0, 0, 0).parents[2]
    kept = [(path, path.stat()) for path in folder.rglob("*") if path.is_file()]
    kept.sort(key=lambda pair: (pair[0].suffix == LEVEL_SUFFIX, pair[1].st_mtime))
    total, n_deleted = sum(found.st_size for _, found in kept), 0
    for path, found in kept:
        if total <= max_bytes:
            break
        path.unlink(missing_ok=True)
        total -= found.st_size
        n_deleted += 1
    return n_deleted


def _completing(files: RoomFiles, image: CaseImage) -> Callable[[Field], Field]:
    folder = files.tile(image.id, 0, 0, 0).parents[1]
    return lambda field: with_small_levels(field, folder)
