"""Looks once at every image of a split and keeps what several judges need of it.

The proof that sides do not overlap, the check for unfamiliar images and the simple baselines all start from
pixels at full size. Decoding is the slow part, so each image is decoded once, in threads, and only small
facts are kept; `cached_survey` also keeps them on disk for the next time.

Start at `survey`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import UnreadableImageError
from leuknet.images.cache import ReadRows, RowKind, Rows, cached_rows
from leuknet.images.measures import Measures, measure
from leuknet.images.near_duplicates import HASH_BITS, perceptual_hash
from leuknet.images.reading import ReadImage
from leuknet.images.texture import TEXTURE_VERSION, TEXTURES, describe_texture
from leuknet.images.transform import TRANSFORM_VERSION, place_on_canvas, prepare, read_each
from leuknet.types import CellImage, Dataset, InputForm, Pixels

THUMBNAIL_PX = 32
_THUMBNAIL = InputForm(canvas_px=None, image_size_px=THUMBNAIL_PX)

Seen = TypeVar("Seen")

SURVEY_VERSION = 1
"""To be raised with every change of `measure` or `perceptual_hash` that changes a number, as
`leuknet.images.transform.TRANSFORM_VERSION` is for pixels: surveys may have been kept."""

_LIBRARIES = ("ImageHash", "numpy", "pillow", "scipy")  # whose versions decide a number too
_TEXTURE_LIBRARIES = ("numpy", "pillow", "scikit-image", "scipy")

_ROW = np.dtype(
    [
        ("hash", f"S{HASH_BITS // 4}"),
        ("measures", np.float64, (len(Measures._fields),)),
        ("thumbnail", np.uint8, (THUMBNAIL_PX, THUMBNAIL_PX, 3)),
    ]
)
"""What is kept of one cell in the cache."""


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
        One column for each field of `leuknet.images.measures.Measures`.
    thumbnails : (N, 32, 32, 3) uint8
        The canvas at reduced size.
    unreadable
        Cells that could not be read, with the reason.
    textures : (N, T) float32
        One column for each of `leuknet.images.texture.TEXTURES`; None where they were not asked for, since
        they cost more than all the others together.
    """

    cells: tuple[CellImage, ...]
    hashes: tuple[str, ...]
    measures: NDArray[np.float64]
    thumbnails: Pixels
    unreadable: tuple[tuple[CellImage, UnreadableImageError], ...]
    textures: NDArray[np.float32] | None = None

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
            None if self.textures is None else self.textures[places],
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
        As in `leuknet.types.InputForm`.
    progress
        Draw a bar on standard error.
    """
    seen, unreadable = _look_at(
        cells, _first_look, root=root, canvas_px=canvas_px, doing="surveying", progress=progress
    )
    return Survey(
        cells=tuple(cell for cell, _ in seen),
        hashes=tuple(found for _, (found, _, _) in seen),
        measures=np.array([measures for _, (_, measures, _) in seen]).reshape(-1, len(Measures._fields)),
        thumbnails=np.array([thumbnail for _, (_, _, thumbnail) in seen], dtype=np.uint8).reshape(
            -1, THUMBNAIL_PX, THUMBNAIL_PX, 3
        ),
        unreadable=unreadable,
    )


def _first_look(pixels: Pixels) -> tuple[str, Measures, Pixels]:
    return perceptual_hash(pixels), measure(pixels), prepare(pixels, _THUMBNAIL)


def cached_survey(
    cells: Sequence[CellImage], dataset: Dataset, *, textures: bool = False, progress: bool = False
) -> Survey:
    """Do as `survey`, but take from the cache what an earlier survey of the same images found.

    Parameters
    ----------
    cells
        In any number.
    dataset
        Theirs. The cache's file has a place for each of its cells, so that all splits share it.
    textures
        Describe textures too.
    progress
        As for `survey`.

    Warns
    -----
    UserWarning
        As for `leuknet.images.cache.cached_rows`.
    """
    root, canvas_px = dataset.root, dataset.canvas_px

    def read(some: Sequence[CellImage], progress: bool) -> ReadRows:
        seen = survey(some, root=root, canvas_px=canvas_px, progress=progress)
        rows = np.empty(len(seen.cells), dtype=_ROW)
        rows["hash"] = np.array(seen.hashes, dtype=_ROW["hash"])
        rows["measures"], rows["thumbnail"] = seen.measures, seen.thumbnails
        return rows.view(np.uint8).reshape(len(rows), _ROW.itemsize), seen.cells, seen.unreadable

    decides = ("survey", canvas_px, SURVEY_VERSION, TRANSFORM_VERSION, *map(version, _LIBRARIES))
    kind = RowKind("surveying", decides, _ROW.itemsize, read)
    found = cached_rows(cells, pool=dataset.cells, kind=kind, progress=progress)
    rows = found.rows[found.places].view(_ROW)[:, 0]
    surveyed = Survey(
        cells=found.cells,
        hashes=tuple(found_hash.decode("ascii") for found_hash in rows["hash"]),
        measures=np.ascontiguousarray(rows["measures"]),
        thumbnails=np.ascontiguousarray(rows["thumbnail"]),
        unreadable=found.unreadable,
    )
    if not textures:
        return surveyed
    described = _cached_textures(found.cells, dataset, progress=progress)
    if described.unreadable:  # it was readable a moment ago
        raise described.unreadable[0][1]
    return replace(surveyed, textures=described.rows[described.places].view(np.float32))


def _cached_textures(cells: Sequence[CellImage], dataset: Dataset, *, progress: bool) -> Rows:
    root, canvas_px = dataset.root, dataset.canvas_px

    def read(some: Sequence[CellImage], progress: bool) -> ReadRows:
        seen, unreadable = _look_at(
            some, describe_texture, root=root, canvas_px=canvas_px, doing=kind.doing, progress=progress
        )
        rows = np.array([row for _, row in seen], np.float32).reshape(len(seen), len(TEXTURES))
        return rows.view(np.uint8), tuple(cell for cell, _ in seen), unreadable

    versions = map(version, _TEXTURE_LIBRARIES)
    decides = ("textures", canvas_px, TEXTURE_VERSION, TRANSFORM_VERSION, *versions)
    kind = RowKind("describing textures", decides, 4 * len(TEXTURES), read)
    return cached_rows(cells, pool=dataset.cells, kind=kind, progress=progress)


def _look_at(
    cells: Sequence[CellImage],
    look: Callable[[Pixels], Seen],
    *,
    root: Path | None,
    canvas_px: int | None,
    doing: str,
    progress: bool,
) -> tuple[list[tuple[CellImage, Seen]], tuple[tuple[CellImage, UnreadableImageError], ...]]:
    """Read each image once, in threads, and return what `look` says of it on its canvas."""

    def on_canvas(_: int, image: ReadImage) -> Seen:
        return look(image.pixels if canvas_px is None else place_on_canvas(image.pixels, canvas_px))

    outcomes = read_each(cells, on_canvas, root=root, doing=doing, progress=progress)
    return (
        [(cell, seen) for cell, seen in outcomes if not isinstance(seen, UnreadableImageError)],
        tuple((cell, error) for cell, error in outcomes if isinstance(error, UnreadableImageError)),
    )
