"""The reader of a user's own images, and the choice of a reader."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from leuknet.data import DATASETS, folder, open_dataset
from leuknet.errors import DatasetError, SettingError
from leuknet.types import Label


def write_images(root: Path, *names: str) -> None:
    """Write one small file under each name; its bytes are the name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def write_manifest(root: Path, text: str) -> Path:
    path = root / "manifest.csv"
    path.write_bytes(text.encode())
    return path


def test_each_column_reaches_the_cell(tmp_path: Path) -> None:
    write_images(tmp_path, "a/1.png", "b.png")
    write_manifest(
        tmp_path, "part,path,label,microns_per_pixel,subject\nward,a/1.png,ALL,0.12, P1 \n,./b.png,,,\n"
    )

    first, second = folder.read(tmp_path).cells

    assert (first.id, first.path) == ("a/1.png", tmp_path / "a" / "1.png")
    assert first.sha256 == hashlib.sha256(b"a/1.png").hexdigest()
    assert (first.label, first.subject, first.part) == (Label.LEUKAEMIC, "P1", "ward")
    assert first.microns_per_pixel == 0.12
    assert (second.id, second.label, second.subject, second.part) == ("b.png", None, None, "")
    assert second.microns_per_pixel is None


def test_only_path_and_label_are_needed(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png")
    write_manifest(tmp_path, "path,label\na.png,0\n")

    dataset = folder.read(tmp_path)

    assert [(cell.label, cell.subject) for cell in dataset.cells] == [(Label.NORMAL, None)]
    assert (dataset.name, dataset.canvas_px, dataset.class_names) == ("folder", None, ("HEM", "ALL"))
    assert dataset.findings == ()


@pytest.mark.parametrize(
    ("spelling", "label"),
    [
        ("ALL", Label.LEUKAEMIC),
        ("Leukaemic", Label.LEUKAEMIC),
        (" 1 ", Label.LEUKAEMIC),
        ("hem", Label.NORMAL),
        ("NORMAL", Label.NORMAL),
        ("0", Label.NORMAL),
    ],
)
def test_labels_are_read_in_any_case(tmp_path: Path, spelling: str, label: Label) -> None:
    write_images(tmp_path, "a.png")
    write_manifest(tmp_path, f"path,label\na.png,{spelling}\n")

    assert folder.read(tmp_path).cells[0].label is label


def test_other_class_names_replace_the_usual_ones(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png")
    write_manifest(tmp_path, "path,label\na.png,Lymphocyte\nb.png,other\n")

    dataset = folder.read(tmp_path, class_names=("other", "lymphocyte"))

    assert [cell.label for cell in dataset.cells] == [Label.LEUKAEMIC, Label.NORMAL]
    assert dataset.class_names == ("other", "lymphocyte")
    write_manifest(tmp_path, "path,label\na.png,leukaemic\n")
    with pytest.raises(DatasetError, match="label 'leukaemic' is none of 0, 1, other, lymphocyte"):
        folder.read(tmp_path, class_names=("other", "lymphocyte"))


@pytest.mark.parametrize("names", [("cell", "Cell"), ("", "cell"), ("1", "0"), ("other", "1")])
def test_class_names_that_cannot_be_told_apart_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(SettingError, match="two, different"):
        folder.read(tmp_path, class_names=names)


def test_odd_names_are_read_as_they_are(tmp_path: Path) -> None:
    names = [
        "smear 1/cell 7.png",
        'say "a".png',
        "one,two.png",
        "two\nlines.png",
        "Zellgröße-白血球.png",
        "it's.png",
    ]
    write_images(tmp_path, *names)
    quoted = ['"{}"'.format(name.replace('"', '""')) for name in names]
    # As Excel writes it: byte order mark and CRLF.
    write_manifest(tmp_path, "\ufeffpath,label\r\n" + "".join(f"{name},ALL\r\n" for name in quoted))

    dataset = folder.read(tmp_path)

    assert [cell.id for cell in dataset.cells] == names
    assert dataset.cells[3].sha256 == hashlib.sha256(b"two\nlines.png").hexdigest()
    assert dataset.findings == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "column `path` is missing; its columns are none"),
        ("path|label\na.png|ALL\n", "column `path` is missing; its columns are 'path|label'"),
        ("path,subject\na.png,P1\n", "column `label` is missing"),
        ("path,label,subjet\na.png,ALL,P1\n", "column 'subjet' is unknown; allowed are path, label, subject"),
        ("path,label,label\na.png,ALL,HEM\n", "column `label` occurs twice"),
        ("path,label\n", "it lists no image"),
    ],
)
def test_wrong_columns_are_named_with_what_is_allowed(tmp_path: Path, text: str, why: str) -> None:
    write_manifest(tmp_path, text)

    with pytest.raises(DatasetError) as caught:
        folder.read(tmp_path)

    assert why in caught.value.why
    assert "path, label" in caught.value.fix


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("a.png,blast,", "label 'blast' is none of 0, 1, hem, all, normal, leukaemic, nor empty"),
        ("a.png,ALL,0", "microns_per_pixel '0' is not a number above 0"),
        ("a.png,ALL,-0.1", "microns_per_pixel '-0.1' is not"),
        ("a.png,ALL,nan", "microns_per_pixel 'nan' is not"),
        ("a.png,ALL,inf", "microns_per_pixel 'inf' is not"),
        ('a.png,ALL,"0,12"', "microns_per_pixel '0,12' is not"),
        ("/etc/passwd,ALL,", "path '/etc/passwd' is empty, absolute or leads upwards"),
        ("b/../../a.png,ALL,", "path 'b/../../a.png' is empty, absolute or leads upwards"),
        (",ALL,", "path '' is empty, absolute or leads upwards"),
        ("nul\0.png,ALL,", "is empty, absolute or leads upwards"),
        ("./first.png,ALL,", "path 'first.png' is listed a second time"),
        ("a.png,ALL", "it has not 3 fields"),
        ("a.png,ALL,0.1,P1", "it has not 3 fields"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path: Path, row: str, why: str) -> None:
    # The quoted name takes lines 2 and 3, so the wrong row starts on line 5.
    path = write_manifest(
        tmp_path, f'path,label,microns_per_pixel\n"two\nlines.png",ALL,\nfirst.png,HEM,\n{row}\n'
    )

    with pytest.raises(DatasetError) as caught:
        folder.read(tmp_path)

    assert caught.value.what == f"cannot use the manifest {path}, line 5"
    assert why in caught.value.why


