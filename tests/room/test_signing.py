"""A case is signed with its report, or nothing happens; what was signed stays as it was."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from leuknet.errors import (
    AccountError,
    ConflictError,
    LeukNetError,
    MissingExtraError,
    SettingError,
    StoreError,
)
from leuknet.report import pdf
from leuknet.room.labels import case_labels
from leuknet.room.read_signed import read_signed
from leuknet.room.room_files import RoomFiles
from leuknet.room.signing import (
    SUFFIXES,
    readiness,
    remake_files,
    sign_case,
    signed_file,
    signed_record,
)
from leuknet.store import audit_log as audit
from leuknet.store import jobs, open_store, tables
from leuknet.store.accounts import set_active
from leuknet.store.cases import add_image, create_case, find_case, images_of
from leuknet.store.cell_nouns import NewReview
from leuknet.store.cells import cells_of
from leuknet.store.database import Store
from leuknet.store.notes import add_note, notes_of
from leuknet.store.nouns import SYSTEM, Announcement, Case, NewImage, Signature, User
from leuknet.store.reviews import save_review
from leuknet.store.scorings import record_scorings
from leuknet.store.signatures import find_signature, mark_of, reopen, sign, signatures_of
from leuknet.store.uploads import give_up, hand_over, open_upload
from tests.conftest import run_cli
from tests.people import user
from tests.read_cases import CARD, MODEL_ID, read_case, say

NOW = datetime(2026, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)

on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
"""What is about pages and files costs seconds, and is the same whatever the database."""


pytestmark = pytest.mark.usefixtures("quick_hashes", "_printed_once")


@pytest.fixture
def _printed_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the second kind of database, take a page's SHA-256 for its print: on the first each is printed."""
    if "postgresql" in request.node.name:
        monkeypatch.setattr(
            pdf, "_in_a_process", lambda _, html: b"%PDF-" + hashlib.sha256(html).hexdigest().encode()
        )


@pytest.fixture(scope="module")
def crops(simulated_fold: Path) -> list[Path]:
    return sorted(simulated_fold.rglob("*.bmp"))[:4]


@pytest.fixture
def anna(store: Store) -> User:
    return user(store, "Anna <i>A.</i>")


@pytest.fixture
def case(store: Store, files: RoomFiles, crops: list[Path], anna: User) -> Iterator[Case]:
    """Six cells, P from 0.02 to 0.98: the model says normal twice, uncertain twice, leukaemic twice."""
    yield read_case(
        store,
        files,
        crops,
        user=anna,
        field_cells=2,
        title="Patient <script>alert(7)</script>",
        field_name='"><img src=x onerror=alert(1)>.png',
    )
    assert audit.verify(store).broken_at is None


def review_all(store: Store, case: Case, reader: User) -> None:
    say(store, case, reader, ["normal", "leukaemic", "normal", "uncertain", "not_a_cell", "leukaemic"])


def signed(store: Store, files: RoomFiles, case: Case, lead: User, reason: str = "") -> Signature:
    models = {MODEL_ID: CARD}
    return sign_case(store, files, case, user=lead, reason=reason, now=NOW, models=models)


def names(files: RoomFiles, case: Case) -> list[str]:
    return sorted(path.name for path in (files.folder / "signed" / str(case.id)).glob("*"))


