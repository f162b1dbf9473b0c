"""`leuknet data split`: a folder for each round, a proof that can be read, an exit status that tells."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from leuknet.data.published_counts import FOLDERS
from leuknet.data.split_file import read_manifest
from leuknet.errors import DataError
from leuknet.records import read_record
from leuknet.simulation.simulate import golden_cells, simulate
from leuknet.types import Overlap, Pixels
from tests.conftest import run_cli

BLANK = "0" * 64


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All three folds, simulated, with people under several ids as in the published set."""
    parts = [part for part in FOLDERS if part.startswith("fold")]
    return simulate(tmp_path_factory.mktemp("folds"), seed=0, scale=0.012, parts=parts).parent


def own_images(folder: Path, *, copies: dict[str, str] | None = None) -> Path:
    """A manifest of one image each of six people a class; some images may be the bytes of another."""
    folder.mkdir()
    lines = ["path,label,subject"]
    cells: Pixels = golden_cells(12)
    for number, pixels in enumerate(cells):
        label = "ALL" if number % 2 else "HEM"
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{label},person {number}")
    for target, source in (copies or {}).items():
        shutil.copy(folder / source, folder / target)
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def overlap_of(folder: Path) -> Overlap:
    return read_record(Overlap, folder / "overlap.json", error=DataError, fix="")


def test_each_round_gets_a_folder_with_its_split_and_its_proof(folds: Path, tmp_path: Path) -> None:
    ended = run_cli("data", "split", folds, "--protocol", "folds", "--seed", 3, "--out", tmp_path)

    assert ended.status == 0, ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "folds-fold_0",
        "folds-fold_1",
        "folds-fold_2",
    ]
    for fold in ("fold_0", "fold_1", "fold_2"):
        manifest = read_manifest(tmp_path / f"folds-{fold}" / "split.json")
        assert (manifest.protocol, manifest.round, manifest.seed) == ("folds", fold, 3)
        hashes = {cell.hash for side in manifest.sides.values() for cell in side.hashed}
        assert None not in hashes
        assert BLANK not in hashes
        overlap = overlap_of(tmp_path / f"folds-{fold}")
        assert [(pair.first_cells, pair.second_cells) for pair in overlap.pairs] == [
            (manifest.sides[first].cells, manifest.sides[second].cells)
            for first, second in (("train", "validation"), ("train", "test"), ("validation", "test"))
        ]
        assert not any(pair.subjects or pair.contents for pair in overlap.pairs)
    assert "folds, fold_1: subject-level, seed 3 (SIMULATED)" in ended.out
    assert "nothing in common" in ended.out
    assert "development cells of people on the test side" in ended.out


def test_the_papers_split_is_said_to_be_optimistic_and_no_error(folds: Path, tmp_path: Path) -> None:
    ended = run_cli("data", "split", folds, "--protocol", "paper", "--out", tmp_path)

    assert ended.status == 0, ended.err
    assert "every score made from this split is optimistic" in ended.out
    assert "in common: people" in ended.out
    assert any(pair.subjects for pair in overlap_of(tmp_path / "paper-1-of-1").pairs)


def test_one_image_under_two_persons_is_an_error_after_all_is_written(tmp_path: Path) -> None:
    # Of six people a class, persons 1 and 3 (leukaemic) have one picture: in some round they are apart.
    root = own_images(tmp_path / "own", copies={"3.png": "1.png"})

    ended = run_cli("data", "split", root, "--protocol", "subject-kfold", "--out", tmp_path / "out")

    assert ended.status == 2
    assert "in common: identical images" in ended.out
    names = [f"subject-kfold-{number}-of-5" for number in range(1, 6)]
    shared = {pair.contents for name in names for pair in overlap_of(tmp_path / "out" / name).pairs}
    assert shared & {(("1.png", "3.png"),), (("3.png", "1.png"),)}


def test_near_duplicates_alone_are_a_warning(tmp_path: Path) -> None:
    root = own_images(tmp_path / "own")
    # The picture of person 1, one grey level brighter, as that of person 3.
    with Image.open(root / "1.png") as image:
        image.point([min(level + (level > 8), 255) for level in range(256)] * 3).save(root / "3.png")

    ended = run_cli("data", "split", root, "--protocol", "subject-kfold", "--out", tmp_path / "out")

    assert ended.status == 0, ended.err
    assert "in common: near-duplicates" in ended.out
    assert "warning: look at the near-duplicates" in ended.out


def test_an_image_that_cannot_be_read_stops_the_proof(tmp_path: Path) -> None:
    root = own_images(tmp_path / "own")
    (root / "5.png").write_bytes(b"no picture")

    ended = run_cli("data", "split", root, "--protocol", "subject-kfold", "--out", tmp_path / "out")

    assert ended.status == 2
    assert "5.png" in ended.err
    assert not (tmp_path / "out").exists()


def test_an_unknown_protocol_is_refused_in_three_lines(folds: Path, tmp_path: Path) -> None:
    ended = run_cli("data", "split", folds, "--protocol", "fold", "--out", tmp_path)

    assert ended.status == 2
    assert "no protocol is called 'fold'" in ended.err
    assert "try: use 'folds'" in ended.err
