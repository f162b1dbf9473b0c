"""Real databases for tests: SQLite files, and a PostgreSQL server of our own that ends with the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

if TYPE_CHECKING:
    from leuknet.store.database import Store

KINDS = ("sqlite", "postgresql")


def _binaries() -> Path | None:
    found = shutil.which("pg_ctl")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return Path(found).resolve().parent if found else next(iter(folders), None)


@contextmanager
def running_postgresql() -> Iterator[str]:
    """Start a server that listens on a socket in a folder of its own; give the address of its databases."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'leuknet[postgres]'")
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server here; on Debian: apt-get install postgresql")
    root = os.geteuid() == 0
    # Not pytest's own folder: that is closed to the user as whom the server must run.
    folder = Path(tempfile.mkdtemp(prefix="leuknet-pg-"))
    if root:
        shutil.chown(folder, "postgres", "postgres")

    def run(program: str, *arguments: str) -> None:
        command = [str(binaries / program), *arguments]
        if root:
            command = ["runuser", "-u", "postgres", "--", *command]
        # A server that inherits a pipe would keep it open.
        with (folder.parent / f"{folder.name}.log").open("w") as log:
            ended = subprocess.run(command, stdout=log, stderr=log, cwd=folder, timeout=120)
        assert ended.returncode == 0, Path(log.name).read_text()

    data = str(folder / "data")
    # A locale that sorts and folds as Python does not, where there is one; no waiting for the disk.
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    try:
        run("initdb", "--pgdata", data, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8")
        run("pg_ctl", "start", "--wait", "--pgdata", data, "--options", options)
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            run("pg_ctl", "stop", "--wait", "--pgdata", data, "--mode", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        (folder.parent / f"{folder.name}.log").unlink(missing_ok=True)


@cache
def _migrated_file() -> bytes:
    from leuknet.store import open_store

    with tempfile.TemporaryDirectory(prefix="leuknet-store-") as folder:
        file = Path(folder) / "reading-room.db"
        open_store(f"sqlite:///{file}").close()
        assert [path.name for path in file.parent.iterdir()] == [file.name]  # no log that belongs to it
        return file.read_bytes()


def new_sqlite(file: Path) -> str:
    """Write a SQLite file that holds the store's tables; return its address.

    Opening it is much quicker than making the tables anew; tests of how they are made do not use it.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.touch(mode=0o600, exist_ok=False)
    file.write_bytes(_migrated_file())
    return f"sqlite:///{file}"


def new_database(server: str) -> str:
    """Make an empty database; return its address."""
    import psycopg

    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server.replace("/postgres?", f"/{name}?")


def empty(url: str) -> None:
    """Take all rows out of a PostgreSQL store, past its guards: much quicker than a new database."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("SET session_replication_role = replica")
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        ).fetchall()
        connection.execute(f"TRUNCATE {', '.join(row[0] for row in names)} RESTART IDENTITY".encode())


def lock_case(store: Store, case_id: UUID) -> None:
    """Let a case be signed, without the report that `leuknet.room.signing` makes."""
    from leuknet.store.tables import cases

    with store.writing("system") as change:
        change.execute(cases.update().where(cases.c.id == case_id).values(state="signed"))
        change.log("case.state_changed", f"case:{case_id}", state="signed")