def test_a_signed_case_is_locked_and_its_report_tells_what_was_decided(
    store: Store, files: RoomFiles, case: Case, anna: User, lena: User
) -> None:
    review_all(store, case, anna)
    add_note(store, case.id, "Thick on the <b>left</b>", user=anna)
    assert readiness(store, case).obstacles == ()
    assert not readiness(store, case).reason_required

    signature = signed(store, files, case, lena)

    assert (signature.version, signature.signed_by, signature.reason) == (1, lena.id, "")
    assert signature.signed_at == NOW.replace(microsecond=0)
    assert signatures_of(store, case.id) == (signature,)
    assert find_signature(store, case.id, 1) == signature
    assert find_signature(store, case.id, 2) is None
    assert signature.content_sha256 == hashlib.sha256(signature.content.encode()).hexdigest()
    found = find_case(store, case.id, user=lena)
    assert found is not None
    assert found.state == "signed"
    with pytest.raises(ConflictError, match="signed"):
        add_note(store, case.id, "too late", user=anna)
    with pytest.raises(ConflictError, match="signed"):
        signed(store, files, case, lena, "again")
    assert names(files, case) == [f"1{suffix}" for suffix in sorted(SUFFIXES)]

    record = signed_record(signature)
    assert dict(record.counts) == {
        "leukaemic": 2,
        "normal": 2,
        "uncertain": 1,
        "not_a_cell": 1,
        "disputed": 0,
        "unreviewed": 0,
    }
    assert record.share is not None
    # Wilson's interval of 2 in 4, by hand: centre 0.5, half width 1.96/(4+3.84)*sqrt(4*0.25+0.96) = 0.35.
    assert (record.share.estimate, round(record.share.low, 2), round(record.share.high, 2)) == (
        0.5,
        0.15,
        0.85,
    )
    (model,) = record.models
    assert model.card is not None
    assert model.card.threshold == 0.5
    assert model.outcomes == {"normal": 2, "uncertain": 2, "leukaemic": 2}
    row = {"leukaemic": 0, "normal": 0, "uncertain": 0, "unfamiliar": 0, "other": 0}
    assert model.agreement == {
        "leukaemic": {**row, "normal": 1, "leukaemic": 1},
        "normal": {**row, "normal": 1, "uncertain": 1},
    }
    assert record.n_differing == 1
    assert [one.label for one in record.differing] == ["leukaemic"]
    assert len(record.examples) == 6
    assert record.examples[0].cell == record.differing[0]
    assert [(one.person.number, one.verdicts) for one in record.readers] == [(anna.id, 6)]
    seq, digest = record.log_head.split(":")
    assert audit.verify(store, expect=(int(seq), digest)).broken_at is None


@on_sqlite
def test_the_page_escapes_what_users_typed_and_says_what_it_is_not(
    store: Store, files: RoomFiles, case: Case, anna: User, lena: User
) -> None:
    review_all(store, case, anna)
    add_note(store, case.id, "Thick on the <b>left</b>", user=anna)
    signature = signed(store, files, case, lena, "Because of Secret")

    page = files.signed(case.id, 1, ".html").read_text()
    assert "<script" not in page
    assert "<b>left" not in page
    assert "<i>A." not in page
    assert page.count("<img") == page.count('<img src="data:image/webp;base64,') == 6
    assert "Patient &lt;script&gt;alert(7)" in page
    assert "Thick on the &lt;b&gt;left&lt;/b&gt;" in page
    for words in (
        "Research use only. Not a medical device. Not for diagnosis",
        "trained on SIMULATED cells",
        signature.content_sha256,
        "2026-05-06T07:08:09+00:00",
        "15.0% to 85.0%",
        "lead",
    ):
        assert words in page, words
    assert files.signed(case.id, 1, ".pdf").read_bytes().startswith(b"%PDF")

    # What goes to the log and to other programs names nobody.
    log = str(audit.recent_lines(store))
    assert "case.signed" in log
    others = [files.signed(case.id, 1, suffix).read_bytes().decode("latin-1") for suffix in SUFFIXES[2:]]
    for text in (log, *others):
        told = [word for word in ("Secret", "Thick", "Anna", "Lena", "alert", "Patient 7") if word in text]
        assert told == []


def test_what_is_not_ready_cannot_be_signed(
    store: Store, files: RoomFiles, case: Case, anna: User, lena: User
) -> None:
    empty = create_case(store, "Empty", user=anna)
    assert readiness(store, empty).obstacles == ("no_cells",)
    with pytest.raises(ConflictError, match="no cells"):
        signed(store, files, empty, lena)

    jobs.add_job(store, case.id, "explain", actor=SYSTEM)
    review_all(store, case, anna)
    say(store, case, user(store, "Bert"), ["leukaemic"])
    assert readiness(store, case).obstacles == ("disputed",)
    jobs.add_job(store, case.id, "score", actor=SYSTEM)
    assert readiness(store, case).obstacles == ("scoring", "disputed")
    with pytest.raises(ConflictError, match="still being scored; readers differ"):
        signed(store, files, case, lena)
    assert names(files, case) == []
    assert signatures_of(store, case.id) == ()


