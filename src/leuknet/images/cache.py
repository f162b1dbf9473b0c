"""Keeps what was read from images on disk, so that only the first training on a data set decodes its files.

One file holds one kind of fact about the images of one data set, such as the network inputs at one size, in a
row of bytes for each different image:

    index    (M,) of two uint32: 1 where the row is filled, and its CRC-32
    rows     (M, B) uint8, from a multiple of 4,096 bytes

Its name is a hash over what decides the rows: the sha256 of each image's bytes, as `open_dataset` has just
read them (all of them each time: no clock is trusted), the canvas, the size, and the versions of our code and
of the libraries. A changed image is thus another file, and nothing has to be invalidated.

A row is written before its index entry and checked whenever it is opened against its CRC, which covers the
file's name and the row's place too: a builder may be killed at any moment, and what was cut off, damaged or
copied from elsewhere is read anew, with a warning. What is damaged after the file was opened goes unnoticed,
and so does one fault in four thousand million. Several may build at once, since they write the same bytes to
the same places, and there are no temporary files to clear up. Reading maps the file into memory: processes
share its pages, and a data set may be larger than the memory.

The cache holds pictures of patients: its folder is closed to other users. Start at `cached_rows`;
`leuknet.images.inputs` and `leuknet.images.survey` say what is kept.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import warnings
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray
from tqdm import tqdm

from leuknet.errors import UnreadableImageError
from leuknet.images.published_bmp import holds_content
from leuknet.images.transform import N_READERS
from leuknet.types import CellImage

VARIABLE = "LEUKNET_CACHE"
"""Names another folder for the cache, such as one on a faster disk."""

MAX_BYTES = 20 * 10**9
"""When a file has grown, the ones used longest ago are removed until the rest takes no more than this."""

LEFT_FREE_BYTES = 10**9
"""Nothing is kept that would leave less of the disk: a training must still find room for its checkpoints."""

SUFFIX = ".rows"

_PAGE = 4096
_BLOCK = 64  # images that are decoded before they are written

Unreadable = tuple[tuple[CellImage, UnreadableImageError], ...]
ReadRows = tuple[NDArray[np.uint8], tuple[CellImage, ...], Unreadable]
"""Rows (n, B) uint8 of images just read, the cells that these belong to, and the other ones."""


@dataclass(frozen=True)
class Rows:
    """What was read of cells, as bytes.

    Attributes
    ----------
    rows : (M, B) uint8
        In a file that is mapped into memory, or in memory.
    places : (N,) int64
        The row of each entry of `cells`.
    cells
        The cells that could be read, in the order in which they were asked for.
    unreadable
        Each cell that could not be read, with the reason.
    """

    rows: NDArray[np.uint8]
    places: NDArray[np.int64]
    cells: tuple[CellImage, ...]
    unreadable: Unreadable


@dataclass(frozen=True)
class RowKind:
    """A kind of fact about images.

    Attributes
    ----------
    doing
        What a bar says while images are read.
    decides
        What decides a row's bytes besides the image: a name, settings, versions.
    row_bytes
        B, the same for all images.
    read
        Reads images anew: takes cells, and whether to draw a bar.
    """

    doing: str
    decides: tuple[str | int | None, ...]
    row_bytes: int
    read: Callable[[Sequence[CellImage], bool], ReadRows]


def cached_rows(
    cells: Sequence[CellImage], *, pool: Sequence[CellImage], kind: RowKind, progress: bool = False
) -> Rows:
    """Return one kind of fact about cells, from the cache where it is in it.

    Parameters
    ----------
    cells
        In any number.
    pool
        All cells of the data set: its file has a place for each, so that all splits share it.
    kind
        What to read, and how.
    progress
        Draw a bar on stderr.

    Warns
    -----
    UserWarning
        Where rows were damaged, and are read anew; where the cache cannot be written, such as on a full disk,
        and all images are read.
    """
    contents = sorted({cell.sha256 for cell in (*pool, *cells)})
    if contents:
        try:
            return _read_through(_File(cache_folder(), contents, kind), cells, kind, progress=progress)
        except OSError as error:
            warnings.warn(
                f"prepared images are not kept: {error}; free space, or name another folder with {VARIABLE}",
                stacklevel=3,
            )
    rows, readable, unreadable = kind.read(cells, progress)
    return Rows(rows, np.arange(len(readable)), readable, unreadable)


def cache_folder() -> Path:
    """Return where the cache lies: what `LEUKNET_CACHE` says, or the user's folder for such files."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_cache_path("leuknet") / "inputs"


