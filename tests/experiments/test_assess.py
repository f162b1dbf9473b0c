"""One model judged: what lies beside it afterwards, and when nothing does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leuknet.data import open_dataset
from leuknet.errors import DataError, ModelError, SettingError
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.looks import VARIABLE
from leuknet.evaluation.validation_thresholds import thresholds_for
from leuknet.experiments import assess as module
from leuknet.experiments.assess import assess, describe_data
from leuknet.explain.methods import METHODS, methods_for
from leuknet.images.survey import cached_survey
from leuknet.inference.onnx_predictor import load_onnx_model
from leuknet.networks.predictor import load_model
from leuknet.recipes.leuknet_demo import LEUKNET_DEMO
from leuknet.records import read_record
from leuknet.training.train import train
from leuknet.types import DataCard, Dataset, Galleries, Overlap, TestSide
from tests.conftest import without

TINY = replace(
    LEUKNET_DEMO,
    network_options={"filters": [2, 3, 4], "fc1": 4},
    image_size_px=16,
    epochs=1,
    batch_size=16,
)


pytestmark = pytest.mark.usefixtures("blank_figures")  # but for those of `judged`, which is made before


@pytest.fixture(scope="module")
def dataset(simulated_fold: Path) -> Dataset:
    return open_dataset(simulated_fold)


@pytest.fixture(scope="module")
def model(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(dataset, TINY, out=tmp_path_factory.mktemp("runs") / "one").folder / "model"


@pytest.fixture(scope="module")
def judged(model: Path, dataset: Dataset) -> Path:
    out = model.parent / "evaluation"
    assess(load_model(model), dataset, out=out, galleries=True)
    return out


def test_everything_a_report_needs_can_be_read_back(judged: Path, dataset: Dataset) -> None:
    evaluation = read_evaluation(judged / "evaluation.json")
    overlap = read_record(Overlap, judged / "overlap.json", error=DataError, fix="")
    galleries = read_record(Galleries, judged / "galleries.json", error=DataError, fix="")

    assert read_record(DataCard, judged / "data.json", error=DataError, fix="") == describe_data(dataset)
    assert [pair.first + pair.second for pair in overlap.pairs] == [
        *("trainvalidation", "traintest", "validationtest")
    ]
    # An image-level split: the same people, and yet no picture twice.
    assert not overlap.is_disjoint
    assert all(pair.subjects and not pair.contents for pair in overlap.pairs)
    assert [one.name for one in galleries.galleries] == ["certain-wrong", "uncertain", "typical"]
    assert all((judged / one.file).stat().st_size for one in galleries.galleries)
    assert evaluation.calibration is not None


def test_thresholds_of_the_card_are_those_of_the_validation_cells_scored_again(
    model: Path, dataset: Dataset, judged: Path
) -> None:
    predictor = load_onnx_model(model)
    on_card = thresholds_for(predictor, replace(dataset, cells=()))
    details = read_evaluation(judged / "evaluation.json").details

    assert details is not None
    assert [point.chosen for point in details.operating_points] == [None, *on_card]
    assert {one.purpose for one in on_card} == {"sensitivity", "specificity"}
    # A model that an earlier LeukNet trained: its card names none.
    assert predictor.card.calibration is not None
    calibration = replace(predictor.card.calibration, thresholds=())
    predictor.card = replace(predictor.card, calibration=calibration)
    again = thresholds_for(predictor, dataset)
    assert [(one.purpose, one.target, one.reached, one.cells) for one in again] == [
        (one.purpose, one.target, one.reached, one.cells) for one in on_card
    ]
    assert [one.threshold for one in again] == pytest.approx([one.threshold for one in on_card], abs=1e-5)
    assert thresholds_for(predictor, replace(dataset, cells=())) == ()


def test_a_threshold_that_needs_validation_cells_that_are_not_there_is_refused(
    model: Path, dataset: Dataset
) -> None:
    predictor, elsewhere = load_onnx_model(model), replace(dataset, cells=(), name="elsewhere")

    with pytest.raises(DataError, match="validation cells are not in elsewhere"):
        thresholds_for(predictor, elsewhere, asked=[("specificity", 0.7)])
    (found,) = [
        one for one in thresholds_for(predictor, dataset, asked=[("specificity", 0.7)]) if one.target == 0.7
    ]
    assert found.reached >= 0.7


def test_baselines_are_scored_on_the_very_cells_of_the_model(judged: Path) -> None:
    evaluation = read_evaluation(judged / "evaluation.json")
    for name in ("area", "colour", "nearest", "texture"):
        baseline = read_evaluation(judged / "baselines" / f"{name}.json")
        assert baseline.paths == evaluation.paths
        assert baseline.labels == evaluation.labels
        assert baseline.split_fingerprint == evaluation.split_fingerprint
        assert baseline.model_id == f"baseline: {name}"


def test_a_survey_at_hand_is_taken_instead_of_reading_again(
    model: Path, dataset: Dataset, judged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    surveyed = cached_survey(dataset.cells, dataset, textures=True)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it was surveyed before")

    monkeypatch.setattr(module, "cached_survey", refuse)
    assess(load_model(model), dataset, out=tmp_path, surveyed=surveyed)

    for name in ("overlap.json", "data.json", "baselines/nearest.json"):
        assert (tmp_path / name).read_text("utf-8") == (judged / name).read_text("utf-8")


def test_galleries_of_an_earlier_evaluation_are_not_taken_for_this_one(
    model: Path, dataset: Dataset, judged: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(judged, tmp_path / "out")
    with pytest.raises(SettingError, match="holds something already"):
        assess(load_model(model), dataset, out=out)
    assert (out / "galleries.json").exists()

    assess(load_model(model), dataset, out=out, overwrite=True)

    assert not (out / "galleries.json").exists()
    assert (out / "evaluation.json").exists()


def test_without_the_training_cells_there_are_no_baselines_and_older_ones_go(
    model: Path, dataset: Dataset, judged: Path, tmp_path: Path
) -> None:
    shutil.copytree(judged, tmp_path / "out")
    test = read_evaluation(model.parent / "evaluation" / "evaluation.json").paths
    few = tuple(cell for cell in dataset.cells if cell.id in test)
    side = TestSide(few, "external", "f" * 64, "elsewhere")
    assess(load_model(model), replace(dataset, cells=few), out=tmp_path / "out", side=side, overwrite=True)

    # Those of other cells would be taken for this evaluation's.
    assert not (tmp_path / "out" / "baselines").exists()
    assert read_evaluation(tmp_path / "out" / "evaluation.json").split_kind == "external"


def test_a_model_without_hashes_is_refused_before_its_cells_are_looked_at(
    model: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ledger.jsonl"))
    old = tmp_path / "model"
    old.mkdir()
    for path in model.iterdir():
        (old / path.name).symlink_to(path)
    content = json.loads((model / "split.json").read_text(encoding="utf-8"))
    content["hash_name"] = "another hash"
    (old / "split.json").unlink()
    (old / "split.json").write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(DataError, match="perceptual hash"):
        assess(load_model(old), dataset, out=tmp_path / "out")
    assert not (tmp_path / "ledger.jsonl").exists()
    assert not (tmp_path / "out").exists()


def test_the_evaluation_is_written_last_so_that_it_stands_for_the_others(
    model: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(module, "draw_galleries", fail)
    with pytest.raises(OSError, match="no space"):
        assess(load_model(model), dataset, out=tmp_path / "out", galleries=True)
    assert (tmp_path / "out" / "overlap.json").exists()
    assert not (tmp_path / "out" / "evaluation.json").exists()


def test_a_base_install_evaluates_by_the_graph_and_says_which_maps_are_left_out(
    model: Path, dataset: Dataset, judged: Path, tmp_path: Path
) -> None:
    code = without(
        "torch", "torchvision", "captum", "accelerate", "timm", "onnx", "optuna", "huggingface_hub"
    ) + (
        "import sys\n"
        "from leuknet.cli import main\n"
        f"sys.argv = ['leuknet', 'evaluate', {str(model)!r}, '--data', {str(dataset.root)!r}, "
        f"'--galleries', '--out', {str(tmp_path / 'out')!r}]\n"
        "main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=250)

    assert ended.returncode == 0, ended.stderr
    assert "Grad-CAM maps are left out: they need PyTorch" in ended.stderr
    assert "pip install 'leuknet[train]'" in ended.stderr
    by_graph, by_torch = (
        read_evaluation(folder / "evaluation.json") for folder in (tmp_path / "out", judged)
    )
    assert by_graph.paths == by_torch.paths
    assert by_graph.probabilities == pytest.approx(by_torch.probabilities, abs=1e-4)
    assert by_graph.metrics["auroc"] == by_torch.metrics["auroc"]
    assert {path.name for path in (tmp_path / "out").rglob("*") if path.suffix != ".json"} == {
        path.name for path in judged.rglob("*") if path.suffix != ".json"
    }
    galleries = read_record(Galleries, tmp_path / "out" / "galleries.json", error=DataError, fix="")
    shown = [one for one in galleries.galleries if "each with its image" in one.alt]
    assert shown
    for gallery in shown:
        assert "leuknet[train]" in gallery.caption
        assert "maps of occlusion" in gallery.alt


def test_a_graph_draws_no_grad_cam_where_pytorch_is_installed(model: Path) -> None:
    by_graph, by_torch = load_onnx_model(model), load_model(model)

    assert methods_for(by_torch) == (METHODS, "")
    methods, left_out = methods_for(by_graph)
    assert list(methods) == ["occlusion"]
    assert "engine='torch'" in left_out
    with pytest.raises(ModelError, match="ONNX Runtime computes none"):
        METHODS["Grad-CAM"].explain(by_graph, np.zeros((1, *by_graph.card.input_form.shape), np.uint8))
