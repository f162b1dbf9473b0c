"""The reader of C-NMC 2019: the publisher's names with stand-in bytes, real crops, and each trap in small."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from leuknet.data import c_nmc
from leuknet.data.c_nmc_labels import label_of, read_prelim_labels, subject_of
from leuknet.data.digests import natural_key
from leuknet.data.published_counts import COUNTS, FOLDERS, MERGED_SUBJECTS, PRELIM_LABELS
from leuknet.data.publisher_check import compare_counts, compare_subjects
from leuknet.errors import DatasetError
from leuknet.types import Dataset, Finding, Label

ALL_0 = "training_data/fold_0/all"
HEM_1 = "training_data/fold_1/hem"
HEM_2 = "training_data/fold_2/hem"
PRELIM = FOLDERS["prelim"]


@pytest.fixture(scope="session")
def published(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """All published names; a file's bytes are its published hash, so equal stays equal."""
    root = tmp_path_factory.mktemp("published")
    with (shared_data / "cnmc2019" / "manifest.tsv").open(newline="") as lines:
        files = {row["path"]: row["sha256"] for row in csv.DictReader(lines, delimiter="\t")}
    for folder in {Path(name).parent for name in files}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, digest in files.items():
        (root / name).write_text(digest)
    labels = (shared_data / "cnmc2019" / "prelim_labels.csv").read_bytes()
    (root / "C-NMC_Leukemia" / PRELIM_LABELS).write_bytes(labels)
    return c_nmc.read(root)


def write_tree(root: Path, files: dict[str, str]) -> Path:
    """Write files given as path below `C-NMC_Leukemia` and content; return the root."""
    for name, content in files.items():
        path = root / "C-NMC_Leukemia" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def findings_of(dataset: Dataset, kind: str) -> list[Finding]:
    return [finding for finding in dataset.findings if finding.kind == kind]


def test_published_names_give_the_published_counts(published: Dataset) -> None:
    parts = Counter(cell.part for cell in published.cells)

    assert sum(parts[f"fold_{k}"] for k in range(3)) == 10_661
    assert parts["final"] == 2_586
    assert compare_counts(published.cells, COUNTS) == []
    assert compare_subjects(published.cells) == []


def test_published_names_hold_73_ids_that_are_66_people(published: Dataset) -> None:
    training = [cell for cell in published.cells if cell.part.startswith("fold")]

    assert len({cell.path.name.split("_")[1] for cell in training}) == 73
    assert len({cell.subject for cell in training}) == 66


def test_groups_found_by_bytes_alone_are_the_known_groups(published: Dataset) -> None:
    by_bytes = [finding.message for finding in findings_of(published, "merged")]
    merged = {cell.subject for cell in published.cells if cell.subject and "+" in cell.subject}

    assert merged == {"20+21", "51+75+78", "H2+H4+H5+H6", "H3+H10"}
    assert merged == {"+".join(group) for group in MERGED_SUBJECTS}
    assert len(by_bytes) == 4
    assert all("identical here" in message for message in by_bytes)


def test_preliminary_labels_of_a_file_without_patients_name_no_subject(published: Dataset) -> None:
    prelim = [cell for cell in published.cells if cell.part == "prelim"]

    assert Counter(cell.label for cell in prelim) == {Label.LEUKAEMIC: 1_219, Label.NORMAL: 648}
    assert {cell.subject for cell in prelim} == {None}


def test_final_phase_has_neither_label_nor_subject(published: Dataset) -> None:
    final = [cell for cell in published.cells if cell.part == "final"]

    assert {(cell.label, cell.subject) for cell in final} == {(None, None)}


def test_cells_come_by_part_and_in_natural_order(published: Dataset) -> None:
    assert list(dict.fromkeys(cell.part for cell in published.cells)) == list(COUNTS)
    assert [cell.path.name for cell in published.cells if cell.part == "final"][:2] == ["1.bmp", "2.bmp"]
    assert published.cells[0].id == f"{ALL_0}/UID_1_1_1_all.bmp"


def test_published_names_leave_nothing_to_report_but_merged_subjects(published: Dataset) -> None:
    assert {finding.kind for finding in published.findings} == {"merged"}
    assert not published.simulated


