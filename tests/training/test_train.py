"""The loop learns, repeats itself, can be stopped at any moment, and leaves a model that proves itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import leuknet
import leuknet.training.loop as loop
from leuknet.data import open_dataset
from leuknet.errors import DatasetError, ModelError, NoSubjectsError, SettingError, StoppedError
from leuknet.networks import build
from leuknet.recipes import changed
from leuknet.recipes.leuknet_paper import LEUKNET_PAPER
from leuknet.records.history import read_history
from leuknet.training.checkpoint import write_checkpoint
from leuknet.training.optimise import make_optimizer
from leuknet.training.train import train
from leuknet.types import Dataset, HistoryRow, Recipe


@pytest.fixture(scope="module")
def dataset(simulated_fold: Path) -> Dataset:
    return open_dataset(simulated_fold)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """Nine epochs of a small network: the paper's rate drop is among them."""
    return replace(
        LEUKNET_PAPER,
        network_options={"filters": [4, 6, 8], "fc1": 8},
        image_size_px=32,
        epochs=9,
        batch_size=16,
        learning_rate=1e-3,
    )


@pytest.fixture(scope="module")
def unbroken(dataset: Dataset, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(dataset, recipe, out=tmp_path_factory.mktemp("runs") / "unbroken").folder


def without_time(rows: tuple[HistoryRow, ...]) -> list[HistoryRow]:
    return [replace(row, elapsed_s=0.0) for row in rows]


def assert_same_run(one: Path, other: Path) -> None:
    assert without_time(read_history(one)) == without_time(read_history(other))
    weights, others = (load_file(run / "model" / "weights.safetensors") for run in (one, other))
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_training_overfits_16_cells(dataset: Dataset, recipe: Recipe, tmp_path: Path) -> None:
    by_class = {label: [cell for cell in dataset.cells if cell.label == label][:12] for label in (0, 1)}
    few = replace(dataset, cells=(*by_class[0], *by_class[1]))
    # 24 cells at 0.67 leave 8 + 8 to train on: one batch.
    memorise = replace(
        recipe,
        epochs=150,
        rate_drop_epochs=150,
        fractions=(0.67, 0.165, 0.165),
        network_options={"filters": [8, 12, 16], "fc1": 32, "dropout": 0.0},
    )

    run = train(few, memorise, out=tmp_path / "run")

    assert len(run.split.train) == 16
    assert run.history[-1].accuracy == 1.0
    assert run.history[-1].loss < 0.05


def test_a_network_trained_in_bfloat16_says_in_its_folder_what_it_says_in_float32(
    dataset: Dataset, recipe: Recipe, tmp_path: Path
) -> None:
    # Not LeukNet's own layers, which are trained through another module: this one is trained as it is.
    small = replace(changed(recipe, ["network=separable"]), epochs=1, image_size_px=32)

    run = train(dataset, small, out=tmp_path / "run", precision="bf16")
    train(dataset, small, out=tmp_path / "then in float32")  # one process may do both

    model = leuknet.load(run.folder / "model")  # refused if the golden images score otherwise than when saved
    golden = np.load(run.folder / "model" / "golden.npz")
    np.testing.assert_allclose(model.score(golden["inputs"]), golden["probabilities"], atol=1e-6)


def test_history_follows_the_recipe(unbroken: Path, recipe: Recipe) -> None:
    rows = read_history(unbroken)
    per_epoch = len(json.loads((unbroken / "model" / "split.json").read_text())["train"]) // 16

    # The last partial batch is dropped; the rate halves after 7 epochs; every 5th iteration is validated.
    assert [row.iteration for row in rows] == list(range(1, 9 * per_epoch + 1))
    assert [row.epoch for row in rows] == [epoch for epoch in range(1, 10) for _ in range(per_epoch)]
    assert {row.learning_rate for row in rows if row.epoch <= 7} == {1e-3}
    assert {row.learning_rate for row in rows if row.epoch > 7} == {5e-4}
    validated = {row.iteration for row in rows if row.validation_accuracy is not None}
    assert validated == {i for i in range(1, len(rows) + 1) if i % 5 == 0 or i == len(rows)}


def test_tensorboard_holds_the_history(unbroken: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(unbroken / "tensorboard")).Reload()

    losses = [event.value for event in events.Scalars("loss")]
    assert losses == pytest.approx([row.loss for row in read_history(unbroken)])


def test_the_same_seed_repeats_a_run_and_another_does_not(
    dataset: Dataset, recipe: Recipe, unbroken: Path, tmp_path: Path
) -> None:
    torch.manual_seed(99)  # what happened before must not matter
    again = train(dataset, recipe, out=tmp_path / "again").folder
    other = train(dataset, replace(recipe, seed=1), out=tmp_path / "other").folder

    assert_same_run(unbroken, again)
    assert read_history(unbroken)[0].loss != read_history(other)[0].loss


@pytest.mark.parametrize("validations", [1, 2])
def test_a_run_stopped_by_ctrl_c_and_resumed_equals_an_unbroken_one(
    dataset: Dataset,
    recipe: Recipe,
    unbroken: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    validations: int,
) -> None:
    validate, calls = loop._validate, []

    def validate_then_ctrl_c(*arguments: object) -> tuple[float, float, float]:
        calls.append(1)
        if len(calls) == validations:
            os.kill(os.getpid(), signal.SIGINT)
        return validate(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_validate", validate_then_ctrl_c)
    with pytest.raises(StoppedError) as stopped:
        train(dataset, recipe, out=tmp_path / "run")
    monkeypatch.undo()

    assert stopped.value.what.startswith(f"stopped after iteration {5 * validations} of ")
    assert len(read_history(tmp_path / "run")) == 5 * validations
    train(dataset, recipe, out=tmp_path / "run", resume=True)
    assert_same_run(unbroken, tmp_path / "run")


def test_a_run_that_was_killed_and_resumed_equals_an_unbroken_one(
    simulated_fold: Path, dataset: Dataset, recipe: Recipe, unbroken: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    script = (
        "import sys; from pathlib import Path; from leuknet.data import open_dataset;"
        "from leuknet.training.train import train; from leuknet.recipes import checked; import json, time;"
        "import leuknet.training.loop as t; keep = t._keep; t.CHECKPOINT_EVERY_S = 0;"
        "t._keep = lambda *a: (keep(*a), time.sleep(0.3));"  # time to be killed between two checkpoints
        "train(open_dataset(Path(sys.argv[1])), checked(json.loads(sys.argv[2])), out=Path(sys.argv[3]))"
    )
    settings = json.dumps({**vars(recipe)})
    process = subprocess.Popen([sys.executable, "-c", script, str(simulated_fold), settings, str(out)])
    deadline = time.monotonic() + 120
    while not (out / "checkpoint.safetensors").exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert not (out / "model").exists()
    train(dataset, recipe, out=out, resume=True)
    assert_same_run(unbroken, out)


def test_weights_decay_and_biases_do_not(recipe: Recipe) -> None:
    network = build("leuknet", 32, recipe.network_options)

    weights, biases = make_optimizer(network, recipe).param_groups

    assert (weights["weight_decay"], biases["weight_decay"]) == (1e-4, 0.0)
    assert all(value.ndim > 1 for value in weights["params"])
    assert all(value.ndim == 1 for value in biases["params"])


def test_the_network_subtracts_the_mean_of_the_training_images(dataset: Dataset, unbroken: Path) -> None:
    weights = load_file(unbroken / "model" / "weights.safetensors")
    card = json.loads((unbroken / "model" / "model.json").read_text())

    np.testing.assert_allclose(weights["input.mean"].flatten(), card["channel_mean"], rtol=1e-6)
    assert torch.equal(weights["input.std"].flatten(), torch.ones(3))
    # Mostly black canvas: the mean is small, and red and blue exceed green in a purple cell.
    red, green, blue = card["channel_mean"]
    assert 0 < green < red < 100
    assert green < blue < 100


def test_the_card_counts_the_cells_and_people_of_both_sides_that_developed_the_model(unbroken: Path) -> None:
    predictor = leuknet.load(unbroken / "model")
    sides = predictor.manifest.sides
    rests_on = predictor.card.rests_on
    assert rests_on is not None
    assert sum(rests_on.cells) == sides["train"].cells + sides["validation"].cells
    assert rests_on.people is not None
    assert 0 < min(rests_on.people) < sum(rests_on.cells)
    assert predictor.card.origin.startswith(f"c-nmc-2019, {rests_on.cells[1]:,} ALL cells of")


def test_a_folder_in_use_is_an_error(
    dataset: Dataset, recipe: Recipe, unbroken: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SettingError, match=r"holds something already, such as notes\.txt"):
        train(dataset, recipe, out=tmp_path)
    with pytest.raises(SettingError, match="finished run"):
        train(dataset, recipe, out=unbroken, resume=True)


def test_resuming_with_other_settings_is_an_error(dataset: Dataset, recipe: Recipe, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    network = build("leuknet", 32, recipe.network_options)
    write_checkpoint(
        run,
        network,
        make_optimizer(network, recipe),
        history=[HistoryRow(1, 1, 1e-3, 0.7, 0.5, None, None, 1.0)],
        run={"recipe": "another", "split": "another", "precision": "no"},
        others={},
    )

    with pytest.raises(ModelError, match="its recipe was another"):
        train(dataset, recipe, out=run, resume=True)


@pytest.mark.parametrize(
    ("settings", "fix"),
    [
        ({"sampling": "subject-balanced"}, "--set sampling=class-balanced"),
        ({"loss": "subject-balanced"}, "--set loss=class-balanced"),
        (
            {"sampling": "subject-balanced", "loss": "heterogeneity"},
            "--set sampling=class-balanced --set loss=class-balanced",
        ),
    ],
)
def test_what_counts_people_is_refused_before_images_are_read_where_nobody_is_named(
    dataset: Dataset, recipe: Recipe, tmp_path: Path, settings: dict[str, Any], fix: str
) -> None:
    cells = tuple(replace(cell, subject=None) for cell in dataset.cells)
    nowhere = replace(dataset, cells=cells, root=tmp_path / "gone")

    with pytest.raises(NoSubjectsError) as caught:
        train(nowhere, replace(recipe, **settings, split="image-level"), out=tmp_path / "run")

    assert caught.value.fix == f"use {fix}, or data that name people"
    assert "training cells carry no subject id" in caught.value.why
    assert not (tmp_path / "run").exists()


def test_a_batch_larger_than_the_training_side_is_an_error(
    dataset: Dataset, recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match="not one whole batch"):
        train(dataset, replace(recipe, batch_size=5000), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unreadable_training_image_is_an_error_that_names_it(
    simulated_fold: Path, recipe: Recipe, tmp_path: Path
) -> None:
    shutil.copytree(simulated_fold, tmp_path / "data")
    for image in (tmp_path / "data").rglob("*_all.bmp"):
        image.write_bytes(image.read_bytes()[:5000])
    damaged = open_dataset(tmp_path / "data")

    with pytest.raises(DatasetError, match=r"images cannot be read\n.*_all\.bmp"):
        train(damaged, recipe, out=tmp_path / "run")


def test_a_loss_that_is_not_finite_stops_the_run(dataset: Dataset, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="broke down at iteration"):
        train(dataset, changed(recipe, ["learning_rate=1e30"]), out=tmp_path / "run")


def test_a_model_scores_pixels_as_it_scores_files(dataset: Dataset, unbroken: Path) -> None:
    model = leuknet.load(unbroken / "model")
    from leuknet.data import read_pixels

    pixels = np.stack([read_pixels(cell.path).pixels for cell in dataset.cells[:5]])
    together, one_by_one = (
        model.predict(pixels),
        np.concatenate([model.predict(image[None]) for image in pixels]),
    )

    assert together.shape == (5,)
    assert together.dtype == np.float64
    np.testing.assert_allclose(together, one_by_one, atol=1e-6)
    assert len(model.predict(pixels[:0])) == 0


def test_a_model_folder_with_other_weights_is_refused(unbroken: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(unbroken / "model", tmp_path / "model"))
    weights = load_file(folder / "weights.safetensors")
    weights["fc2.weight"][1] += 0.5  # both rows alike would leave the softmax as it is
    save_file(weights, folder / "weights.safetensors")

    with pytest.raises(ModelError, match="does not prove itself"):
        leuknet.load(folder)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "golden.npz", "reference.npz"])
def test_a_missing_or_damaged_file_of_a_model_folder_is_an_error(
    unbroken: Path, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(unbroken / "model", tmp_path / "model"))
    for content in (b"\x80\x04damaged", b"PK\x03\x04cut off"):
        (folder / name).write_bytes(content)
        with pytest.raises(ModelError):
            leuknet.load(folder)
    (folder / name).unlink()
    with pytest.raises(ModelError):
        leuknet.load(folder)


def test_a_pickle_in_the_golden_file_is_not_executed(unbroken: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(unbroken / "model", tmp_path / "model"))
    canary = tmp_path / "canary"

    class Harm:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (canary,))

    np.savez(folder / "golden.npz", inputs=np.array([Harm()], dtype=object), probabilities=np.zeros(1))

    with pytest.raises(ModelError):
        leuknet.load(folder)
    assert not canary.exists()
