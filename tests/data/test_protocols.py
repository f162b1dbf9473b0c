"""Who tests whom under each protocol: people apart, parts as named, the numbers those of C-NMC 2019."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from leuknet.data.digests import merge_subjects
from leuknet.data.protocols import PROTOCOLS, Round, choose_round, make_rounds
from leuknet.data.published_counts import MERGED_SUBJECTS, PRELIM_SUBJECTS, TRAINING_SUBJECTS
from leuknet.data.split import by_subject, fingerprint, make_split
from leuknet.errors import NoSubjectsError, SettingError, SplitError
from leuknet.recipes import RECIPES
from leuknet.recipes.leuknet_paper import LEUKNET_PAPER
from leuknet.types import CellImage, Label, Recipe

PLAIN = replace(LEUKNET_PAPER, balance=False)
HELD_OUT = ("official", "folds", "subject-kfold")


def cells_of(subject: str, number: int, *, part: str) -> list[CellImage]:
    label = Label.NORMAL if subject.upper().startswith("H") else Label.LEUKAEMIC
    names = [f"{part}/{subject}_{index}" for index in range(number)]
    return [
        CellImage(name, Path("/d") / name, f"sha of {name}", label, subject.upper(), part) for name in names
    ]


def published() -> list[CellImage]:
    """All labelled cells of C-NMC 2019 as its reader gives them, 40 for each preliminary subject."""
    counts = [(part, *one) for part, subjects in TRAINING_SUBJECTS.items() for one in subjects.items()]
    counts += [("prelim", subject, 40) for subject in PRELIM_SUBJECTS]
    cells = [cell for part, subject, number in counts for cell in cells_of(subject, number, part=part)]
    return merge_subjects(cells, known=MERGED_SUBJECTS)[0]


CELLS = published()
UNLABELLED = replace(CELLS[0], id="unlabelled", sha256="sha of unlabelled", label=None, subject=None)


def people(cells: Sequence[CellImage]) -> set[str | None]:
    return {cell.subject for cell in cells}


def assert_sound(one: Round, *, develop: Sequence[CellImage], test: Sequence[CellImage]) -> None:
    """People on one side only, each cell used or listed as left out, and both classes everywhere."""
    split = one.split
    assert not people(split.train) & people(split.validation)
    assert not people([*split.train, *split.validation]) & people(split.test)
    assert list(split.test) == list(test)
    used = Counter(cell.id for cell in (*split.train, *split.validation, *one.excluded))
    assert used == Counter(cell.id for cell in develop)
    assert people(one.excluded) == people(develop) & people(test)
    for side in (split.train, split.validation, split.test):
        assert {cell.label for cell in side} == set(Label)
    assert split.fingerprint == fingerprint(split.train, split.validation, split.test)


def test_each_protocol_is_listed_under_its_name_and_makes_the_rounds_it_states() -> None:
    for name, protocol in PROTOCOLS.items():
        rounds = make_rounds(CELLS, name, LEUKNET_PAPER)
        assert name == protocol.name
        assert [one.split.protocol for one in rounds] == [name] * protocol.rounds
        assert {one.split.kind for one in rounds} == {protocol.kind}
        assert {one.split.seed for one in rounds} == {0}
    assert list(PROTOCOLS) == ["paper", *HELD_OUT, "image-kfold"]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_paper_is_the_papers_own_split_whatever_the_recipe(recipe: Recipe) -> None:
    other = replace(recipe, balance=False, parts=(), split="subject-level", seed=4)

    (one,) = make_rounds(CELLS, "paper", other)

    expected = make_split(CELLS, replace(LEUKNET_PAPER, seed=4))
    assert one.split == replace(expected, protocol="paper", round="1 of 1")
    assert [len(side) for side in (one.split.train, one.split.validation, one.split.test)] == [1582, 452, 226]
    assert one.excluded == ()


def test_official_tests_all_labelled_preliminary_cells_and_develops_on_the_folds() -> None:
    (one,) = make_rounds([UNLABELLED, *CELLS], "official", PLAIN)

    test = [cell for cell in CELLS if cell.part == "prelim"]
    assert_sound(one, develop=[cell for cell in CELLS if cell.part != "prelim"], test=test)
    assert (len(one.split.test), one.excluded) == (1120, ())
    assert (one.split.round, one.split.kind) == ("1 of 1", "subject-level")
    # A fifth of 10,661 cells is 2,132; each class misses its share by less than its largest person: 1,074
    # cells of 51+75+78, and 441 of H3+H10.
    assert abs(len(one.split.validation) - 2132) < 1074 + 441


# People under several ids, with cells in two folds (numbers of published.TRAINING_SUBJECTS):
# 20 (fold_0: 76) = 21 (fold_2: 80); 51 (fold_1: 757) = 75, 78 (fold_2: 99, 218);
# H6 (fold_0: 18) = H2, H4, H5 (fold_2: 112, 9, 28); H10 (fold_1: 405) = H3 (fold_2: 36).
@pytest.mark.parametrize(
    ("fold", "n_test", "n_excluded"),
    [
        ("fold_0", 3527, 80 + 112 + 9 + 28),
        ("fold_1", 3581, 99 + 218 + 36),
        ("fold_2", 3553, 76 + 18 + 757 + 405),
    ],
)
def test_folds_leave_one_out_and_list_its_people_elsewhere(fold: str, n_test: int, n_excluded: int) -> None:
    one = choose_round(make_rounds(CELLS, "folds", PLAIN), fold)

    training = [cell for cell in CELLS if cell.part != "prelim"]
    test = [cell for cell in training if cell.part == fold]
    assert_sound(one, develop=[cell for cell in training if cell.part != fold], test=test)
    assert (len(one.split.test), len(one.excluded)) == (n_test, n_excluded)


def test_subject_kfold_tests_each_training_cell_once_and_classes_alike() -> None:
    rounds = make_rounds(CELLS, "subject-kfold", PLAIN)

    training = [cell for cell in CELLS if cell.part != "prelim"]
    assert [one.split.round for one in rounds] == [f"{number} of 5" for number in range(1, 6)]
    tested = Counter(cell.id for one in rounds for cell in one.split.test)
    assert tested == Counter(cell.id for cell in training)
    for one in rounds:
        tested_now = {cell.id for cell in one.split.test}
        test = [cell for cell in training if cell.id in tested_now]
        assert_sound(one, develop=[cell for cell in training if cell.id not in tested_now], test=test)
        # A fifth of 10,661 is 2,132; the greedy placing misses it by less than the largest person, 1,074.
        assert abs(len(test) - 2132) < 200
        # 3,389 of 10,661 training cells are normal: 32%. Without stratification rounds stray much further.
        assert sum(cell.label is Label.NORMAL for cell in test) / len(test) == pytest.approx(0.32, abs=0.06)


def test_subject_kfold_takes_all_cells_of_data_without_the_folds() -> None:
    mine = [replace(cell, part="") for cell in CELLS if cell.part == "prelim"]

    rounds = make_rounds([UNLABELLED, *mine], "subject-kfold", PLAIN)

    assert sum(len(one.split.test) for one in rounds) == len(mine) == 1120


@pytest.mark.parametrize("protocol", HELD_OUT)
def test_balance_deletes_development_cells_and_no_test_cell(protocol: str) -> None:
    plain = make_rounds(CELLS, protocol, PLAIN)
    balanced = make_rounds(CELLS, protocol, replace(PLAIN, balance=True))

    for before, after in zip(plain, balanced, strict=True):
        assert after.split.test == before.split.test
        assert after.excluded == before.excluded
        labels = Counter(cell.label for cell in (*after.split.train, *after.split.validation))
        assert labels[Label.NORMAL] == labels[Label.LEUKAEMIC] > 1000
        labels = Counter(cell.label for cell in after.split.test)
        assert labels[Label.NORMAL] != labels[Label.LEUKAEMIC]


@pytest.mark.parametrize("protocol", HELD_OUT)
def test_validation_side_is_the_one_that_a_split_by_subject_gives(protocol: str) -> None:
    for one in make_rounds(CELLS, protocol, replace(PLAIN, seed=2)):
        develop = {*one.split.train, *one.split.validation}
        inner = by_subject([cell for cell in CELLS if cell in develop], fractions=(0.8, 0.2, 0), seed=2)
        assert (inner.train, inner.validation) == (one.split.train, one.split.validation)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_rounds_follow_from_the_seed_alone(protocol: str) -> None:
    again = make_rounds(CELLS, protocol, PLAIN)

    assert again == make_rounds(CELLS, protocol, PLAIN)
    assert (
        again[0].split.fingerprint
        != make_rounds(CELLS, protocol, replace(PLAIN, seed=1))[0].split.fingerprint
    )


@pytest.mark.parametrize("protocol", HELD_OUT)
def test_a_seed_changes_who_develops_and_not_who_is_tested(protocol: str) -> None:
    first, second = (make_rounds(CELLS, protocol, replace(PLAIN, seed=seed)) for seed in (0, 1))

    assert [one.split.test for one in first] == [one.split.test for one in second]
    assert people(first[0].split.validation) != people(second[0].split.validation)


def test_a_negative_seed_is_refused() -> None:
    for protocol in PROTOCOLS:
        with pytest.raises(SettingError, match="the seed is -1"):
            make_rounds(CELLS, protocol, replace(PLAIN, seed=-1))


def test_an_unknown_protocol_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingError) as caught:
        make_rounds(CELLS, "subject-fold", PLAIN)

    assert caught.value.what == "no protocol is called 'subject-fold'"
    assert caught.value.why == "the protocols are paper, official, folds, subject-kfold, image-kfold"
    assert caught.value.fix == "use 'subject-kfold'"


@pytest.mark.parametrize(
    ("protocol", "why"),
    [
        ("paper", "no labelled cell is of part 'fold_0'; parts with labels: 'fold_1', 'fold_2'"),
        ("official", "no labelled cell is of part 'prelim'; parts with labels: 'fold_1', 'fold_2'"),
        ("folds", "no labelled cell is of part 'fold_0'; parts with labels: 'fold_1', 'fold_2'"),
    ],
)
def test_data_without_a_part_are_refused_with_a_way_out(protocol: str, why: str) -> None:
    bare = replace(UNLABELLED, part="prelim")  # there, but without label
    cells = [bare, *(cell for cell in CELLS if cell.part in ("fold_1", "fold_2"))]

    with pytest.raises(SplitError) as caught:
        make_rounds(cells, protocol, PLAIN)

    assert caught.value.why == why
    assert "--protocol subject-kfold" in caught.value.fix
    assert "--protocol image-kfold" in caught.value.fix


def test_images_without_people_are_divided_by_image_and_each_is_tested_once() -> None:
    # Ten images a class, two of them the same bytes under two names; no subject, no part of C-NMC's.
    cells = [
        CellImage(f"{label.short}/{n}", Path(f"{n}"), f"{label.short}{min(n, 8)}", label, None)
        for label in Label
        for n in range(10)
    ]

    rounds = make_rounds(cells, "image-kfold", replace(PLAIN, seed=3))

    assert [one.split.round for one in rounds] == [f"{n} of 5" for n in range(1, 6)]
    assert {one.split.kind for one in rounds} == {"image-level"}
    tested = Counter(cell.id for one in rounds for cell in one.split.test)
    assert tested == Counter(cell.id for cell in cells)
    for one in rounds:
        developed = [*one.split.train, *one.split.validation]
        assert {cell.id for cell in (*developed, *one.split.test)} == {cell.id for cell in cells}
        assert not {cell.sha256 for cell in developed} & {cell.sha256 for cell in one.split.test}
        assert {cell.label for cell in one.split.test} == set(Label)
        assert one.excluded == ()
    # Another seed develops otherwise and tests the same; so does another order of the files.
    for others, seed in ((cells, 4), (cells[::-1], 3)):
        again = make_rounds(others, "image-kfold", replace(PLAIN, seed=seed))
        for one, other in zip(rounds, again, strict=True):
            assert {cell.id for cell in other.split.test} == {cell.id for cell in one.split.test}


def test_image_kfold_mixes_neighbours_and_balances_what_develops_only() -> None:
    # 40 of one class and 20 of the other: each round tests 8 and 4, and trains and validates on 16 of each.
    cells = [
        CellImage(f"{label.short}/{n}", Path(f"{n}"), f"{label.short}{n}", label, "P1")
        for label, number in ((Label.LEUKAEMIC, 40), (Label.NORMAL, 20))
        for n in range(number)
    ]

    rounds = make_rounds(cells, "image-kfold", replace(PLAIN, balance=True))

    for one in rounds:
        assert Counter(cell.label.short for cell in one.split.test if cell.label is not None) == {
            "ALL": 8,
            "HEM": 4,
        }
        developed = Counter(cell.label for cell in (*one.split.train, *one.split.validation))
        assert set(developed.values()) == {16}
        # Not in the order of the files, in which a person's cells are neighbours.
        numbers = sorted(int(cell.path.name) for cell in one.split.test if cell.label is Label.LEUKAEMIC)
        assert numbers[-1] - numbers[0] > 8


def test_too_few_images_of_a_class_are_refused_by_the_number_of_different_ones() -> None:
    cells = [CellImage(f"{n}", Path(f"{n}"), "same", Label.NORMAL, None) for n in range(9)]
    cells += [CellImage(f"a{n}", Path(f"a{n}"), f"a{n}", Label.LEUKAEMIC, None) for n in range(9)]

    with pytest.raises(SplitError, match="class HEM has 1 different images for 5 rounds"):
        make_rounds(cells, "image-kfold", PLAIN)


@pytest.mark.parametrize("protocol", HELD_OUT)
@pytest.mark.parametrize("part", ["prelim", "fold_1"])
def test_cells_that_name_nobody_are_refused_where_people_are_held_out(protocol: str, part: str) -> None:
    first = next(index for index, cell in enumerate(CELLS) if cell.part == part)
    cells = [*CELLS[:first], replace(CELLS[first], subject=None), *CELLS[first + 1 :]]
    if part == "prelim" and protocol != "official":
        make_rounds(cells, protocol, PLAIN)
        return

    with pytest.raises(NoSubjectsError) as caught:
        make_rounds(cells, protocol, PLAIN)

    assert repr(CELLS[first].id) in caught.value.why
    assert "Patient_ID" in caught.value.fix
    assert "--protocol image-kfold" in caught.value.fix


def test_fewer_people_of_a_class_than_rounds_are_refused() -> None:
    cells = [cell for n in range(9) for cell in cells_of(f"{n}", 3, part="")]
    cells += [cell for n in range(4) for cell in cells_of(f"H{n}", 3, part="")]

    with pytest.raises(SplitError, match="class HEM has 4 people for 5 rounds"):
        make_rounds(cells, "subject-kfold", PLAIN)


def test_a_test_side_of_one_class_is_refused() -> None:
    cells = [cell for cell in CELLS if cell.part != "prelim" or cell.label is Label.NORMAL]

    with pytest.raises(SplitError, match="its 600 cells are HEM"):
        make_rounds(cells, "official", PLAIN)


def test_one_of_several_rounds_must_be_named_and_known() -> None:
    rounds = make_rounds(CELLS, "folds", PLAIN)

    assert choose_round(rounds, "fold_2") is rounds[2]
    assert choose_round(rounds[:1], None) is rounds[0]
    with pytest.raises(SettingError, match="cannot tell which round is meant") as caught:
        choose_round(rounds, None)
    assert caught.value.why == "the rounds of folds are 'fold_0', 'fold_1', 'fold_2'"
    with pytest.raises(SettingError, match="no round is called 'fold_3'"):
        choose_round(rounds, "fold_3")
