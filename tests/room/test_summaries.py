"""The numbers of cases at a glance, and the gallery's columns, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("sqlalchemy", reason="sqlalchemy is not installed: pip install 'leuknet[web]'")

from datetime import timedelta

from leuknet.store.accounts import create_user
from leuknet.store.cases import add_image, create_case, give_access
from leuknet.store.cell_nouns import NewCell, NewReview
from leuknet.store.cells import add_cells
from leuknet.store.database import Store
from leuknet.store.gallery import failed_images, gallery_rows, images_of_cells, images_to_show, outlined_cells
from leuknet.store.jobs import add_job
from leuknet.store.nouns import SYSTEM, NewImage
from leuknet.store.reviews import save_review, undo_review
from leuknet.store.scorings import record_scorings
from leuknet.store.summaries import case_summaries, case_summary, is_worker_missing, people_with_access
from leuknet.types import CellBox

IMAGE = NewImage("a" * 64, "a.png", "field", 50, 60, 9, 0.1, "images/aa/a.png")
CELL = NewCell("c1", CellBox(1, 2, 9, 12), 0.8, "ALL", ("small",), (), "m", ((1.0, 2.0), (9.0, 12.0)))


def test_a_case_is_counted_once_for_each_reader_whatever_was_undone(store: Store) -> None:
    ada = create_user(store, "Ada", password="a long enough word", role="lead", actor=SYSTEM)
    ben = create_user(store, "Ben", password="a long enough word", role="reader", actor=SYSTEM)
    case = create_case(store, "one", user=ada)
    create_case(store, "hidden from Ben", user=ada)
    give_access(store, case.id, ben.id, actor=SYSTEM)
    field = add_image(store, case.id, IMAGE, actor=SYSTEM)
    crop = add_image(store, case.id, replace(IMAGE, sha256="b" * 64, kind="crop"), actor=SYSTEM)
    waits = add_image(store, case.id, replace(IMAGE, sha256="c" * 64), actor=SYSTEM)
    add_cells(
        store, field.id, [CELL, replace(CELL, name="c2", probability=None, warnings=("odd",))], actor=SYSTEM
    )
    add_cells(store, crop.id, [replace(CELL, outline=())], actor=SYSTEM)
    record_scorings(store, case.id, [(field.id, None), (crop.id, "dark")], model_id="m")
    rows = gallery_rows(store, case.id, reader_id=ben.id)
    first = save_review(store, NewReview(rows[0].cell_id, ben.id, "normal", ""), expected_review_id=None)
    second = save_review(store, NewReview(rows[1].cell_id, ben.id, "normal", ""), expected_review_id=None)
    gone = undo_review(store, rows[1].cell_id, reader_id=ben.id, expected_review_id=second.id)
    save_review(store, NewReview(rows[2].cell_id, ada.id, "normal", ""), expected_review_id=None)

    (mine,) = case_summaries(store, ben)
    assert (mine.images, mine.scored, mine.failed, mine.waiting, mine.cells, mine.reviewed) == (
        3,
        1,
        1,
        1,
        3,
        1,
    )
    assert case_summary(store, case, ben) == mine
    assert [one.case.title for one in case_summaries(store, ada)] == ["hidden from Ben", "one"]
    assert [user.name for user in people_with_access(store, [case.id])[case.id]] == ["Ada", "Ben"]

    rows = gallery_rows(store, case.id, reader_id=ben.id)
    assert [(row.verdict, row.review_id) for row in rows] == [
        ("normal", first.id),
        ("withdrawn", gone.id),
        (None, None),
    ]
    assert [(row.flags, row.has_warnings) for row in rows[:2]] == [(("small",), False), (("small",), True)]
    assert [row.image_id for row in gallery_rows(store, case.id, reader_id=ben.id, image_id=crop.id)] == [
        crop.id
    ]
    assert images_of_cells(store, [rows[2].cell_id]) == {rows[2].cell_id: crop.id}
    assert [(image.id, n) for image, n in images_to_show(store, case.id, limit=9)] == [
        (field.id, 2),
        (waits.id, 0),
    ]
    assert [(image.id, why) for image, why in failed_images(store, case.id, limit=9)] == [(crop.id, "dark")]
    assert outlined_cells(store, field.id)[0][1:] == (CELL.box, CELL.outline)


def test_a_worker_is_missed_a_minute_after_a_job_began_to_wait(store: Store) -> None:
    ada = create_user(store, "Ada", password="a long enough word", role="lead", actor=SYSTEM)
    job = add_job(store, create_case(store, "one", user=ada).id, "score", actor=SYSTEM)

    assert not is_worker_missing(store, job.created_at + timedelta(seconds=59))
    assert is_worker_missing(store, job.created_at + timedelta(seconds=61))