def test_what_is_on_its_way_or_was_never_scored_is_no_end_of_a_case(
    store: Store, files: RoomFiles, case: Case, anna: User, lena: User
) -> None:
    review_all(store, case, anna)
    assert readiness(store, case).obstacles == ()
    seen = mark_of(store, case.id)

    coming = open_upload(store, case.id, Announcement("b.zip", 9, "key"), user=anna)
    ready = readiness(store, case)
    assert (ready.obstacles, ready.uploads) == (("uploading",), (coming,))
    with pytest.raises(ConflictError, match="files are on their way into it"):
        signed(store, files, case, lena)
    end: dict[str, Any] = {"at": NOW, "reason": "", "content": "{}", "files": (), "publish": list}
    with pytest.raises(ConflictError, match="a review, note, file or cell was added"):
        sign(store, case.id, user=lena, seen=seen, **end)

    hand_over(store, coming, job="archive", actor=anna.actor)
    assert readiness(store, case).obstacles == ("scoring",)
    taken = jobs.take_job(store)
    assert taken is not None
    assert readiness(store, case).obstacles == ("scoring",)
    jobs.fail_job(store, taken, "no zip")
    assert readiness(store, case).obstacles == ()
    with pytest.raises(ConflictError, match="all of it has come"):
        give_up(store, coming, actor=lena.actor)

    other = open_upload(store, case.id, Announcement("c.png", 9, "other"), user=anna)
    give_up(store, other, actor=lena.actor)
    assert readiness(store, case).obstacles == ()
    with pytest.raises(ConflictError, match="given up"):
        give_up(store, other, actor=lena.actor)

    image = add_image(store, case.id, NewImage("0" * 64, "d.png", "crop", 9, 9, 9, None, "d"), actor=SYSTEM)
    assert readiness(store, case).obstacles == ("unscored",)
    with pytest.raises(ConflictError, match="images in it were never scored"):
        signed(store, files, case, lena)
    record_scorings(store, case.id, [(image.id, "it is black")], model_id=MODEL_ID)
    ready = readiness(store, case)
    assert (ready.obstacles, ready.failed_images, ready.reason_required) == ((), 1, True)
    with pytest.raises(SettingError, match="1 images could not be scored"):
        signed(store, files, case, lena)


def test_unreviewed_cells_need_a_reason(
    store: Store, files: RoomFiles, case: Case, anna: User, lena: User
) -> None:
    say(store, case, anna, ["normal"])
    assert readiness(store, case).reason_required
    with pytest.raises(SettingError, match="5 cells are unreviewed"):
        signed(store, files, case, lena, "  ")
    with pytest.raises(SettingError, match="2,001 characters"):
        signed(store, files, case, lena, "x" * 2001)
    reason = " out of <time> "
    signature = sign_case(store, files, case, user=lena, reason=reason, now=NOW, models={})
    assert signature.reason == "out of <time>"
    # Without its card, a model is told by the usual names of its classes.
    (model,) = signed_record(signature).models
    assert model.card is None
    assert model.agreement["normal"]["normal"] == 1
    assert "not on this server" in files.signed(case.id, 1, ".html").read_text()
    assert "out of &lt;time&gt;" in files.signed(case.id, 1, ".html").read_text()


def test_only_leads_who_are_leads_still_sign_and_amend(
    store: Store, files: RoomFiles, case: Case, anna: User, lena: User
) -> None:
    review_all(store, case, anna)
    with pytest.raises(AccountError, match="its role is reader"):
        signed(store, files, case, anna)
    gone = user(store, "Gone", "lead")
    set_active(store, gone.id, active=False, actor=SYSTEM)
    with pytest.raises(AccountError, match="switched off"):
        signed(store, files, case, gone)
    assert names(files, case) == []

    signed(store, files, case, lena)
    with pytest.raises(AccountError, match="its role is reader"):
        reopen(store, case.id, user=anna, reason="I want to")


def test_an_amendment_is_a_further_version_beside_the_first(
    store: Store, files: RoomFiles, case: Case, anna: User, lena: User
) -> None:
    review_all(store, case, anna)
    with pytest.raises(ConflictError, match="it is open"):
        reopen(store, case.id, user=lena, reason="too early")
    first = signed(store, files, case, lena)
    kept = {suffix: files.signed(case.id, 1, suffix).read_bytes() for suffix in SUFFIXES}

    with pytest.raises(SettingError, match="0 characters"):
        reopen(store, case.id, user=lena, reason=" ")
    note = reopen(store, case.id, user=lena, reason="One cell was missed")
    assert notes_of(store, case.id) == (note,)
    assert note.text == "Amendment of version 1: One cell was missed"
    say(store, case, lena, [None, None, "leukaemic"])
    with pytest.raises(SettingError, match="it amends an earlier version"):
        signed(store, files, case, lena)
    second = signed(store, files, case, lena, "One cell is leukaemic after all")

    assert signatures_of(store, case.id) == (first, second)
    assert kept == {suffix: files.signed(case.id, 1, suffix).read_bytes() for suffix in SUFFIXES}
    record = signed_record(second)
    assert record.counts["leukaemic"] == 3
    assert record.decided_by_lead == 1
    (earlier,) = record.earlier
    assert (earlier.version, earlier.content_sha256) == (1, first.content_sha256)
    page = files.signed(case.id, 2, ".html").read_text()
    assert first.content_sha256 in page
    assert "One cell is leukaemic after all" in page
    with pytest.raises(sa.exc.IntegrityError), store.engine.begin() as connection:
        connection.execute(tables.signatures.update().values(content="{}"))