@pytest.mark.parametrize(
    ("labels", "fix"),
    [
        (
            ("blast", "lymph"),
            "--classes NEGATIVE,POSITIVE, here --classes blast,lymph or --classes lymph,blast",
        ),
        (
            ("blast", "Blast", "lymph cell", "0"),
            "here --classes 'blast,lymph cell' or --classes 'lymph cell,",
        ),
        # The class that is known decides which comes first.
        (("blast", "HEM"), "--classes NEGATIVE,POSITIVE, here --classes HEM,blast"),
        (("healthy", "leukaemic"), "--classes NEGATIVE,POSITIVE, here --classes healthy,leukaemic"),
        (("lymph", "ALL", "1"), "--classes NEGATIVE,POSITIVE, here --classes lymph,ALL"),
        (("AL", "ALL", "HEM"), "correct the label; or leave"),
    ],
)
def test_labels_of_the_users_own_lead_to_the_option_that_names_them(
    tmp_path: Path, labels: tuple[str, ...], fix: str
) -> None:
    rows = "".join(f"{place}.png,{label}\n" for place, label in enumerate(labels))
    write_manifest(tmp_path, f"path,label\n{rows}")

    with pytest.raises(DatasetError) as caught:
        folder.read(tmp_path)

    assert fix in caught.value.fix
    assert caught.value.fix.count("here --classes") == ("here" in fix)
    assert caught.value.fix.count(" or --classes") == fix.count(" or --classes")


@pytest.mark.parametrize("content", [b"path,label\n\xff.png,ALL\n", b'path,label\n"a"b.png,ALL\n'])
def test_a_manifest_that_is_no_utf8_csv_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.csv").write_bytes(content)

    with pytest.raises(DatasetError, match="cannot use the manifest"):
        folder.read(tmp_path)


