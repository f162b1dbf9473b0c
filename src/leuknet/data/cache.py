"""Keeps prepared images on disk, so that only the first training on a data set decodes its files.

One file holds the network inputs of one data set at one size, a row for each different image:

    index    (M,) of two uint32: 1 where the row is filled, and its CRC-32
    rows     (M, S, S, 3) uint8, from the next multiple of 4,096 bytes

Its name is a hash over what decides the pixels: the sha256 of each image's bytes, as `open_dataset` has just
read them, the canvas, the size, and the versions of the transform and of Pillow. A changed image is thus
another file, and nothing has to be invalidated. A row is written before its index entry and checked against
its CRC whenever it is opened, so that a builder may be killed at any moment; several may build at once, since
they write the same bytes to the same places. Reading maps the file into memory: processes share its pages,
and a data set may be larger than the memory.

The cache holds pictures of patients: its folder is closed to other users. Start at `cached_inputs`.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
import platformdirs
from numpy.typing import NDArray
from tqdm import tqdm

from leuknet.data.images import hash_file
from leuknet.data.transform import TRANSFORM_VERSION, load_inputs
from leuknet.errors import UnreadableImageError
from leuknet.types import CellImage, Pixels

VARIABLE = "LEUKNET_CACHE"
"""Names another folder for the cache, such as one on a faster disk."""

MAX_BYTES = 20 * 10**9
"""When a file has grown, the ones used longest ago are removed until the rest takes no more than this."""

_PAGE = 4096
_BLOCK = 64  # images that are decoded before they are written


class MappedInputs:
    """Network inputs in a file, as an array (N, S, S, 3) uint8 that is read where it is indexed."""

    def __init__(self, rows: Pixels, places: NDArray[np.int64]) -> None:
        self._rows, self._places = rows, places
        self.shape = (len(places), *rows.shape[1:])

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int | slice | NDArray[np.int64]) -> Pixels:
        """One image (S, S, 3), or a copy of several (n, S, S, 3)."""
        return np.asarray(self._rows[self._places[index]])

    def __iter__(self) -> Iterator[Pixels]:
        return (self[index] for index in range(len(self)))


@dataclass(frozen=True)
class Cached:
    """Inputs of cells, and those that could not be read.

    Attributes
    ----------
    inputs
        (N, S, S, 3) uint8, one per entry of `cells`.
    cells
        The cells that could be read, in the order in which they were asked for.
    unreadable
        Each cell that could not be read, with the reason.
    """

    inputs: MappedInputs
    cells: tuple[CellImage, ...]
    unreadable: tuple[tuple[CellImage, UnreadableImageError], ...]


def cache_folder() -> Path:
    """Return where the cache lies: what `LEUKNET_CACHE` says, or the user's folder for such files."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_cache_path("leuknet") / "inputs"


def cached_inputs(
    cells: Sequence[CellImage],
    *,
    pool: Sequence[CellImage],
    root: Path | None,
    canvas_px: int | None,
    image_size_px: int,
    progress: bool = False,
) -> Cached:
    """Read and prepare the images of cells, from the cache where they are in it.

    Where the cache cannot be written, such as on a full disk, a warning says so and all images are read.

    Parameters
    ----------
    cells
        In any number.
    pool
        All cells of the data set: its file has a place for each, so that all splits share it.
    root, canvas_px, image_size_px, progress
        As for `leuknet.data.transform.load_inputs`.
    """
    contents = sorted({cell.sha256 for cell in (*pool, *cells)})
    place_of = {content: place for place, content in enumerate(contents)}
    try:
        file = _File(cache_folder(), contents, canvas_px=canvas_px, side=image_size_px)
        return _read(file, cells, place_of, root=root, canvas_px=canvas_px, progress=progress)
    except OSError as error:
        warnings.warn(
            f"prepared images are not kept: {error}; free space, or name another folder with {VARIABLE}",
            stacklevel=2,
        )
    loaded = load_inputs(
        cells, root=root, canvas_px=canvas_px, image_size_px=image_size_px, progress=progress
    )
    everything = np.arange(len(loaded.cells))
    return Cached(MappedInputs(loaded.inputs, everything), loaded.cells, loaded.unreadable)


