"""The chain of the audit log: each way of tampering with it, by raw SQL, shows."""

from __future__ import annotations

import hashlib
import json

import pytest

from leuknet.errors import SettingError
from leuknet.store import audit_log as audit
from leuknet.store import tables
from leuknet.store.audit_log import AuditLine, hash_of
from leuknet.store.database import Store
from tests.conftest import run_cli

N_LINES = 9


@pytest.fixture(autouse=True)
def _nine_lines(store: Store) -> None:
    """A log of nine lines; in SQLite without its guards, which `tamper` passes in PostgreSQL."""
    for number in range(N_LINES):
        with store.writing("user:1") as change:
            change.log("test.written", f"cell:{number}", number=number)
    if store.file is not None:
        tamper(store, "DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete")


def tamper(store: Store, *statements: str) -> None:
    with store.engine.begin() as connection:
        if store.file is None:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for statement in statements:
            connection.exec_driver_sql(statement)


def renumber(store: Store, first: int, by: int) -> None:
    """Move the numbers of all lines from `first` on, past each other without a clash."""
    tamper(
        store,
        f"UPDATE audit SET seq = seq + 1000 WHERE seq >= {first}",
        f"UPDATE audit SET seq = seq - 1000 + {by} WHERE seq >= 1000",
    )


def found(store: Store) -> tuple[int | None, str]:
    report = audit.verify(store)
    return report.broken_at, report.why


def line(store: Store, seq: int) -> AuditLine:
    return next(one for one in audit.recent_lines(store) if one.seq == seq)


def put(store: Store, new: AuditLine) -> None:
    with store.engine.begin() as connection:
        connection.execute(tables.audit.insert().values(**vars(new)))


def test_a_log_that_nobody_touched_is_whole(store: Store) -> None:
    report = audit.verify(store)

    assert (report.lines, report.head_seq, report.broken_at, report.why) == (N_LINES, N_LINES, None, "")
    assert report.head_hash == line(store, N_LINES).hash


def test_the_hash_is_sha256_of_the_canonical_json(store: Store) -> None:
    one = line(store, 1)
    text = f'[1,"{one.at}","user:1","test.written","cell:0","{{\\"number\\":0}}","{"0" * 64}"]'  # by hand

    assert one.detail == '{"number":0}'
    assert one.hash == hashlib.sha256(text.encode()).hexdigest()
    assert json.loads(text)[5] == one.detail


@pytest.mark.parametrize(
    "change",
    [
        "at = '2020-01-01T00:00:00.000000+00:00'",
        "at = 'no time'",
        "actor = 'user:2'",
        "action = 'test.other'",
        "object = 'cell:99'",
        "detail = '{\"number\":7}'",
        "detail = '{ \"number\": 4}'",
        "detail = 'no json'",
        "hash = '" + "f" * 64 + "'",
    ],
)
def test_a_changed_line_is_named(store: Store, change: str) -> None:
    tamper(store, f"UPDATE audit SET {change} WHERE seq = 5")

    assert found(store) == (5, "line 5 was changed")


def test_a_line_changed_with_a_new_hash_is_named_by_the_one_after_it(store: Store) -> None:
    changed = AuditLine(**{**vars(line(store, 5)), "actor": "user:2"})
    tamper(store, f"UPDATE audit SET actor = 'user:2', hash = '{hash_of(changed)}' WHERE seq = 5")

    assert found(store) == (5, "line 5 was changed and its hash computed anew")


@pytest.mark.parametrize("seq", [1, 5])
def test_a_removed_line_is_named(store: Store, seq: int) -> None:
    tamper(store, f"DELETE FROM audit WHERE seq = {seq}")

    assert found(store) == (seq, f"line {seq} was removed")


@pytest.mark.parametrize("seq", [1, 5])
def test_a_removed_line_is_named_though_the_others_were_renumbered(store: Store, seq: int) -> None:
    tamper(store, f"DELETE FROM audit WHERE seq = {seq}")
    renumber(store, seq + 1, -1)

    assert found(store) == (seq, f"line {seq} was removed, and those after it were renumbered")


@pytest.mark.parametrize("honest_hash", [False, True])
def test_an_inserted_line_is_named(store: Store, honest_hash: bool) -> None:
    renumber(store, 5, 1)
    new = AuditLine(5, line(store, 4).at, "user:2", "test.written", "cell:5", "{}", "e" * 64, "d" * 64)
    put(store, AuditLine(**{**vars(new), "hash": hash_of(new)}) if honest_hash else new)

    assert found(store) == (5, "line 5 was inserted: line 6 belongs there")


