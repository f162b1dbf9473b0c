"""The reading room's memory: accounts, cases, cells, what readers decided, and a log that shows tampering.

One database holds it: a SQLite file in a data folder, or PostgreSQL where `LEUKNET_DATABASE_URL` names one.
Images are files beside it. Nothing that a reader decides is changed or deleted, an undo is a further row; and
each write adds, in its own transaction, a line to a log whose lines are chained by hashes.

`open_store` gives a `Store`; the functions that read and write it are in `accounts`, `sign_in`, `cases`,
`cells`, `reviews` and `jobs`, take it as their first argument, are one transaction each, and return the
frozen dataclasses of `nouns`. They keep the rules of the data; who may do what is for their caller to decide,
with `find_case` for what a user may see. `audit` checks the log,
`backup` copies the database.

Importing this package needs none of its libraries; opening a store needs the extra `web`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leuknet.errors import MissingExtraError

if TYPE_CHECKING:
    from leuknet.store.database import Store

__all__ = ["open_store", "require_libraries"]


def open_store(url: str | None = None) -> Store:
    """Open the reading room's database, made and brought up to date where it needs to be.

    Parameters
    ----------
    url
        `sqlite:///PATH` or `postgresql+psycopg://USER:PASSWORD@HOST/NAME`. Else the environment variable
        LEUKNET_DATABASE_URL; else the file `reading-room.db` in the folder that LEUKNET_DATA names, or in the
        user's data folder.

    Raises
    ------
    MissingExtraError
        If an extra that it needs is not installed.
    SettingError
        If the address is of no kind that is supported.
    StoreError
        If the database cannot be reached or used, or was made by a newer LeukNet.
    """
    require_libraries()
    from leuknet.store.database import open_database

    return open_database(url)


def require_libraries() -> None:
    """Raise MissingExtraError if a library of the extra `web` that the store needs is not installed."""
    try:
        import leuknet.store.database
        import leuknet.store.passwords  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "cannot open the reading room's database",
            why=f"a library that it needs is not installed: {error}",
            fix="pip install 'leuknet[web]'",
        ) from error
