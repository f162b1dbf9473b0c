"""Serving by ONNX Runtime: the graph agrees with PyTorch, the folder proves itself, exports are refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

import leuknet
from leuknet.data import open_dataset
from leuknet.errors import ModelError, SettingError
from leuknet.inference.model_folder import GRAPH, WEIGHTS, has_graph, read_golden
from leuknet.inference.onnx_predictor import OnnxPredictor, load_onnx_model
from leuknet.networks.leuknet import LeukNet
from leuknet.networks.leuknet import leuknet as make_network
from leuknet.networks.onnx_graph import build_graph
from leuknet.networks.onnx_leuknet import build_leuknet_graph
from leuknet.networks.predictor import load_model
from leuknet.sharing import export
from leuknet.sharing.export import add_graph, export_model
from leuknet.types import ModelCard
from tests.conftest import REPOSITORY, run_cli, without

GOLDEN = REPOSITORY / "tests" / "golden" / "run" / "model"


@pytest.fixture(scope="module")
def model(mini_reproduction: Path) -> Path:
    """A model folder with a graph. Read only."""
    return mini_reproduction / "run" / "model"


@pytest.fixture
def copied(model: Path, tmp_path: Path) -> Path:
    """A model folder to change."""
    return Path(shutil.copytree(model, tmp_path / "model"))


@pytest.mark.parametrize("side", [64, 71])
@pytest.mark.parametrize(
    "boxes",
    [
        [(20, 40, 22, 45)],
        [(0, 20, 0, 20), (44, 64, 44, 64)],
        [(63, 64, 10, 50)],
        [(31, 32, 31, 32)],
        [(0, 0, 0, 0)],
        [(0, 64, 0, 64), (5, 9, 5, 9), (0, 0, 0, 0)],
    ],
    ids=["middle", "corners", "last row", "one pixel", "all black", "a mixture"],
)
def test_the_graph_gives_what_the_network_gives(side: int, boxes: list[tuple[int, int, int, int]]) -> None:
    torch.manual_seed(3)
    network = make_network(side, filters=(8, 12, 16), fc1=10).eval()
    network.get_buffer("input.mean").copy_(torch.tensor([40.0, 25.0, 50.0]).view(3, 1, 1))
    network.get_buffer("input.std").fill_(25)
    inputs = np.zeros((len(boxes), side, side, 3), dtype=np.uint8)
    for image, (top, bottom, left, right) in zip(inputs, boxes, strict=True):
        image[top:bottom, left:right] = np.random.default_rng(0).integers(
            1, 256, (bottom - top, right - left, 3)
        )
    with torch.inference_mode():
        logits = network(torch.from_numpy(inputs).permute(0, 3, 1, 2).float()).numpy()

    graph = build_leuknet_graph(network, side, temperature=2.0)
    onnx.checker.check_model(graph, full_check=True)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    probability, log_odds, features = session.run(None, {"pixels": inputs})

    expected = logits[:, 1] - logits[:, 0]
    np.testing.assert_allclose(log_odds, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-expected / 2)), rtol=1e-4)
    assert features.shape == (len(boxes), 10)


def test_both_engines_score_and_embed_alike(model: Path, simulated_fold: Path) -> None:
    by_torch, by_onnx = load_model(model), load_onnx_model(model)
    images = [np.asarray(Image.open(path)) for path in sorted(simulated_fold.rglob("*.bmp"))[:11]]
    pixels = np.stack(images)

    np.testing.assert_allclose(by_onnx.predict(pixels), by_torch.predict(pixels), atol=1e-4)
    assert np.ptp(by_onnx.predict(pixels)) > 1e-3  # in the order of the images, and not all the same
    size = by_torch.card.recipe.image_size_px
    inputs, _ = read_golden(model, size)
    np.testing.assert_allclose(by_onnx.embed(inputs)[1], by_torch.embed(inputs)[1], rtol=1e-3, atol=1e-3)
    assert by_onnx.model_id == by_torch.model_id
    assert by_onnx.reference is not None


def test_no_images_give_no_scores(model: Path) -> None:
    loaded = load_onnx_model(model)
    size = loaded.card.recipe.image_size_px
    probabilities, features = loaded.embed(np.empty((0, size, size, 3), dtype=np.uint8))
    assert probabilities.shape == (0,)
    assert len(features) == 0


def test_a_base_install_predicts_without_torch(model: Path, simulated_fold: Path, tmp_path: Path) -> None:
    image = next(iter(sorted(simulated_fold.rglob("*.bmp"))))
    hide = (
        without("torch", "torchvision", "onnx", "accelerate", "timm") + "from leuknet.cli import main; main()"
    )
    out = tmp_path / "scores.csv"
    command = [sys.executable, "-c", hide, "predict", str(model), str(image), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 lines, 0 of them without a score" in done.stdout


def test_the_weights_are_stored_once_and_the_same_weights_give_the_same_bytes(copied: Path) -> None:
    before = (copied / GRAPH).read_bytes()
    weights = onnx.load(copied / GRAPH, load_external_data=False).graph.initializer
    external = {one.name for one in weights if one.data_location == onnx.TensorProto.EXTERNAL}
    assert {"conv1.weight", "fc1.weight", "fc2.bias"} <= external

    assert add_graph(copied) == copied / GRAPH
    assert (copied / GRAPH).read_bytes() == before


def test_a_graph_with_other_weights_is_refused(copied: Path) -> None:
    weights = bytearray((copied / WEIGHTS).read_bytes())
    weights[-4000:] = bytes(4000)
    (copied / WEIGHTS).write_bytes(weights)
    with pytest.raises(ModelError, match="does not prove itself"):
        load_onnx_model(copied)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "no weights", "another size"])
def test_a_damaged_graph_is_an_error_that_says_what_to_do(copied: Path, damage: str) -> None:
    graph = copied / GRAPH
    if damage == "missing":
        graph.unlink()
    elif damage == "no weights":
        (copied / WEIGHTS).unlink()
    elif damage == "another size":
        network = make_network(40, filters=(4, 4, 4), fc1=4).eval()
        graph.write_bytes(build_leuknet_graph(network, 40, temperature=1.0).SerializeToString())
    else:
        graph.write_bytes(graph.read_bytes()[: 5000 if damage == "cut" else 0])
    with pytest.raises(ModelError, match="copy the whole folder again"):
        load_onnx_model(copied)


def test_weights_outside_of_the_folder_are_refused(copied: Path) -> None:
    (copied.parent / "elsewhere").write_bytes(bytes(100_000))
    model = onnx.load(copied / GRAPH, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../elsewhere"
    (copied / GRAPH).write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="cannot load the graph"):
        load_onnx_model(copied)


@pytest.fixture
def without_graph(tmp_path: Path) -> Path:
    """A model folder of the paper's network that lost its graph."""
    folder = Path(shutil.copytree(GOLDEN, tmp_path / "lost"))
    (folder / GRAPH).unlink()
    return folder