def test_real_crops_are_read_in_place(shared_data: Path) -> None:
    folder = shared_data / "cnmc2019"

    dataset = c_nmc.read(folder, prelim_labels=folder / "prelim_labels.csv")

    training = [cell for cell in dataset.cells if cell.part.startswith("fold")]
    assert Counter(cell.label for cell in training) == {Label.LEUKAEMIC: 119, Label.NORMAL: 7}
    assert len({cell.subject for cell in training if cell.label is Label.LEUKAEMIC}) == 10
    # Five ids, of which H2 and H6 are one person, and H10 and h3 another.
    normal = {cell.subject for cell in training if cell.label is Label.NORMAL}
    assert normal == {"H1", "H2+H4+H5+H6", "H3+H10"}
    prelim = [cell for cell in dataset.cells if cell.part == "prelim"]
    assert [cell.path.name for cell in prelim] == ["1.bmp", "1105.bmp", "1843.bmp"]
    assert {cell.label for cell in prelim} == {Label.LEUKAEMIC}


def test_the_folder_itself_reads_like_the_one_that_holds_it(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {f"{ALL_0}/UID_1_1_1_all.bmp": "a"})

    assert c_nmc.read(root) == c_nmc.read(root / "C-NMC_Leukemia")
    assert c_nmc.read(root).cells[0].id == f"{ALL_0}/UID_1_1_1_all.bmp"


def test_a_folder_without_any_part_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        c_nmc.read(tmp_path)

    assert "training_data/fold_0" in caught.value.why
    assert "C-NMC_Leukemia" in caught.value.fix


def test_lower_case_h3_is_h3_and_all_3_is_someone_else() -> None:
    assert subject_of("UID_h3_4_1_hem.bmp") == "H3"
    assert subject_of("UID_3_4_1_all.bmp") == "3"


@pytest.mark.parametrize("name", ["17.bmp", "UID_3_4_all.bmp", "UID_3_4_1_all.bmp\n", "UID_K3_4_1_all.bmp"])
def test_other_names_have_neither_subject_nor_label(name: str) -> None:
    assert subject_of(name) is None
    assert label_of(name) is None


def test_ids_that_share_bytes_are_merged_through_others(tmp_path: Path) -> None:
    # 7 and 9 share an image, 9 and 10 another: all three are one person. 8 is not.
    root = write_tree(
        tmp_path,
        {
            f"{ALL_0}/UID_7_1_1_all.bmp": "x",
            f"{ALL_0}/UID_9_1_1_all.bmp": "x",
            f"{ALL_0}/UID_9_1_2_all.bmp": "y",
            f"{ALL_0}/UID_10_1_1_all.bmp": "y",
            f"{ALL_0}/UID_8_1_1_all.bmp": "z",
        },
    )

    dataset = c_nmc.read(root)

    assert [cell.subject for cell in dataset.cells] == ["7+9+10", "8", "7+9+10", "7+9+10", "7+9+10"]
    (merged,) = findings_of(dataset, "merged")
    assert merged.severity == "info"
    assert "ids 7, 9, 10" in merged.message


def test_a_partial_copy_names_known_groups_as_the_full_one_does(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {f"{HEM_2}/UID_h3_1_1_hem.bmp": "x"})

    assert c_nmc.read(root).cells[0].subject == "H3+H10"


def test_same_bytes_in_both_classes_are_an_error_and_join_nobody(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {f"{ALL_0}/UID_7_1_1_all.bmp": "x", f"{HEM_1}/UID_H7_1_1_hem.bmp": "x"})

    dataset = c_nmc.read(root)

    (finding,) = findings_of(dataset, "duplicate")
    assert finding.severity == "error"
    assert f"{HEM_1}/UID_H7_1_1_hem.bmp" in finding.message
    assert [cell.subject for cell in dataset.cells] == ["7", "H7"]


@pytest.mark.parametrize(
    "name",
    [f"{ALL_0}/UID_7_1_1_hem.bmp", f"{ALL_0}/UID_H7_1_1_all.bmp", f"{HEM_1}/UID_7_1_1_hem.bmp"],
    ids=["suffix against folder", "subject against both", "normal folder, leukaemic subject"],
)
def test_a_cell_whose_name_contradicts_its_folder_has_no_label(tmp_path: Path, name: str) -> None:
    dataset = c_nmc.read(write_tree(tmp_path, {name: "x"}))

    (finding,) = findings_of(dataset, "mislabelled")
    assert (finding.severity, finding.path) == ("error", name)
    assert dataset.cells[0].label is None


