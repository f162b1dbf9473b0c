"""C-NMC 2019 as people have it: other folders, other case, other formats, one fold, a part of it, twice."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leuknet.data import c_nmc, open_dataset
from leuknet.data.published_counts import FOLDERS, PRELIM_LABELS
from leuknet.data.split import fingerprint
from leuknet.data.split_file import read_manifest, write_split
from leuknet.data.verify import verify
from leuknet.errors import DatasetError
from leuknet.images.inputs import MappedInputs, cached_inputs
from leuknet.images.published_bmp import bmp_bytes
from leuknet.types import Dataset, Finding, InputForm, Label, Pixels, Split

PRELIM = FOLDERS["prelim"]
TRAINING = {
    # 11 and H6 are published in fold_0, 51 and H10 in fold_1.
    "training_data/fold_0/all/UID_11_33_4_all.bmp": 1,
    "training_data/fold_0/hem/UID_H6_1_1_hem.bmp": 2,
    "training_data/fold_1/all/UID_51_2_3_all.bmp": 3,
    "training_data/fold_1/hem/UID_H10_1_2_hem.bmp": 4,
}
NUMBERED = {f"{PRELIM}/1.bmp": 5, f"{PRELIM}/2.bmp": 6, f"{FOLDERS['final']}/1.bmp": 7}
LABELS = "Patient_ID,new_names,labels\nUID_57_29_1_all.bmp,1.bmp,1\nUID_H25_1_1_hem.bmp,2.bmp,0\n"


def picture(shade: int) -> Pixels:
    """Black, of an odd width so that rows are padded, with a patch of a colour of its own."""
    pixels = np.zeros((10, 13, 3), dtype=np.uint8)
    pixels[2:7, 3:9] = (shade * 20, 10 + shade, 90)
    pixels[2, 3] = (1, 2, 3)
    return pixels


def published_bytes(id_: str, shade: int) -> bytes:
    return bmp_bytes(picture(shade), "long" if id_.startswith(PRELIM) else "short")


def write(root: Path, name: str, shade: int, id_: str = "") -> Path:
    """Write a picture as the publisher does, or in the format of the name's suffix, without loss."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".bmp":
        path.write_bytes(published_bytes(id_, shade))
    else:
        options = {"lossless": True} if path.suffix.lower() == ".webp" else {}
        Image.fromarray(picture(shade)).save(path, **options)  # type: ignore[arg-type]
    return path


def write_published(root: Path) -> Path:
    for id_, shade in (TRAINING | NUMBERED).items():
        write(root / "C-NMC_Leukemia", id_, shade, id_)
    (root / "C-NMC_Leukemia" / PRELIM_LABELS).write_text(LABELS)
    return root


def facts(dataset: Dataset) -> list[tuple[str, str, Label | None, str | None, str]]:
    """All that a layout must not change: ids, contents, labels, people and parts."""
    return [(cell.id, cell.sha256, cell.label, cell.subject, cell.part) for cell in dataset.cells]


def findings_of(dataset: Dataset, kind: str) -> list[Finding]:
    return [finding for finding in dataset.findings if finding.kind == kind]


@pytest.fixture
def as_published(tmp_path: Path) -> Dataset:
    return open_dataset(write_published(tmp_path / "published"))


def test_the_published_layout_leaves_nothing_to_conclude(as_published: Dataset) -> None:
    assert [cell.id for cell in as_published.cells] == [*TRAINING, *NUMBERED]
    assert {finding.kind for finding in as_published.findings} == {"merged"}
    assert as_published.cells[0].sha256 == hashlib.sha256(published_bytes("", 1)).hexdigest()


ARCHIVE = {
    "training_data/": "PKG - C-NMC 2019/C-NMC_training_data/",
    "validation_data/": "PKG - C-NMC 2019/",
    "testing_data/": "PKG - C-NMC 2019/",
}


