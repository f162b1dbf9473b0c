"""Cases, cells, decisions and jobs of the reading room: who sees what, and that nothing decided is lost."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from leuknet.errors import ConflictError, SettingError, StoreError
from leuknet.store import audit_log as audit
from leuknet.store import jobs, tables
from leuknet.store.cases import (
    add_image,
    cases_of,
    create_case,
    find_case,
    give_access,
    images_of,
    take_access,
)
from leuknet.store.cell_nouns import CellOrder, NewCell, NewReview, Verdict
from leuknet.store.cells import add_cells, cells_of, find_cell
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, Case, CaseImage, NewImage, User
from leuknet.store.reviews import current_review, current_reviews, review_history, save_review, undo_review
from leuknet.types import CellBox
from tests.databases import lock_case
from tests.people import user

IMAGE = NewImage("a" * 64, "Anna P. smear.png", "field", 100, 200, 5000, 0.25, "images/aa/a.png")
CELL = NewCell(
    name="c1",
    box=CellBox(10, 20, 40, 60),
    outline=((10.5, 20.0), (40.0, 60.25), (11.0, 59.0)),
    probability=0.75,
    outcome="ALL",
    flags=("touching",),
    warnings=("stain: unlike the trained cells",),
    model_id="m" * 12,
)

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def case(store: Store, anna: User) -> Case:
    return create_case(store, "Patient 7, day 15", user=anna)


@pytest.fixture
def image(store: Store, case: Case, anna: User) -> CaseImage:
    return add_image(store, case.id, IMAGE, actor=anna.actor)


@pytest.fixture
def cell_id(store: Store, image: CaseImage, case: Case) -> int:
    add_cells(store, image.id, [CELL], actor=SYSTEM)
    return cells_of(store, case.id)[0].id


def said(cell_id: int, reader: User, verdict: Verdict, note: str = "") -> NewReview:
    return NewReview(cell_id, reader.id, verdict, note)


# --- cases, images and cells -----------------------------------------------------------------------------


def test_a_reader_sees_only_the_cases_that_were_given(
    store: Store, case: Case, anna: User, bert: User
) -> None:
    lead = user(store, "Lena", "lead")
    assert cases_of(store, anna) == cases_of(store, lead) == (case,)
    assert cases_of(store, bert) == ()
    # As if it did not exist.
    assert find_case(store, case.id, user=bert) is find_case(store, uuid4(), user=anna) is None

    give_access(store, case.id, bert.id, actor=lead.actor)
    give_access(store, case.id, bert.id, actor=lead.actor)
    assert find_case(store, case.id, user=bert) == case

    take_access(store, case.id, bert.id, actor=lead.actor)
    assert find_case(store, case.id, user=bert) is None


def test_a_content_is_in_a_case_once(store: Store, case: Case, image: CaseImage, anna: User) -> None:
    again = add_image(store, case.id, replace(IMAGE, name="copy.png"), actor=anna.actor)

    assert again == image
    assert images_of(store, case.id) == (image,)
    other = create_case(store, "Patient 8", user=anna)
    assert add_image(store, other.id, IMAGE, actor=anna.actor).id != image.id


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.png", "a/../../x.png", "", "a\\b.png"])
def test_no_image_lies_outside_of_the_data_folder(store: Store, case: Case, anna: User, path: str) -> None:
    with pytest.raises(SettingError):
        add_image(store, case.id, replace(IMAGE, path=path), actor=anna.actor)


def test_a_cell_comes_back_as_it_was_put_in(store: Store, case: Case, image: CaseImage) -> None:
    bare = replace(CELL, name="c2", outline=(), probability=None, outcome="unfamiliar", flags=(), warnings=())
    add_cells(store, image.id, [CELL, bare], actor=SYSTEM)

    found = cells_of(store, case.id)
    assert [(cell.name, cell.outline, cell.probability, cell.flags) for cell in found] == [
        ("c1", CELL.outline, 0.75, ("touching",)),
        ("c2", (), None, ()),
    ]
    assert found[0].box == CELL.box
    assert find_cell(store, found[1].id) == found[1]
    assert find_cell(store, 99) is None


@pytest.mark.parametrize(
    ("order", "names"),
    [("found", "abcd"), ("probability", "cabd"), ("uncertainty", "abcd")],
)
def test_cells_come_in_the_order_asked_for(
    store: Store, case: Case, image: CaseImage, order: CellOrder, names: str
) -> None:
    scores = {"a": 0.55, "b": 0.25, "c": 0.99, "d": None}
    add_cells(
        store, image.id, [replace(CELL, name=n, probability=p) for n, p in scores.items()], actor=SYSTEM
    )

    assert "".join(cell.name for cell in cells_of(store, case.id, order=order)) == names
    part = cells_of(store, case.id, order=order, limit=2, offset=1)
    assert "".join(cell.name for cell in part) == names[1:3]


def test_cells_are_added_all_or_none(store: Store, case: Case, image: CaseImage) -> None:
    add_cells(store, image.id, [CELL], actor=SYSTEM)

    with pytest.raises(ConflictError, match="one of these names"):
        add_cells(store, image.id, [replace(CELL, name="c2"), CELL], actor=SYSTEM)
    with pytest.raises(sa.exc.IntegrityError):
        add_cells(store, image.id, [replace(CELL, name="c3", probability=1.5)], actor=SYSTEM)
    with pytest.raises(sa.exc.IntegrityError):
        add_cells(store, image.id, [replace(CELL, name="c3", box=CellBox(5, 5, 5, 9))], actor=SYSTEM)
    with pytest.raises(StoreError, match="image 99"):
        add_cells(store, 99, [CELL], actor=SYSTEM)

    assert [cell.name for cell in cells_of(store, case.id)] == ["c1"]


# --- reviews ---------------------------------------------------------------------------------------------


def test_two_readers_who_save_at_once_both_keep_their_verdict(
    store: Store, case: Case, cell_id: int, anna: User, bert: User
) -> None:
    sayings = [said(cell_id, anna, "leukaemic", "blast"), said(cell_id, bert, "normal")]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda one: save_review(store, one, expected_review_id=None), sayings))

    found = current_reviews(store, case.id)
    assert [(one.reader_id, one.verdict, one.note) for one in found] == [
        (anna.id, "leukaemic", "blast"),
        (bert.id, "normal", ""),
    ]
    assert [one.reader_id for one in current_reviews(store, case.id, reader_id=bert.id)] == [bert.id]


def test_one_reader_in_two_windows_overwrites_nothing(store: Store, cell_id: int, anna: User) -> None:
    first = save_review(store, said(cell_id, anna, "normal"), expected_review_id=None)
    second = save_review(store, said(cell_id, anna, "leukaemic"), expected_review_id=first.id)

    for stale in (None, first.id):
        with pytest.raises(ConflictError) as caught:
            save_review(store, said(cell_id, anna, "uncertain"), expected_review_id=stale)
        assert caught.value.why.endswith(f"and is number {second.id}, 'leukaemic'")
    assert review_history(store, cell_id) == (first, second)
    assert second.supersedes == first.id


def test_of_many_who_save_over_one_review_one_wins(store: Store, cell_id: int, anna: User) -> None:
    first = save_review(store, said(cell_id, anna, "normal"), expected_review_id=None)

    def attempt(_: int) -> bool:
        try:
            save_review(store, said(cell_id, anna, "leukaemic"), expected_review_id=first.id)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(attempt, range(6))) == 1
    assert len(review_history(store, cell_id)) == 2
    assert audit.verify(store).broken_at is None


def test_undo_goes_back_step_by_step_and_keeps_every_row(store: Store, cell_id: int, anna: User) -> None:
    current: int | None = None
    verdicts: tuple[Verdict, ...] = ("normal", "leukaemic", "uncertain")
    for verdict in verdicts:
        current = save_review(store, said(cell_id, anna, verdict, verdict), expected_review_id=current).id
    steps = []
    for _ in range(3):
        assert current is not None
        undone = undo_review(store, cell_id, reader_id=anna.id, expected_review_id=current)
        steps.append((undone.verdict, undone.note, undone.supersedes == current))
        current = undone.id

    assert steps == [("leukaemic", "leukaemic", True), ("normal", "normal", True), ("withdrawn", "", True)]
    with pytest.raises(ConflictError, match="nothing is said"):
        undo_review(store, cell_id, reader_id=anna.id, expected_review_id=current or 0)
    assert [one.verdict for one in review_history(store, cell_id)] == [
        *verdicts,
        "leukaemic",
        "normal",
        "withdrawn",
    ]


def test_undo_after_an_undo_and_a_new_verdict(store: Store, case: Case, cell_id: int, anna: User) -> None:
    one = save_review(store, said(cell_id, anna, "normal"), expected_review_id=None)
    two = save_review(store, said(cell_id, anna, "leukaemic"), expected_review_id=one.id)
    three = undo_review(store, cell_id, reader_id=anna.id, expected_review_id=two.id)
    four = save_review(store, said(cell_id, anna, "uncertain"), expected_review_id=three.id)

    five = undo_review(store, cell_id, reader_id=anna.id, expected_review_id=four.id)
    assert (five.verdict, five.restores) == ("normal", one.id)
    six = undo_review(store, cell_id, reader_id=anna.id, expected_review_id=five.id)
    assert six.verdict == "withdrawn"
    assert current_reviews(store, case.id) == ()
    assert current_review(store, cell_id, reader_id=anna.id) == six


def test_the_database_itself_refuses_to_change_or_fork_reviews(
    store: Store, cell_id: int, anna: User, bert: User
) -> None:
    review = save_review(store, said(cell_id, anna, "normal"), expected_review_id=None)
    again = {key: value for key, value in vars(review).items() if key != "id"}
    theirs = {**again, "reader_id": bert.id, "supersedes": review.id}
    statements = [
        tables.reviews.update().values(verdict="leukaemic"),
        tables.reviews.delete(),
        tables.reviews.insert().values(**again),  # a second first review
        tables.reviews.insert().values(**theirs),  # in the place of somebody else's
        tables.reviews.insert().values(**{**again, "supersedes": review.id, "verdict": "dead"}),
        tables.cells.delete(),  # from under its review
        tables.users.delete(),
    ]
    for statement in statements:
        with pytest.raises(sa.exc.IntegrityError), store.engine.begin() as connection:
            connection.execute(statement)

    assert review_history(store, cell_id) == (review,)


def test_what_cannot_be_reviewed_is_refused(store: Store, case: Case, cell_id: int, anna: User) -> None:
    with pytest.raises(SettingError, match="leukaemic, normal, uncertain, not_a_cell"):
        save_review(store, said(cell_id, anna, "withdrawn"), expected_review_id=None)
    with pytest.raises(StoreError, match="cell 99"):
        save_review(store, said(99, anna, "normal"), expected_review_id=None)
    with pytest.raises(StoreError, match="reader 99"):
        save_review(store, NewReview(cell_id, 99, "normal", ""), expected_review_id=None)
    with pytest.raises(StoreError, match="damaged letters"):
        save_review(store, said(cell_id, anna, "normal", "\ud800"), expected_review_id=None)
    assert review_history(store, cell_id) == ()


def test_a_signed_case_takes_nothing_more(
    store: Store, case: Case, image: CaseImage, cell_id: int, anna: User
) -> None:
    review = save_review(store, said(cell_id, anna, "normal"), expected_review_id=None)
    lock_case(store, case.id)

    with pytest.raises(ConflictError, match="signed"):
        save_review(store, said(cell_id, anna, "leukaemic"), expected_review_id=review.id)
    with pytest.raises(ConflictError, match="signed"):
        undo_review(store, cell_id, reader_id=anna.id, expected_review_id=review.id)
    with pytest.raises(ConflictError, match="signed"):
        add_cells(store, image.id, [replace(CELL, name="c2")], actor=SYSTEM)
    with pytest.raises(ConflictError, match="signed"):
        add_image(store, case.id, replace(IMAGE, sha256="b" * 64), actor=anna.actor)


def test_notes_titles_and_names_are_not_in_the_log(
    store: Store, case: Case, cell_id: int, anna: User
) -> None:
    save_review(store, said(cell_id, anna, "normal", "Mrs Secret"), expected_review_id=None)

    log = str(audit.recent_lines(store))
    assert "review.saved" in log
    assert [word for word in ("Secret", "Anna", "Patient 7", "smear.png") if word in log] == []


def test_every_table_that_changed_left_a_line(store: Store, cell_id: int, anna: User) -> None:
    save_review(store, said(cell_id, anna, "normal"), expected_review_id=None)

    actions = [line.action for line in reversed(audit.recent_lines(store))]
    assert actions == ["user.created", "case.created", "image.added", "cells.added", "review.saved"]
    assert audit.recent_lines(store)[0].actor == anna.actor


# --- jobs ------------------------------------------------------------------------------------------------


def test_each_job_goes_to_one_worker(store: Store, case: Case) -> None:
    made = [jobs.add_job(store, case.id, "score", actor=SYSTEM).id for _ in range(6)]

    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda _: jobs.take_job(store), range(8)))

    assert sorted(job.id for job in taken if job is not None) == made
    assert taken.count(None) == 2


def test_a_dead_workers_job_is_taken_over_and_its_late_report_refused(
    store: Store, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.add_job(store, case.id, "score", actor=SYSTEM)
    dead = jobs.take_job(store)
    assert dead is not None
    jobs.report_progress(store, dead, 0.5)
    assert jobs.take_job(store) is None

    monkeypatch.setattr(jobs, "SILENCE", timedelta(0))
    alive = jobs.take_job(store)
    assert alive is not None
    assert (alive.id, alive.attempts, alive.progress) == (dead.id, 2, 0.0)
    with pytest.raises(ConflictError, match="attempt 1"):
        jobs.finish_job(store, dead)
    jobs.finish_job(store, alive)
    assert [(job.state, job.progress) for job in jobs.jobs_of(store, case.id)] == [("done", 1.0)]
    with pytest.raises(ConflictError):
        jobs.fail_job(store, alive, "too late")


def test_a_job_that_kills_its_workers_is_given_up(
    store: Store, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.add_job(store, case.id, "score", actor=SYSTEM)
    monkeypatch.setattr(jobs, "SILENCE", timedelta(0))
    attempts = [jobs.take_job(store) for _ in range(4)]

    assert [job and job.attempts for job in attempts] == [1, 2, 3, None]
    assert [(job.state, job.error) for job in jobs.jobs_of(store, case.id)] == [
        ("failed", "its worker died 3 times")
    ]
    assert jobs.take_job(store) is None


def test_a_job_that_fails_says_why(store: Store, case: Case) -> None:
    jobs.add_job(store, case.id, "score", actor=SYSTEM)
    job = jobs.take_job(store)
    assert job is not None
    jobs.fail_job(store, job, "no cells found")

    assert [(job.state, job.error) for job in jobs.jobs_of(store, case.id)] == [("failed", "no cells found")]


def test_reviews_of_a_killed_process_are_there_if_it_said_so(
    store: Store, case: Case, image: CaseImage, anna: User
) -> None:
    add_cells(store, image.id, [replace(CELL, name=f"c{n}") for n in range(3000)], actor=SYSTEM)
    code = """
import sys
from leuknet.store import open_store
from leuknet.store.cell_nouns import NewReview
from leuknet.store.reviews import save_review
with open_store(sys.argv[1]) as store:
    for cell in range(int(sys.argv[2]), int(sys.argv[2]) + 3000):
        review = NewReview(cell, int(sys.argv[3]), "normal", "a note")
        print(save_review(store, review, expected_review_id=None).id, flush=True)
"""
    first = cells_of(store, case.id, limit=1)[0].id
    command = [sys.executable, "-c", code, store.address, str(first), str(anna.id)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(40)]
        process.kill()
        told += process.stdout.read().splitlines()

    kept = {review.id for review in current_reviews(store, case.id)}
    assert {int(one) for one in told} <= kept
    assert len(kept) <= len(told) + 1
    assert audit.verify(store).broken_at is None
