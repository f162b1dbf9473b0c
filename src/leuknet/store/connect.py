"""Connections to SQLite and PostgreSQL that behave alike, and their errors in three lines.

A write is on the disk when its transaction ends (SQLite's `synchronous` is FULL, PostgreSQL's default),
foreign keys are kept, and who has to wait for another waits `WAIT_S` and then says so.

Start at `connect`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url

from leuknet.errors import MissingExtraError, SettingError, StoreError

WAIT_S = 10
"""How long a connection waits for another writer, and for a server to answer."""

_KEPT, _MORE = 5, 65
"""Connections that are kept, and how many more there may be: one for each thread of a server. With fewer, a
decision would wait for pages."""


def read_url(text: str) -> sa.URL:
    """Read the address of a database; `postgres://` and `postgresql://` mean the driver that LeukNet uses."""
    fix = "use sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
    try:
        url = make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # The text may hold a password, and is not repeated.
        raise SettingError("cannot read the database's address", why="it is no URL", fix=fix) from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    elif url.drivername == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    if url.drivername != "postgresql+psycopg":
        raise SettingError(
            "cannot use this database",
            why=f"its address {url.render_as_string()!r} is neither a SQLite file nor PostgreSQL",
            fix=fix,
        )
    return url


def connect(url: sa.URL) -> sa.Engine:
    """Return connections to a database; a SQLite file that is not there is made, for its owner only."""
    if url.drivername == "sqlite":
        return _connect_sqlite(url)
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "cannot use PostgreSQL",
            why=f"psycopg is not installed: {error}",
            fix="pip install 'leuknet[postgres]'",
        ) from error
    # Bounds every wait for a lock, that of writers among them.
    options = f"-c timezone=utc -c lock_timeout={WAIT_S * 1000}"
    arguments = {"connect_timeout": WAIT_S, "options": options, "application_name": "leuknet"}
    return sa.create_engine(
        url,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args=arguments,
        pool_size=_KEPT,
        max_overflow=_MORE,
    )


def _connect_sqlite(url: sa.URL) -> sa.Engine:
    path = Path(url.database or "")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # SQLite gives its journals the mode of the file itself.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    # Errors do not repeat values: they may be hashes of passwords, or name people.
    arguments: dict[str, Any] = {"timeout": WAIT_S, "isolation_level": None}
    engine = sa.create_engine(
        url, hide_parameters=True, connect_args=arguments, pool_size=_KEPT, max_overflow=_MORE
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: Any) -> None:
        with explained(url, "open"):
            _use_wal(connection)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # The driver would begin a transaction only at the first change, after what it read may have changed.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, in which readers do not wait for a writer; the file remembers it."""
    end = time.monotonic() + WAIT_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # The switch does not wait by itself where two processes make the same file.
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.02)


@contextmanager
def explained(url: sa.URL, verb: str) -> Iterator[None]:
    """Turn an error of the database itself into a StoreError; what a caller violates stays its error."""
    name = url.render_as_string(hide_password=True)
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except (sa.exc.DataError, UnicodeEncodeError) as error:
        raise StoreError(
            f"cannot {verb} the database {name}",
            why=f"a value is none that it can hold: {_first_line(error)}",
            fix="remove control characters and damaged letters from the text",
        ) from error
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        why = _first_line(error)
        raise StoreError(f"cannot {verb} the database {name}", why=why, fix=_way_out(why)) from error
    except sa.exc.TimeoutError as error:
        raise StoreError(
            f"cannot {verb} the database {name}",
            why=f"all its connections are in use: {_first_line(error)}",
            fix="try again; fewer requests at a time",
        ) from error


def _first_line(error: Exception) -> str:
    original = getattr(error, "orig", None) or error
    return (str(original).strip() or repr(original)).splitlines()[0]


def _way_out(why: str) -> str:
    text = why.lower()
    if "full" in text or "no space" in text or "disk i/o" in text:
        return "make room on the disk; what was saved before is kept, what failed just now is not in it"
    if "locked" in text or "lock timeout" in text:
        return "another process is writing: try again, and look for one that hangs"
    if "not a database" in text or "malformed" in text:
        return "restore a backup with `leuknet store restore`"
    return "check that the database runs, its address, and that you may use it; then try again"
