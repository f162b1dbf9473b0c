"""Features from the middle of a network: which they are, and on which scale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

import leuknet
from leuknet.data import open_dataset
from leuknet.errors import SettingError
from leuknet.explain.galleries import read_features
from leuknet.networks.stages import StageMeans
from leuknet.recipes import get_recipe
from leuknet.training.train import train


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    made: torch.nn.Module = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    return made


def pixels() -> torch.Tensor:
    return torch.rand((5, 3, 64, 64), generator=torch.Generator().manual_seed(1)) * 2 - 1


@torch.inference_mode()
def test_features_are_the_means_of_the_maps_of_the_stages_named(network: torch.nn.Module) -> None:
    maps: list[torch.Tensor] = []
    hooks = [
        stage.register_forward_hook(lambda _module, _given, found: maps.append(found))
        for stage in network.get_submodule("blocks")  # type: ignore[attr-defined]
    ]
    network(pixels())
    for hook in hooks:
        hook.remove()

    body = StageMeans(network, (2, 5)).eval()
    found = body(pixels())

    assert body.n_features == 40 + 80 + 112 + 192
    expected = torch.cat([maps[number].mean((2, 3)) for number in (2, 3, 4, 5)], dim=1)
    torch.testing.assert_close(found, expected)


@torch.inference_mode()
def test_features_of_the_training_cells_have_mean_0_and_deviation_1(network: torch.nn.Module) -> None:
    body = StageMeans(network, (0, 3)).eval()
    raw = body(pixels())
    raw[:, 0] = 7.0  # a map that always answers alike

    body.standardise(raw)
    scaled = (raw - body.mean) / body.std

    torch.testing.assert_close(scaled.mean(0), torch.zeros(body.n_features), atol=1e-4, rtol=0)
    torch.testing.assert_close(scaled[:, 1:].std(0), torch.ones(body.n_features - 1), atol=1e-4, rtol=0)
    assert scaled[:, 0].tolist() == [0] * 5


@pytest.mark.parametrize("stages", [(), (1,), (3, 1), (0, 7), (-1, 2), (1, 2, 3)])
def test_stages_that_are_none_are_an_error(network: torch.nn.Module, stages: tuple[int, ...]) -> None:
    with pytest.raises(SettingError, match="middle of this network") as caught:
        StageMeans(network, stages)
    assert caught.value.fix == "name the first and the last, of 0 to 6, such as [1, 3]"


def test_a_trained_probe_keeps_the_scale_of_its_training_cells(simulated_fold: Path, tmp_path: Path) -> None:
    recipe = replace(
        get_recipe("probe-stages"),
        network_options={"frozen": True, "stages": (1, 3), "pretrained": False},
        image_size_px=32,
        epochs=2,
        batch_size=16,
    )
    dataset = open_dataset(simulated_fold)

    run = train(dataset, recipe, out=tmp_path / "run")

    features = read_features(leuknet.load(run.folder / "model"), run.split.train, root=dataset.root)
    assert np.abs(features.mean(0)).max() < 1e-3
    assert features.std(0, ddof=1) == pytest.approx(1, abs=1e-2)