@pytest.mark.parametrize(
    ("change", "labels"),
    [
        (ARCHIVE, "PKG - C-NMC 2019/C-NMC_test_prelim_phase_data_labels.csv"),
        (ARCHIVE, "PKG - C-NMC 2019/C-NMC_test_prelim_phase_data/C-NMC_test_prelim_phase_data_labels.csv"),
        (
            {
                "training_data/fold_": "data/Fold ",
                "/hem/": "/HEM/",
                "/all/": "/All/",
                ".bmp": ".BMP",
                "n_data": "n_Data",
                "testing_": "Testing_",
            },
            "data/c-nmc_TEST_prelim_phase_data_LABELS.CSV",
        ),
        (
            {
                "fold_0/": "fold_0/fold_0/",
                "C-NMC_test_prelim_phase_data/": "C-NMC_test_prelim_phase_data/C-NMC_test_prelim_phase_data/",
            },
            "validation_data/C-NMC_test_prelim_phase_data_labels.csv",
        ),
        ({"C-NMC_": "archive/C-NMC_", "training_data": "Leukemia/Training Data"}, "x/prelim_labels.csv"),
    ],
    ids=["archive, labels beside", "archive, labels inside", "other case", "doubled folders", "deeper"],
)
def test_other_folders_give_the_very_cells_of_the_published_ones(
    as_published: Dataset, tmp_path: Path, change: dict[str, str], labels: str
) -> None:
    root = tmp_path / "repacked"
    for id_, shade in (TRAINING | NUMBERED).items():
        name = id_
        for old, new in change.items():
            name = name.replace(old, new)
        write(root, name, shade, id_)
    (root / labels).parent.mkdir(parents=True, exist_ok=True)
    (root / labels).write_text(LABELS)

    dataset = open_dataset(root)

    assert facts(dataset) == facts(as_published)
    (layout,) = findings_of(dataset, "layout")
    assert layout.severity == "info"
    assert "in other folders than published" in layout.message
    assert {finding.severity for finding in dataset.findings} == {"info"}
    assert all(cell.path.is_file() for cell in dataset.cells)
    if labels != PRELIM_LABELS:
        assert [finding.path for finding in findings_of(dataset, "labels")] == [labels]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".TIFF"])
def test_lossless_copies_are_the_publishers_cells_by_hash(
    as_published: Dataset, tmp_path: Path, suffix: str
) -> None:
    root = tmp_path / "copies"
    for id_, shade in (TRAINING | NUMBERED).items():
        write(root / "C-NMC_Leukemia", id_.replace(".bmp", suffix), shade, id_)
    (root / "C-NMC_Leukemia" / PRELIM_LABELS).write_text(LABELS)

    dataset = open_dataset(root)

    assert facts(dataset) == facts(as_published)
    (copy,) = findings_of(dataset, "copy")
    assert copy.severity == "info"
    assert copy.message.startswith("7 cells are ")
    hashes = tmp_path / "published.tsv"
    rows = [
        f"C-NMC_Leukemia/{id_}\t{hashlib.sha256(published_bytes(id_, shade)).hexdigest()}"
        for id_, shade in (TRAINING | NUMBERED).items()
    ]
    hashes.write_text("\n".join(["path\tsha256", *rows]))
    checked = verify(root, hashes=hashes).findings
    assert {one.kind for one in checked} == {"copy", "merged", "size"}  # these pictures are tiny
    assert all(str(one.path).endswith(suffix) for one in checked if one.kind == "size")


def test_the_split_of_one_copy_is_found_in_another(as_published: Dataset, tmp_path: Path) -> None:
    cells = as_published.cells
    sides = (cells[:2], cells[2:3], cells[3:4])
    write_split(Split(*sides, "image-level", 0, fingerprint(*sides)), tmp_path / "split.json")
    for id_, shade in TRAINING.items():
        write(tmp_path / "flat", Path(id_).with_suffix(".png").name, shade)

    found = read_manifest(tmp_path / "split.json").find_in(open_dataset(tmp_path / "flat"))

    assert [cell.id for cell in found.cells] == list(TRAINING)
    assert {cell.path.suffix for cell in found.cells} == {".png"}


def test_pictures_of_a_copy_are_kept_and_changed_ones_refused(tmp_path: Path) -> None:
    for id_, shade in TRAINING.items():
        write(tmp_path / "flat", Path(id_).with_suffix(".png").name, shade)
    dataset = open_dataset(tmp_path / "flat")

    def look(form: InputForm) -> MappedInputs:
        return cached_inputs(dataset.cells, form, pool=dataset.cells, root=dataset.root)

    assert look(InputForm(None, 8, None)).unreadable == ()
    write(tmp_path / "flat", "UID_11_33_4_all.png", 9)
    changed = look(InputForm(None, 10, None))
    assert [cell.id for cell, _ in changed.unreadable] == [dataset.cells[0].id]