def test_what_does_not_belong_is_reported_and_left_out(tmp_path: Path) -> None:
    clutter = [".DS_Store", f"{ALL_0}/._UID_7_1_1_all.bmp", f"{ALL_0}/Thumbs.db"]
    strangers = ["notes.txt", "training_data/fold_0/simulated.json"]
    misnamed = [f"{ALL_0}/UID_7_1_all.bmp", f"{PRELIM}/one.bmp"]
    twin = "training_data/UID_7_1_1_all.bmp"
    files = [*clutter, *strangers, *misnamed, twin, "simulated_truth.csv", f"{ALL_0}/UID_7_1_1_all.BMP"]

    dataset = c_nmc.read(write_tree(tmp_path, dict.fromkeys(files, "x")))

    assert sorted(finding.path for finding in findings_of(dataset, "extra")) == sorted(strangers)
    (passed_over,) = findings_of(dataset, "clutter")
    assert passed_over.message.startswith("passed over: 3 files")
    assert sorted(finding.path for finding in findings_of(dataset, "name")) == sorted(misnamed)
    (twice,) = findings_of(dataset, "twice")
    assert (twice.severity, twice.path) == ("warning", f"{ALL_0}/UID_7_1_1_all.BMP")
    assert twin in twice.message
    assert [cell.id for cell in dataset.cells] == [f"{ALL_0}/UID_7_1_1_all.BMP"]


def test_links_out_of_the_root_are_errors_and_left_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "UID_8_1_1_all.bmp").write_text("x")
    root = write_tree(tmp_path / "root", {f"{ALL_0}/UID_7_1_1_all.bmp": "x"})
    base = root / "C-NMC_Leukemia"
    (base / ALL_0 / "UID_8_1_1_all.bmp").symlink_to(outside / "UID_8_1_1_all.bmp")
    (base / ALL_0 / "UID_9_1_1_all.bmp").symlink_to("UID_7_1_1_all.bmp")
    (base / "training_data" / "fold_1").symlink_to(outside)

    dataset = c_nmc.read(root)

    assert [Path(cell.id).name for cell in dataset.cells] == ["UID_7_1_1_all.bmp", "UID_9_1_1_all.bmp"]
    outside_paths = {finding.path for finding in findings_of(dataset, "outside")}
    assert outside_paths == {f"{ALL_0}/UID_8_1_1_all.bmp", "training_data/fold_1"}


def test_unreadable_files_and_folders_are_errors_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_tree(tmp_path, {f"{ALL_0}/UID_7_1_1_all.bmp": "x", f"{HEM_1}/UID_H7_1_1_hem.bmp": "y"})
    folder = root / "C-NMC_Leukemia" / ALL_0
    (folder / "UID_8_1_1_all.bmp").symlink_to("nowhere.bmp")
    (folder / "UID_9_1_1_all.bmp").symlink_to("UID_9_1_1_all.bmp")  # a loop
    os.mkfifo(folder / "UID_10_1_1_all.bmp")
    list_folder = os.scandir

    def refuse(path: str) -> object:
        if path.endswith(HEM_1):
            raise PermissionError(13, "Permission denied", path)
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", refuse)

    dataset = c_nmc.read(root)

    assert [Path(cell.id).name for cell in dataset.cells] == ["UID_7_1_1_all.bmp"]
    errors = {Path(finding.path).name: finding.message for finding in findings_of(dataset, "unreadable")}
    assert errors.keys() == {"hem", "UID_8_1_1_all.bmp", "UID_9_1_1_all.bmp", "UID_10_1_1_all.bmp"}
    assert "Permission denied" in errors["hem"]


def test_patient_ids_give_preliminary_cells_their_subjects(tmp_path: Path) -> None:
    labels = "Patient_ID,new_names,labels\nUID_57_29_1_all.bmp,1.bmp,1\nUID_h25_1_1_hem.bmp,2.bmp,0\n"
    root = write_tree(tmp_path, {f"{PRELIM}/1.BMP": "a", f"{PRELIM}/2.bmp": "b", PRELIM_LABELS: labels})

    dataset = c_nmc.read(root)

    assert [(c.label, c.subject) for c in dataset.cells] == [(Label.LEUKAEMIC, "57"), (Label.NORMAL, "H25")]
    assert dataset.findings == ()


