"""The reading room's database: how it opens, who may write, what survives."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import ClassVar

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event

from leuknet.errors import MissingExtraError, SettingError, StoreError
from leuknet.store import audit_log as audit
from leuknet.store import open_store, tables
from leuknet.store.connect import _use_wal
from leuknet.store.database import Store
from leuknet.store.migrate import newest
from tests.conftest import run_cli, without
from tests.databases import KINDS, new_database


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended_well(processes: list[subprocess.Popen[str]]) -> list[str]:
    answers = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), answers
    return [out for out, _ in answers]


WRITE = """
import sys
from leuknet.store import open_store
with open_store(sys.argv[1]) as store:
    for number in range(int(sys.argv[2])):
        with store.writing("system") as change:
            change.log("test.written", f"line:{number}", process=sys.argv[3])
        print(number, flush=True)
"""


def write_lines(store: Store, n: int) -> None:
    for number in range(n):
        with store.writing("system") as change:
            change.log("test.written", f"line:{number}", number=number)


# --- opening ---------------------------------------------------------------------------------------------


def test_the_migrated_tables_are_those_of_the_code(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, tables.metadata) == []


def test_the_migrated_checks_and_foreign_keys_are_those_of_the_code(store: Store) -> None:
    # alembic does not compare check constraints at all.
    found = sa.inspect(store.engine)
    for table in tables.metadata.sorted_tables:
        for kind, names in (
            (sa.CheckConstraint, {check["name"] for check in found.get_check_constraints(table.name)}),
            (sa.ForeignKeyConstraint, {key["name"] for key in found.get_foreign_keys(table.name)}),
        ):
            stated = [one for one in table.constraints if isinstance(one, kind)]
            assert names == {_full_name(one, table) for one in stated}
        if store.file is not None:  # PostgreSQL words them anew
            texts = {check["sqltext"] for check in found.get_check_constraints(table.name)}
            checks = [one for one in table.constraints if isinstance(one, sa.CheckConstraint)]
            assert texts == {str(one.sqltext) for one in checks}


def _full_name(constraint: sa.Constraint, table: sa.Table) -> str:
    if isinstance(constraint, sa.ForeignKeyConstraint):
        return f"fk_{table.name}_{'_'.join(constraint.column_keys)}"
    return f"ck_{table.name}_{str(constraint.name).removeprefix(f'ck_{table.name}_')}"


OPEN = """
import sys, time
import leuknet.store.database
from leuknet.store import open_store
print("ready", flush=True)
start = float(sys.stdin.readline())
for number, url in enumerate(sys.argv[1:]):
    time.sleep(max(0, start + 0.4 * number - time.time()))
    with open_store(url) as store, store.writing("system") as change:
        change.log("test.written", "line:1")
