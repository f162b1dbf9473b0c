"""Copies of the database that can be relied on, made while others write, and how one is put back.

A copy is SQLite's own online backup: one moment of the database, in one file. It is written beside its final
name, checked, and only then given it. The images of the cases are files of their own, and are not in it.

Start at `back_up`. PostgreSQL has `pg_dump`, and these functions say so.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from leuknet.errors import StoreError
from leuknet.records.whole import sync
from leuknet.store import audit_log as audit
from leuknet.store.audit_log import AuditReport
from leuknet.store.connect import explained
from leuknet.store.database import Store, open_database, resolve_url


def back_up(store: Store, file: Path) -> None:
    """Copy a store into a new file that only its owner can read; others may write meanwhile.

    Raises
    ------
    StoreError
        If the file exists, the store is PostgreSQL, or the disk is full.
    """
    if store.file is None:
        raise _use_postgresql("pg_dump --format=custom --file=FILE", "back up")
    _refuse_existing(file)
    with _new_file(file) as part:
        _copy(store.file, part)


def restore(file: Path, url: str | None = None) -> AuditReport:
    """Make a store of a backup where none is, bring it up to date, and return what a check of its log found.

    Raises
    ------
    StoreError
        If there is a database already, the file is no whole backup of a reading room, or is of a newer
        LeukNet. Then nothing was written.
    """
    parsed = resolve_url(url)
    if parsed.drivername != "sqlite":
        raise _use_postgresql("pg_restore --dbname=NAME FILE", "restore")
    target = Path(parsed.database or "")
    for name in (target, *(target.with_name(f"{target.name}-{end}") for end in ("wal", "shm", "journal"))):
        _refuse_existing(name)
    if not file.is_file():
        raise _unusable(file, "there is no such file")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _new_file(target) as part:
        _copy(file, part)
        _require_reading_room(part, file)
        # Brings the copy up to date, or refuses it, before it has its name.
        with open_database(f"sqlite:///{part}") as store:
            report = audit.verify(store)
    return report


@contextmanager
def _new_file(file: Path) -> Iterator[Path]:
    """Give a name to write to; it becomes the file at the end, and nothing is left after an error."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        yield part
        _into_one_file(part)
        _give_name(part, file)
    except FileExistsError as error:
        raise _exists(file) from error
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            part.with_name(part.name + end).unlink(missing_ok=True)


def _give_name(part: Path, file: Path) -> None:
    try:
        # Unlike a rename, it fails if somebody else has made the file meanwhile.
        os.link(part, file)
    except FileExistsError:
        raise
    except OSError:  # sticks and network shares have no second names for a file
        _refuse_existing(file)
        part.rename(file)


def _copy(source: Path, target: Path) -> None:
    with (
        explained(sa.make_url(f"sqlite:///{source}"), "copy"),
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
        answer = new.execute("PRAGMA integrity_check").fetchone()[0]
    if answer != "ok":
        raise _unusable(source, f"it is damaged: {answer}")


def _into_one_file(part: Path) -> None:
    with closing(sqlite3.connect(part)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    sync(part)


def _require_reading_room(part: Path, file: Path) -> None:
    with closing(sqlite3.connect(part)) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if not {"alembic_version", "audit", "reviews"} <= names:
        raise _unusable(file, "it holds no reading room")


def _refuse_existing(file: Path) -> None:
    if os.path.lexists(file):
        raise _exists(file)


def _exists(file: Path) -> StoreError:
    return StoreError(
        f"cannot write {str(file)!r}",
        why="it exists, and nothing is ever overwritten here",
        fix="name another file; to replace a database, stop the reading room and move its files away first",
    )


def _unusable(file: Path, why: str) -> StoreError:
    return StoreError(
        f"cannot use the backup {str(file)!r}",
        why=why,
        fix="name a file that `leuknet store backup` wrote",
    )


def _use_postgresql(command: str, verb: str) -> StoreError:
    return StoreError(
        f"cannot {verb} PostgreSQL",
        why="LeukNet copies SQLite files only; PostgreSQL has better means of its own",
        fix=command,
    )