def test_one_fold_alone_is_told_by_its_subjects_or_its_name(tmp_path: Path) -> None:
    for id_, shade in TRAINING.items():
        if "fold_1" in id_:
            write(tmp_path / "mine", id_.removeprefix("training_data/fold_1/"), shade)
            write(tmp_path / "only" / "fold_1", id_.removeprefix("training_data/fold_1/"), shade)
    write(tmp_path / "Fold-2", "hem/UID_H99_1_1_hem.bmp", 3)  # nobody of that id is published

    dataset = open_dataset(tmp_path / "mine")

    assert [(cell.id, cell.part) for cell in dataset.cells] == [
        (id_, "fold_1") for id_ in TRAINING if "fold_1" in id_
    ]
    (part,) = findings_of(dataset, "part")
    assert part.severity == "info"
    assert "2 cells counted as fold_1, since their subjects are published there only" in part.message
    assert facts(open_dataset(tmp_path / "only" / "fold_1")) == facts(dataset)
    assert facts(open_dataset(tmp_path / "only")) == facts(dataset)
    assert findings_of(open_dataset(tmp_path / "only"), "part") == []
    by_name = open_dataset(tmp_path / "Fold-2")
    assert [cell.part for cell in by_name.cells] == ["fold_2"]
    assert "from the name of the folder that was opened" in findings_of(by_name, "part")[0].message


def test_somebodys_own_division_does_not_make_other_folds(tmp_path: Path) -> None:
    # 51 is published in fold_1: a folder of this name is one of five folds of somebody's.
    write(tmp_path, "cv/fold_0/all/UID_51_2_3_all.bmp", 3)
    write(tmp_path, "cv/fold_0/hem/UID_H6_1_1_hem.bmp", 2)

    dataset = open_dataset(tmp_path)

    assert {cell.subject: cell.part for cell in dataset.cells} == {
        "H2+H4+H5+H6": "fold_0",
        "51+75+78": "fold_1",
    }
    (part,) = findings_of(dataset, "part")
    assert (part.severity, part.path) == ("warning", "cv/fold_0/all/UID_51_2_3_all.bmp")
    assert "against their folder's name" in part.message


def test_cells_of_subjects_that_nobody_published_belong_to_no_part(tmp_path: Path) -> None:
    write(tmp_path, "all/UID_99_1_1_all.png", 1)

    dataset = open_dataset(tmp_path)

    (cell,) = dataset.cells
    assert (cell.id, cell.part, cell.subject, cell.label) == (
        "all/UID_99_1_1_all.png",
        "",
        "99",
        Label.LEUKAEMIC,
    )
    assert [finding.severity for finding in findings_of(dataset, "part")] == ["warning"]


@pytest.mark.parametrize("wrong", ["hem/UID_11_33_4_all.bmp", "all/UID_H6_1_1_hem.bmp"])
def test_a_cell_in_the_wrong_classs_folder_has_that_folder_in_its_id(tmp_path: Path, wrong: str) -> None:
    write(tmp_path, f"C-NMC_Leukemia/training_data/fold_0/{wrong}", 1)
    write(tmp_path, f"archive/Fold_0/{wrong}", 1)

    for root in (tmp_path, tmp_path / "archive"):
        dataset = open_dataset(root)
        assert [(cell.id, cell.label) for cell in dataset.cells] == [(f"training_data/fold_0/{wrong}", None)]
        assert [one.severity for one in findings_of(dataset, "mislabelled")] == ["error"]
        assert len(findings_of(dataset, "layout")) == (root != tmp_path)


def test_without_a_folder_of_a_class_the_name_says_it(tmp_path: Path) -> None:
    write(tmp_path, "UID_51_2_3_all.bmp", 3)
    write(tmp_path, "UID_H10_1_2_HEM.bmp", 4)
    write(tmp_path, "UID_H10_1_3_all.bmp", 5)

    dataset = open_dataset(tmp_path)

    assert [(cell.subject, cell.label) for cell in dataset.cells] == [
        ("51+75+78", Label.LEUKAEMIC),
        ("H3+H10", Label.NORMAL),
        ("H3+H10", None),
    ]
    assert "3 cells in no folder all or hem" in findings_of(dataset, "class")[0].message
    (wrong,) = findings_of(dataset, "mislabelled")
    assert "UID_H10_1_3_all.bmp" in wrong.message


