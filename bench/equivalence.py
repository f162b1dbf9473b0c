"""Whether training on windows changes results: gradients at 224 px, and accuracy over seeds.

    .venv/bin/python bench/equivalence.py      # 10 minutes; writes bench/equivalence.json

`leuknet.networks.windowed` computes only what a cell can reach, which is exact but for rounding. Rounding can
still send a training elsewhere, so this trains the paper's recipe both ways from the same start, seed by
seed, and states the differences with their interval. Start at `main`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

import leuknet.training.train
from leuknet.data import open_dataset
from leuknet.images.transform import load_inputs
from leuknet.networks import build
from leuknet.networks.leuknet import LeukNet
from leuknet.networks.predictor import load_model
from leuknet.networks.windowed import Windowed
from leuknet.recipes import changed, get_recipe
from leuknet.simulation.simulate import simulate
from leuknet.types import Dataset, InputForm

RESULTS = Path(__file__).with_name("equivalence.json")


@dataclass(frozen=True)
class Sizes:
    """How much is measured: side of the images whose gradients are compared, and of those that train."""

    gradients_px: int = 224
    training_px: int = 64
    seeds: int = 8
    scale: float = 0.1
    epochs: int = 10


SMALL = Sizes(gradients_px=32, training_px=32, seeds=2, scale=0.02, epochs=1)


def compare_gradients(dataset: Dataset, *, side: int, n: int = 8) -> dict[str, dict[str, float]]:
    """Distance of the two gradients of each parameter, as a share of the gradient's length."""
    loaded = load_inputs(dataset.cells[:n], InputForm(dataset.canvas_px, side), root=dataset.root)
    pixels = torch.from_numpy(loaded.inputs).permute(0, 3, 1, 2)
    labels = torch.tensor([int(cell.label) for cell in loaded.cells if cell.label is not None])
    torch.manual_seed(0)
    network = build("leuknet", side)
    assert isinstance(network, LeukNet)  # noqa: S101  for the reader and mypy
    found = {}
    for dtype in (torch.float32, torch.float64):
        network = network.to(dtype)
        network.get_buffer("input.mean").fill_(30)
        whole = _gradients(network, network, pixels.to(dtype), labels)
        fast = _gradients(network, Windowed(network), pixels.to(dtype), labels)
        found[str(dtype).removeprefix("torch.")] = {
            name: float((fast[name] - whole[name]).norm() / whole[name].norm()) for name in whole
        }
    return found


def _gradients(network: LeukNet, form: nn.Module, pixels: Tensor, labels: Tensor) -> dict[str, Tensor]:
    network.zero_grad()
    torch.manual_seed(1)  # both drop the same values
    loss = functional.cross_entropy(form.train()(pixels), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    return {name: value.grad.clone() for name, value in network.named_parameters() if value.grad is not None}


def compare_trainings(dataset: Dataset, folder: Path, sizes: Sizes) -> list[dict[str, Any]]:
    """Train each seed both ways; return accuracy on the test side and the mean difference in probability."""
    side = sizes.training_px
    settings = [f"image_size_px={side}", f"epochs={sizes.epochs}", "batch_size=16", "validate_every=1000"]
    recipe = changed(get_recipe("leuknet-paper"), settings)
    rows = []
    for seed in tqdm(range(sizes.seeds), desc="seeds", unit="seed"):
        probabilities = {}
        for form in ("whole", "windowed"):
            with mock.patch.object(
                leuknet.training.train,
                "windowed",
                Windowed if form == "windowed" else lambda network: network,
            ):
                run = leuknet.training.train.train(
                    dataset, dataclasses.replace(recipe, seed=seed), out=folder / f"{seed}-{form}"
                )
            test = load_inputs(run.split.test, recipe.input_form(dataset.canvas_px), root=dataset.root)
            probabilities[form] = load_model(run.folder / "model").score(test.inputs)
            labels = np.array([int(cell.label) for cell in test.cells if cell.label is not None])
        accuracy = {form: float(((p > 0.5) == labels).mean()) for form, p in probabilities.items()}
        apart = float(np.abs(probabilities["whole"] - probabilities["windowed"]).mean())
        rows.append({"seed": seed, "test_cells": len(labels), **accuracy, "probabilities_apart": apart})
    return rows


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="a trial that says nothing of accuracy")
    parser.add_argument("--out", type=Path, default=RESULTS)
    wanted = parser.parse_args()
    sizes = SMALL if wanted.small else Sizes()
    with tempfile.TemporaryDirectory() as name:
        simulate(Path(name) / "cells", scale=sizes.scale, parts=["fold_0"])
        dataset = open_dataset(Path(name) / "cells")
        gradients = compare_gradients(dataset, side=sizes.gradients_px)
        rows = compare_trainings(dataset, Path(name) / "runs", sizes)
    differences = np.array([row["windowed"] - row["whole"] for row in rows])
    spread = stats.sem(differences)
    # All differences may be the same; then there is no spread to make an interval of.
    low, high = (
        stats.t.interval(0.95, len(rows) - 1, differences.mean(), spread)
        if spread
        else (
            differences.mean(),
            differences.mean(),
        )
    )
    summary = {
        "accuracy_whole": float(np.mean([row["whole"] for row in rows])),
        "accuracy_windowed": float(np.mean([row["windowed"] for row in rows])),
        "difference": float(differences.mean()),
        "interval_95": [float(low), float(high)],
    }
    result = {"gradients_apart": gradients, "seeds": rows, "summary": summary}
    wanted.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