"""


@pytest.mark.parametrize("kind", KINDS)
def test_processes_that_open_an_empty_database_at_once_all_succeed(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    # To the millisecond, several times: without a lock, some would still get through one after the other.
    if kind == "sqlite":
        urls = [f"sqlite:///{tmp_path / str(number)}.db" for number in range(4)]
    else:
        urls = [new_database(request.getfixturevalue("postgresql")) for _ in range(4)]
    processes = [python(OPEN, *urls) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    start = f"{time.time() + 0.1}\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(start)
        process.stdin.flush()
    ended_well(processes)

    for url in urls:
        with open_store(url) as store:
            assert audit.verify(store).head_seq == 2


def test_threads_that_open_empty_databases_at_once_all_succeed(tmp_path: Path) -> None:
    # alembic keeps the connection of a migration in a global variable.
    together = Barrier(6)

    def write(number: int) -> int:
        together.wait(60)
        with open_store(f"sqlite:///{tmp_path / str(number % 4)}.db") as store:
            write_lines(store, 1)
            return audit.verify(store).lines

    with ThreadPoolExecutor(6) as threads:
        assert set(threads.map(write, range(6))) <= {1, 2}


def test_the_switch_to_the_write_ahead_log_is_tried_until_it_succeeds() -> None:
    # SQLite does not wait by itself there; two processes that make a file meet about once in a hundred times.
    class Busy:
        answers: ClassVar = ["delete", sqlite3.OperationalError("database is locked"), "delete", "wal", "wal"]

        def execute(self, _: str) -> Busy:
            if isinstance(self.answers[0], Exception):
                raise self.answers.pop(0)  # type: ignore[misc]
            return self

        def fetchone(self) -> list[object]:
            return [self.answers.pop(0)]

    busy = Busy()
    _use_wal(busy)  # type: ignore[arg-type]

    assert busy.answers == ["wal"]


def test_a_database_of_a_newer_version_is_refused_and_left_alone(database_url: str) -> None:
    with open_store(database_url) as store, store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StoreError) as caught:
        open_store(database_url)

    assert caught.value.why == f"it is at version '9999', and this LeukNet knows versions up to {newest()!r}"
    ended = run_cli("audit-log", "verify", "--url", database_url)
    assert (ended.status, len(ended.err.splitlines())) == (2, 3)


def test_a_database_opened_twice_is_migrated_once(database_url: str) -> None:
    with open_store(database_url) as store:
        write_lines(store, 1)
    with open_store(database_url) as store:
        assert audit.verify(store).head_seq == 1


def test_the_sqlite_file_is_for_its_owner_and_keeps_its_promises(tmp_path: Path) -> None:
    file = tmp_path / "new" / "room.db"
    with open_store(f"sqlite:///{file}") as store:
        write_lines(store, 1)
        modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
        with store.reading() as connection:
            pragmas = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
            ]

    assert modes == {"room.db": 0o600, "room.db-wal": 0o600, "room.db-shm": 0o600}
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert pragmas == ["wal", 1, 2, 10_000]


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "room.db"
    open_store(f"sqlite:///{file}").close()
    file.chmod(0o644)

    open_store(f"sqlite:///{file}").close()

    assert file.stat().st_mode & 0o777 == 0o600


def test_the_environment_names_the_database(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEUKNET_DATA", str(tmp_path / "data"))
    open_store().close()
    assert (tmp_path / "data" / "reading-room.db").is_file()

    monkeypatch.setenv("LEUKNET_DATABASE_URL", database_url)
    with open_store() as store:
        write_lines(store, 1)
    with open_store(database_url) as store:
        assert audit.verify(store).head_seq == 1


@pytest.mark.parametrize(
    "url", ["mysql://u:hidden@h/d", "sqlite://", "sqlite:///:memory:", "no address, hidden"]
)
def test_other_databases_are_refused_without_repeating_a_password(url: str) -> None:
    with pytest.raises(SettingError) as caught:
        open_store(url)

    assert "hidden" not in str(caught.value)
    assert "postgresql+psycopg://" in caught.value.fix


def test_a_server_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(f"postgresql://me:hidden@/room?host={tmp_path}")

    assert "hidden" not in str(caught.value)
    assert "check that the database runs" in caught.value.fix


def test_a_file_that_is_no_database_is_an_error_of_three_lines(tmp_path: Path) -> None:
    (tmp_path / "room.db").write_text("not a database " * 100)

    with pytest.raises(StoreError) as caught:
        open_store(f"sqlite:///{tmp_path / 'room.db'}")

    assert caught.value.why == "file is not a database"
    assert "leuknet store restore" in caught.value.fix


@pytest.mark.parametrize("package", ["sqlalchemy", "alembic", "argon2"])
def test_without_its_libraries_the_error_names_the_extra(package: str) -> None:
    code = without(package) + "from leuknet.store import open_store; open_store()"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert MissingExtraError.__name__ in answer.stderr
    assert "pip install 'leuknet[web]'" in answer.stderr


def test_without_psycopg_the_error_names_the_extra() -> None:
    code = without("psycopg") + "from leuknet.store import open_store; open_store('postgresql://h/d')"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert "pip install 'leuknet[postgres]'" in answer.stderr


# --- writing ---------------------------------------------------------------------------------------------


def test_a_write_that_logs_nothing_does_not_come_to_pass(store: Store) -> None:
    with pytest.raises(RuntimeError, match="logs nothing"), store.writing("system") as change:
        change.execute(
            tables.first_account.insert().values(id=1, token_sha256="0" * 64, expires_at=change.at)
        )

    with store.reading() as connection:
        assert connection.execute(sa.select(tables.first_account)).all() == []


def test_an_error_within_a_write_undoes_it_and_its_line(store: Store) -> None:
    def fail_late() -> None:
        with store.writing("system") as change:
            change.log("test.written", "line:1")
            raise KeyError

    with pytest.raises(KeyError):
        fail_late()

    assert audit.verify(store).lines == 0


def test_many_processes_and_threads_do_not_fork_the_chain(database_url: str) -> None:
    processes = [python(WRITE, database_url, "25", str(name)) for name in range(3)]
    with open_store(database_url) as store:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: write_lines(store, 10), range(4)))
        ended_well(processes)

        report = audit.verify(store)
        assert (report.lines, report.broken_at) == (3 * 25 + 4 * 10, None)


def test_a_reader_does_not_wait_for_a_writer(store: Store) -> None:
    write_lines(store, 1)
    with store.writing("system") as change:
        change.log("test.written", "line:2")
        assert len(audit.recent_lines(store)) == 1


def test_a_writer_that_hangs_stops_others_for_a_while_only(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leuknet.store.connect.WAIT_S", 0.3)
    if database_url.startswith("postgresql"):
        monkeypatch.setattr("leuknet.store.connect.WAIT_S", 2)  # whole seconds to connect
    with open_store(database_url) as store, store.writing("system") as change:
        change.log("test.written", "line:1")
        with pytest.raises(StoreError) as caught, store.writing("system"):
            pytest.fail("two writers at once")

    assert "another process is writing" in caught.value.fix


@pytest.mark.parametrize("after_s", [0.01, 0.3])
def test_kill_in_mid_write_loses_nothing_that_was_saved(database_url: str, after_s: float) -> None:
    process = python(WRITE, database_url, "1000000", "killed")
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate(timeout=60)
    saved = 3 + len(out.splitlines())

    with open_store(database_url) as store:
        write_lines(store, 1)
        report = audit.verify(store)
    assert report.broken_at is None
    # One more than was printed, where the process died between saving and saying so.
    assert report.lines - 1 in (saved, saved + 1)


def test_a_process_that_dies_within_a_transaction_leaves_no_part_of_it(database_url: str) -> None:
    code = """
