"""An ensemble is exactly the mean of its members, and refuses members that do not fit."""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from scipy.special import logit

from leuknet.data import open_dataset, read_pixels
from leuknet.errors import SettingError
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.inference.model_folder import GRAPH, has_graph, open_card
from leuknet.networks.predictor import load_model
from leuknet.recipes.leuknet_demo import LEUKNET_DEMO
from leuknet.training.ensembling import combine
from leuknet.training.train import train
from leuknet.types import Dataset
from tests.conftest import run_cli, without

TINY = replace(
    LEUKNET_DEMO,
    network_options={"filters": [2, 3, 4], "fc1": 4},
    image_size_px=32,
    epochs=2,
    batch_size=16,
    learning_rate=2e-3,
)


@pytest.fixture(scope="module")
def dataset(simulated_fold: Path) -> Dataset:
    return open_dataset(simulated_fold)


@pytest.fixture(scope="module")
def members(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two draws of one recipe, and another network."""
    folder = tmp_path_factory.mktemp("members")
    recipes = [
        TINY,
        replace(TINY, draw=1),
        replace(TINY, network="timm:test_efficientnet", network_options={}),
    ]
    return [
        train(dataset, recipe, out=folder / str(number)).folder / "model"
        for number, recipe in enumerate(recipes)
    ]


@pytest.fixture(scope="module")
def combined(members: list[Path], dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return combine(members, dataset, out=tmp_path_factory.mktemp("ensemble") / "run")


def test_its_log_odds_are_the_mean_of_the_calibrated_log_odds(
    members: list[Path], combined: Path, dataset: Dataset
) -> None:
    model = load_model(combined)
    with np.load(combined / "golden.npz") as golden:
        inputs = golden["inputs"]

    each = [logit(load_model(member).score(inputs)) for member in members]

    # `run` gives what the network says before the ensemble's own calibration.
    np.testing.assert_allclose(model.run(inputs)[0], np.mean(each, axis=0), atol=1e-4)


def test_an_ensemble_and_a_published_network_need_no_pytorch_to_predict(
    members: list[Path], combined: Path, simulated_fold: Path, tmp_path: Path
) -> None:
    image = min(simulated_fold.rglob("*.bmp"))
    for model in (members[2], combined):
        weights = onnx.load(model / GRAPH, load_external_data=False).graph.initializer
        assert any(one.data_location == onnx.TensorProto.EXTERNAL for one in weights)  # stored once
        out = tmp_path / f"{model.parent.name}.csv"
        hide = without("torch", "torchvision", "onnx", "onnxscript", "timm")
        code = f"{hide}from leuknet.cli import main; main()"
        command = [sys.executable, "-c", code, "predict", str(model), str(image), "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)

        assert (done.returncode, "graph" in done.stderr) == (0, False), done.stderr
        by_torch = load_model(model).predict(read_pixels(image).pixels[None])
        (line,) = csv.DictReader(out.read_text().splitlines())
        assert float(line["probability"]) == pytest.approx(by_torch[0], abs=1e-4)


def test_a_network_that_cannot_be_exported_is_saved_without_a_graph_and_told(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("aten::strange is not implemented")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    recipe = replace(TINY, network="timm:test_efficientnet", network_options={}, epochs=1)
    with pytest.warns(UserWarning, match=r"without a graph: PyTorch cannot export it: aten::strange"):
        model = train(dataset, recipe, out=tmp_path / "run").folder / "model"

    assert not has_graph(model)
    ended = run_cli("predict", model, dataset.cells[0].path, "--out", tmp_path / "scores.csv")
    assert ended.status == 0
    assert "has no graph: PyTorch computes; `leuknet export" in ended.err
    refused = run_cli("export", model)
    assert refused.status == 2
    assert "aten::strange" in refused.err


def test_it_is_calibrated_on_the_shared_validation_side(
    members: list[Path], combined: Path, dataset: Dataset
) -> None:
    card, first = open_card(combined), open_card(members[0])

    assert card.calibration is not None
    assert first.calibration is not None
    assert card.split_fingerprint == first.split_fingerprint
    assert card.calibration.cells == first.calibration.cells
    assert card.recipe.name == "ensemble of 3 x leuknet-demo"
    features = load_model(combined).embed(np.zeros((1, 32, 32, 3), np.uint8))[1]
    assert features.shape[1] == sum(
        load_model(one).embed(np.zeros((1, 32, 32, 3), np.uint8))[1].shape[1] for one in members
    )


def test_the_command_combines_and_the_result_is_judged_like_any_model(
    members: list[Path], simulated_fold: Path, tmp_path: Path
) -> None:
    ended = run_cli("ensemble", members[0], members[1], "--data", simulated_fold, "--out", tmp_path / "run")
    assert ended.status == 0, ended.err

    judged = run_cli("evaluate", tmp_path / "run" / "model", "--data", simulated_fold)

    assert judged.status == 0, judged.err
    evaluation = read_evaluation(tmp_path / "run" / "evaluation" / "evaluation.json")
    assert evaluation.recipe == "ensemble of 2 x leuknet-demo"


def test_members_of_other_cells_or_sizes_are_refused(
    members: list[Path], dataset: Dataset, combined: Path, tmp_path: Path
) -> None:
    other_cells = train(dataset, replace(TINY, seed=1, epochs=1), out=tmp_path / "cells").folder / "model"
    other_size = train(dataset, replace(TINY, image_size_px=40, epochs=1), out=tmp_path / "size").folder

    with pytest.raises(SettingError, match="split is"):
        combine([members[0], other_cells], dataset, out=tmp_path / "out")
    with pytest.raises(SettingError, match="image_size_px is 32"):
        combine([members[0], other_size / "model"], dataset, out=tmp_path / "out")
    with pytest.raises(SettingError, match="one model is no ensemble"):
        combine(members[:1], dataset, out=tmp_path / "out")
    with pytest.raises(SettingError, match="holds something already, such as model"):
        combine(members, dataset, out=combined.parent)
    assert not (tmp_path / "out").exists()
