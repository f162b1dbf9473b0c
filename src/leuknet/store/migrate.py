"""Brings a database to the tables of this LeukNet, and refuses one that is newer.

All pending migrations are one transaction that holds a lock from before the version is read: of two processes
that open an empty database at once, one makes the tables and the other waits and finds them.

Start at `bring_up_to_date`.
"""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from leuknet.errors import StoreError

_MIGRATIONS = 0x6C65756B_02  # the advisory lock of PostgreSQL that a migration holds
_WAIT_MS = 600_000

_ONE_THREAD = threading.Lock()  # alembic keeps what it is doing in global variables


def bring_up_to_date(engine: sa.Engine) -> None:
    """Run the migrations that this database has not seen; all of them or none.

    Raises
    ------
    StoreError
        If the database is at a version that this LeukNet does not know.
    """
    if _version(engine) == newest():
        return
    config = alembic_config()
    with _ONE_THREAD, engine.connect() as connection:
        sqlite = engine.dialect.name == "sqlite"
        if sqlite:
            # A table that is rebuilt is dropped in between. The setting is ignored within a transaction.
            driver = connection.connection.driver_connection
            assert driver is not None  # noqa: S101
            driver.execute("PRAGMA foreign_keys = OFF")
            driver.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
            connection.detach()  # not to be used by anyone with these settings
        connection = connection.execution_options(writes=True)
        with connection.begin():
            if not sqlite:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_WAIT_MS}")
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATIONS)))
            _refuse_newer(MigrationContext.configure(connection).get_current_revision())
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            if sqlite and (orphans := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
                raise RuntimeError(f"a migration left {len(orphans)} rows without what they belong to")


def alembic_config() -> Config:
    """Return the settings with which alembic's own commands work on these migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@cache  # alembic runs all migrations' modules to know, for each opening of a database
def newest() -> str:
    """Return the newest version that this LeukNet knows."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head() or ""


def _version(engine: sa.Engine) -> str | None:
    with engine.connect() as connection, connection.begin():
        version = MigrationContext.configure(connection).get_current_revision()
    _refuse_newer(version)
    return version


def _refuse_newer(version: str | None) -> None:
    script = ScriptDirectory.from_config(alembic_config())
    if version is not None and version not in {step.revision for step in script.walk_revisions()}:
        raise StoreError(
            "cannot open the reading room's database",
            why=f"it is at version {version!r}, and this LeukNet knows versions up to {newest()!r}",
            fix="install the LeukNet that last opened it, or a newer one; its data are untouched",
        )
