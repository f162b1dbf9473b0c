"""A folder for each class instead of a list, and people by the names of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from leuknet.data import folder, open_dataset
from leuknet.errors import DatasetError, SettingError
from leuknet.types import Dataset, Finding, Label


def write_images(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def findings_of(dataset: Dataset, kind: str) -> list[Finding]:
    return [finding for finding in dataset.findings if finding.kind == kind]


def labels_of(dataset: Dataset) -> dict[str, Label | None]:
    return {cell.id: cell.label for cell in dataset.cells}


@pytest.mark.parametrize(
    ("positive", "negative"), [("ALL", "HEM"), ("all", "hem"), ("Leukaemic", "Normal"), ("1", "0")]
)
def test_folders_of_the_classes_need_no_list(tmp_path: Path, positive: str, negative: str) -> None:
    write_images(tmp_path, f"{positive}/b10.png", f"{positive}/b2.png", f"{negative}/a.JPG")

    dataset = open_dataset(tmp_path)

    assert dataset.name == "folder"
    assert labels_of(dataset) == {
        f"{positive}/b2.png": Label.LEUKAEMIC,
        f"{positive}/b10.png": Label.LEUKAEMIC,
        f"{negative}/a.JPG": Label.NORMAL,
    }
    assert {cell.subject for cell in dataset.cells} == {None}
    (layout,) = findings_of(dataset, "layout")
    assert layout.severity == "info"
    assert f"'{positive}' as label 1" in layout.message
    assert f"'{negative}' as label 0" in layout.message


def test_two_names_given_are_the_folders_of_the_classes(tmp_path: Path) -> None:
    write_images(tmp_path, "set/Other/a.png", "set/LYMPHOCYTE/day 1/b.png", "set/notes/c.png", "ALL/d.png")

    dataset = open_dataset(tmp_path, class_names=("other", "lymphocyte"))

    assert labels_of(dataset) == {
        "set/LYMPHOCYTE/day 1/b.png": Label.LEUKAEMIC,
        "set/Other/a.png": Label.NORMAL,
    }
    assert dataset.class_names == ("other", "lymphocyte")
    (extra,) = findings_of(dataset, "extra")
    assert extra.severity == "warning"
    assert (
        extra.message == "2 images lie in no folder of a class, and were left out: ALL/d.png, set/notes/c.png"
    )


def test_the_nearest_folder_says_the_class(tmp_path: Path) -> None:
    write_images(tmp_path, "ALL/HEM/a.png", "HEM/ALL/b.png")

    assert labels_of(open_dataset(tmp_path)) == {
        "ALL/HEM/a.png": Label.NORMAL,
        "HEM/ALL/b.png": Label.LEUKAEMIC,
    }


def test_files_of_systems_and_hidden_ones_are_no_images(tmp_path: Path) -> None:
    write_images(tmp_path, "ALL/a.png", "HEM/b.png", "ALL/._a.png", "__MACOSX/ALL/c.png", ".git/HEM/d.png")
    write_images(tmp_path, "ALL/Thumbs.db", "readme.txt")

    dataset = open_dataset(tmp_path)
    assert [cell.id for cell in dataset.cells] == ["ALL/a.png", "HEM/b.png"]
    (passed_over,) = findings_of(dataset, "clutter")
    assert passed_over.message.startswith("passed over: 3 files")


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    write_images(tmp_path / "elsewhere", "ALL/secret.png")
    write_images(tmp_path / "mine", "ALL/a.png", "HEM/b.png")
    (tmp_path / "mine" / "HEM" / "more").symlink_to(tmp_path / "elsewhere")

    dataset = open_dataset(tmp_path / "mine")

    assert len(dataset.cells) == 2
    assert [(one.severity, one.path) for one in findings_of(dataset, "outside")] == [("error", "HEM/more")]


def test_a_manifest_counts_above_folders(tmp_path: Path) -> None:
    write_images(tmp_path, "ALL/a.png", "HEM/b.png")
    (tmp_path / "manifest.csv").write_text("path,label\nALL/a.png,HEM\n")

    assert labels_of(open_dataset(tmp_path)) == {"ALL/a.png": Label.NORMAL}


def test_folders_of_other_names_are_refused_with_what_is_there(tmp_path: Path) -> None:
    write_images(tmp_path, "benign/a.png", "benign/b.png", "malignant/c.png", "all/d.png")

    with pytest.raises(DatasetError) as unknown:
        open_dataset(tmp_path)
    with pytest.raises(DatasetError) as asked:
        open_dataset(tmp_path, class_names=("good", "bad"))

    assert "HEM and ALL" in unknown.value.why  # `all` alone is a word like others
    assert "--classes NEGATIVE,POSITIVE" in unknown.value.fix
    assert "good or bad" in asked.value.why
    assert "benign (2), " in asked.value.why
    assert "--classes" in asked.value.fix
    assert len(open_dataset(tmp_path, class_names=("benign", "malignant")).cells) == 3
    assert len(folder.read(tmp_path).cells) == 1  # who names the reader says that `all` is meant


@pytest.mark.parametrize(
    ("pattern", "subjects"),
    [
        (r"^(?P<subject>P\d+)_", ["P1", "P2", "P10"]),
        (r"(P\d+)", ["P1", "P2", "P10"]),
        (r"_(\d)(?P<subject>.)\.", ["x", "y", "z"]),
        (r"(HEM|ALL)/P", ["ALL", "ALL", "HEM"]),
    ],
)
def test_people_are_told_by_the_names_of_files(tmp_path: Path, pattern: str, subjects: list[str]) -> None:
    write_images(tmp_path, "ALL/P1_1x.png", "ALL/P2_1y.png", "HEM/P10_2z.png")

    dataset = open_dataset(tmp_path, subject_pattern=pattern)

    assert [cell.subject for cell in dataset.cells] == subjects
    assert findings_of(dataset, "no-subject") == []


def test_a_pattern_without_a_slash_does_not_see_folders(tmp_path: Path) -> None:
    write_images(tmp_path, "ALL/a1.png", "HEM/b2.png")

    assert [c.subject for c in open_dataset(tmp_path, subject_pattern=r"([A-Za-z])").cells] == ["a", "b"]


def test_names_without_the_pattern_are_an_error_that_names_them(tmp_path: Path) -> None:
    write_images(tmp_path, "ALL/P1_a.png", "ALL/copy.png", "HEM/P2_b.png")

    dataset = open_dataset(tmp_path, subject_pattern=r"^(P\d*)_")

    assert {cell.id: cell.subject for cell in dataset.cells} == {
        "ALL/copy.png": None,
        "ALL/P1_a.png": "P1",
        "HEM/P2_b.png": "P2",
    }
    (finding,) = findings_of(dataset, "no-subject")
    assert (finding.severity, finding.path) == ("error", "ALL/copy.png")
    assert finding.message.startswith("1 of 3 images have names without the pattern")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(P", "it is no regular expression"),
        (r"P\d+", "nothing in it stands in brackets"),
        (r"^(Q\d+)_", "it is in none of 2 names, the first of them 'ALL/P1_a.png'"),
    ],
)
def test_a_pattern_of_no_use_is_refused(tmp_path: Path, pattern: str, why: str) -> None:
    write_images(tmp_path, "ALL/P1_a.png", "HEM/P2_b.png")

    with pytest.raises(SettingError) as caught:
        open_dataset(tmp_path, subject_pattern=pattern)

    assert why in caught.value.why
    assert "(?P<subject>" in caught.value.fix


def test_a_list_with_subjects_and_a_pattern_contradict_each_other(tmp_path: Path) -> None:
    write_images(tmp_path, "P1_a.png", "P2_b.png")
    (tmp_path / "manifest.csv").write_text("path,label\nP1_a.png,ALL\nP2_b.png,HEM\n")
    assert [c.subject for c in open_dataset(tmp_path, subject_pattern=r"(P\d)").cells] == ["P1", "P2"]
    (tmp_path / "manifest.csv").write_text("path,label,subject\nP1_a.png,ALL,x\nP2_b.png,HEM,y\n")

    with pytest.raises(SettingError, match="from the names of files") as caught:
        open_dataset(tmp_path, subject_pattern=r"(P\d)")
    assert "has a column subject" in caught.value.why


def test_c_nmc_has_no_use_for_a_pattern(tmp_path: Path) -> None:
    write_images(tmp_path, "UID_11_33_4_all.bmp")

    with pytest.raises(SettingError, match="option subject pattern"):
        open_dataset(tmp_path, subject_pattern="(x)")
