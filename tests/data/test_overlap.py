"""What two sides share is found, whatever it is called; each distance worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leuknet.data import overlap as module
from leuknet.data.overlap import HashedCell, OverlapRow, SameCell, find_overlap, overlap_rows, verdict
from leuknet.errors import DataError
from leuknet.images.near_duplicates import HASH_BITS, HASH_NAME, NEAR_BITS, SUSPECT_BITS
from leuknet.records import read_record, write_record
from leuknet.types import Overlap, SideOverlap


def hash_of(number: int, *, flipped: int = 0) -> str:
    """A hash with bits 32 n to 32 n + 31 set, so that any two differ in 64; some may be flipped.

    Those flipped are its own, the highest first, and then those of number 7, the lowest first.
    """
    own = min(flipped, 32)
    others = ((1 << flipped - own) - 1) << 32 * 7
    return f"{(((1 << 32 - own) - 1) << 32 * number) + others:064x}"


def cell(number: int) -> HashedCell:
    """A cell that shares nothing with one of another number, from 0 to 7."""
    return HashedCell(f"cell {number}", f"sha {number}", f"person {number}", hash_of(number))


def compare(
    first: list[HashedCell], second: list[HashedCell], same: SameCell = lambda *_: True
) -> SideOverlap:
    (pair,) = find_overlap({"train": first, "test": second}, same=same).pairs
    return pair


def test_sides_without_anything_in_common_are_disjoint() -> None:
    pair = compare([cell(0), cell(1)], [cell(2)])

    assert pair == SideOverlap("train", "test", 2, 1, subjects=(), unnamed=0, contents=(), near=())
    assert pair.is_disjoint


def test_a_person_on_both_sides_is_named_once() -> None:
    pair = compare([cell(0), cell(1)._replace(subject="H10")], [cell(2)._replace(subject="H10")] * 2)

    assert pair.subjects == ("H10",)
    assert not pair.is_disjoint


def test_people_on_both_sides_stand_in_the_order_of_their_numbers() -> None:
    names = ("10", "9", "H10", "H2")
    people = [cell(number)._replace(subject=name) for number, name in enumerate(names)]

    pair = compare(people, [person._replace(id="other", sha256="other") for person in people])

    assert pair.subjects == ("9", "10", "H2", "H10")


def test_cells_that_name_nobody_are_counted_and_no_person_in_common() -> None:
    pair = compare([cell(0)._replace(subject=None), cell(1)], [cell(2)._replace(subject=None)] * 2)

    assert (pair.subjects, pair.unnamed) == ((), 3)
    assert not pair.is_disjoint


def test_equal_bytes_under_other_names_are_paired_first_side_first_and_not_called_near() -> None:
    twin = cell(0)._replace(id="twin", subject="somebody else")

    pair = compare([cell(1), cell(0)], [twin, cell(2), twin._replace(id="other twin")])

    assert pair.contents == (("cell 0", "twin"), ("cell 0", "other twin"))
    assert pair.near == ()


def test_pictures_are_near_up_to_the_stated_number_of_bits_and_not_one_more() -> None:
    copy = cell(1)._replace(id="copy", sha256="sha of copy", subject="somebody else")
    nearly = copy._replace(hash=hash_of(1, flipped=NEAR_BITS))
    further = copy._replace(hash=hash_of(1, flipped=NEAR_BITS + 1))

    assert compare([cell(1)], [cell(2), nearly]).near == (("cell 1", "copy", NEAR_BITS),)
    assert compare([cell(1)], [cell(2), further]).near == ()


def test_pictures_decide_where_hashes_are_near_and_are_asked_for_nothing_else() -> None:
    copies = [cell(n)._replace(id=f"copy {n}", sha256=f"sha of copy {n}") for n in range(3)]
    asked: list[tuple[str, str]] = []
    answers = {"sha 0": True, "sha 1": False, "sha 2": None}

    def same(first: str, second: str, bits: int) -> bool | None:
        asked.append((first, second))
        assert bits == 0
        return answers[first]

    pair = compare([cell(0), cell(1), cell(2), cell(3)], [*copies, cell(3)], same)

    assert (pair.near, pair.suspected) == ((("cell 0", "copy 0", 0),), (("cell 2", "copy 2", 0),))
    assert asked == [(f"sha {n}", f"sha of copy {n}") for n in range(3)]


def test_without_pictures_what_is_near_is_suspected_and_nothing_is_proven() -> None:
    copy = cell(0)._replace(sha256="other", subject="another")

    overlap = find_overlap({"train": [cell(0)], "test": [copy]})

    (pair,) = overlap.pairs
    assert (pair.near, len(pair.suspected), pair.is_disjoint) == ((), 1, False)
    (row,) = overlap_rows(overlap)
    assert row.near == "0, and 1 suspected"
    assert row.verdict == "nothing in common; near-duplicates cannot be ruled out"
    assert verdict(overlap) == "near-duplicates cannot be ruled out"


def test_only_what_is_very_near_is_suspected_without_pictures() -> None:
    copy = cell(1)._replace(id="copy", sha256="sha of copy")
    nearly, further = (copy._replace(hash=hash_of(1, flipped=SUSPECT_BITS + more)) for more in (0, 1))

    def unseen(*_: object) -> None:
        return None

    assert compare([cell(1)], [nearly], unseen).suspected == (("cell 1", "copy", SUSPECT_BITS),)
    assert compare([cell(1)], [further], unseen).suspected == ()


def test_a_verdict_of_all_sides_names_what_any_two_share() -> None:
    named = {"train": [cell(0)], "validation": [cell(1)], "test": [cell(2)._replace(subject="person 1")]}

    assert verdict(find_overlap(named)) == "in common: people"
    assert verdict(find_overlap(named), side="test") == "in common: people"
    assert verdict(find_overlap(named), side="train") == "nothing in common"
    assert verdict(find_overlap({"train": [cell(0)], "test": [cell(1)]})) == "nothing in common"


def test_bits_missing_on_either_side_count_alike() -> None:
    # Bits 0..31 against 3..34: three lack on each side.
    moved = HashedCell("moved", "sha", "person", f"{((1 << 32) - 1) << 3:064x}")

    assert compare([cell(0)], [moved]).near == (("cell 0", "moved", 6),)
    assert compare([moved], [cell(0)]).near == (("moved", "cell 0", 6),)


def test_each_two_sides_are_compared_in_the_order_given() -> None:
    overlap = find_overlap({"train": [cell(0)], "validation": [cell(1)], "test": [cell(0), cell(2)]})

    assert [(pair.first, pair.second) for pair in overlap.pairs] == [
        ("train", "validation"),
        ("train", "test"),
        ("validation", "test"),
    ]
    assert [pair.is_disjoint for pair in overlap.pairs] == [True, False, True]
    assert (overlap.hash_name, overlap.hash_bits, overlap.near_bits) == (HASH_NAME, HASH_BITS, NEAR_BITS)
    assert not overlap.is_disjoint


def test_an_empty_side_has_nothing_in_common() -> None:
    assert compare([cell(0)], []).is_disjoint
    assert compare([], [cell(0)]).is_disjoint


def test_blocks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(name: str, seed: int, n: int) -> list[HashedCell]:
        hashes = np.random.default_rng(seed).bytes(n * 32).hex()
        return [
            HashedCell(f"{name}{i}", f"{name}{i}", f"{name}{i}", hashes[64 * i : 64 * i + 64])
            for i in range(n)
        ]

    first, second = draw("a", 0, 50), draw("b", 1, 30)
    planted = {(7, 3), (16, 29), (49, 0), (49, 11)}
    for row, column in planted:
        second[column] = second[column]._replace(hash=first[row].hash)
    monkeypatch.setattr(module, "BLOCK", 16)

    assert {pair[:2] for pair in compare(first, second).near} == {(f"a{i}", f"b{j}") for i, j in planted}


def test_a_cell_without_hash_is_refused_since_it_proves_nothing() -> None:
    with pytest.raises(DataError) as caught:
        find_overlap({"train": [cell(0), cell(1)._replace(hash=None)], "test": [cell(2)]})

    assert caught.value.why == "1 of 2 cells of the train side have no perceptual hash"


def test_rows_say_in_words_what_is_shared() -> None:
    people = [cell(number)._replace(subject=f"H{number}") for number in range(2)]
    overlap = find_overlap(
        {
            "train": people,
            "validation": [person._replace(sha256=f"other {person.id}") for person in people],
            "test": [cell(2)._replace(subject=None), people[0]._replace(subject="somebody else")],
            "none": [],
        },
        same=lambda *_: True,
    )

    assert overlap_rows(overlap)[:3] == (
        OverlapRow("train and validation", "2 (H0, H1)", "0", "2", "in common: people, near-duplicates"),
        OverlapRow(
            "train and test",
            "0, and 1 cells name nobody",
            "1",
            "0",
            "in common: identical images; people cannot be ruled out",
        ),
        OverlapRow("train and none", "0", "0", "0", "nothing in common"),
    )


def test_the_proof_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    near = cell(0)._replace(id="near", sha256="other")
    overlap = find_overlap({"train": [cell(0), cell(1)], "test": [near, cell(1)]})

    write_record(overlap, tmp_path / "overlap.json")

    assert read_record(Overlap, tmp_path / "overlap.json", error=DataError, fix="") == overlap