def test_the_same_cell_at_two_places_counts_once_and_is_said(tmp_path: Path) -> None:
    root = write_published(tmp_path)
    write(root / "C-NMC_Leukemia", "backup/UID_11_33_4_all.png", 1)
    write(root / "C-NMC_Leukemia", "train/all/UID_51_2_3_all.bmp", 3)

    dataset = open_dataset(root)

    assert [cell.id for cell in dataset.cells] == [*TRAINING, *NUMBERED]
    assert [(one.severity, one.path) for one in findings_of(dataset, "twice")] == [
        ("warning", "training_data/fold_0/all/UID_11_33_4_all.bmp"),
        ("warning", "training_data/fold_1/all/UID_51_2_3_all.bmp"),
    ]
    assert "backup/UID_11_33_4_all.png; counted once" in findings_of(dataset, "twice")[0].message


def test_two_images_under_one_cells_name_are_an_error(tmp_path: Path) -> None:
    root = write_published(tmp_path / "a")
    write(root / "C-NMC_Leukemia", "backup/UID_11_33_4_all.png", 9)
    for name in ("one", "two"):
        write(tmp_path / "b", f"{name}/UID_11_33_4_all.bmp", len(name) + (name == "two"))
    write(tmp_path / "b", "one/UID_H6_1_1_hem.bmp", 2)

    kept = open_dataset(root)
    open_question = open_dataset(tmp_path / "b")

    # In the publisher's place is the publisher's; between two others nothing is guessed.
    assert kept.cells[0].path == (root / "C-NMC_Leukemia" / kept.cells[0].id).resolve()
    assert findings_of(kept, "twice")[0].severity == "error"
    assert "left out" in findings_of(kept, "twice")[0].message
    assert [cell.subject for cell in open_question.cells] == ["H2+H4+H5+H6"]
    assert "none of them is used" in findings_of(open_question, "twice")[0].message


def test_a_lossy_copy_is_used_alone_only_and_with_a_warning(tmp_path: Path) -> None:
    Image.fromarray(picture(1)).resize((64, 64)).save(tmp_path / "UID_11_33_4_all.jpg")
    write(tmp_path, "UID_H6_1_1_hem.bmp", 2)
    Image.fromarray(picture(2)).resize((64, 64)).save(tmp_path / "UID_H6_1_1_hem.webp", quality=40)

    dataset = open_dataset(tmp_path)

    assert [cell.path.suffix for cell in dataset.cells] == [".jpg", ".bmp"]
    (lossy,) = findings_of(dataset, "lossy")
    assert (lossy.severity, lossy.message[:24]) == ("warning", "1 cells are JPEG files w")
    assert dataset.cells[0].sha256 == hashlib.sha256(dataset.cells[0].path.read_bytes()).hexdigest()


def test_a_bmp_that_was_saved_again_is_known_by_its_pixels(tmp_path: Path) -> None:
    path = write(tmp_path, "UID_11_33_4_all.bmp", 1)
    before = open_dataset(tmp_path).cells[0].sha256
    Image.fromarray(picture(1)).save(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() != before

    dataset = open_dataset(tmp_path)

    assert dataset.cells[0].sha256 == before
    assert "another header than published" in findings_of(dataset, "copy")[0].message


def test_preliminary_cells_under_their_original_names_need_no_list(tmp_path: Path) -> None:
    write(tmp_path, "C-NMC_test_prelim_phase_data/UID_57_29_1_all.bmp", 5, PRELIM)
    write(tmp_path, "UID_H25_1_1_hem.bmp", 6, PRELIM)
    (tmp_path / "prelim_labels.csv").write_text(LABELS)

    dataset = open_dataset(tmp_path)

    assert [(cell.part, cell.subject, cell.label) for cell in dataset.cells] == [
        ("prelim", "57", Label.LEUKAEMIC),
        ("prelim", "H25", Label.NORMAL),
    ]
    assert findings_of(dataset, "unlabelled") == findings_of(dataset, "label-without-file") == []


def test_label_lists_that_differ_are_for_the_user_to_choose(tmp_path: Path) -> None:
    write(tmp_path, "C-NMC_test_prelim_phase_data/1.bmp", 5, PRELIM)
    for name in ("prelim_labels.csv", "prelim_labels_2.csv"):
        (tmp_path / name).write_text(LABELS)
    assert "and its copies" in findings_of(open_dataset(tmp_path), "labels")[0].message
    (tmp_path / "prelim_labels_2.csv").write_text(LABELS.replace("1.bmp,1", "1.bmp,0"))

    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path)

    assert "prelim_labels.csv, prelim_labels_2.csv" in caught.value.why
    assert "--prelim-labels" in caught.value.fix
    assert open_dataset(tmp_path, prelim_labels=tmp_path / "prelim_labels.csv").cells[0].subject == "57"


