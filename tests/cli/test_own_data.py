"""The way of somebody with images of their own: folders for classes, people in names, no people at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from leuknet.evaluation.evaluate import read_evaluation
from leuknet.images.published_bmp import bmp_bytes
from leuknet.inference.model_folder import open_card
from leuknet.simulation.simulate import golden_cells
from tests.conftest import run_cli

SETTINGS = (
    "epochs=1",
    "image_size_px=28",
    "batch_size=4",
    "network_options.filters=4,6,8",
    "network_options.fc1=8",
)
SMALL = [word for setting in SETTINGS for word in ("--set", setting)]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty images in two folders; the names say that there are ten people."""
    root = tmp_path_factory.mktemp("own")
    for number, pixels in enumerate(golden_cells(40)):
        place = root / ("All" if number % 2 else "hem")
        place.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(place / f"P{number % 10}_{number}.png")
    return root


def test_a_folder_for_each_class_is_trained_on_by_people_and_judged(own: Path, tmp_path: Path) -> None:
    model = tmp_path / "run" / "model"
    data = ("--data", own, "--subject-pattern", r"^(P\d)_")

    ended = run_cli("train", "leuknet-demo", *data, "--out", model.parent, "--split", "subject-level", *SMALL)

    assert ended.status == 0, ended.err
    assert "all labelled cells are taken: the recipe's parts (fold_0) are those of C-NMC 2019" in ended.err
    assert ended.out.rstrip().endswith(r"--subject-pattern '^(P\d)_'")  # what is recommended tells people too
    assert "optimistic" not in ended.out
    assert open_card(model).recipe.parts == ()
    assert run_cli("evaluate", model, *data).status == 0
    evaluation = read_evaluation(model.parent / "evaluation" / "evaluation.json")
    assert (evaluation.split_kind, evaluation.dataset) == ("subject-level", "folder")
    assert evaluation.subjects is not None


def test_images_of_nobody_are_judged_in_rounds_that_say_optimistic(own: Path, tmp_path: Path) -> None:
    words = ("--recipes", "leuknet-demo", "--protocol", "image-kfold", "--seeds", "0", *SMALL)

    ended = run_cli("benchmark", "--data", own, *words, "--out", tmp_path)

    assert ended.status == 0, ended.err
    assert "image-kfold, image-level split: optimistic" in " ".join(ended.out.split())
    table = (tmp_path / "image-kfold" / "table.md").read_text(encoding="utf-8")
    assert "its scores are optimistic" in table
    assert "| 40 (?) |" in table  # each image is tested once, and names nobody
    files = list((tmp_path / "image-kfold" / "evaluations").rglob("*.json"))
    kinds = {read_evaluation(path).split_kind for path in files}
    assert kinds == {"image-level"}


def test_one_round_of_images_is_trained_and_evaluated_as_optimistic(own: Path, tmp_path: Path) -> None:
    model = tmp_path / "run" / "model"

    ended = run_cli(
        *("train", "leuknet-demo", "--data", own, "--out", model.parent),
        *("--protocol", "image-kfold", "--round", "2 of 5", *SMALL),
    )

    assert ended.status == 0, ended.err
    assert "image-level split (optimistic)" in ended.out
    ended = run_cli("evaluate", model, "--data", own)
    assert ended.status == 0, ended.err
    assert "image-level (optimistic" in " ".join(ended.out.split())


def test_the_papers_protocol_recommends_what_works_without_people(own: Path, tmp_path: Path) -> None:
    ended = run_cli("train", "leuknet-demo", "--data", own, "--out", tmp_path / "run", "--protocol", "paper")

    assert ended.status == 2
    assert "--protocol image-kfold" in ended.err.splitlines()[-1]


def test_verify_names_images_without_a_person_and_ends_with_2(own: Path) -> None:
    ended = run_cli("data", "verify", own, "--subject-pattern", r"^(P[1-9])_")

    assert ended.status == 2
    assert "error   no-subject: 4 of 40 images have names without the pattern" in ended.out
    assert "P0_" in ended.out


def test_opening_a_part_of_c_nmc_says_what_lacks(tmp_path: Path) -> None:
    for number, pixels in enumerate(golden_cells(4)):
        name = f"UID_H10_1_{number}_hem.bmp" if number % 2 else f"UID_51_1_{number}_all.bmp"
        (tmp_path / name).write_bytes(bmp_bytes(pixels, "short"))

    ended = run_cli("data", "split", tmp_path, "--protocol", "folds", "--out", tmp_path / "out")

    assert ended.status == 2  # there is one fold only
    assert "incomplete: 2,416 of 2,418 ALL images of fold_1 are missing" in ended.err
    assert "incomplete: 1,161 of 1,163 HEM images of fold_1 are missing" in ended.err
    assert "2 of 14 subjects of fold_1 are incomplete: 51 (2 of 757), H10 (2 of 405)" in ended.err
    assert "fold_0 are missing" not in ended.err  # what is not here at all is no incomplete copy
