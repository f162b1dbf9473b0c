"""Models that come with LeukNet: found by name, and honest about what they rest on."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import leuknet
from leuknet.errors import ModelError
from leuknet.images.transform import prepare
from leuknet.inference.model_folder import FILES, read_golden
from leuknet.inference.pretrained import names, resolve
from leuknet.simulation.simulate import golden_cells
from leuknet.types import RestsOn
from tests.conftest import run_cli, without


def test_a_path_stays_as_it_is(tmp_path: Path) -> None:
    assert resolve(tmp_path) == tmp_path
    assert resolve("runs/mine/model") == Path("runs/mine/model")


@pytest.mark.parametrize("model", ["pretrained:", "pretrained:nothing", "pretrained:../..", "pretrained:."])
def test_a_name_that_is_none_is_an_error_that_lists_them(model: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        leuknet.load(model)
    assert caught.value.why == f"it has {', '.join(names())}"

    ended = run_cli("predict", model, tmp_path, "--out", tmp_path / "scores.csv")
    assert ended.status == 2
    assert "LeukNet comes with no model" in ended.err


@pytest.mark.parametrize("model", names())
def test_what_comes_with_leuknet_scores_real_cells_without_torch(
    model: str, shared_data: Path, tmp_path: Path
) -> None:
    cells = shared_data / "cnmc2019" / "C-NMC_Leukemia" / "training_data" / "fold_0" / "all"
    hide = without("torch", "torchvision", "onnx", "accelerate", "timm")
    code = hide + "from leuknet.cli import main; main()"
    out = tmp_path / "scores.csv"

    done = subprocess.run(
        [sys.executable, "-c", code, "predict", model, str(cells), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "of 7 people; it is not validated for any use on patients" in done.stderr
    with out.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == len(list(cells.glob("*.bmp"))) > 5
    assert {row["outcome"] for row in rows} <= {"ALL", "HEM", "uncertain", "unfamiliar"}


@pytest.mark.parametrize("model", names())
def test_what_comes_with_leuknet_says_what_it_is_and_holds_no_picture_of_a_patient(model: str) -> None:
    folder = resolve(model)
    predictor = leuknet.load(model)
    text = (folder / "README.md").read_text(encoding="utf-8")

    assert {path.name for path in folder.iterdir()} == {*FILES, "README.md"}
    assert predictor.card.origin in text
    assert predictor.model_id in text
    assert "not validated for any use on patients" in text
    assert "10.7937/tcia.2019.dc64i46r" in text
    drawn = np.stack([prepare(cell, predictor.card.input_form) for cell in golden_cells(4)])
    assert np.array_equal(read_golden(folder, predictor.card.recipe.image_size_px)[0], drawn)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 15e6


@pytest.mark.parametrize(
    ("rests_on", "words"),
    [
        (RestsOn((420, 1900), (1, 12)), "1,900 ALL cells of 12 people and 420 HEM cells of 1 person"),
        (RestsOn((2, 3), None), "3 ALL cells and 2 HEM cells, people not named"),
    ],
)
def test_what_a_model_rests_on_is_said_by_class(rests_on: RestsOn, words: str) -> None:
    assert rests_on.in_words(("HEM", "ALL")) == words
