"""Writes files and folders that are seen whole or not at all.

What is new is written beside its place and then renamed, which is one step: a reader, or a program that is
killed, meets the old content or the new, never a part. After an error nothing new is left.

Start at `write_whole` for bytes; `whole_file` is for what is written piece by piece, `whole_folder` for
files that belong together.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_whole(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file so that a reader sees the old content or the new, never a part; see `whole_file`."""
    with whole_file(path, durable=durable) as part:
        part.write_bytes(content)


@contextmanager
def whole_file(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Give a name beside a file to write to; at the end what was written takes the file's place.

    Parameters
    ----------
    path
        The file, in a folder that exists; replaced if it exists.
    durable
        Wait until content and name are on the disk: what follows may rely on them even if power fails.
    """
    part = _beside(path)
    try:
        yield part
        if durable:
            sync(part)
        part.replace(path)
        if durable:
            sync(path.parent)
    finally:
        with suppress(OSError):  # it has its name; or it could not be written, which is an error already
            part.unlink()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside a folder to fill; at the end it takes its place, and an older one goes."""
    part = _beside(path)
    older = _beside(path)
    part.mkdir(parents=True)
    try:
        yield part
        if path.exists():
            path.rename(older)
        part.rename(path)
        shutil.rmtree(older, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def sync(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path) -> Path:
    # One name for each writer, on whichever machine: two that write one file must not share a part.
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
