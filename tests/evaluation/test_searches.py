"""Settings are not judged unmarked on the people who chose them: a ledger knows whose labels a search saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from leuknet.data.split import fingerprint
from leuknet.errors import DataError, LeakError
from leuknet.evaluation.looks import VARIABLE
from leuknet.evaluation.searches import (
    check_settings,
    find_search,
    joined,
    record_search,
    searches_path,
    seen_by_search,
)
from leuknet.recipes import RECIPES, changed
from leuknet.types import CellImage, Label, Searched, Split

PLUS = RECIPES["leuknet-plus"]
WINNER = changed(PLUS, ["learning_rate=0.002", 'loss="focal"'])
PEOPLE = {name: tuple(f"{name}{n}" for n in range(3)) for name in ("a", "b", "c", "d")}


def cells(*names: str) -> tuple[CellImage, ...]:
    """Three cells of each person."""
    return tuple(
        CellImage(f"{one}.bmp", Path(one), f"{one:>064}", Label(number % 2), name)
        for name in names
        for number, one in enumerate(PEOPLE[name])
    )


def split_of(train: Sequence[CellImage], test: Sequence[CellImage], round_name: str) -> Split:
    sides = (tuple(train), (), tuple(test))
    return Split(*sides, "subject-level", 0, fingerprint(*sides), protocol="folds", round=round_name)


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "state" / "looks.jsonl"))
    return searches_path()


def record() -> Searched:
    """A search in the round that tests d: a, b and c develop."""
    return record_search(WINNER, cells("a", "b", "c"), protocol="folds", round_name="fold_d")


def test_a_search_is_found_by_its_settings_whatever_seed_draw_and_name() -> None:
    found = record()

    same = replace(PLUS, learning_rate=0.002, loss="focal", seed=7, draw=2, name="mine")
    assert find_search(same) == find_search(WINNER) == found
    assert (found.protocol, found.round) == ("folds", "fold_d")
    assert find_search(PLUS) is None
    assert find_search(changed(PLUS, ["learning_rate=0.002"])) is None


def test_the_round_of_the_search_may_be_judged_and_the_others_may_not() -> None:
    record()

    check_settings(WINNER, split_of(cells("a", "b", "c"), cells("d"), "fold_d"))
    check_settings(PLUS, split_of(cells("b", "c", "d"), cells("a"), "fold_a"))
    with pytest.raises(LeakError) as caught:
        check_settings(WINNER, split_of(cells("b", "c"), cells("a", "d"), "fold_a"))
    assert "were chosen on people who are tested in fold_a" in caught.value.what
    assert "in round fold_d of the protocol folds, saw the labels of 1 tested people (3 of 6 cells)" in (
        caught.value.why
    )


def test_a_person_of_whom_one_cell_was_seen_was_seen() -> None:
    found = record_search(WINNER, cells("a")[:1], protocol="", round_name="")

    assert seen_by_search(found, cells("a", "d")) == (3, 1)
    assert seen_by_search(found, cells("a")[1:]) == (0, 0)  # nothing tells that it is the same person
    assert seen_by_search(None, cells("a")) == (0, 0)
    nobody = [replace(cell, subject=None) for cell in cells("a")]
    assert seen_by_search(found, nobody) == (1, 0)


def test_the_same_search_is_written_once_and_several_are_put_together(ledger: Path) -> None:
    first = record()
    record()
    other = record_search(WINNER, cells("d"), protocol="folds", round_name="fold_a")

    assert len(ledger.read_text(encoding="utf-8").splitlines()) == 2
    both = find_search(WINNER)
    assert both is not None
    assert both.round == "fold_d and fold_a"
    assert len(both.contents) == len(first.contents) + len(other.contents)
    assert joined([None, first, None]) == first
    assert joined([None]) is None


def test_names_of_people_are_not_kept(ledger: Path) -> None:
    named = [replace(cell, subject="Ada Lovelace", id="Ada Lovelace.bmp") for cell in cells("a")]
    record_search(WINNER, named, protocol="folds", round_name="fold_d")

    assert "Ada" not in ledger.read_text(encoding="utf-8")


def test_a_damaged_ledger_is_an_error(ledger: Path) -> None:
    ledger.parent.mkdir()
    ledger.write_text("[1]\n", encoding="utf-8")

    with pytest.raises(DataError, match="ledger of searches"):
        find_search(WINNER)