import os, signal, sys
from leuknet.store import open_store
store = open_store(sys.argv[1])
with store.writing("system") as change:
    change.log("test.written", "line:1")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    process = python(code, database_url)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL

    with open_store(database_url) as store:
        write_lines(store, 1)
        assert audit.verify(store).lines == 1


def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'room.db'}"
    with open_store(url) as store:
        write_lines(store, 3)
        with store.reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

        @event.listens_for(store.engine, "checkout")
        def _fill(connection: object, *_: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages + 2}")  # type: ignore[attr-defined,operator]

        with pytest.raises(StoreError) as caught:
            write_lines(store, 10_000)
        saved = audit.verify(store).lines

    assert caught.value.why == "database or disk is full"
    assert "what was saved before is kept" in caught.value.fix
    with open_store(url) as store:
        report = audit.verify(store)
        assert (report.lines, report.broken_at) == (saved, None)
        write_lines(store, 1)
    assert saved > 3


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_server_that_restarts_is_found_again(postgresql: str, store: Store) -> None:
    write_lines(store, 1)
    # What a restart does to each connection.
    with psycopg.connect(postgresql.replace("+psycopg", "")) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [store.engine.url.database],
        )
    write_lines(store, 1)
    assert audit.verify(store).lines == 2


def test_a_forked_chain_is_refused_by_the_database(store: Store) -> None:
    write_lines(store, 2)
    fork = {**vars(audit.recent_lines(store)[0]), "seq": 3}

    with pytest.raises(sa.exc.IntegrityError), store.engine.begin() as connection:
        connection.execute(tables.audit.insert().values(**fork))


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET actor = 'me'", "DELETE FROM audit", "TRUNCATE audit"]
)
def test_lines_cannot_be_changed_or_deleted_by_a_statement(store: Store, statement: str) -> None:
    write_lines(store, 2)

    with pytest.raises(sa.exc.DBAPIError), store.engine.begin() as connection:
        connection.exec_driver_sql(statement)

    assert audit.verify(store).lines == 2
