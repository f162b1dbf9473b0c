"""Who ends on which side: no person on two, every class on each, and the same again for the same seed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from leuknet.data.overlap import HashedCell
from leuknet.data.published_counts import TRAINING_SUBJECTS
from leuknet.data.recipe_parts import fit_parts
from leuknet.data.split import (
    balance,
    by_image,
    by_subject,
    fingerprint,
    make_split,
)
from leuknet.data.split_file import ManifestSide, read_manifest, write_split
from leuknet.errors import NoSubjectsError, SettingError, SplitError
from leuknet.recipes.leuknet_paper import LEUKNET_PAPER
from leuknet.types import CellImage, Dataset, Label, Recipe, Split, SplitKind

PAPER = (0.7, 0.2, 0.1)


def cells_of(counts: dict[str, tuple[int, int]]) -> list[CellImage]:
    """Cells of each subject: (normal, leukaemic)."""
    cells = []
    for subject, numbers in counts.items():
        for label, number in zip(Label, numbers, strict=True):
            for index in range(number):
                name = f"{subject}/{label.short}{index}"
                cells.append(CellImage(name, Path("/d") / name, f"sha of {name}", label, subject, "fold_0"))
    return cells


# Five normal and five leukaemic subjects of three cells each.
CELLS = cells_of({f"H{n}": (3, 0) for n in range(5)} | {str(n): (0, 3) for n in range(5)})
UNLABELLED = replace(CELLS[0], id="unlabelled", label=None, subject=None)


def sides(split: Split) -> tuple[tuple[CellImage, ...], ...]:
    return split.train, split.validation, split.test


def labels(cells: Sequence[CellImage]) -> Counter[Label | None]:
    return Counter(cell.label for cell in cells)


def subjects(cells: Sequence[CellImage]) -> set[str | None]:
    return {cell.subject for cell in cells}


def dataset_of(cells: Sequence[CellImage]) -> Dataset:
    return Dataset("test", "1", "none", "", Path("/d"), tuple(cells))


def assert_is_partition(split: Split, cells: Sequence[CellImage]) -> None:
    """Every labelled cell is on exactly one side, and each side is in the given order."""
    order = {cell.id: index for index, cell in enumerate(cells) if cell.label is not None}
    places = [[order[cell.id] for cell in side] for side in sides(split)]
    assert sorted(place for side in places for place in side) == sorted(order.values())
    assert all(side == sorted(side) for side in places)


def test_paper_sizes_come_out_to_the_cell() -> None:
    cells = cells_of({"H1": (1130, 0), "1": (0, 1130)})

    split = by_image(cells, fractions=PAPER, seed=0)

    assert [len(side) for side in sides(split)] == [1582, 452, 226]
    assert labels(split.test) == {Label.NORMAL: 113, Label.LEUKAEMIC: 113}
    assert labels(split.train) == {Label.NORMAL: 791, Label.LEUKAEMIC: 791}
    assert split.kind == "image-level"
    assert_is_partition(split, cells)


def test_a_half_is_rounded_up_at_the_cumulative_fraction() -> None:
    # 5 x 0.7 = 3.5 -> 4, 5 x 0.9 = 4.5 -> 5: no cell would be left for the test side.
    with pytest.raises(SplitError, match="5 HEM cells leave none for the test side"):
        by_image(cells_of({"H1": (5, 0), "1": (0, 5)}), fractions=PAPER, seed=0)
    # 15 x 0.7 = 10.5 -> 11, 15 x 0.9 = 13.5 -> 14.
    split = by_image(cells_of({"H1": (15, 0), "1": (0, 15)}), fractions=PAPER, seed=0)
    assert [labels(side)[Label.NORMAL] for side in sides(split)] == [11, 3, 1]


def test_image_split_puts_one_person_on_several_sides() -> None:
    split = by_image(cells_of({"H1": (50, 0), "1": (0, 50)}), fractions=PAPER, seed=0)

    assert all(subjects(side) == {"H1", "1"} for side in sides(split))


def test_subjects_go_where_most_cells_are_lacking() -> None:
    # Ten equal subjects a class: 7, 2 and 1 are exact, whatever the order.
    cells = cells_of({f"H{n}": (4, 0) for n in range(10)} | {str(n): (0, 4) for n in range(10)})

    for seed in range(5):
        split = by_subject(cells, fractions=PAPER, seed=seed)
        assert [len(subjects(side)) for side in sides(split)] == [14, 4, 2]


def test_one_class_does_not_sway_where_the_other_goes() -> None:
    # The three normal subjects leave training short of 110 normal cells. Leukaemic ones go 7, 2, 1 even so.
    cells = cells_of({f"H{n}": (100, 0) for n in range(3)} | {str(n): (0, 4) for n in range(10)})

    split = by_subject(cells, fractions=PAPER, seed=0)

    assert [labels(side)[Label.LEUKAEMIC] for side in sides(split)] == [28, 8, 4]


def test_person_of_both_classes_goes_where_both_are_lacking() -> None:
    # Each class has just three subjects, M among them: the others must fill the two other sides.
    cells = cells_of({"H1": (3, 0), "H2": (3, 0), "M": (1, 9), "1": (0, 3), "2": (0, 3)})

    for seed in range(20):
        split = by_subject(cells, fractions=PAPER, seed=seed)
        assert all(set(labels(side)) == set(Label) for side in sides(split))


def test_three_people_with_both_classes_serve_one_side_each() -> None:
    cells = cells_of({"a": (9, 1), "b": (1, 9), "c": (5, 5)})

    for seed in range(20):
        split = by_subject(cells, fractions=PAPER, seed=seed)
        assert [len(subjects(side)) for side in sides(split)] == [1, 1, 1]


def test_cells_without_subject_are_refused_with_a_way_out() -> None:
    cells = [replace(CELLS[0], subject=None), *CELLS[1:]]

    with pytest.raises(NoSubjectsError) as caught:
        by_subject(cells, fractions=PAPER, seed=0)

    assert caught.value.what == "cannot make a subject-disjoint split"
    assert caught.value.why == "1 of 30 cells carry no subject id"
    assert "--split image-level" in caught.value.fix


def test_too_few_subjects_of_a_class_are_refused() -> None:
    cells = cells_of({"H1": (9, 0), "H2": (9, 0), "1": (0, 9), "2": (0, 9), "3": (0, 9)})

    with pytest.raises(SplitError, match="class HEM has 2 subjects for 3 sides"):
        by_subject(cells, fractions=PAPER, seed=0)


def test_fraction_of_zero_leaves_its_side_empty() -> None:
    cells = cells_of({"H1": (9, 0), "H2": (9, 0), "1": (0, 9), "2": (0, 9)})

    for divide in (by_subject, by_image):
        split = divide(cells, fractions=(0.8, 0.2, 0.0), seed=0)
        assert split.test == ()
        assert set(labels(split.validation)) == set(Label)


@pytest.mark.parametrize(
    "fractions", [(0.7, 0.2, 0.2), (1.2, -0.1, -0.1), (0.5, 0.5), (float("nan"), 0.5, 0.5)]
)
def test_fractions_that_are_no_shares_are_refused(fractions: tuple[float, float, float]) -> None:
    for divide in (by_subject, by_image):
        with pytest.raises(SettingError, match="the fractions are"):
            divide(CELLS, fractions=fractions, seed=0)


def test_negative_seed_is_refused() -> None:
    with pytest.raises(SettingError, match="the seed is -1"):
        balance(CELLS, seed=-1)


def test_other_seed_gives_another_split() -> None:
    # Many subjects, so that two seeds do not meet by chance.
    cells = cells_of({f"H{n}": (2, 0) for n in range(20)} | {str(n): (0, 2) for n in range(20)})

    for divide in (by_subject, by_image):
        prints = {divide(cells, fractions=PAPER, seed=seed).fingerprint for seed in range(6)}
        assert len(prints) == 6


def test_order_of_cells_changes_no_subject_split() -> None:
    forward = by_subject(CELLS, fractions=PAPER, seed=1)
    backward = by_subject(CELLS[::-1], fractions=PAPER, seed=1)

    assert forward.fingerprint == backward.fingerprint
    assert forward.train == backward.train[::-1]


def test_balance_deletes_from_the_larger_class_only() -> None:
    cells = cells_of({"1": (0, 24), "H1": (11, 0)})

    kept = balance([UNLABELLED, *cells], seed=0)

    assert labels(kept) == {Label.NORMAL: 11, Label.LEUKAEMIC: 11}
    assert [cell for cell in cells if cell in kept] == list(kept)
    assert kept == balance([UNLABELLED, *cells], seed=0)
    assert kept != balance([UNLABELLED, *cells], seed=1)


def test_balance_does_not_share_its_chance_with_the_split() -> None:
    # With one stream for both, the 20 normal cells kept would be the first 20 of the 28 for training.
    cells = cells_of({"H1": (40, 0), "1": (0, 20)})

    kept = {cell for cell in balance(cells, seed=0) if cell.label is Label.NORMAL}

    assert not kept <= set(by_image(cells, fractions=PAPER, seed=0).train)


def test_make_split_takes_the_recipe_apart() -> None:
    # One normal cell more, which balancing would delete.
    other = [replace(cell, id=f"other/{cell.id}", part="fold_1") for cell in CELLS[:-1]]
    recipe = Recipe("r", "", "", parts=("fold_0",), balance=False, split="subject-level", seed=3)

    assert make_split([*CELLS, *other], recipe) == by_subject(CELLS, fractions=PAPER, seed=3)
    both = make_split(
        [*CELLS, *other], replace(recipe, parts=(), split="image-level", fractions=(0.4, 0.3, 0.3))
    )
    assert both == by_image([*CELLS, *other], fractions=(0.4, 0.3, 0.3), seed=3)


def test_make_split_repeats_the_papers_balance() -> None:
    counts = {
        subject: (number, 0) if subject.startswith("H") else (0, number)
        for subject, number in TRAINING_SUBJECTS["fold_0"].items()
    }

    split = make_split([*cells_of(counts), UNLABELLED], Recipe("r", "", ""))

    assert [len(side) for side in sides(split)] == [1582, 452, 226]
    assert labels(split.test) == {Label.NORMAL: 113, Label.LEUKAEMIC: 113}


def test_unknown_part_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingError) as caught:
        make_split(CELLS, Recipe("r", "", "", parts=("fold_0", "fold_9")))

    assert "'fold_9'" in caught.value.what
    assert "fold_0" not in caught.value.what
    assert caught.value.why == "the parts there are: 'fold_0'"


def test_external_split_cannot_be_made_here() -> None:
    with pytest.raises(SettingError, match="'external'"):
        make_split(CELLS, Recipe("r", "", "", split="external"))


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("kind", ["image-level", "subject-level"])
def test_data_without_labels_or_with_one_class_are_refused(balanced: bool, kind: SplitKind) -> None:
    recipe = replace(Recipe("r", "", ""), balance=balanced, split=kind)

    with pytest.raises(SplitError, match="none of 1 cells carries a label"):
        make_split([UNLABELLED], recipe)
    with pytest.raises(SplitError, match="all 15 labelled cells are HEM"):
        make_split(CELLS[:15], recipe)


def test_fingerprint_changes_with_each_thing_it_covers_and_nothing_else() -> None:
    a, b, c = CELLS[0], CELLS[1], CELLS[2]
    original = fingerprint([a, b], [c], [])

    assert len(original) == 64
    assert fingerprint([b, a], [c], []) == original
    assert fingerprint([replace(a, subject="x", path=Path("/elsewhere")), b], [c], []) == original
    others = [
        fingerprint([a], [b, c], []),
        fingerprint([a, b], [], [c]),
        fingerprint([replace(a, id="x"), b], [c], []),
        fingerprint([replace(a, sha256="x"), b], [c], []),
        fingerprint([replace(a, label=Label.LEUKAEMIC), b], [c], []),
        fingerprint([replace(a, label=None), b], [c], []),
    ]
    assert len({original, *others}) == 7


def test_split_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    odd = replace(CELLS[0], id='line\nbreak "quoted" \udcff')
    cells = [odd, *CELLS[1:]]
    split = by_subject(cells, fractions=PAPER, seed=5)

    write_split(split, tmp_path / "split.json")

    assert read_manifest(tmp_path / "split.json").find_in(dataset_of(cells[::-1])) == split
    assert [path.name for path in tmp_path.iterdir()] == ["split.json"]


def test_split_on_disk_says_what_it_is(tmp_path: Path) -> None:
    split = by_image(CELLS, fractions=PAPER, seed=5)

    write_split(split, tmp_path / "split.json")

    content = json.loads((tmp_path / "split.json").read_text())
    assert (content["kind"], content["seed"]) == ("image-level", 5)
    assert content["fingerprint"] == split.fingerprint
    first = split.train[0]
    assert content["train"][0] == {
        "id": first.id,
        "sha256": first.sha256,
        "label": int(first.label or 0),
        "subject": first.subject,
        "hash": None,
    }
    assert [len(content[side]) for side in ("train", "validation", "test")] == [len(s) for s in sides(split)]


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        with path.open("wb") as file:
            file.write(b"{")
        raise OSError(28, "No space left on device")

    split = by_image(CELLS, fractions=PAPER, seed=5)
    write_split(split, tmp_path / "split.json")
    before = (tmp_path / "split.json").read_bytes()
    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(SplitError, match="No space left"):
        write_split(replace(split, seed=6), tmp_path / "split.json")
    assert (tmp_path / "split.json").read_bytes() == before


def test_missing_and_changed_cells_are_counted(tmp_path: Path) -> None:
    split = by_image(CELLS, fractions=PAPER, seed=5)
    write_split(split, tmp_path / "split.json")
    changed = [replace(CELLS[2], sha256="other"), *CELLS[3:]]

    with pytest.raises(SplitError, match="of its 30 cells 2 are missing and 1 have other bytes"):
        read_manifest(tmp_path / "split.json").find_in(dataset_of(changed))


def test_cells_under_other_names_are_pointed_out(tmp_path: Path) -> None:
    split = by_image(CELLS, fractions=PAPER, seed=5)
    write_split(split, tmp_path / "split.json")
    moved = [replace(cell, id=f"below/{cell.id}") for cell in CELLS]

    with pytest.raises(SplitError) as caught:
        read_manifest(tmp_path / "split.json").find_in(dataset_of(moved), fix="this")

    assert f"30 of the missing ones lie in {dataset_of(moved).root} under other names" in caught.value.why
    assert f"'below/{split.train[0].id}' for '{split.train[0].id}'" in caught.value.why
    assert caught.value.fix == "this"


def test_changed_label_is_noticed(tmp_path: Path) -> None:
    write_split(by_image(CELLS, fractions=PAPER, seed=5), tmp_path / "split.json")
    relabelled = [replace(CELLS[0], label=Label.LEUKAEMIC), *CELLS[1:]]

    with pytest.raises(SplitError, match="labels have changed"):
        read_manifest(tmp_path / "split.json").find_in(dataset_of(relabelled))


WHOLE = (
    '{"kind": "external", "seed": 0, "fingerprint": "", "protocol": "", "round": "", "hash_name": "pHash",'
    ' "excluded": [], "train": [{"id": "a", "sha256": "b", "label": 1, "subject": null, "hash": "'
    + "0" * 64
    + '"}], "validation": [], "test": []}'
)


def test_the_file_that_the_next_test_damages_is_sound(tmp_path: Path) -> None:
    (tmp_path / "split.json").write_text(WHOLE)

    assert read_manifest(tmp_path / "split.json").sides["train"].hashed == (
        HashedCell("a", "b", None, "0" * 64),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"kind": "image-level"}',
        '{"kind": "by eye", "seed": 0, "fingerprint": "", "train": [], "validation": [], "test": []}',
        '{"kind": "external", "seed": "0", "fingerprint": "", "train": [], "validation": [], "test": []}',
        '{"kind": "external", "seed": 0, "fingerprint": "", "train": [{}], "validation": [], "test": []}',
        '{"kind": "external", "seed": 0, "fingerprint": "", "train": 3, "validation": [], "test": []}',
        '{"kind": "external", "seed": 0, "fingerprint": "", "train": [{"id": [], "sha256": ""}],'
        ' "validation": [], "test": []}',
        WHOLE.replace('"round": ""', '"round": 1'),
        WHOLE.replace('"excluded": []', '"excluded": [1]'),
        WHOLE.replace('"label": 1', '"label": 2'),
        WHOLE.replace('"subject": null', '"subject": 7'),
        WHOLE.replace('"00', '"0x'),
        WHOLE.replace('"00', '"'),
    ],
)
def test_damaged_split_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "split.json").write_text(text)

    with pytest.raises(SplitError, match="cannot read the split"):
        read_manifest(tmp_path / "split.json").find_in(dataset_of(CELLS))
    with pytest.raises(SplitError, match="cannot read the split"):
        read_manifest(tmp_path / "split.json")


def test_missing_split_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="No such file"):
        read_manifest(tmp_path / "none.json")


def test_training_and_validation_cells_count_as_seen(tmp_path: Path) -> None:
    split = by_image(CELLS, fractions=PAPER, seed=5)
    write_split(split, tmp_path / "split.json")

    seen = read_manifest(tmp_path / "split.json").developed_on

    assert [cell.sha256 for cell in seen] == [cell.sha256 for cell in (*split.train, *split.validation)]


def test_protocol_round_and_hashes_come_back_from_disk(tmp_path: Path) -> None:
    split = replace(by_image(CELLS, fractions=PAPER, seed=5), protocol="folds", round="fold_1")
    first, second = split.train[0], split.train[1]

    write_split(split, tmp_path / "split.json", hashes={first.sha256: "0a" * 32})

    assert read_manifest(tmp_path / "split.json").find_in(dataset_of(CELLS)) == split
    sides = read_manifest(tmp_path / "split.json").sides
    assert sides["train"].hashed[:2] == (
        HashedCell(first.id, first.sha256, first.subject, "0a" * 32),
        HashedCell(second.id, second.sha256, second.subject, None),
    )
    assert [cell.id for cell in sides["validation"].hashed] == [cell.id for cell in split.validation]


def test_manifest_counts_each_side_without_any_image(tmp_path: Path) -> None:
    # By hand: H2 gives 2 normal cells, 10 gives 3 leukaemic ones, and one leukaemic cell names nobody.
    cells = cells_of({"10": (0, 3), "H2": (2, 0), "9": (0, 1)})
    train = (*cells[:5], replace(cells[5], subject=None))
    test = cells_of({"11": (0, 1), "H7": (1, 0), "7": (0, 1)})
    split = Split(train, (), tuple(test), "subject-level", 3, "print", "official", "1 of 1")
    write_split(split, tmp_path / "split.json", excluded=CELLS[:4])

    manifest = read_manifest(tmp_path / "split.json")

    assert manifest.sides["train"] == ManifestSide(
        cells=6,
        leukaemic=4,
        normal=2,
        subjects=("10", "H2"),
        unnamed=1,
        hashed=tuple(HashedCell(cell.id, cell.sha256, cell.subject, None) for cell in train),
    )
    assert manifest.sides["validation"] == ManifestSide(0, 0, 0, (), 0, ())
    assert manifest.sides["test"].subjects == ("7", "11", "H7")
    assert (manifest.kind, manifest.seed, manifest.fingerprint) == ("subject-level", 3, "print")
    assert (manifest.protocol, manifest.round, manifest.excluded) == ("official", "1 of 1", 4)


def test_ids_of_excluded_cells_are_listed(tmp_path: Path) -> None:
    write_split(by_image(CELLS, fractions=PAPER, seed=5), tmp_path / "split.json", excluded=CELLS[:2])

    content = json.loads((tmp_path / "split.json").read_text())
    assert content["excluded"] == [CELLS[0].id, CELLS[1].id]


def test_hashes_of_another_kind_count_as_none(tmp_path: Path) -> None:
    (tmp_path / "split.json").write_text(WHOLE.replace("pHash", "pHash of another size"))

    assert read_manifest(tmp_path / "split.json").sides["train"].hashed == (HashedCell("a", "b", None, None),)


def test_parts_of_c_nmc_do_not_apply_to_data_without_any_of_them() -> None:
    own = [replace(cell, part="ward") for cell in CELLS]
    paper = replace(LEUKNET_PAPER, balance=False)
    assert paper.parts == ("fold_0",)

    split = make_split(own, paper)

    assert {cell.id for cell in split.cells} == {cell.id for cell in own}
    assert fit_parts(paper, own) == replace(paper, parts=())
    # Parts that somebody named stay, and so do C-NMC's where any of its parts is there.
    for parts in (("ward",), ("elsewhere",), ("fold_0", "ward"), ()):
        assert fit_parts(replace(paper, parts=parts), own).parts == parts
    mixed = [*own, replace(own[0], part="prelim")]
    assert fit_parts(paper, mixed) == paper
    with pytest.raises(SettingError) as caught:
        make_split(mixed, paper)
    assert "cannot take part 'fold_0'" in caught.value.what
    assert "--set parts=prelim" in caught.value.fix