def test_a_patient_id_that_contradicts_its_label_takes_the_label_away(tmp_path: Path) -> None:
    labels = "Patient_ID,new_names,labels\nUID_57_29_1_all.bmp,1.bmp,0\n"

    dataset = c_nmc.read(write_tree(tmp_path, {f"{PRELIM}/1.bmp": "a", PRELIM_LABELS: labels}))

    (finding,) = findings_of(dataset, "mislabelled")
    assert "label file says HEM" in finding.message
    assert dataset.cells[0].label is None


def test_images_without_label_and_labels_without_image_are_counted(tmp_path: Path) -> None:
    labels = "new_names,labels\n1.bmp,1\n3.bmp,0\n4.bmp,0\n"
    root = write_tree(tmp_path, {f"{PRELIM}/1.bmp": "a", f"{PRELIM}/2.bmp": "b", PRELIM_LABELS: labels})

    dataset = c_nmc.read(root)

    assert [cell.label for cell in dataset.cells] == [Label.LEUKAEMIC, None]
    (bare,) = findings_of(dataset, "unlabelled")
    (absent,) = findings_of(dataset, "label-without-file")
    assert bare.message == "1 of 2 preliminary images have no label: 2.bmp"
    assert absent.message == "2 of 3 labelled images have no file: 3.bmp, 4.bmp"


def test_preliminary_images_without_any_label_file_are_reported(tmp_path: Path) -> None:
    dataset = c_nmc.read(write_tree(tmp_path, {f"{PRELIM}/1.bmp": "a"}))

    (bare,) = findings_of(dataset, "unlabelled")
    assert (bare.severity, dataset.cells[0].label) == ("warning", None)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("new_names,label\n1.bmp,1\n", "it lacks labels; it has new_names, label"),
        ("", "it lacks new_names and labels; it has none"),
        ("new_names,labels\n1.bmp,1\n2.bmp,ALL\n", "line 3: label 'ALL' is neither 1 (ALL) nor 0 (HEM)"),
        ("new_names,labels\n1.bmp\n", "line 2: label '' is neither"),
        ("new_names,labels\n1.bmp,1\n1.BMP,0\n", "line 3: 1.bmp is listed twice"),
        ("Patient_ID,new_names,labels\nP5,1.bmp,1\n", "line 2: Patient_ID 'P5' is not like"),
    ],
)
def test_a_wrong_label_file_is_refused_by_line(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(content)

    with pytest.raises(DatasetError) as caught:
        read_prelim_labels(path)

    assert why in caught.value.why


def test_a_named_label_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {f"{PRELIM}/1.bmp": "a"})

    with pytest.raises(DatasetError, match="No such file"):
        c_nmc.read(root, prelim_labels=tmp_path / "absent.csv")


def test_a_named_label_file_may_lie_among_the_images(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {f"{PRELIM}/1.bmp": "a", "mine.csv": "\ufeffnew_names,labels\r\n1.bmp,0\r\n"})

    dataset = c_nmc.read(root, prelim_labels=root / "C-NMC_Leukemia" / "mine.csv")

    assert dataset.cells[0].label is Label.NORMAL
    assert dataset.findings == ()


def test_a_drawn_copy_says_so(tmp_path: Path) -> None:
    counts = {"fold_0": {"images": 1, "leukaemic": 1, "normal": 0, "subjects": 1}}
    stated = json.dumps({"simulated": True, "seed": 1, "scale": 0.1, "counts": counts})
    root = write_tree(tmp_path, {f"{ALL_0}/UID_7_1_1_all.bmp": "x", "simulated.json": stated})

    dataset = c_nmc.read(root)

    assert dataset.simulated
    assert dataset.name == "c-nmc-2019"
    assert "CC BY" not in dataset.licence
    assert dataset.findings == ()


@pytest.mark.parametrize("stated", ["{", "[]", '{"simulated": false, "counts": {}}', '{"simulated": true}'])
def test_a_damaged_mark_of_simulation_is_not_taken_for_real_data(tmp_path: Path, stated: str) -> None:
    root = write_tree(tmp_path, {f"{ALL_0}/UID_7_1_1_all.bmp": "x", "simulated.json": stated})

    with pytest.raises(DatasetError, match="simulated"):
        c_nmc.read(root)


def test_natural_order_counts_and_never_compares_words_with_numbers() -> None:
    names = ["a10", "a2", "a", "A2", "10", "2", "b"]

    assert sorted(names, key=natural_key) == ["2", "10", "a", "A2", "a2", "a10", "b"]
