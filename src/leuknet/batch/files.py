"""Finds the files that a folder, a glob, a path or an address names, in an order that does not change.

Start at `find_files`; `leuknet.batch.sources` makes work of what it yields.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from leuknet.batch.stores import open_store, protocol_of
from leuknet.images.clutter import PassedOver, is_clutter
from leuknet.images.reading import IMAGE_SUFFIXES

JOB_SUFFIX = ".job"
"""Folders with this suffix, and a job.json in them, are our own and not searched."""

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_CHANGED = ("mtime", "LastModified", "last_modified", "updated")
_TAGS = ("ETag", "etag", "md5Hash", "md5")


class File(NamedTuple):
    """A file by its name, a local path or an address. `mark` changes when the file does; None if unknown."""

    name: str
    mark: str | None


def find_files(source: str, over: PassedOver) -> Iterator[tuple[File, bool]]:
    """Yield the files of one source, each with whether it was named; the rest was found in a folder.

    `over` counts what systems and programs leave, such as `._cell.bmp`, which is passed over.
    """
    if protocol_of(source) is not None:
        yield from _find_in_store(source, over)
        return
    # lexists: a file may be called `cell[1].png`.
    path = Path(source)
    globbed = _match(path.anchor, path.parts[1:] if path.anchor else path.parts, over)
    paths = [source] if os.path.lexists(source) or not glob.has_magic(source) else globbed
    empty = True
    for name in paths:
        empty = False
        if os.path.isdir(name):  # noqa: PTH112 - unlike Path.is_dir, never raises on a forbidden parent
            yield from ((file, False) for file in _walk(name, over))
        else:
            yield _local(name), True
    if empty:
        yield File(source, None), True


def _match(base: str, parts: tuple[str, ...], over: PassedOver) -> Iterator[str]:
    """Yield what a glob names, one folder's names in memory at a time; `**` is any number of folders."""
    if not parts:
        yield base
        return
    head, rest = parts[0], parts[1:]
    if not glob.has_magic(head):
        if os.path.lexists(os.path.join(base, head)):  # noqa: PTH118 - Path would change the name
            yield from _match(os.path.join(base, head), rest, over)  # noqa: PTH118
        return
    try:
        names = sorted(os.listdir(base or "."))  # noqa: PTH208
    except OSError:
        return  # not a folder, or closed: a glob names what can be seen
    if head == "**":
        if rest:
            yield from _match(base, rest, over)
        parts_below = parts
    else:
        names, parts_below = [name for name in names if fnmatch.fnmatchcase(name, head)], rest
    for name in names:
        path = os.path.join(base, name)  # noqa: PTH118
        if name.startswith(".") and not head.startswith("."):
            continue
        if is_clutter(name):
            over.count(path, int(_is_wanted(name)))
            continue
        if head == "**":
            if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
                yield from _match(path, parts_below, over)
            elif not rest:
                yield path
        else:
            yield from _match(path, parts_below, over)


def _walk(folder: str, over: PassedOver) -> Iterator[File]:
    """Yield files of a folder and its folders, in the order of `leuknet.inference.predict.find_images`."""
    closed: list[str] = []
    for place, subfolders, names in os.walk(folder, onerror=lambda error: closed.append(error.filename)):
        subfolders[:] = [
            name
            for name in subfolders
            if not (name.endswith(JOB_SUFFIX) and Path(place, name, "job.json").exists())
        ]
        kept = over.sort_out(place, subfolders, names, wanted=_is_wanted)
        yield from (_local(str(Path(place, name))) for name in kept)
        while closed:
            yield File(str(Path(closed.pop(0))), None)


def _is_wanted(name: str) -> bool:
    return name.lower().endswith((*IMAGE_SUFFIXES, *TAR_SUFFIXES, ".parquet"))


def _local(path: str) -> File:
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return File(path, None)
    return File(path, f"{found.st_size},{found.st_mtime_ns}")


def _find_in_store(address: str, over: PassedOver) -> Iterator[tuple[File, bool]]:
    store, path = open_store(address)
    if protocol_of(address) in ("http", "https"):  # it has no folders, and `?` is part of an address
        yield File(address, _mark(_info(store, path))), True
        return
    if glob.has_magic(path):
        found = sorted(store.glob(path, detail=True).items())
    else:
        found = [(path, _info(store, path))]
    if not found:
        yield File(address, None), True
    for name, info in found:
        if info.get("type") == "directory":
            yield from ((file, False) for file in _walk_store(store, name, over))
        else:
            yield File(store.unstrip_protocol(name), _mark(info)), True


def _info(store: Any, path: str) -> dict[str, Any]:
    try:
        return dict(store.info(path))
    except Exception:  # of the store's own libraries; reading the file meets the error again, and reports it
        return {}


def _walk_store(store: Any, folder: str, over: PassedOver) -> Iterator[File]:
    try:
        found = sorted(store.ls(folder, detail=True), key=lambda entry: str(entry["name"]))
    except Exception:  # see `_info`
        yield File(store.unstrip_protocol(folder), None)
        return
    below = []
    for entry in found:
        name = str(entry["name"])
        is_folder, last = entry["type"] == "directory", name.rstrip("/").rpartition("/")[2]
        if name.rstrip("/") == folder.rstrip("/"):
            continue
        if is_clutter(last, folder=is_folder):
            over.count(name, int(_is_wanted(name)))
        elif is_folder:
            below.append(name)
        elif _is_wanted(name):
            yield File(store.unstrip_protocol(name), _mark(entry))
    for name in below:
        yield from _walk_store(store, name, over)


def _mark(info: dict[str, Any]) -> str | None:
    known = [str(info[key]) for key in ("size", *_CHANGED, *_TAGS) if info.get(key) is not None]
    return ",".join(known) or None
