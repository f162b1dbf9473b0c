"""Opens the database, and holds the two ways into it: reading, and writing with a line in the log.

Writers take turns: a transaction that writes holds one lock from its start, SQLite's own or an advisory lock
of PostgreSQL. Transactions are short, and in return what one reads before it writes still holds when it
writes, on both databases alike. Readers wait for nobody.

Start at `Store`. `open_database` is what `leuknet.store.open_store` calls.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import platformdirs
import sqlalchemy as sa

from leuknet.errors import NotFoundError
from leuknet.store import audit_log as audit
from leuknet.store.connect import connect, explained, read_url
from leuknet.store.migrate import bring_up_to_date

DATABASE_VARIABLE = "LEUKNET_DATABASE_URL"
FOLDER_VARIABLE = "LEUKNET_DATA"
FILE_NAME = "reading-room.db"

Noun = TypeVar("Noun")

_WRITERS = 0x6C65756B_01  # "leuk": the advisory lock of PostgreSQL that a writer holds


@dataclass
class Change:
    """A transaction that writes. It must log each thing it did, else it does not come to pass.

    Attributes
    ----------
    actor
        `user:NUMBER` or `system`, see `leuknet.store.nouns.User.actor`.
    at
        When it began, UTC.
    unlogged
        Whether something was done since the last line.
    """

    connection: sa.Connection
    actor: str
    at: datetime
    unlogged: bool = False

    def execute(
        self, statement: sa.Executable, rows: list[dict[str, Any]] | None = None
    ) -> sa.CursorResult[Any]:
        """Run a statement within the transaction, once or once for each row."""
        self.unlogged = self.unlogged or not getattr(statement, "is_select", False)
        return self.connection.execute(statement, rows)

    def log(self, action: str, target: str, **detail: Any) -> None:
        """Add a line to the audit log: what was done to which row, such as `review.saved` to `cell:7`."""
        audit.append(
            self.connection, at=self.at, actor=self.actor, action=action, target=target, detail=detail
        )
        self.unlogged = False


class Store:
    """An open database. Use it in a `with` statement, or call `close`.

    Attributes
    ----------
    engine
        The connections to it; for tests and backups. Whatever else writes past `writing` is not in the log.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    @property
    def address(self) -> str:
        """The URL with which it can be opened again, its password in it."""
        return self.engine.url.render_as_string(hide_password=False)

    @property
    def file(self) -> Path | None:
        """The SQLite file, None for PostgreSQL."""
        return Path(self.engine.url.database or "") if self.engine.dialect.name == "sqlite" else None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a transaction that only reads; errors of the database become a StoreError."""
        with explained(self.engine.url, "read"), self.engine.connect() as connection, connection.begin():
            yield connection

    def read_all(self, noun: type[Noun], query: sa.Select[Any]) -> tuple[Noun, ...]:
        """Return the rows of a query whose columns are the fields of a noun."""
        with self.reading() as connection:
            return tuple(noun(**row._asdict()) for row in connection.execute(query))

    def read_one(self, noun: type[Noun], query: sa.Select[Any]) -> Noun | None:
        """Return the one row of such a query, None if there is none."""
        with self.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else noun(**row._asdict())

    @contextmanager
    def writing(self, actor: str) -> Iterator[Change]:
        """Give a transaction that writes and logs; other writers wait, and an error undoes all of it.

        Raises
        ------
        StoreError
            If the database cannot be reached, is full, or stays locked by another writer.
        """
        with explained(self.engine.url, "write"), self.engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                if self.engine.dialect.name == "postgresql":
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITERS)))
                change = Change(connection, actor, datetime.now(UTC))
                yield change
                if change.unlogged:
                    raise RuntimeError("a change of the store that logs nothing")


def open_database(url: str | None) -> Store:
    """Open the database at an address, or at the one that the environment names; see `open_store`."""
    parsed = resolve_url(url)
    engine = connect(parsed)
    try:
        with explained(parsed, "open"):
            bring_up_to_date(engine)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine)


def resolve_url(url: str | None, *, folder: Path | None = None) -> sa.URL:
    """Return the address that is given, or that the environment names, or the file in a data folder, which is
    `data_folder()` if it is None. SettingError if the address is none.
    """
    file = (folder or data_folder()) / FILE_NAME
    return read_url(url or os.environ.get(DATABASE_VARIABLE) or f"sqlite:///{file}")


def data_folder() -> Path:
    """Return the folder of the reading room's files, whether it exists or not."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else platformdirs.user_data_path("leuknet")


def not_found(noun: str, key: object) -> NotFoundError:
    """Return the error for what a caller named and the store does not hold."""
    return NotFoundError(
        f"cannot find {noun} {key}",
        why="the reading room's database holds none of this number",
        fix="look at the list again: it may have been made for another database",
    )