def test_missing_images_are_errors_and_left_out(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png")
    (tmp_path / "folder.png").mkdir()
    write_manifest(tmp_path, "path,label\ngone.png,ALL\nfolder.png,ALL\na.png,ALL\n")

    dataset = folder.read(tmp_path)

    assert [cell.id for cell in dataset.cells] == ["a.png"]
    assert [(f.severity, f.kind, f.path) for f in dataset.findings] == [
        ("error", "unreadable", "gone.png"),
        ("error", "unreadable", "folder.png"),
    ]


def test_a_link_out_of_the_root_is_an_error_and_left_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_images(tmp_path, "secret.png", "root/a.png")
    (root / "secret.png").symlink_to(tmp_path / "secret.png")
    (root / "up").symlink_to(tmp_path)
    write_manifest(root, "path,label\nsecret.png,ALL\nup/secret.png,ALL\na.png,ALL\n")

    dataset = folder.read(root)

    assert [cell.id for cell in dataset.cells] == ["a.png"]
    assert [(f.kind, f.path) for f in dataset.findings] == [
        ("outside", "secret.png"),
        ("outside", "up/secret.png"),
    ]


def test_a_manifest_may_lie_elsewhere_and_still_speaks_of_the_root(tmp_path: Path) -> None:
    write_images(tmp_path, "images/a.png")
    path = write_manifest(tmp_path, "path,label\na.png,ALL\n")

    dataset = folder.read(tmp_path / "images", manifest=path)

    assert dataset.cells[0].path == tmp_path / "images" / "a.png"


def test_a_missing_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no such file"):
        folder.read(tmp_path, manifest=tmp_path / "mine.csv")
    with pytest.raises(DatasetError, match=r"it has no manifest\.csv"):
        folder.read(tmp_path)


def test_the_layout_tells_the_data_set(tmp_path: Path) -> None:
    write_images(tmp_path, "mine/a.png", "theirs/C-NMC_Leukemia/training_data/fold_0/all/UID_7_1_1_all.bmp")
    elsewhere = write_manifest(tmp_path, "path,label\na.png,ALL\n")
    write_manifest(tmp_path / "theirs", "path,label\na.png,ALL\n")

    assert open_dataset(tmp_path / "theirs").name == "c-nmc-2019"
    assert open_dataset(tmp_path / "mine", manifest=elsewhere).name == "folder"
    write_manifest(tmp_path / "mine", "path,label\na.png,ALL\n")
    assert open_dataset(tmp_path / "mine").name == "folder"


def test_a_folder_of_unknown_layout_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path)

    assert "C-NMC_Leukemia/training_data" in caught.value.why
    assert "manifest.csv" in caught.value.why
    assert "path and label" in caught.value.fix


def test_a_root_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no such folder"):
        open_dataset(tmp_path / "gone")


def test_an_unknown_name_brings_up_the_closest(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"did you mean c-nmc-2019\?"):
        open_dataset(tmp_path, name="cnmc2019")
    with pytest.raises(SettingError, match="name one of c-nmc-2019, folder"):
        open_dataset(tmp_path, name="xyz")


def test_an_option_that_would_be_ignored_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path, "C-NMC_Leukemia/training_data/fold_0/all/UID_7_1_1_all.bmp")

    with pytest.raises(SettingError, match="no use for it") as caught:
        open_dataset(tmp_path, manifest=tmp_path / "manifest.csv")
    assert "c-nmc-2019 with the option manifest" in caught.value.what
    with pytest.raises(SettingError, match="folder with the option prelim labels"):
        open_dataset(tmp_path, name="folder", prelim_labels=tmp_path / "labels.csv")


def test_the_classes_of_published_data_can_be_called_otherwise(tmp_path: Path) -> None:
    write_images(tmp_path, "C-NMC_Leukemia/training_data/fold_0/all/UID_7_1_1_all.bmp")

    dataset = open_dataset(tmp_path, class_names=("other", "lymphocyte"))

    assert dataset.class_names == ("other", "lymphocyte")
    assert [cell.label for cell in dataset.cells] == [Label.LEUKAEMIC]


def test_the_table_holds_each_data_set_under_its_own_name(tmp_path: Path) -> None:
    assert set(DATASETS) == {"c-nmc-2019", "folder"}