def test_a_folder_without_a_graph_is_run_by_torch_until_it_is_given_one(without_graph: Path) -> None:
    assert not isinstance(leuknet.load(without_graph), OnnxPredictor)

    ended = run_cli("export", without_graph)

    assert ended.status == 0, ended.err
    assert str(without_graph / GRAPH) in ended.out
    loaded = leuknet.load(without_graph)
    assert isinstance(loaded, OnnxPredictor)
    inputs, expected = read_golden(without_graph, loaded.card.recipe.image_size_px)
    np.testing.assert_allclose(loaded.score(inputs), expected, atol=1e-4)


def test_a_graph_that_disagrees_is_not_left_in_the_folder(
    without_graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "prove", _refuse)
    with pytest.raises(ModelError, match="no agreement"):
        add_graph(without_graph)
    assert not has_graph(without_graph)


def _refuse(_: OnnxPredictor, folder: Path) -> None:
    assert has_graph(folder)
    raise ModelError("no agreement", why="a test", fix="none")


def test_one_file_gives_the_probabilities_and_says_what_it_is(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "cells.onnx"
    ended = run_cli("export", model, "--out", out)
    assert ended.status == 0, ended.err
    assert "agrees with PyTorch within" in ended.out
    assert "not a medical device" in ended.out

    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    loaded = load_model(model)
    inputs, expected = read_golden(model, loaded.card.recipe.image_size_px)
    np.testing.assert_allclose(session.run(["probability"], {"pixels": inputs})[0], expected, atol=1e-4)
    said = session.get_modelmeta().custom_metadata_map
    assert said["model_id"] == loaded.model_id
    assert "not a medical device" in said["notice"]
    assert "SIMULATED" in said["notice"]
    assert float(said["threshold"]) == loaded.card.threshold


def test_an_export_with_another_calibration_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_hot(network: LeukNet, card: ModelCard, **_: int) -> onnx.ModelProto:
        side, temperature = card.recipe.image_size_px, card.temperature
        return build_leuknet_graph(network, side, temperature=3 * temperature)

    monkeypatch.setattr(export, "build_graph", build_hot)
    with pytest.raises(ModelError, match="does not agree with PyTorch"):
        export_model(model, tmp_path / "cells.onnx")
    assert not (tmp_path / "cells.onnx").exists()


def test_an_export_that_disagrees_with_torch_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_wrong(network: torch.nn.Module, card: ModelCard, **_: int) -> onnx.ModelProto:
        network.get_parameter("fc2.bias").data[1] += 1
        return build_graph(network, card)

    monkeypatch.setattr(export, "build_graph", build_wrong)
    with pytest.raises(ModelError, match="does not agree with PyTorch"):
        export_model(model, tmp_path / "cells.onnx")
    assert not (tmp_path / "cells.onnx").exists()


def test_int8_says_what_it_costs(model: Path, mini_reproduction: Path, tmp_path: Path) -> None:
    out = tmp_path / "small.onnx"
    ended = run_cli(
        "export", model, "--out", out, "--precision", "int8", "--data", mini_reproduction / "data",
        "--max-accuracy-loss", 1,
    )  # fmt: skip
    assert ended.status == 0, ended.err
    assert "validation cells" in ended.out
    assert "accuracy changes by" in ended.out
    stored = {one.name: one.data_type for one in onnx.load(out).graph.initializer}
    assert stored["fc1.weight_quantized"] == onnx.TensorProto.INT8
    assert stored["fc2.weight"] == onnx.TensorProto.FLOAT


def test_int8_that_loses_too_much_is_refused(
    model: Path, mini_reproduction: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(mini_reproduction / "data")
    compare = export._compare

    def compare_worse(*given: object) -> tuple[float, int, export.Side, export.Side]:
        difference, n, exact, small = compare(*given)  # type: ignore[arg-type]
        return difference, n, replace(exact, accuracy=0.9), replace(small, accuracy=0.88)

    monkeypatch.setattr(export, "_compare", compare_worse)
    out = tmp_path / "small.onnx"
    with pytest.raises(ModelError, match=r"88\.0% instead of 90\.0%"):
        export_model(model, out, precision="int8", dataset=dataset)
    assert not out.exists()
    export_model(model, out, precision="int8", dataset=dataset, max_accuracy_loss=0.03)
    assert out.exists()


def test_int8_without_cells_and_a_bound_that_is_no_share_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="--data"):
        export_model(model, tmp_path / "x.onnx", precision="int8")
    with pytest.raises(SettingError, match="share from 0 to 1"):
        export_model(model, tmp_path / "x.onnx", max_accuracy_loss=2)
    assert run_cli("export", model, "--precision", "int8").status == 2


def test_the_engine_can_be_chosen(model: Path, simulated_fold: Path, tmp_path: Path) -> None:
    image = next(iter(sorted(simulated_fold.rglob("*.bmp"))))
    tables = {}
    for engine in ("onnx", "torch"):
        out = tmp_path / f"{engine}.csv"
        assert run_cli("predict", model, image, "--out", out, "--engine", engine).status == 0
        tables[engine] = out.read_text()
    assert tables["onnx"].split(",")[:5] == tables["torch"].split(",")[:5]
    assert isinstance(leuknet.load(model, engine="onnx"), OnnxPredictor)
    assert not isinstance(leuknet.load(model, engine="torch"), OnnxPredictor)
