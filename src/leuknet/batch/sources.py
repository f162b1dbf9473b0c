"""Lists any number of images as chunks of work, wherever they lie.

A chunk is what one worker takes at a time: some hundred image files, a tar shard, or a row group of a Parquet
file. It is named by what it holds, with each file's size and time of change, so that a chunk that was done is
known again and a changed file is new work.

Files that follow each other are cut into chunks where a hash of a file's name says so, not after every so
many. A file that is added or removed therefore changes its own chunk and no other.

Everything is listed as it is needed: of local folders the names of one folder are in memory, of a store what
one listing of it returns. Start at `list_chunks`; `leuknet.batch.contents` reads a chunk's images.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from leuknet.batch.files import TAR_SUFFIXES, File, find_files
from leuknet.batch.stores import open_stream
from leuknet.errors import LeukNetError
from leuknet.images.clutter import PassedOver

CHUNK_SIZE = 256
_LONGEST = 64  # times the usual size of a chunk: longer only by an accident, or by names made for it


@dataclass(frozen=True)
class Chunk:
    """A piece of work, as small as a line of text.

    Attributes
    ----------
    kind
        `files`: images. `tar`: one shard. `rows`: one row group of a Parquet file.
    images
        How many images it holds; None if that shows only when it is read.
    row_group, first_row
        Of `rows`: which group, and the number of its first row in the file.
    """

    kind: Literal["files", "tar", "rows"]
    files: tuple[File, ...]
    images: int | None
    row_group: int = 0
    first_row: int = 0

    @property
    def id(self) -> str:
        """64 hex digits that are others if anything is."""
        return hashlib.sha256(self.to_line().encode("ascii")).hexdigest()

    def to_line(self) -> str:
        r"""Return it as JSON in one line; an undecodable byte of a name is `\udc..` there, and comes back."""
        return json.dumps(astuple(self), separators=(",", ":"))

    @staticmethod
    def from_line(line: str | bytes) -> Chunk:
        """Return what `to_line` wrote."""
        kind, files, images, row_group, first_row = json.loads(line)
        return Chunk(kind, tuple(File(*file) for file in files), images, row_group, first_row)


def list_chunks(
    sources: Iterable[str], *, size: int = CHUNK_SIZE, over: PassedOver | None = None
) -> Iterator[Chunk]:
    """Yield the work that `sources` name, in an order that does not change.

    Parameters
    ----------
    sources
        Folders, globs, images, tar shards (`.tar`, `.tar.gz`, `.tgz`) and Parquet files; local paths or
        addresses. Folders are searched with all folders in them, for images, shards and Parquet files that
        hold images. A file that is named may have any suffix; one that is not there becomes a line with an
        error.
    size
        Image files in a chunk, on average; one in 3,000 chunks has eight times as many.
    over
        Counts what systems and programs leave, such as `._cell.bmp`, which is passed over.

    Raises
    ------
    MissingExtraError
        If an address needs a driver that is not installed.
    SettingError
        If there is no such kind of address.
    """
    over = PassedOver() if over is None else over
    waiting: list[File] = []
    for source in sources:
        for file, named in find_files(source, over):
            lower = file.name.lower()
            if lower.endswith(TAR_SUFFIXES):
                yield Chunk("tar", (file,), None)
            elif lower.endswith(".parquet"):
                yield from _row_groups(file, named=named)
            else:
                waiting.append(file)
                is_last = zlib.crc32(file.name.encode("utf-8", "surrogateescape")) % size == 0
                if is_last or len(waiting) >= _LONGEST * size:
                    yield Chunk("files", tuple(waiting), len(waiting))
                    waiting = []
    if waiting:
        yield Chunk("files", tuple(waiting), len(waiting))


class Columns(NamedTuple):
    """Which columns of a Parquet file hold the images and, if any does, their names."""

    image: str
    name: str | None


def find_columns(schema: pa.Schema) -> Columns | None:
    """Return the first of `bytes` and `image` that holds bytes, or Hugging Face's `{bytes, path}`."""
    name = next((column for column in ("path", "name", "id") if column in schema.names), None)
    for column in ("bytes", "image"):
        if schema.names.count(column) == 1:
            kind = schema.field(column).type
            is_struct = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
            if is_struct or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
                return Columns(column, name)
    return None


def _row_groups(file: File, *, named: bool) -> Iterator[Chunk]:
    try:
        with open_stream(file.name) as stream, pq.ParquetFile(stream) as table:
            if find_columns(table.schema_arrow) is None:
                if not named:
                    return  # a table of something else that lies in the folder, such as of scores
                sizes = [0]  # the worker says what is wrong
            else:
                sizes = [table.metadata.row_group(i).num_rows for i in range(table.num_row_groups)]
    except LeukNetError:
        raise
    except Exception:  # of stores and Arrow, without a common base; the worker meets and reports them again
        yield Chunk("rows", (file,), None)
        return
    first = 0
    for number, rows in enumerate(sizes):
        yield Chunk("rows", (file,), rows, number, first)
        first += rows