# SQLite cannot drop a constraint.
@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_an_inserted_line_that_follows_properly_is_named(store: Store) -> None:
    # The database itself refuses two lines after one; somebody who can alter tables can switch that off.
    tamper(store, "ALTER TABLE audit DROP CONSTRAINT uq_audit_previous_hash")
    try:
        renumber(store, 5, 1)
        new = AuditLine(5, "now", "user:2", "test.written", "cell:5", "{}", line(store, 4).hash, "")
        put(store, AuditLine(**{**vars(new), "hash": hash_of(new)}))

        assert found(store) == (5, "line 5 was inserted")
    finally:
        tamper(store, "DELETE FROM audit")
        tamper(store, "ALTER TABLE audit ADD CONSTRAINT uq_audit_previous_hash UNIQUE (previous_hash)")


def test_exchanged_lines_are_named(store: Store) -> None:
    tamper(
        store,
        "UPDATE audit SET seq = 1000 WHERE seq = 5",
        "UPDATE audit SET seq = 5 WHERE seq = 6",
        "UPDATE audit SET seq = 6 WHERE seq = 1000",
    )

    assert found(store) == (5, "line 5 was moved: line 6 belongs there")


def test_contents_exchanged_under_their_numbers_are_named(store: Store) -> None:
    fifth, seventh = line(store, 5).detail, line(store, 7).detail
    tamper(
        store,
        f"UPDATE audit SET detail = '{seventh}' WHERE seq = 5",
        f"UPDATE audit SET detail = '{fifth}' WHERE seq = 7",
    )

    assert found(store) == (5, "line 5 was changed")


def test_lines_cut_off_the_end_show_against_an_earlier_head_only(store: Store) -> None:
    report = audit.verify(store)
    head = (report.head_seq, report.head_hash)
    tamper(store, "DELETE FROM audit WHERE seq >= 8")

    assert audit.verify(store).broken_at is None
    cut = audit.verify(store, expect=head)
    assert (cut.broken_at, cut.why) == (8, "lines 8 to 9 were cut off the end")


def test_a_log_written_anew_shows_against_an_earlier_head_only(store: Store) -> None:
    head = line(store, 8)
    previous = audit.NO_HASH
    for seq in range(1, N_LINES + 1):
        new = AuditLine(**{**vars(line(store, seq)), "actor": "user:2", "previous_hash": previous})
        previous = hash_of(new)
        tamper(
            store,
            f"UPDATE audit SET actor = 'user:2', previous_hash = '{new.previous_hash}', hash = '{previous}' "
            f"WHERE seq = {seq}",
        )

    assert audit.verify(store).broken_at is None
    assert audit.verify(store, expect=(head.seq, head.hash)).broken_at == 8


def test_a_log_that_grew_still_holds_an_earlier_head(store: Store) -> None:
    earlier = line(store, 4)

    assert audit.verify(store, expect=(4, earlier.hash)).broken_at is None
    assert audit.verify(store, expect=(0, audit.NO_HASH)).broken_at is None


def test_the_command_prints_the_head_and_takes_it_back(store: Store) -> None:
    first = run_cli("audit-log", "verify", "--url", store.address)
    head = first.out.splitlines()[1].removeprefix("head: ")
    with store.writing("system") as change:
        change.log("test.written", "cell:10")

    second = run_cli("audit-log", "verify", "--url", store.address, "--expect", head)
    assert first.out.startswith("whole: 9 lines\nhead: 9:")
    assert second.out.startswith("whole: 10 lines\nhead: 10:")
    assert "it holds the expected line 9" in second.out

    tamper(store, "DELETE FROM audit WHERE seq >= 9")
    third = run_cli("audit-log", "verify", "--url", store.address, "--expect", head)
    assert third.status == 2
    assert third.err.splitlines()[0] == "leuknet: the audit log is broken at line 9"
    assert len(third.err.splitlines()) == 3


@pytest.mark.parametrize("text", ["9", "9:", "9:abc", "x:" + "0" * 64, "-1:" + "0" * 64, "²:" + "0" * 64])
def test_an_unreadable_head_is_refused(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        audit.read_expected(text)

    assert repr(text) in caught.value.what


def test_a_check_of_many_lines_reads_each_of_them(store: Store) -> None:
    with store.writing("system") as change:
        for number in range(3000):  # more than are fetched at a time
            change.log("test.written", f"cell:{number}")
    assert audit.verify(store).lines == N_LINES + 3000

    tamper(store, "UPDATE audit SET actor = 'me' WHERE seq = 2500")
    assert found(store) == (2500, "line 2500 was changed")
