"""Which cells may judge a model, and what the judgement is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from leuknet.data.split import fingerprint
from leuknet.data.split_file import read_manifest, write_split
from leuknet.data.unseen import cells_of_parts, own_test_side
from leuknet.errors import LeakError, SettingError, SplitError
from leuknet.types import CellImage, Dataset, Label, Split, TestSide

ROOT = Path("/data")


def cell(name: str, *, subject: str | None, part: str = "fold_0") -> CellImage:
    label = Label.NORMAL if name.startswith("normal") else Label.LEUKAEMIC
    return CellImage(name, ROOT / name, f"sha of {name}", label, subject, part)


# One cell of each class on each side; each person on one side.
TRAIN = (cell("normal 1", subject="H1"), cell("leukaemic 1", subject="1"))
VALIDATION = (cell("normal 2", subject="H2"), cell("leukaemic 2", subject="2"))
TEST = (cell("normal 3", subject="H3"), cell("leukaemic 3", subject="3"))
FRESH = (cell("normal 4", subject="H4", part="prelim"), cell("leukaemic 4", subject="4", part="prelim"))


def dataset_of(*cells: CellImage, name: str = "c-nmc-2019") -> Dataset:
    return Dataset(name, "1", "none", "", ROOT, cells)


def split_of(train: Sequence[CellImage] = TRAIN, validation: Sequence[CellImage] = VALIDATION) -> Split:
    sides = (tuple(train), tuple(validation), TEST)
    return Split(*sides, kind="subject-level", seed=0, fingerprint=fingerprint(*sides))


@pytest.fixture
def split_path(tmp_path: Path) -> Path:
    write_split(split_of(), tmp_path / "split.json")
    return tmp_path / "split.json"


def side_of(split_path: Path, *cells: CellImage, parts: tuple[str, ...] = ("prelim",)) -> TestSide:
    """The cells chosen from the data that trained the model, to which some are added."""
    dataset = dataset_of(*TRAIN, *VALIDATION, *TEST, *cells)
    return cells_of_parts(read_manifest(split_path), dataset, parts=parts, trained_on="c-nmc-2019")


def test_own_test_side_is_that_of_the_split_with_its_kind_and_fingerprint(split_path: Path) -> None:
    side = own_test_side(read_manifest(split_path), dataset_of(*TRAIN, *VALIDATION, *TEST, *FRESH))

    assert side == TestSide(TEST, "subject-level", split_of().fingerprint, "test side")


def test_own_test_side_refuses_data_without_the_cells_of_the_split(split_path: Path) -> None:
    with pytest.raises(SplitError) as caught:
        own_test_side(read_manifest(split_path), dataset_of(*TRAIN, *VALIDATION, TEST[0]))

    assert "of its 6 cells 1 are missing" in caught.value.why
    assert "leukaemic 3" in caught.value.why
    for option in ("--all", "--part NAME", "--new-people"):
        assert option in caught.value.fix


def test_a_split_without_a_test_side_leads_to_other_cells(tmp_path: Path) -> None:
    sides = (TRAIN, VALIDATION, ())
    write_split(Split(*sides, "subject-level", 0, fingerprint(*sides)), tmp_path / "split.json")

    with pytest.raises(SettingError, match="no test cells") as caught:
        own_test_side(read_manifest(tmp_path / "split.json"), dataset_of(*TRAIN, *VALIDATION))
    assert "--all" in caught.value.fix


@pytest.mark.parametrize("parts", [(), ("all",), ("all", "prelim")])
def test_all_is_a_part_where_no_part_is_called_so(split_path: Path, parts: tuple[str, ...]) -> None:
    dataset = dataset_of(*FRESH, replace(cell("normal 6", subject="H6"), part=""))

    side = cells_of_parts(read_manifest(split_path), dataset, parts=parts, trained_on="c-nmc-2019")

    assert (len(side.cells), side.part) == (3, "all labelled cells")


def test_a_part_that_is_called_all_is_that_part(split_path: Path) -> None:
    dataset = dataset_of(*FRESH, replace(cell("normal 6", subject="H6"), part="all"))

    side = cells_of_parts(read_manifest(split_path), dataset, parts=("all",), trained_on="c-nmc-2019")

    assert (len(side.cells), side.part) == (1, "all")


def test_cells_without_a_part_are_called_as_verify_calls_them(split_path: Path) -> None:
    dataset = dataset_of(*FRESH, replace(cell("normal 6", subject="H6"), part=""))

    with pytest.raises(SettingError) as caught:
        cells_of_parts(read_manifest(split_path), dataset, parts=("fold_7",), trained_on="c-nmc-2019")
    assert caught.value.why == "its parts are 'all', 'prelim'"


def test_persons_who_are_not_in_training_make_a_part_subject_level(split_path: Path) -> None:
    side = side_of(split_path, *FRESH)

    assert side == TestSide(FRESH, "subject-level", fingerprint((), (), FRESH), "prelim", trained_people=())


@pytest.mark.parametrize("trained", [TRAIN[1], VALIDATION[0]], ids=["training", "validation"])
def test_a_cell_that_trained_the_model_is_a_leak_under_any_name(split_path: Path, trained: CellImage) -> None:
    copy = replace(FRESH[1], sha256=trained.sha256)  # another name, person and part

    with pytest.raises(LeakError) as caught:
        side_of(split_path, FRESH[0], copy)

    assert caught.value.why == (
        "1 of 2 cells were on its training or validation side, the first of them 'leukaemic 4'"
    )
    assert "own test side" in caught.value.fix


def test_a_leak_is_noticed_in_another_data_set_too(split_path: Path) -> None:
    copies = dataset_of(FRESH[0], replace(FRESH[1], sha256=TRAIN[1].sha256), name="folder")

    with pytest.raises(LeakError):
        cells_of_parts(read_manifest(split_path), copies, trained_on="c-nmc-2019")


def new_people_of(split_path: Path, *cells: CellImage, parts: tuple[str, ...] = ()) -> TestSide:
    dataset = dataset_of(*TRAIN, *VALIDATION, *cells)
    manifest = read_manifest(split_path)
    return cells_of_parts(manifest, dataset, parts=parts, trained_on="c-nmc-2019", new_people=True)


def test_cells_of_known_people_and_of_nobody_are_left_out_and_counted(split_path: Path) -> None:
    copy = replace(cell("copy", subject="9"), sha256=TRAIN[0].sha256)
    known = cell("normal 5", subject="h1"), cell("leukaemic 5", subject="2"), cell("x", subject=None)

    side = new_people_of(split_path, *FRESH, *known, copy)

    assert side.cells == FRESH
    assert side.kind == "subject-level"
    assert side.trained_people == ()
    assert side.part == "all labelled cells but 8 of people who trained the model or are not named"


def test_new_people_are_those_of_the_parts_that_are_named(split_path: Path) -> None:
    side = new_people_of(split_path, *FRESH, cell("leukaemic 6", subject="6"), parts=("prelim",))

    assert (side.cells, side.part) == (FRESH, "prelim")


def test_where_everybody_trained_there_is_nobody_to_judge_on(split_path: Path) -> None:
    with pytest.raises(SettingError, match="no cell of a new person") as caught:
        new_people_of(split_path, cell("normal 5", subject="H1"))
    assert "each of 5 labelled cells" in caught.value.why


def test_the_own_test_cells_are_no_leak(split_path: Path) -> None:
    side = cells_of_parts(read_manifest(split_path), dataset_of(*TEST), trained_on="c-nmc-2019")

    assert (side.cells, side.kind, side.part) == (TEST, "subject-level", "all labelled cells")


@pytest.mark.parametrize("known", ["1", "H2"], ids=["training", "validation"])
def test_one_person_on_both_sides_makes_it_image_level(split_path: Path, known: str) -> None:
    side = side_of(split_path, FRESH[0], replace(FRESH[1], subject=known))

    assert (side.kind, side.trained_people) == ("image-level", (known,))


def test_a_tested_cell_of_an_unknown_person_makes_it_image_level(split_path: Path) -> None:
    assert side_of(split_path, FRESH[0], replace(FRESH[1], subject=None)).kind == "image-level"


def test_a_trained_cell_of_an_unknown_person_makes_it_image_level(tmp_path: Path) -> None:
    write_split(split_of(train=(TRAIN[0], replace(TRAIN[1], subject=None))), tmp_path / "split.json")

    assert side_of(tmp_path / "split.json", *FRESH).kind == "image-level"


def elsewhere(
    split_path: Path, *cells: CellImage, name: str = "folder", trained_on: str = "folder", others: int = 0
) -> TestSide:
    """The labelled cells of a list of its own, which also has `others` cells of training without a label."""
    listed = (replace(one, id=f"listed {one.id}", label=None) for one in TRAIN[:others])
    return cells_of_parts(
        read_manifest(split_path), dataset_of(*cells, *listed, name=name), trained_on=trained_on
    )


@pytest.mark.parametrize("trained_on", ["folder", "c-nmc-2019"])
def test_a_list_that_shares_no_people_and_no_contents_is_external_whatever_opened_both(
    split_path: Path, trained_on: str
) -> None:
    side = elsewhere(split_path, *FRESH, trained_on=trained_on)

    assert (side.kind, side.trained_people) == ("external", ())


@pytest.mark.parametrize("trained_on", ["folder", "c-nmc-2019"])
def test_other_cells_of_trained_people_are_not_external_in_another_list(
    split_path: Path, trained_on: str
) -> None:
    # Ids as a person would write them in a list of their own: capitals make nobody somebody else.
    cells = (replace(FRESH[0], subject="h1"), replace(FRESH[1], subject="2"))

    side = elsewhere(split_path, *cells, trained_on=trained_on)

    assert (side.kind, side.trained_people) == ("image-level", ("2", "h1"))


def test_a_list_that_holds_cells_of_the_models_own_source_is_not_external(split_path: Path) -> None:
    assert elsewhere(split_path, *FRESH, others=1).kind == "subject-level"


@pytest.mark.parametrize("name", ["folder", "c-nmc-2019"])
def test_who_is_not_named_cannot_be_told_apart(split_path: Path, name: str) -> None:
    unnamed = (replace(FRESH[0], subject=None), FRESH[1])

    side = elsewhere(split_path, *unnamed, name=name)

    assert (side.kind, side.trained_people) == ("unknown", None)


def test_a_model_that_does_not_name_its_people_cannot_be_told_apart(tmp_path: Path) -> None:
    # As models from the hub, which keep hashes of contents alone.
    sides = ([replace(cell, subject=None) for cell in side] for side in (TRAIN, VALIDATION))
    write_split(split_of(*sides), tmp_path / "split.json")

    side = elsewhere(tmp_path / "split.json", *FRESH)

    assert (side.kind, side.trained_people) == ("unknown", None)


def test_ids_of_simulated_people_are_not_those_of_real_ones(split_path: Path) -> None:
    cells = (replace(FRESH[0], subject="H1"), FRESH[1])
    simulated = replace(dataset_of(*cells), simulated=True)

    side = cells_of_parts(
        read_manifest(split_path), simulated, trained_on="c-nmc-2019", trained_on_simulated=False
    )

    assert (side.kind, side.trained_people) == ("external", ())
    # A list may hold simulated cells too: nothing says so, and people with one id count as one.
    listed = replace(simulated, name="folder", simulated=False)
    side = cells_of_parts(
        read_manifest(split_path), listed, trained_on="c-nmc-2019", trained_on_simulated=True
    )
    assert (side.kind, side.trained_people) == ("image-level", ("H1",))


def test_cells_of_other_parts_and_without_label_are_left_out(split_path: Path) -> None:
    bare = replace(FRESH[0], id="bare", sha256="sha of bare", label=None, subject=None)
    final = cell("normal 5", subject="H5", part="final")

    side = side_of(split_path, *FRESH, bare, final)

    assert side.cells == FRESH
    assert side.kind == "subject-level"  # the unlabelled cell's unknown person does not count


def test_several_parts_are_taken_together_in_the_order_of_the_data(split_path: Path) -> None:
    final = cell("normal 5", subject="H5", part="final")

    side = side_of(split_path, *FRESH, final, parts=("final", "prelim"))

    assert (side.cells, side.part) == ((*FRESH, final), "final, prelim")


def test_an_unknown_part_is_refused_with_those_there_are(split_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        side_of(split_path, *FRESH, parts=("prelim", "fold_9"))

    assert caught.value.what == "the data set has no part 'fold_9'"
    assert caught.value.why == "its parts are 'fold_0', 'prelim'"
