"""Finds the cells of an image of any size, tile by tile, each cell once.

A tile is read with a margin of `find.REACH_UM` around it, which is as far as the finder looks; a cell belongs
to the tile that holds the middle of its nucleus. So no cell is cut or counted twice at a seam, and the size
of the tiles decides about memory and time, not about the result. What must be known of the whole image, its
colours, is measured before, from windows whose place does not depend on the tiles.

Start at `find_cells`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import product

import numpy as np
from tqdm import tqdm

from leuknet.errors import SettingError
from leuknet.fields.colour import BLOCK, THREADS, FieldColours, measure_colours, reduction, view_field
from leuknet.fields.describe import describe
from leuknet.fields.field import Field
from leuknet.fields.find import REACH_UM
from leuknet.fields.finders import Finder, get_finder
from leuknet.types import FieldScale, FoundCell, Pixels

TILE_PX = 4096
"""Side of a tile without its margin: 1.2 GB in all at 0.065 µm per pixel, where the margin is widest."""

_WHOLE_PX = 4096 * 4096  # up to here colours are measured on all of the image
_WINDOW_UM = 200.0
_WINDOWS = 24
_OVERVIEW_PX = 2048


def find_cells(
    field: Field,
    scale: FieldScale,
    *,
    finder: str = "stain",
    tile_px: int = TILE_PX,
    progress: bool = False,
    on_tile: Callable[[], None] | None = None,
) -> Iterator[FoundCell]:
    """Yield the leukocytes of a field or slide, tile by tile.

    The finder `stain` searches up to `THREADS` tiles at once, while the next one is read.

    Parameters
    ----------
    field
        Of `leuknet.fields.slides.open_field`.
    scale
        Of the image at full resolution: `leuknet.fields.scale.scale_of`.
    finder
        A key of `leuknet.fields.finders.FINDERS`. That the size of tiles is of no account holds for `stain`.
    tile_px
        Side of a tile, at least 64; rounded up to whole working pixels.
    progress
        Draw a bar of tiles on stderr, where there are several.
    on_tile
        Called before each tile is read: a sign of work.

    Raises
    ------
    SettingError
        If the tile is too small or there is no such finder.
    DataError
        If the image is of one colour.
    UnreadableImageError
        If a part of the image is damaged.
    """
    if tile_px < 64:
        raise SettingError("cannot find cells", why=f"tiles of {tile_px} px", fix="use 64 px or more")
    find = get_finder(finder)
    threads = THREADS if finder == "stain" else 1  # a network has threads, and much memory, of its own
    um = scale.microns_per_pixel
    return _find(field, um, find, tile_px=tile_px, threads=threads, progress=progress, on_tile=on_tile)


def colours_of(field: Field, microns_per_pixel: float) -> FieldColours:
    """Measure the colours of an image: of all of it, or of its most stained windows where it is large."""
    h, w = field.height_px, field.width_px
    if h * w <= _WHOLE_PX:
        return measure_colours([field.read(0, 0, h, w)], microns_per_pixel)
    return measure_colours(_stained_windows(field, microns_per_pixel), microns_per_pixel)


def _find(
    field: Field,
    um: float,
    find: Finder,
    *,
    tile_px: int,
    threads: int,
    progress: bool,
    on_tile: Callable[[], None] | None,
) -> Iterator[FoundCell]:
    colours = colours_of(field, um)
    step = reduction(um) * BLOCK
    side, margin = (math.ceil(px / step) * step for px in (tile_px, REACH_UM / um))
    h, w = field.height_px, field.width_px
    corners = list(product(range(0, h, side), range(0, w, side)))

    def search(top: int, left: int, at: tuple[int, int], pixels: Pixels) -> list[FoundCell]:
        view = view_field(pixels, um, colours)
        cells = describe(find(view, colours), view, pixels, at=at, whole=(h, w))
        own = (c for c in cells if top <= c.row_px < top + side and left <= c.column_px < left + side)
        return sorted(own, key=lambda cell: (cell.row_px, cell.column_px))

    searched: deque[Future[list[FoundCell]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for top, left in tqdm(
            corners, desc="finding cells", unit="tile", disable=not progress or len(corners) < 2
        ):
            if len(searched) == threads:
                yield from searched.popleft().result()
            if on_tile is not None:
                on_tile()
            # From and to whole blocks of working pixels, so that all tiles see the same ones.
            first_row, first_column = max(0, top - margin), max(0, left - margin)
            height = min(h, top + side + margin) - first_row
            width = min(w, left + side + margin) - first_column
            pixels = field.read(first_row, first_column, height, width)
            searched.append(pool.submit(search, top, left, (first_row, first_column), pixels))
        while searched:
            yield from searched.popleft().result()


def _stained_windows(field: Field, um: float) -> Iterator[Pixels]:
    """Yield the windows of a large image with most of what nuclei absorb, as its overview shows it."""
    overview = field.overview(_OVERVIEW_PX).astype(np.float32)
    shrunk = field.height_px / overview.shape[0]
    azure = np.clip(overview[..., 2] - overview[..., 0], 0, None)  # more blue than red passes
    side = max(1, round(_WINDOW_UM / um / shrunk))
    rows, columns = overview.shape[0] // side, overview.shape[1] // side
    if not rows or not columns:
        side, rows, columns = min(overview.shape[:2]), 1, 1
    blocks = azure[: rows * side, : columns * side].reshape(rows, side, columns, side).sum(axis=(1, 3))
    best = np.argsort(-blocks.ravel(), kind="stable")[:_WINDOWS]
    side_px = min(round(_WINDOW_UM / um), field.height_px, field.width_px)
    for row, column in zip(*np.unravel_index(best, blocks.shape), strict=True):
        top = min(round(int(row) * side * shrunk), field.height_px - side_px)
        left = min(round(int(column) * side * shrunk), field.width_px - side_px)
        yield field.read(top, left, side_px, side_px)