def test_a_leading_zero_makes_nobody_else(tmp_path: Path) -> None:
    write(tmp_path, "UID_011_33_4_all.bmp", 1)
    write(tmp_path, "UID_11_33_5_all.bmp", 2)

    assert {cell.subject for cell in open_dataset(tmp_path).cells} == {"11"}


def test_a_few_published_names_among_others_make_no_c_nmc(tmp_path: Path) -> None:
    write(tmp_path, "ALL/UID_11_33_4_all.png", 1)
    for number in range(3):
        write(tmp_path, f"HEM/mine_{number}.png", number + 2)

    dataset = open_dataset(tmp_path)

    assert (dataset.name, len(dataset.cells)) == ("folder", 4)


def test_numbers_alone_are_the_names_of_no_set(tmp_path: Path) -> None:
    write(tmp_path, "final/1.png", 1)

    with pytest.raises(DatasetError):
        open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="cannot read C-NMC 2019"):
        c_nmc.read(tmp_path)


@pytest.mark.parametrize("opened", ["C-NMC_Leukemia/training_data/fold_0", ".."])
def test_simulated_cells_stay_simulated_from_whatever_folder_they_are_opened(
    tmp_path: Path, opened: str
) -> None:
    root = write_published(tmp_path / "deep" / "drawn")
    shutil.rmtree(root / "C-NMC_Leukemia" / "testing_data")
    counts = {"fold_0": {"images": 2, "leukaemic": 1, "normal": 1, "subjects": 2}}
    mark = root / "C-NMC_Leukemia" / "simulated.json"
    mark.write_text(json.dumps({"simulated": True, "counts": counts}))

    dataset = open_dataset((root / opened).resolve())

    assert dataset.simulated
    assert [one.path for one in dataset.findings if "simulated.json" in one.path] == []


@pytest.mark.parametrize("place", ["webp", "C-NMC_Leukemia/training_data/fold_1"])
def test_real_copies_have_the_publishers_hashes(shared_data: Path, tmp_path: Path, place: str) -> None:
    """Some of the real cells, in lossless WebP and as they are: each by the publisher's list."""
    source = shared_data / "cnmc2019"
    with (source / "manifest.tsv").open(newline="") as lines:
        published = {row["path"]: row["sha256"] for row in csv.DictReader(lines, delimiter="\t")}
    some = sorted(path for path in (source / place).rglob("UID_*") if path.is_file())[::120]
    for path in some:
        shutil.copy(path, tmp_path / path.name)

    dataset = open_dataset(tmp_path)

    assert len(dataset.cells) == len(some) > 0
    for cell in dataset.cells:
        assert published[f"C-NMC_Leukemia/{cell.id}"] == cell.sha256


def test_real_preliminary_cells_saved_as_png_have_the_publishers_hashes(
    shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "cnmc2019" / "C-NMC_Leukemia" / PRELIM
    target = tmp_path / "C-NMC_test_prelim_phase_data"
    target.mkdir()
    for path in source.glob("*.bmp"):
        with Image.open(path) as image:
            image.save(target / f"{path.stem}.png")

    dataset = open_dataset(tmp_path)

    assert {Path(cell.id).name: cell.sha256 for cell in dataset.cells} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in source.glob("*.bmp")
    }