def list_cache() -> tuple[tuple[Path, int], ...]:
    """Return each file of the cache with the bytes it takes on disk, the one used last first."""
    found = []
    for path in cache_folder().glob(f"*{SUFFIX}"):
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

    def __init__(self, folder: Path, contents: Sequence[str], kind: RowKind) -> None:
        key = hashlib.sha256(json.dumps([contents, kind.decides]).encode("ascii")).hexdigest()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / f"{key[:32]}{SUFFIX}"
        self.place_of = {content: place for place, content in enumerate(contents)}
        self.is_damaged = False
        self._key, self._row_bytes = key, kind.row_bytes
        self._start = -(-len(contents) * 8 // _PAGE) * _PAGE
        size = self._start + len(contents) * kind.row_bytes
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(self._file).st_size != size:
                os.ftruncate(self._file, size)  # new or cut off; a row without its bytes fails its check
            os.utime(self.path)  # used just now
            self._index = np.memmap(self.path, np.uint32, mode="r", shape=(len(contents), 2))
            shape = (len(contents), kind.row_bytes)
            self.rows: NDArray[np.uint8] = np.memmap(
                self.path, np.uint8, mode="r", offset=self._start, shape=shape
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close for writing; the maps stay."""
        os.close(self._file)

    def holds(self, cell: CellImage) -> bool:
        """Whether a cell's row is filled and whole; one that is filled and not whole marks the file."""
        place = self.place_of[cell.sha256]
        filled, checksum = self._index[place].tolist()
        is_whole = bool(filled == 1 and self._checksum(place, self.rows[place].data) == checksum)
        self.is_damaged |= filled != 0 and not is_whole
        return is_whole

    def write(self, cell: CellImage, row: NDArray[np.uint8]) -> None:
        """Fill a row, then say so. Not through the map, where a full disk kills the process."""
        place = self.place_of[cell.sha256]
        content = row.tobytes()
        _write_all(self._file, content, self._start + place * self._row_bytes)
        entry = np.array([1, self._checksum(place, content)], dtype=np.uint32)
        _write_all(self._file, entry.tobytes(), place * 8)

    def _checksum(self, place: int, content: bytes | memoryview) -> int:
        return zlib.crc32(content, zlib.crc32(f"{self._key} {place}".encode("ascii")))


def _write_all(file: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(file, content, offset)
        content, offset = content[written:], offset + written


def _read_through(file: _File, cells: Sequence[CellImage], kind: RowKind, *, progress: bool) -> Rows:
    unreadable: dict[str, UnreadableImageError] = {}
    try:
        lacking = [cell for cell in cells if not file.holds(cell)]
        if file.is_damaged:
            warnings.warn(
                f"{file.path} was cut off or damaged: the images concerned are read anew", stacklevel=4
            )
        if lacking:
            folder = file.path.parent
            if shutil.disk_usage(folder).free - len(lacking) * kind.row_bytes < LEFT_FREE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
            unreadable = _fill(file, lacking, kind, n_all=len(cells), progress=progress)
            clear_cache(keep_bytes=MAX_BYTES, but=file.path)
    finally:
        file.close()
    kept = tuple(cell for cell in cells if cell.id not in unreadable)
    places = np.array([file.place_of[cell.sha256] for cell in kept], dtype=np.int64)
    without = tuple((cell, unreadable[cell.id]) for cell in cells if cell.id in unreadable)
    return Rows(file.rows, places, kept, without)


def _fill(
    file: _File, lacking: Sequence[CellImage], kind: RowKind, *, n_all: int, progress: bool
) -> dict[str, UnreadableImageError]:
    """Read cells into their rows, and return those that cannot be read, by id."""
    unreadable: dict[str, UnreadableImageError] = {}
    bar = tqdm(total=n_all, initial=n_all - len(lacking), desc=kind.doing, unit="image", disable=not progress)
    try:
        with bar, ThreadPoolExecutor(N_READERS) as threads:
            for start in range(0, len(lacking), _BLOCK):
                some = lacking[start : start + _BLOCK]
                rows, readable, others = kind.read(some, False)
                unreadable |= {cell.id: error for cell, error in others}
                changes = threads.map(_find_change, readable)
                for cell, row, changed in zip(readable, rows, changes, strict=True):
                    if changed is None:
                        file.write(cell, row)
                    else:
                        unreadable[cell.id] = changed
                bar.update(len(some))
    except OSError:
        file.path.unlink(missing_ok=True)  # gives its space back to those that need it more
        raise
    return unreadable


def _find_change(cell: CellImage) -> UnreadableImageError | None:
    try:
        if holds_content(cell.path, cell.sha256):
            return None
    except UnreadableImageError as error:
        return error
    return UnreadableImageError(
        f"cannot use {cell.path.name}",
        why="it was changed while the data set was in use",
        fix="run the command again when nothing writes to the data set any more",
    )