def test_what_comes_while_the_report_is_made_is_not_signed_unseen(
    store: Store, case: Case, anna: User, lena: User
) -> None:
    published: list[str] = []

    def try_to_sign() -> None:
        sign(
            store,
            case.id,
            user=lena,
            seen=seen,
            at=NOW,
            reason="",
            content="{}",
            files=(),
            publish=lambda: published.append("published"),
        )

    cell_id = cells_of(store, case.id)[0].id
    seen = mark_of(store, case.id)
    save_review(store, NewReview(cell_id, anna.id, "normal", ""), expected_review_id=None)
    with pytest.raises(ConflictError, match="while the report was made"):
        try_to_sign()
    seen = mark_of(store, case.id)
    add_note(store, case.id, "Wait!", user=anna)
    with pytest.raises(ConflictError, match="while the report was made"):
        try_to_sign()
    assert published == []
    seen = mark_of(store, case.id)
    try_to_sign()
    assert published == ["published"]


def test_of_two_who_sign_at_once_one_does_and_the_files_are_theirs(
    store: Store, files: RoomFiles, case: Case, anna: User, lena: User
) -> None:
    review_all(store, case, anna)
    leads = [lena, user(store, "Lars", "lead")]

    def try_to_sign(lead: User) -> Signature | None:
        with suppress(ConflictError):
            return signed(store, files, case, lead, f"signed by {lead.id}")
        return None

    with ThreadPoolExecutor(2) as threads:
        made = [one for one in threads.map(try_to_sign, leads) if one is not None]

    assert signatures_of(store, case.id) == tuple(made)
    assert len(made) == 1
    assert made[0].content_sha256 in files.signed(case.id, 1, ".html").read_text()
    assert names(files, case) == [f"1{suffix}" for suffix in sorted(SUFFIXES)]


