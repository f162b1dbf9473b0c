"""Rates, running means, the epoch that is kept, parts of batches, probes and several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import leuknet
from leuknet.data import open_dataset
from leuknet.errors import SettingError, StoppedError
from leuknet.images.transform import prepare
from leuknet.inference.model_folder import mean_over_turns
from leuknet.inference.onnx_predictor import open_graph
from leuknet.networks import build
from leuknet.recipes.leuknet_paper import LEUKNET_PAPER
from leuknet.records.history import read_history
from leuknet.sharing.export import export_model
from leuknet.training import loop
from leuknet.training.optimise import average_weights, learning_rate, make_optimizer
from leuknet.training.train import train
from leuknet.types import Dataset, HistoryRow, InputForm, Recipe

TINY = replace(
    LEUKNET_PAPER,
    network_options={"filters": [4, 6, 8], "fc1": 8, "dropout": 0.0},
    image_size_px=32,
    epochs=3,
    batch_size=16,
    learning_rate=2e-3,
)
WITH_ALL = replace(
    TINY,
    crop_px=300,
    rotate_deg=180.0,
    flip=True,
    shift=0.05,
    brightness=0.1,
    stain=0.1,
    mixup=0.2,
    sampling="class-balanced",
    shuffle="every-epoch",
    loss="subject-balanced",
    optimizer="adamw",
    schedule="cosine",
    ema=0.9,
    keep="best",
    rotations=3,
)
"""Every setting that changes the way from pixels to weights."""


@pytest.fixture(scope="module")
def dataset(simulated_fold: Path) -> Dataset:
    return open_dataset(simulated_fold)


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(run / "model" / "weights.safetensors")
    return found


def test_the_rate_drops_in_steps_or_along_a_cosine() -> None:
    steps = replace(TINY, learning_rate=8.0, rate_drop_factor=0.5, rate_drop_epochs=2, epochs=4)
    cosine = replace(steps, schedule="cosine")

    assert [learning_rate(steps, i, per_epoch=2) for i in (1, 4, 5, 8)] == [8, 8, 4, 4]
    # Half-way through 8 iterations the cosine is 0, so that the rate is a half.
    assert [round(learning_rate(cosine, i, per_epoch=2), 6) for i in (1, 5)] == [8, 4]
    assert 0 < learning_rate(cosine, 8, per_epoch=2) < 0.4


def test_factors_on_the_rate_follow_the_longest_start_of_a_name() -> None:
    network = build("leuknet", 32, TINY.network_options)
    recipe = replace(TINY, rate_factors={"conv": 0.1, "conv3": 0.5, "fc2": 100.0})

    found = {
        id(value): group["factor"]
        for group in make_optimizer(network, recipe).param_groups
        for value in group["params"]
    }

    named = {name: found[id(value)] for name, value in network.named_parameters()}
    assert named["conv1.weight"] == named["conv2.bias"] == 0.1
    assert named["conv3.weight"] == 0.5
    assert named["fc1.weight"] == 1.0
    assert named["fc2.weight"] == 100.0
    with pytest.raises(SettingError, match="starts with 'head'"):
        make_optimizer(network, replace(TINY, rate_factors={"head": 2.0}))


def test_the_running_mean_forgets_at_its_rate() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    mean = average_weights(network, 0.9)
    assert mean is not None
    for value in (1.0, 2.0, 4.0):
        with torch.no_grad():
            network.weight.fill_(value)
        mean.update_parameters(network)

    # Starts at the first value: 1, 0.9 + 0.2, 0.99 + 0.4.
    assert mean.module.get_parameter("weight").item() == pytest.approx(1.39)
    assert average_weights(network, 0.0) is None


def row(epoch: int, subject_loss: float | None) -> HistoryRow:
    return HistoryRow(2 * epoch, epoch, 1e-3, 0.7, 0.5, 0.7, 0.5, 1.0, subject_loss)


def test_the_best_epoch_is_the_first_with_the_lowest_loss_by_subject() -> None:
    losses = [0.7, 0.4, 0.6, 0.4]
    history = [r for epoch, one in enumerate(losses, 1) for r in (row(epoch, 0.1), row(epoch, one))]

    assert loop.best_epoch(history, per_epoch=2) == 2
    assert loop.best_epoch(history[:3], per_epoch=2) == 1
    assert loop.best_epoch([row(1, None)], per_epoch=1) == 0


def test_the_best_epoch_is_what_the_model_holds(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[dict[str, torch.Tensor]] = []
    validate = loop._validate
    losses = iter((0.5, 0.3, 0.4))

    def judge(fit: loop.Fit) -> tuple[float, float, float]:
        ends.append({name: value.clone() for name, value in fit.network.state_dict().items()})
        return *validate(fit)[:2], next(losses)

    monkeypatch.setattr(loop, "_validate", judge)
    recipe = replace(TINY, keep="best", validate_every=1000)
    found = weights_of(train(dataset, recipe, out=tmp_path / "run").folder)

    assert len(ends) == 3
    assert all(torch.equal(found[name], ends[1][name]) for name in found)
    assert not torch.equal(found["fc2.weight"], ends[2]["fc2.weight"])


def test_a_model_of_running_means_is_not_that_of_the_last_step(dataset: Dataset, tmp_path: Path) -> None:
    plain = weights_of(train(dataset, TINY, out=tmp_path / "plain").folder)
    mean = weights_of(train(dataset, replace(TINY, ema=0.9), out=tmp_path / "mean").folder)

    assert not torch.equal(plain["fc2.weight"], mean["fc2.weight"])


def test_a_run_with_every_setting_resumes_to_the_same_weights_and_scores(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = train(dataset, WITH_ALL, out=tmp_path / "unbroken")
    step, calls = loop._step, []

    def step_then_ctrl_c(*arguments: object, **others: object) -> tuple[float, float]:
        calls.append(1)
        if len(calls) == len(unbroken.history) * 2 // 3:
            os.kill(os.getpid(), 2)
        return step(*arguments, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_step", step_then_ctrl_c)
    with pytest.raises(StoppedError):
        train(dataset, WITH_ALL, out=tmp_path / "run")
    monkeypatch.undo()
    resumed = train(dataset, WITH_ALL, out=tmp_path / "run", resume=True)

    first, second = weights_of(unbroken.folder), weights_of(resumed.folder)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert [one.loss for one in read_history(resumed.folder)] == [one.loss for one in unbroken.history]
    # Both engines take the mean over three turns of the middle 300 pixels.
    models = [leuknet.load(resumed.folder / "model", engine=engine) for engine in ("torch", "onnx")]
    pixels = np.stack([np.asarray(read(cell.path)) for cell in dataset.cells[:3]])
    np.testing.assert_allclose(models[0].predict(pixels), models[1].predict(pixels), atol=1e-4)


def read(path: Path) -> np.ndarray:
    from leuknet.data import read_pixels

    return read_pixels(path).pixels


def test_a_mean_over_turns_does_not_change_when_the_image_is_turned(dataset: Dataset, tmp_path: Path) -> None:
    run = train(dataset, replace(TINY, rotations=4), out=tmp_path / "run")
    model = leuknet.load(run.folder / "model")
    inputs = prepare(read(dataset.cells[0].path), InputForm(450, 32))
    four = np.stack([np.rot90(inputs, k) for k in range(4)])
    once = mean_over_turns(model.run, four, 1)[0]

    together = model.score(four)

    assert together == pytest.approx([together[0]] * 4, abs=1e-5)
    assert np.ptp(once) > 1e-2  # without the mean it does change

    out = export_model(run.folder / "model", tmp_path / "whole.onnx").path  # in one file the graph turns
    (whole,) = open_graph(out).run(["probability"], {"pixels": four})
    assert whole == pytest.approx(together, abs=1e-4)


def test_another_draw_is_another_network_on_the_same_cells(dataset: Dataset, tmp_path: Path) -> None:
    one = train(dataset, TINY, out=tmp_path / "one")
    other = train(dataset, replace(TINY, draw=1), out=tmp_path / "other")

    assert one.split.fingerprint == other.split.fingerprint
    assert one.history[0].loss != other.history[0].loss


def test_a_batch_in_parts_gives_the_same_losses(dataset: Dataset, tmp_path: Path) -> None:
    whole = train(dataset, TINY, out=tmp_path / "whole")
    parts = train(dataset, TINY, out=tmp_path / "parts", accumulate=4)

    np.testing.assert_allclose(
        [one.loss for one in parts.history], [one.loss for one in whole.history], rtol=1e-4
    )
    with pytest.raises(SettingError, match="share out a batch"):
        train(dataset, TINY, out=tmp_path / "odd", accumulate=3)


def test_two_processes_give_the_losses_of_one(simulated_fold: Path, dataset: Dataset, tmp_path: Path) -> None:
    recipe = replace(TINY, rotate_deg=180.0, loss="class-balanced", epochs=2)
    alone = train(dataset, recipe, out=tmp_path / "alone")
    script = tmp_path / "share.py"
    script.write_text(
        "import json, sys\n"
        "from pathlib import Path\n"
        "from leuknet.data import open_dataset\n"
        "from leuknet.recipes import checked\n"
        "from leuknet.training.train import train\n"
        "data, recipe, out = sys.argv[1:]\n"
        "train(open_dataset(Path(data)), checked(json.loads(recipe)), out=Path(out))\n"
    )
    launch = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1"]
    options = ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command = [sys.executable, *launch, *options, str(script), str(simulated_fold)]
    shared = tmp_path / "shared"

    ended = subprocess.run(
        [*command, json.dumps(asdict(recipe)), str(shared)], capture_output=True, text=True, timeout=280
    )

    assert ended.returncode == 0, ended.stderr
    found = read_history(shared)
    np.testing.assert_allclose([one.loss for one in found], [one.loss for one in alone.history], rtol=1e-4)
    together, single = weights_of(shared), weights_of(alone.folder)
    for name, value in single.items():
        torch.testing.assert_close(together[name], value, rtol=1e-3, atol=1e-4)


def test_a_linear_probe_learns_from_features_that_are_computed_once(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = replace(TINY, network="timm:test_efficientnet", network_options={"frozen": True}, epochs=4)
    seen: list[torch.Size] = []
    step = loop._step

    def look(fit: loop.Fit, batch: list[torch.Tensor], **others: float) -> tuple[float, float]:
        seen.append(batch[0].shape)
        return step(fit, batch, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_step", look)
    run = train(dataset, probe, out=tmp_path / "run")

    n_features = build(probe.network, 32, probe.network_options).get_parameter("head.weight").shape[1]
    assert set(seen) == {torch.Size([16, n_features])}
    # What was learned from features is what the whole network says of pixels.
    assert run.history[-1].validation_loss is not None
    model = leuknet.load(run.folder / "model")
    assert model.card.calibration is not None
    losses = read_history(run.folder)
    assert losses[-1].loss < losses[0].loss


def test_a_frozen_network_with_changed_images_still_sees_images(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe: Recipe = replace(
        TINY, network="timm:test_efficientnet", network_options={"frozen": True}, epochs=1, flip=True
    )
    shapes: list[torch.Size] = []
    step = loop._step

    def look(fit: loop.Fit, batch: list[torch.Tensor], **others: float) -> tuple[float, float]:
        shapes.append(batch[0].shape)
        return step(fit, batch, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_step", look)
    train(dataset, recipe, out=tmp_path / "run")

    assert set(shapes) == {torch.Size([16, 32, 32, 3])}
