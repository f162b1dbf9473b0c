"""Features of a frozen network are computed once, and are those of that very network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from leuknet.data import open_dataset
from leuknet.images.transform import load_inputs
from leuknet.networks import build
from leuknet.networks.predictor import run_network
from leuknet.recipes import get_recipe
from leuknet.training import frozen
from leuknet.training.frozen import cached_features
from leuknet.training.train import train
from leuknet.types import Dataset, Recipe

RECIPE = replace(
    get_recipe("probe-stages"),
    network_options={"frozen": True, "stages": (0, 2), "pretrained": False},
    image_size_px=32,
    epochs=2,
    batch_size=16,
)


@pytest.fixture(scope="module")
def dataset(simulated_fold: Path) -> Dataset:
    return open_dataset(simulated_fold)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEUKNET_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through the network in each call."""
    counted: list[int] = []

    def count(network: torch.nn.Module, inputs: Any) -> Any:
        counted.append(len(inputs))
        return run_network(network, inputs)

    monkeypatch.setattr(frozen, "run_network", count)
    return counted


def network_of(seed: int, recipe: Recipe = RECIPE) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build(recipe.network, recipe.image_size_px, recipe.network_options)


def test_they_are_what_the_last_layer_is_given_in_the_order_asked_for(dataset: Dataset) -> None:
    network, cells = network_of(0), dataset.cells[7:2:-1]
    inputs = load_inputs(cells, RECIPE.input_form(dataset.canvas_px), root=dataset.root).inputs

    found = [cached_features(network, RECIPE, dataset, cells) for _ in range(2)]

    np.testing.assert_allclose(found[0], run_network(network, inputs)[1], atol=1e-5)
    assert np.array_equal(found[0], found[1])


def test_each_cell_goes_through_a_network_once_whatever_its_last_layer(
    dataset: Dataset, passes: list[int]
) -> None:
    network = network_of(0)
    cached_features(network, RECIPE, dataset, dataset.cells[:6])
    network.get_submodule("head").reset_parameters()  # type: ignore[operator]
    cached_features(network, RECIPE, dataset, dataset.cells[3:9])
    assert sum(passes) == 9

    cached_features(network_of(1), RECIPE, dataset, dataset.cells[:6])
    assert sum(passes) == 15, "other weights see other things"
    cached_features(network, replace(RECIPE, crop_px=200), dataset, dataset.cells[:6])
    assert sum(passes) == 21, "and so do others of the image"


def test_a_second_training_computes_no_features(dataset: Dataset, passes: list[int], tmp_path: Path) -> None:
    first = train(dataset, RECIPE, out=tmp_path / "first")
    n_first = sum(passes)
    again = train(dataset, replace(RECIPE, epochs=1), out=tmp_path / "again")

    assert n_first == len(first.split.train) + len(first.split.validation)
    assert sum(passes) == n_first
    assert again.split == first.split