@on_sqlite
def test_a_folder_of_the_environment_is_not_compared_with_the_log_of_another_url(
    store: Store, files: RoomFiles, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = ("audit-log", "verify", "--url", store.address)
    monkeypatch.setenv("LEUKNET_DATA", str(tmp_path / "another room"))

    by_environment = run_cli(*verify)
    named = run_cli(*verify, "--data", tmp_path / "another room")

    assert by_environment.status == 0, by_environment.err
    assert "Files were not read" in by_environment.out
    assert named.status == 2


@on_sqlite
def test_forged_files_and_rows_are_not_shown_and_named_by_verify(
    store: Store, files: RoomFiles, case: Case, anna: User, lena: User
) -> None:
    review_all(store, case, anna)
    signature = signed(store, files, case, lena)
    verify = ("audit-log", "verify", "--url", store.address, "--data", files.folder)
    assert run_cli(*verify).status == 0
    page = files.signed(case.id, 1, ".html")
    page.write_bytes(page.read_bytes().replace(b"leukaemic", b"normal"))
    with pytest.raises(ConflictError, match="not the file that was signed"):
        read_signed(store, files, signature, ".html")
    image = images_of(store, case.id)[0]
    files.image(image.path).write_bytes(b"another")
    tables_ = {"reviews": "verdict = 'uncertain' WHERE id = 2", "signatures": "reason = 'other'"}
    for table, change in tables_.items():
        past_the_log(store, table, f"UPDATE {table} SET {change}")
    past_the_log(store, "reviews", "DELETE FROM reviews WHERE id = 3")
    past_the_log(store, "images", "UPDATE images SET sha256 = replace(sha256, 'a', 'b') WHERE id = 2")

    ended = run_cli(*verify)

    assert ended.status == 2
    kept = images_of(store, case.id)[1]
    assert ended.err.splitlines()[1].removeprefix("  why: ").split("; ") == [
        "review:2 was changed: verdict",
        "review:3 was removed",
        "image:2 was changed: its case or its SHA-256",
        f"version 1 of case {case.id} was changed: its signer, content or reason",
        f"{image.path} was changed",
        f"{kept.path} was changed",
        f"signed/{case.id}/1.html was changed",
    ]
    page.unlink()
    assert b"leukaemic" in read_signed(store, files, signature, ".html")


def past_the_log(store: Store, table: str, statement: str) -> None:
    """Run a statement as someone would who can write to the database file."""
    with store.engine.begin() as connection:
        query = sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table")
        for name in connection.execute(query, {"table": table}).scalars().all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql(statement)


@on_sqlite
def test_lost_files_are_made_anew_to_the_byte_without_image_or_thumbnail(
    store: Store, files: RoomFiles, case: Case, anna: User, lena: User
) -> None:
    review_all(store, case, anna)
    signature = signed(store, files, case, lena)
    kept = {suffix: files.signed(case.id, 1, suffix).read_bytes() for suffix in SUFFIXES}
    shutil.rmtree(files.folder)

    assert signed_file(files, signature, ".pdf").read_bytes() == kept[".pdf"]
    assert {suffix: files.signed(case.id, 1, suffix).read_bytes() for suffix in SUFFIXES} == kept
    with pytest.raises(SettingError, match="none of its forms"):
        signed_file(files, signature, ".exe")
    forged = replace(signature, content=signature.content.replace('"leukaemic":2', '"leukaemic":0'))
    with pytest.raises(StoreError, match="does not have the SHA-256 that was signed"):
        remake_files(files, forged)


@on_sqlite
def test_what_cannot_be_printed_or_written_is_not_signed(
    store: Store, files: RoomFiles, case: Case, anna: User, lena: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    review_all(store, case, anna)
    for module in ("weasyprint", "pydicom"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            if module == "pydicom":
                patch.setattr(sys, "path", [])
                patch.delitem(sys.modules, "pydicom")
            with pytest.raises(MissingExtraError, match=r"pip install 'leuknet\["):
                signed(store, files, case, lena)
    files.folder.joinpath("signed").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="nothing was signed"):
        signed(store, files, case, lena)

    assert signatures_of(store, case.id) == ()
    files.folder.joinpath("signed").unlink()
    assert signed(store, files, case, lena).version == 1


def test_a_case_whose_signer_was_killed_amid_its_files_is_unsigned_and_can_be_signed(
    store: Store, files: RoomFiles, case: Case, anna: User, lena: User
) -> None:
    review_all(store, case, anna)
    left, replace_ = 2, Path.replace

    def dying(path: Path, target: Path) -> Path:
        nonlocal left
        if path.name.startswith(".1") and path.name.endswith(".part") and path.parent.name == str(case.id):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
        return replace_(path, target)

    def sign_and_die() -> None:
        Path.replace = dying  # type: ignore[method-assign, assignment]  # in a process of its own
        with open_store(store.address) as opened:
            signed(opened, files, case, lena)

    # Forked, since another process would import for seconds; it shares no connection, and none is open.
    store.engine.dispose()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12, that it has threads
        dies = multiprocessing.get_context("fork").Process(target=sign_and_die)
        dies.start()
    dies.join(60)

    assert dies.exitcode == -signal.SIGKILL
    assert len([name for name in names(files, case) if not name.startswith(".")]) == 2
    assert signatures_of(store, case.id) == ()
    signature = signed(store, files, case, lena)
    assert signature.content_sha256 in files.signed(case.id, 1, ".html").read_text()


def test_notes_are_kept_in_their_order_and_only_texts_are_notes(
    store: Store, case: Case, anna: User, lena: User
) -> None:
    first = add_note(store, case.id, "  one ", user=anna)
    second = add_note(store, case.id, "two", user=lena)
    assert notes_of(store, case.id) == (first, second)
    assert (first.text, second.user_id) == ("one", lena.id)
    for text in (" ", "x" * 10_001):
        with pytest.raises(SettingError, match="characters"):
            add_note(store, case.id, text, user=anna)
    with pytest.raises(LeukNetError):
        add_note(store, case.id, "\ud800", user=anna)
    with pytest.raises(sa.exc.IntegrityError), store.engine.begin() as connection:
        connection.execute(tables.case_notes.delete())
    assert json.loads(audit.recent_lines(store, limit=1)[0].detail).keys() == {"case", "text_sha256"}


def test_labels_of_the_field_and_of_crops_are_in_one_case(store: Store, case: Case, anna: User) -> None:
    review_all(store, case, anna)
    assert [label.state for label in case_labels(store, case.id)] == ["agreed"] * 6
