"""Reads the images of a chunk, one after the other, without writing anything to disk.

Nothing is lost in silence: a shard that is cut off or damaged gives the images before the damage, and a line
that says so. A member that is a link, a device, or whose name leads out of the shard is a line with an error:
it is never followed. Start at `images_of`.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from leuknet.batch.sources import Chunk, Columns, find_columns
from leuknet.batch.stores import open_stream, read_content, unreadable
from leuknet.errors import LeukNetError
from leuknet.images.clutter import PassedOver, in_clutter
from leuknet.images.reading import MAX_FILE_BYTES, has_image_suffix

_ROWS = 32  # of a Parquet file in memory at a time


class Image(NamedTuple):
    """An image: its name, and how its bytes are had. `read` may raise `UnreadableImageError`."""

    name: str
    read: Callable[[], bytes]


def images_of(chunk: Chunk, over: PassedOver | None = None) -> Iterator[Image]:
    """Yield a chunk's images in their order; what cannot be read is an image whose `read` says why.

    A member of `shard.tar` is called `shard.tar/member`; a row of `cells.parquet` `cells.parquet/name`, or
    `cells.parquet/row-12` where it has no name. `over` counts members of a shard that are passed over.
    """
    over = PassedOver() if over is None else over
    if chunk.kind == "files":
        yield from (Image(file.name, partial(read_content, file.name)) for file in chunk.files)
        return
    name = chunk.files[0].name
    noun = "shard" if chunk.kind == "tar" else "Parquet file"
    try:
        yield from _members(chunk, over) if chunk.kind == "tar" else _rows(chunk)
    except LeukNetError:
        raise
    except Exception as error:  # tarfile, zlib, Arrow and stores raise nearly anything for damaged bytes
        reason = (isinstance(error, OSError) and error.strerror) or str(error) or repr(error)
        yield _broken(name, f"the {noun} cannot be read to its end: {reason}")


def _broken(name: str, why: str) -> Image:
    def read() -> bytes:
        raise unreadable(name, why)

    return Image(name, read)


class _Member(tarfile.TarInfo):
    """Says that a header is damaged or missing, where tarfile would take it for the end of the shard."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> _Member:
        try:
            return super().fromtarfile(tarfile)
        except _DAMAGE as error:
            raise _CutOffError(f"{error}, where a member or the end mark should be") from error


class _CutOffError(Exception):
    pass


# Not in tarfile's list of public names, but what its own reader catches.
_DAMAGE: tuple[type[Exception], ...] = tuple(
    getattr(tarfile, name) for name in ("InvalidHeaderError", "EmptyHeaderError", "TruncatedHeaderError")
)


def _members(chunk: Chunk, over: PassedOver) -> Iterator[Image]:
    shard = chunk.files[0].name
    with (
        open_stream(shard) as stream,
        tarfile.open(fileobj=stream, mode="r|*", tarinfo=_Member, errors="surrogateescape") as tar,
    ):
        while (member := tar.next()) is not None:
            vars(tar)["members"] = []  # else it remembers each of a million
            if member.isdir() or not has_image_suffix(member.name):
                continue
            if in_clutter(member.name):
                over.count(f"{shard}/{member.name}")
            else:
                yield _read_member(tar, member, f"{shard}/{member.name}")


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Image:
    path = PurePosixPath(member.name)
    if not member.isreg():
        return _broken(name, "it is a link or a device in its shard, which is not followed")
    if path.is_absolute() or ".." in path.parts:
        return _broken(name, "its name leads out of its shard")
    stream = tar.extractfile(member)
    content = b"" if stream is None else stream.read(MAX_FILE_BYTES + 1)
    return Image(name, lambda: content)


def _rows(chunk: Chunk) -> Iterator[Image]:
    file = chunk.files[0].name
    with open_stream(file) as stream, pq.ParquetFile(stream, pre_buffer=False) as table:
        columns = find_columns(table.schema_arrow)
        if columns is None:
            raise ValueError("no column `bytes` or `image` holds images")
        wanted = [columns.image] + ([] if columns.name is None else [columns.name])
        batches = table.iter_batches(_ROWS, row_groups=[chunk.row_group], columns=wanted, use_threads=False)
        rows = chain.from_iterable(batch.to_pylist() for batch in batches)
        for number, row in enumerate(rows, start=chunk.first_row):
            yield _read_row(row, file, number, columns)


def _read_row(row: dict[str, Any], file: str, number: int, columns: Columns) -> Image:
    content, inner = row[columns.image], None
    if isinstance(content, dict):
        content, inner = content["bytes"], content.get("path")
    own = None if columns.name is None else row[columns.name]
    own = inner if own is None else own
    name = f"{file}/row-{number}" if own is None else f"{file}/{own}"
    if not isinstance(content, bytes):
        return _broken(name, "its row holds no bytes")
    return Image(name, lambda: content)
