"""Copies of the reading room's database: made while others write, and put back."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from leuknet.errors import StoreError
from leuknet.store import audit_log as audit
from leuknet.store import open_store, tables
from leuknet.store.accounts import create_user, verify_password
from leuknet.store.backup import back_up, restore
from leuknet.store.cases import cases_of, create_case
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM

only_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


def write_lines(store: Store, n: int) -> None:
    for number in range(n):
        with store.writing("system") as change:
            change.log("test.written", f"line:{number}")


@only_sqlite
def test_a_restored_backup_is_the_same_reading_room(store: Store, tmp_path: Path) -> None:
    anna = create_user(store, "Anna", password="a long password", role="admin", actor=SYSTEM)
    case = create_case(store, "Patient 7", user=anna)
    back_up(store, tmp_path / "backup.db")
    create_case(store, "after the backup", user=anna)

    url = f"sqlite:///{tmp_path / 'new folder' / 'room.db'}"
    assert restore(tmp_path / "backup.db", url).lines == 2

    with open_store(url) as restored:
        assert cases_of(restored, anna) == (case,)
        assert verify_password(restored, "anna", "a long password") == anna
        assert audit.verify(restored).broken_at is None
        create_case(restored, "goes on", user=anna)
        with restored.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    modes = {
        path.stat().st_mode & 0o777 for path in (tmp_path / "backup.db", tmp_path / "new folder/room.db")
    }
    assert modes == {0o600}
    assert {path.name for path in (tmp_path / "new folder").iterdir()} == {"room.db"}


@only_sqlite
def test_a_backup_while_others_write_is_one_moment(store: Store, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write_lines, store, 300)
        for number in range(5):
            back_up(store, tmp_path / f"{number}.db")
        writing.result()

    reports = [restore(tmp_path / f"{n}.db", f"sqlite:///{tmp_path / f'r{n}.db'}") for n in range(5)]
    assert [report.broken_at for report in reports] == [None] * 5
    assert audit.verify(store, expect=(reports[-1].head_seq, reports[-1].head_hash)).broken_at is None


@only_sqlite
def test_a_disk_without_hard_links_takes_a_backup(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    write_lines(store, 2)
    monkeypatch.setattr("os.link", refuse)
    back_up(store, tmp_path / "backup.db")

    assert restore(tmp_path / "backup.db", f"sqlite:///{tmp_path / 'again.db'}").lines == 2


@only_sqlite
def test_nothing_is_overwritten(store: Store, tmp_path: Path) -> None:
    write_lines(store, 1)
    back_up(store, tmp_path / "backup.db")
    before = (tmp_path / "backup.db").read_bytes()

    with pytest.raises(StoreError, match="nothing is ever overwritten"):
        back_up(store, tmp_path / "backup.db")
    with pytest.raises(StoreError, match="nothing is ever overwritten"):
        restore(tmp_path / "backup.db", store.address)
    # What an old database left behind would be played into the new one.
    (tmp_path / "other.db-wal").write_bytes(b"left over")
    with pytest.raises(StoreError, match=r"other\.db-wal"):
        restore(tmp_path / "backup.db", f"sqlite:///{tmp_path / 'other.db'}")

    assert (tmp_path / "backup.db").read_bytes() == before
    assert audit.verify(store).lines == 1


def test_what_is_no_backup_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database " * 500)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE something (id)")
    newer = f"sqlite:///{tmp_path / 'newer.db'}"
    with open_store(newer) as store, store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    room = tmp_path / "folder" / "room.db"

    for name, why in (
        ("text.db", "not a database"),
        ("other.db", "holds no reading room"),
        ("missing.db", "no such file"),
        ("newer.db", "9999"),
    ):
        with pytest.raises(StoreError, match=why):
            restore(tmp_path / name, f"sqlite:///{room}")
        assert list(room.parent.glob("*")) == []


@only_sqlite
def test_a_damaged_backup_is_refused(store: Store, tmp_path: Path) -> None:
    write_lines(store, 200)
    back_up(store, tmp_path / "backup.db")
    content = bytearray((tmp_path / "backup.db").read_bytes())
    content[len(content) // 2 : -4096] = b"\xff" * len(content[len(content) // 2 : -4096])
    (tmp_path / "backup.db").write_bytes(content)

    with pytest.raises(StoreError):
        restore(tmp_path / "backup.db", f"sqlite:///{tmp_path / 'room2.db'}")
    assert not (tmp_path / "room2.db").exists()


@only_sqlite
def test_a_backup_of_a_log_that_was_tampered_with_is_restored_and_says_so(
    store: Store, tmp_path: Path
) -> None:
    write_lines(store, 3)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_no_update")
        connection.execute(tables.audit.update().where(tables.audit.c.seq == 2).values(actor="me"))
    back_up(store, tmp_path / "backup.db")

    report = restore(tmp_path / "backup.db", f"sqlite:///{tmp_path / 'again.db'}")
    assert report.broken_at == 2


@only_sqlite
def test_a_store_that_is_full_can_still_be_copied(store: Store, tmp_path: Path) -> None:
    write_lines(store, 3)

    @event.listens_for(store.engine, "checkout")
    def _fill(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    with pytest.raises(StoreError, match="full"):
        write_lines(store, 1000)
    back_up(store, tmp_path / "backup.db")
    assert restore(tmp_path / "backup.db", f"sqlite:///{tmp_path / 'again.db'}").lines >= 3


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_postgresql_is_left_to_its_own_programs(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as backing_up:
        back_up(store, tmp_path / "backup.db")
    with pytest.raises(StoreError) as restoring:
        restore(tmp_path / "backup.db", store.address)

    assert "pg_dump --format=custom" in backing_up.value.fix
    assert "pg_restore" in restoring.value.fix
    with store.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.audit)) == 0
