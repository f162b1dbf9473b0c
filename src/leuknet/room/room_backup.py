"""Copies of a whole reading room: its database at one moment, its images and its signed reports.

A backup is a folder that grows: each backup adds a database named by its time, and those files that it lacks,
since an image never changes once it is kept. The database is copied first, so that each image that it knows
is there to be copied after it. What can be made anew, `derived`, is left out.

Start at `back_up_room` and `restore_room`. PostgreSQL has `pg_dump`; its images are copied with `files_only`.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from tqdm import tqdm

from leuknet.errors import StoreError
from leuknet.records.whole import whole_file
from leuknet.room.room_files import RoomFiles
from leuknet.store import open_store, tables
from leuknet.store.audit_log import AuditReport
from leuknet.store.backup import back_up, restore
from leuknet.store.database import Store

KEPT = ("images", "signed")
"""Folders of the data folder that hold what cannot be made anew."""


@dataclass(frozen=True)
class RoomBackup:
    """What `back_up_room` did.

    Attributes
    ----------
    database
        The file it wrote; None with `files_only`.
    copied, present
        Files that it copied, and that the backup held already.
    damaged
        Images whose content is no longer that of their name: they were not copied.
    """

    database: Path | None
    copied: int
    present: int
    damaged: tuple[str, ...]


@dataclass(frozen=True)
class Restored:
    """What `restore_room` did.

    Attributes
    ----------
    database
        The file that was restored.
    log
        What a check of its log found.
    copied
        Files put into the data folder.
    missing
        Images that the database knows, and that are not there or not whole.
    """

    database: Path
    log: AuditReport
    copied: int
    missing: tuple[str, ...]


def back_up_room(
    store: Store,
    files: RoomFiles,
    folder: Path,
    *,
    now: datetime,
    files_only: bool = False,
    progress: bool = False,
) -> RoomBackup:
    """Copy a reading room into a folder, new or of earlier backups; it may be in use meanwhile.

    Raises
    ------
    StoreError
        If the store is PostgreSQL and `files_only` is not set, or the disk is full. Earlier backups in the
        folder are as they were.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = None
    if not files_only:
        database = folder / f"reading-room-{now:%Y%m%dT%H%M%SZ}.db"
        back_up(store, database)
    copied, present, damaged = _copy_kept(files.folder, folder, progress=progress)
    return RoomBackup(database, copied, present, damaged)


def restore_room(
    folder: Path, files: RoomFiles, url: str, *, database: Path | None = None, progress: bool = False
) -> Restored:
    """Make a reading room of a backup where none is, and check that all of its images are there.

    Parameters
    ----------
    folder
        What `back_up_room` wrote.
    files
        The data folder to fill; files that it has are kept.
    url
        Of the SQLite database to make.
    database
        Which of the folder's databases; None takes the newest.

    Raises
    ------
    StoreError
        If there is a database already, or the backup holds none that is whole. Then nothing was written.
    """
    chosen = database or max(folder.glob("reading-room-*.db"), default=None)
    if chosen is None:
        raise StoreError(
            f"cannot restore {str(folder)!r}",
            why="it holds no reading-room-*.db",
            fix="name a folder that `leuknet store backup` wrote",
        )
    log = restore(chosen, url)
    copied, _, _ = _copy_kept(folder, files.folder, progress=progress)
    with open_store(url) as store:
        return Restored(chosen, log, copied, _missing(store, files))


def _copy_kept(source: Path, target: Path, *, progress: bool) -> tuple[int, int, tuple[str, ...]]:
    copied, present, damaged = 0, 0, list[str]()
    for path in tqdm(list(_kept(source)), desc="copying files", unit="file", disable=not progress):
        name = path.relative_to(source)
        if (target / name).exists():
            present += 1
        elif _copy(path, target / name):
            copied += 1
        else:
            damaged.append(str(name))
    return copied, present, tuple(damaged)


def _kept(folder: Path) -> Iterator[Path]:
    for kept in KEPT:
        for path in sorted((folder / kept).rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                yield path


class _DamagedError(Exception):
    """An image is not what it was when it came."""


def _copy(path: Path, target: Path) -> bool:
    """Copy a file under its name at the end; False, and no file, for an image that is not what it was."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with whole_file(target, durable=True) as part:
            shutil.copyfile(path, part)
            # The copy is what is checked: it is what will be restored.
            if not _is_whole(part, name=path.name):
                raise _DamagedError
    except _DamagedError:
        return False
    except OSError as error:
        raise StoreError(
            f"cannot copy {path.name}",
            why=error.strerror or repr(error),
            fix="make room on the disk, then do it again: what was copied is kept",
        ) from error
    return True


def _is_whole(path: Path, *, name: str) -> bool:
    """Whether a file's content is that of its name, for images: reports are named by their version."""
    stem = name.split(".", 1)[0]
    if len(stem) != 64:
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == stem


def _missing(store: Store, files: RoomFiles) -> tuple[str, ...]:
    with store.reading() as connection:
        known = connection.execute(sa.select(tables.images.c.path).distinct()).scalars().all()
    return tuple(
        path
        for path in sorted(known)
        if not files.image(path).is_file() or not _is_whole(files.image(path), name=Path(path).name)
    )