def list_cache() -> tuple[tuple[Path, int], ...]:
    """Return each file of the cache with the bytes it takes on disk, the one used last first."""
    found = []
    for path in cache_folder().glob("*.inputs"):
        try:
            status = path.stat()
        except FileNotFoundError:  # another process removed it just now
            continue
        found.append((status.st_mtime, path, status.st_blocks * 512))
    return tuple((path, size) for _, path, size in sorted(found, reverse=True))


def clear_cache(*, keep_bytes: int = 0, but: Path | None = None) -> int:
    """Remove files of the cache, the ones used longest ago first, and return how many.

    Who has one open can go on reading it.

    Parameters
    ----------
    keep_bytes
        Stop when the rest takes no more than this.
    but
        A file that stays in any case.
    """
    taken, removed = 0, 0
    for path, size in list_cache():
        taken += size
        if taken > keep_bytes and path != but:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


class _File:
    """One file of the cache, made if there is none."""

    def __init__(self, folder: Path, contents: Sequence[str], *, canvas_px: int | None, side: int) -> None:
        decides = [contents, canvas_px, side, TRANSFORM_VERSION, PIL.__version__]
        name = hashlib.sha256(json.dumps(decides).encode("ascii")).hexdigest()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / f"{name[:32]}.inputs"
        self.side = side
        self.row_bytes = side * side * 3
        self.start = -(-len(contents) * 8 // _PAGE) * _PAGE
        size = self.start + len(contents) * self.row_bytes
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(self.file).st_size != size:
                os.ftruncate(self.file, size)  # new or cut off; a row without its bytes fails its check
            os.utime(self.path)  # used just now
            self.index = np.memmap(self.path, np.uint32, mode="r", shape=(len(contents), 2))
            shape = (len(contents), side, side, 3)
            self.rows: Pixels = np.memmap(self.path, np.uint8, mode="r", offset=self.start, shape=shape)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close for writing; the maps stay."""
        os.close(self.file)

    def holds(self, place: int) -> bool:
        """Whether a row is filled and whole."""
        filled, checksum = self.index[place].tolist()
        return bool(filled == 1 and zlib.crc32(self.rows[place]) == checksum)

    def write(self, place: int, image: Pixels) -> None:
        """Fill a row, then say so. Not through the map, where a full disk kills the process."""
        content = np.ascontiguousarray(image).tobytes()
        _write_all(self.file, content, self.start + place * self.row_bytes)
        entry = np.array([1, zlib.crc32(content)], dtype=np.uint32)
        _write_all(self.file, entry.tobytes(), place * 8)


def _write_all(file: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(file, content, offset)
        content, offset = content[written:], offset + written


def _read(
    file: _File,
    cells: Sequence[CellImage],
    place_of: dict[str, int],
    *,
    root: Path | None,
    canvas_px: int | None,
    progress: bool,
) -> Cached:
    unreadable: dict[str, UnreadableImageError] = {}
    try:
        lacking = [cell for cell in cells if not file.holds(place_of[cell.sha256])]
        with tqdm(
            total=len(cells),
            initial=len(cells) - len(lacking),
            desc="reading images",
            unit="image",
            disable=not progress,
        ) as bar:
            for start in range(0, len(lacking), _BLOCK):
                some = lacking[start : start + _BLOCK]
                loaded = load_inputs(some, root=root, canvas_px=canvas_px, image_size_px=file.side)
                unreadable |= {cell.sha256: error for cell, error in loaded.unreadable}
                for cell, image in zip(loaded.cells, loaded.inputs, strict=True):
                    if hash_file(cell.path) == cell.sha256:
                        file.write(place_of[cell.sha256], image)
                    else:
                        unreadable[cell.sha256] = _changed(cell)
                bar.update(len(some))
        if lacking:
            clear_cache(keep_bytes=MAX_BYTES, but=file.path)
    finally:
        file.close()
    kept = tuple(cell for cell in cells if cell.sha256 not in unreadable)
    places = np.array([place_of[cell.sha256] for cell in kept], dtype=np.int64)
    without = tuple((cell, unreadable[cell.sha256]) for cell in cells if cell.sha256 in unreadable)
    return Cached(MappedInputs(file.rows, places), kept, without)


def _changed(cell: CellImage) -> UnreadableImageError:
    return UnreadableImageError(
        f"cannot use {cell.path.name}",
        why="it was changed while the data set was in use",
        fix="run the command again when nothing writes to the data set any more",
    )
