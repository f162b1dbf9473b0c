"""What follows from the verdicts on a case's cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
import sqlalchemy as sa

from leuknet.room.labels import case_labels, count_labels
from leuknet.store import study_tables, tables
from leuknet.store.accounts import set_role
from leuknet.store.cases import add_image, create_case
from leuknet.store.cell_nouns import NewCell, NewReview, Verdict
from leuknet.store.cells import add_cells, cells_of
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, Case, NewImage, User
from leuknet.store.reviews import save_review, undo_review
from leuknet.store.study_nouns import StudyState
from leuknet.types import CellBox
from tests.people import user

IMAGE = NewImage("a" * 64, "smear.png", "field", 100, 200, 5000, 0.25, "images/aa/a.png")
CELL = NewCell("c1", CellBox(10, 20, 40, 60), 0.75, "ALL", (), (), "m" * 12, ())


pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def case(store: Store, anna: User) -> Case:
    case = create_case(store, "Patient 7", user=anna)
    image = add_image(store, case.id, IMAGE, actor=SYSTEM)
    add_cells(store, image.id, [replace(CELL, name=f"c{n}") for n in range(3)], actor=SYSTEM)
    return case


def say(store: Store, case: Case, reader: User, verdict: Verdict, *, cell: int = 0) -> None:
    cell_id = cells_of(store, case.id)[cell].id
    current = next((w for w in case_labels(store, case.id)[cell].words if w.user_id == reader.id), None)
    assert current is None, "one review each is enough here"
    save_review(store, NewReview(cell_id, reader.id, verdict, ""), expected_review_id=None)


def adjudicate(store: Store, case: Case, lead: User, verdict: Verdict, *, state: StudyState) -> None:
    cell_id, study_id = cells_of(store, case.id)[0].id, uuid4()
    with store.writing(lead.actor) as change:
        study = {
            "id": study_id,
            "title": "Study",
            "instructions": "",
            "created_by": lead.id,
            "created_at": change.at,
            "state": state,
            "mode": "unaided",
            "repeat_share": 0.0,
            "washout_days": 0,
            "seed": 0,
        }
        change.execute(study_tables.studies.insert().values(**study))
        said = {"study_id": study_id, "cell_id": cell_id, "lead_id": lead.id, "verdict": verdict}
        change.execute(study_tables.adjudications.insert().values(**said, note="", decided_at=change.at))
        change.log("study.adjudicated", f"study:{study_id}")


def label(store: Store, case: Case) -> tuple[str, str | None]:
    first = case_labels(store, case.id)[0]
    return first.state, first.label


def test_nobody_one_two_and_two_who_differ(store: Store, case: Case, anna: User, bert: User) -> None:
    assert label(store, case) == ("unreviewed", None)
    say(store, case, anna, "leukaemic")
    assert label(store, case) == ("agreed", "leukaemic")
    say(store, case, bert, "leukaemic")
    assert label(store, case) == ("agreed", "leukaemic")

    say(store, case, anna, "normal", cell=1)
    say(store, case, bert, "uncertain", cell=1)
    labels = case_labels(store, case.id)
    assert [(one.state, one.label, one.outcome) for one in labels] == [
        ("agreed", "leukaemic", "leukaemic"),
        ("disputed", None, "disputed"),
        ("unreviewed", None, "unreviewed"),
    ]
    assert [word.verdict for word in labels[1].words] == ["normal", "uncertain"]
    assert [one.cell_id for one in labels] == [cell.id for cell in cells_of(store, case.id)]
    assert count_labels(labels) == {
        "leukaemic": 1,
        "normal": 0,
        "uncertain": 0,
        "not_a_cell": 0,
        "disputed": 1,
        "unreviewed": 1,
    }


def test_a_lead_decides_and_two_leads_who_differ_do_not(
    store: Store, case: Case, anna: User, bert: User, lena: User
) -> None:
    say(store, case, anna, "normal")
    say(store, case, bert, "leukaemic")
    say(store, case, lena, "leukaemic")
    assert label(store, case) == ("decided", "leukaemic")

    say(store, case, user(store, "Adam", "admin"), "not_a_cell")
    assert label(store, case) == ("disputed", None)


def test_a_lead_who_says_what_all_readers_say_agrees(
    store: Store, case: Case, anna: User, lena: User
) -> None:
    say(store, case, anna, "normal")
    say(store, case, lena, "normal")
    assert label(store, case) == ("agreed", "normal")


def test_the_role_of_today_counts(store: Store, case: Case, anna: User, bert: User) -> None:
    say(store, case, anna, "normal")
    say(store, case, bert, "leukaemic")
    set_role(store, bert.id, "lead", actor=SYSTEM)
    assert label(store, case) == ("decided", "leukaemic")


def test_what_is_withdrawn_is_no_word(store: Store, case: Case, anna: User) -> None:
    cell_id = cells_of(store, case.id)[0].id
    review = save_review(store, NewReview(cell_id, anna.id, "normal", ""), expected_review_id=None)
    changed = save_review(store, NewReview(cell_id, anna.id, "leukaemic", ""), expected_review_id=review.id)
    assert label(store, case) == ("agreed", "leukaemic")
    undone = undo_review(store, cell_id, reader_id=anna.id, expected_review_id=changed.id)
    assert label(store, case) == ("agreed", "normal")
    undo_review(store, cell_id, reader_id=anna.id, expected_review_id=undone.id)
    assert label(store, case) == ("unreviewed", None)


def test_adjudications_count_once_their_study_is_closed(
    store: Store, case: Case, anna: User, lena: User
) -> None:
    say(store, case, anna, "normal")
    adjudicate(store, case, lena, "leukaemic", state="open")
    assert label(store, case) == ("agreed", "normal")
    adjudicate(store, case, lena, "leukaemic", state="closed")
    assert label(store, case) == ("decided", "leukaemic")
    # Stays a lead's word, and a later word of the same person takes its place.
    set_role(store, lena.id, "reader", actor=SYSTEM)
    assert label(store, case) == ("decided", "leukaemic")
    adjudicate(store, case, lena, "normal", state="closed")
    assert label(store, case) == ("agreed", "normal")
    assert len(case_labels(store, case.id)[0].words) == 2


def test_reads_of_a_closed_study_alone_do_not_label(store: Store, case: Case, anna: User, lena: User) -> None:
    adjudicate(store, case, lena, "withdrawn", state="closed")
    cell_id = cells_of(store, case.id)[0].id
    with store.writing(anna.actor) as change:
        (study_id,) = change.execute(study_tables.studies.select()).one()[:1]
        item = {"study_id": study_id, "reader_id": anna.id, "phase": "unaided", "position": 1}
        statement = study_tables.study_items.insert().values(**item, cell_id=cell_id, is_repeat=False)
        item_id = change.execute(statement.returning(study_tables.study_items.c.id)).scalar_one()
        read = {"item_id": item_id, "verdict": "normal", "note": "", "seconds": 1.0, "decided_at": change.at}
        change.execute(study_tables.study_reads.insert().values(**read))
        change.log("study.read", f"study:{study_id}")
    assert label(store, case) == ("unreviewed", None)


def test_ten_thousand_cells_take_as_many_queries_as_three(
    store: Store, case: Case, anna: User, bert: User
) -> None:
    say(store, case, anna, "normal")
    with counted_queries(store) as of_three:
        case_labels(store, case.id)
    large = create_case(store, "Large", user=anna)
    image = add_image(store, large.id, IMAGE, actor=SYSTEM)
    add_cells(store, image.id, [replace(CELL, name=f"c{n}") for n in range(10_000)], actor=SYSTEM)
    with store.writing(SYSTEM) as change:
        of_image = sa.select(tables.cells.c.id).where(tables.cells.c.image_id == image.id)
        ids = change.execute(of_image).scalars().all()
        rows = [
            {
                "cell_id": cell_id,
                "reader_id": reader.id,
                "verdict": "normal",
                "note": "",
                "decided_at": change.at,
            }
            for cell_id in ids
            for reader in (anna, bert)
        ]
        change.execute(tables.reviews.insert(), rows)
        change.log("reviews.made", "test")

    with counted_queries(store) as of_many:
        labels = case_labels(store, large.id)

    assert count_labels(labels)["normal"] == 10_000
    assert of_many == of_three
    assert of_three


@contextmanager
def counted_queries(store: Store) -> Iterator[Counter[str]]:
    """Count the statements that are sent to the database, each by its text."""
    counter: Counter[str] = Counter()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        counter[statement] += 1

    sa.event.listen(store.engine, "before_cursor_execute", note)
    yield counter
    sa.event.remove(store.engine, "before_cursor_execute", note)
