"""Looks once at every image of a split and keeps what several judges need of it.

The proof that sides do not overlap, the check for unfamiliar images and the simple baselines all start from
pixels at full size. Decoding is the slow part, so each image is decoded once, in threads, and only small
facts are kept.

Start at `survey`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from leuknet.data.images import read_pixels
from leuknet.data.measure import Measures, measure
from leuknet.data.near import perceptual_hash
from leuknet.data.transform import N_READERS, place_on_canvas, prepare
from leuknet.errors import UnreadableImageError
from leuknet.types import CellImage, Pixels

THUMBNAIL_PX = 32


@dataclass(frozen=True)
class Survey:
    """What was seen of each cell that could be read.

    Attributes
    ----------
    cells
        In the order in which they were asked for.
    hashes
        Perceptual hash of each, hex.
    measures : (N, M) float64
        One column for each field of `leuknet.data.measure.Measures`.
    thumbnails : (N, 32, 32, 3) uint8
        The canvas at reduced size.
    unreadable
        Cells that could not be read, with the reason.
    """

    cells: tuple[CellImage, ...]
    hashes: tuple[str, ...]
    measures: NDArray[np.float64]
    thumbnails: Pixels
    unreadable: tuple[tuple[CellImage, UnreadableImageError], ...]

    def take(self, cells: Sequence[CellImage]) -> Survey:
        """Return the survey of some of its cells, in their order; those that it lacks are left out."""
        asked = {cell.id for cell in cells}
        place = {cell.id: index for index, cell in enumerate(self.cells)}
        kept = [cell for cell in cells if cell.id in place]
        places = [place[cell.id] for cell in kept]
        return Survey(
            tuple(kept),
            tuple(self.hashes[index] for index in places),
            self.measures[places],
            self.thumbnails[places],
            tuple(pair for pair in self.unreadable if pair[0].id in asked),
        )


def survey(
    cells: Sequence[CellImage], *, root: Path | None, canvas_px: int | None, progress: bool = False
) -> Survey:
    """Read each image once.

    Parameters
    ----------
    cells
        In any number.
    root
        Images that lie outside of this folder count as unreadable; None reads from anywhere.
    canvas_px
        As for `leuknet.data.transform.prepare`.
    progress
        Draw a bar on standard error.
    """

    def look(cell: CellImage) -> tuple[str, Measures, Pixels] | UnreadableImageError:
        try:
            pixels = read_pixels(cell.path, root=root).pixels
        except UnreadableImageError as error:
            return error
        if canvas_px is not None:
            pixels = place_on_canvas(pixels, canvas_px)
        thumbnail = prepare(pixels, canvas_px=None, image_size_px=THUMBNAIL_PX)
        return perceptual_hash(pixels), measure(pixels), thumbnail

    pool = ThreadPoolExecutor(N_READERS, thread_name_prefix="leuknet-survey")
    try:
        each = tqdm(
            pool.map(look, cells), total=len(cells), desc="surveying", unit="image", disable=not progress
        )
        outcomes = list(zip(cells, each, strict=True))
    finally:
        # Ctrl-C must not wait for the images that nobody wants any more.
        pool.shutdown(cancel_futures=True)
    seen = [(cell, one) for cell, one in outcomes if not isinstance(one, UnreadableImageError)]
    return Survey(
        cells=tuple(cell for cell, _ in seen),
        hashes=tuple(found for _, (found, _, _) in seen),
        measures=np.array([measures for _, (_, measures, _) in seen]).reshape(-1, len(Measures._fields)),
        thumbnails=np.array([thumbnail for _, (_, _, thumbnail) in seen], dtype=np.uint8).reshape(
            -1, THUMBNAIL_PX, THUMBNAIL_PX, 3
        ),
        unreadable=tuple((cell, one) for cell, one in outcomes if isinstance(one, UnreadableImageError)),
    )
