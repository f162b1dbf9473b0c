"""What is logged of a review, whose reviews are returned, and in which order."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from leuknet.store import audit_log as audit
from leuknet.store.audit_log import digest
from leuknet.store.cases import add_image, create_case
from leuknet.store.cells import add_cells, cells_of
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, Case, User
from leuknet.store.reviews import current_review, current_reviews, review_history, save_review, undo_review
from tests.store.test_reviews import CELL, IMAGE, said

pytestmark = pytest.mark.usefixtures("quick_hashes")


def two_cells(store: Store, reader: User, sha256: str = "a" * 64) -> tuple[Case, int, int]:
    case = create_case(store, "A case", user=reader)
    image = add_image(store, case.id, replace(IMAGE, sha256=sha256), actor=reader.actor)
    add_cells(store, image.id, [CELL, replace(CELL, name="c2")], actor=SYSTEM)
    first, second = (cell.id for cell in cells_of(store, case.id))
    return case, first, second


def test_the_log_says_of_each_review_what_it_takes_the_place_of(store: Store, anna: User) -> None:
    _, cell_id, _ = two_cells(store, anna)
    first = save_review(store, said(cell_id, anna, "normal", "round"), expected_review_id=None)
    second = save_review(store, said(cell_id, anna, "leukaemic"), expected_review_id=first.id)
    third = undo_review(store, cell_id, reader_id=anna.id, expected_review_id=second.id)

    lines = [line for line in reversed(audit.recent_lines(store)) if line.action == "review.saved"]
    assert [(line.object, line.actor) for line in lines] == [
        (f"review:{review.id}", anna.actor) for review in (first, second, third)
    ]
    told = {"cell": cell_id, "verdict": "normal", "note_sha256": digest("round")}
    assert [json.loads(line.detail) for line in lines] == [
        {**told, "supersedes": None, "restores": None},
        {**told, "verdict": "leukaemic", "note_sha256": digest(""), "supersedes": first.id, "restores": None},
        {**told, "supersedes": second.id, "restores": first.id},
    ]


def test_current_reviews_are_of_the_case_by_cell_and_reader_and_of_one_reader_if_asked(
    store: Store, anna: User, bert: User
) -> None:
    _, elsewhere, _ = two_cells(store, anna, "b" * 64)
    case, first, second = two_cells(store, anna)
    for cell_id, reader in ((second, bert), (elsewhere, bert), (second, anna), (first, bert), (first, anna)):
        save_review(store, said(cell_id, reader, "uncertain"), expected_review_id=None)

    found = [(review.cell_id, review.reader_id) for review in current_reviews(store, case.id)]
    of_bert = current_reviews(store, case.id, reader_id=bert.id)

    assert found == [(first, anna.id), (first, bert.id), (second, anna.id), (second, bert.id)]
    assert [(review.cell_id, review.reader_id) for review in of_bert] == [(first, bert.id), (second, bert.id)]


def test_a_readers_line_on_a_cell_is_neither_anothers_nor_of_another_cell(
    store: Store, anna: User, bert: User
) -> None:
    _, first, second = two_cells(store, anna)
    of_anna = save_review(store, said(first, anna, "normal", "hers"), expected_review_id=None)
    of_bert = save_review(store, said(first, bert, "leukaemic", "his"), expected_review_id=None)
    other = save_review(store, said(second, anna, "uncertain"), expected_review_id=None)

    assert current_review(store, first, reader_id=anna.id) == of_anna
    assert current_review(store, first, reader_id=bert.id) == of_bert
    assert current_review(store, second, reader_id=bert.id) is None
    assert review_history(store, first) == (of_anna, of_bert)
    undone = undo_review(store, first, reader_id=bert.id, expected_review_id=of_bert.id)
    assert (undone.verdict, undone.note, undone.supersedes, undone.restores) == (
        "withdrawn",
        "",
        of_bert.id,
        None,
    )
    assert current_review(store, first, reader_id=anna.id) == of_anna
    assert current_review(store, second, reader_id=anna.id) == other


def test_a_review_that_follows_an_undo_of_all_restores_nothing_when_undone(store: Store, anna: User) -> None:
    _, cell_id, _ = two_cells(store, anna)
    first = save_review(store, said(cell_id, anna, "normal"), expected_review_id=None)
    nothing = undo_review(store, cell_id, reader_id=anna.id, expected_review_id=first.id)
    again = save_review(store, said(cell_id, anna, "leukaemic", "round"), expected_review_id=nothing.id)

    undone = undo_review(store, cell_id, reader_id=anna.id, expected_review_id=again.id)

    assert (undone.verdict, undone.note, undone.supersedes, undone.restores) == (
        "withdrawn",
        "",
        again.id,
        None,
    )
    assert current_review(store, cell_id, reader_id=anna.id) == undone
