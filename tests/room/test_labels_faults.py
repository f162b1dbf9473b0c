"""Of a person's words on a cell the latest counts, in whatever order they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

from leuknet.room.labels import label_cell
from leuknet.store.cell_nouns import Verdict
from leuknet.store.verdicts import CellWord

START = datetime(2026, 5, 1, tzinfo=UTC)


def word(user_id: int, verdict: Verdict, *, hours: int, of_lead: bool = False) -> CellWord:
    return CellWord(user_id, verdict, of_lead, of_lead, START + timedelta(hours=hours), cell_id=7)


def test_the_latest_word_of_a_person_takes_the_place_of_earlier_ones() -> None:
    early, late = word(3, "normal", hours=1), word(3, "leukaemic", hours=2, of_lead=True)
    reader = word(1, "normal", hours=3)

    for given in permutations((early, late, reader)):
        found = label_cell(7, given)
        assert (found.cell_id, found.label, found.state) == (7, "leukaemic", "decided")
        assert found.words == (reader, late)  # by the numbers of persons


def test_two_leads_who_differ_dispute_what_all_readers_agree_on() -> None:
    readers = [word(number, "normal", hours=number) for number in (1, 2)]
    leads = [word(3, "normal", hours=3, of_lead=True), word(4, "uncertain", hours=4, of_lead=True)]

    assert label_cell(7, [*readers, *leads]).outcome == "disputed"
    assert label_cell(7, [*readers, *leads[:1]]).state == "agreed"
    assert label_cell(7, [*readers, *leads[1:]]).label == "uncertain"
    assert label_cell(7, []).outcome == "unreviewed"
