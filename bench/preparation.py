"""What all peers are given, and the environment of the one that needs its own. Start at `prepare`."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from PIL import Image

from leuknet.data import open_dataset
from leuknet.images.transform import load_inputs
from leuknet.recipes import changed, get_recipe
from leuknet.simulation.simulate import simulate
from leuknet.training.train import train
from leuknet.types import Dataset, InputForm, Pixels
from peers import Setup
from turns import BENCH, KERAS_PYTHON, Sizes

GROWTH_PX = 32
"""Side of the network for the cost of many images: tens of thousands of them then take minutes."""


def make_keras_home() -> str | None:
    """Make the environment of the Keras peer, once; return why there is none."""
    home = KERAS_PYTHON.parents[1]
    if (home / "ready").exists():
        return None
    home.parent.mkdir(exist_ok=True)
    requirements = BENCH / "keras-requirements.txt"
    commands: tuple[list[str | Path], ...] = (
        [sys.executable, "-m", "venv", home],
        [KERAS_PYTHON, "-m", "pip", "install", "--quiet", "-r", requirements],
    )
    try:
        for command in commands:
            subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own
    except subprocess.CalledProcessError as error:
        return f"not installed: {error.stderr.strip().splitlines()[-1]}"
    (home / "ready").touch()
    return None


def prepare(folder: Path, sizes: Sizes) -> dict[str, Path]:
    """Draw cells and train models on them; return the setups `cells`, `frames` and `growth`."""
    simulate(folder / "data", scale=sizes.scale, parts=["fold_0"])
    dataset = open_dataset(folder / "data")
    cells = _train_for(dataset, folder, image_size_px=sizes.image_size_px)
    frames = replace(cells, images="frames")
    np.save(folder / "frames.npy", _without_margin(np.load(folder / "cells.npy")))
    growth = cells
    if sizes.image_size_px != GROWTH_PX:
        growth = _train_for(dataset, folder / "growth", image_size_px=GROWTH_PX)
        (growth.folder / "data").symlink_to(folder / "data")
    setups = {}
    for name, setup in (("cells", cells), ("frames", frames), ("growth", growth)):
        setups[name] = setup.folder / f"setup-{name}.json"
        setups[name].write_text(json.dumps(asdict(setup), default=str), encoding="utf-8")
    return setups


def _train_for(dataset: Dataset, home: Path, *, image_size_px: int) -> Setup:
    """Train a model for an epoch, and prepare all images for it, in an order drawn at random."""
    home.mkdir(exist_ok=True)
    settings = [f"image_size_px={image_size_px}", "batch_size=16", "epochs=1", "balance=false"]
    run = train(dataset, changed(get_recipe("leuknet-paper"), settings), out=home / "run")
    mean = json.loads((run.folder / "model" / "model.json").read_text())["channel_mean"]
    order = np.random.default_rng(0).permutation(len(dataset.cells))
    cells = tuple(dataset.cells[index] for index in order)
    loaded = load_inputs(cells, InputForm(dataset.canvas_px, image_size_px), root=dataset.root)
    np.save(home / "cells.npy", loaded.inputs)
    labels = tuple(int(cell.label) for cell in cells if cell.label is not None)
    return Setup(home, "cells", image_size_px, tuple(cell.path for cell in cells), labels, tuple(mean))


def _without_margin(inputs: Pixels) -> Pixels:
    """The middle of each cell, as wide as the image: no pixel is black."""
    side = inputs.shape[1]
    fifth = side // 5
    middles = [Image.fromarray(cell[2 * fifth : 3 * fifth, 2 * fifth : 3 * fifth]) for cell in inputs]
    return np.stack([np.maximum(np.asarray(middle.resize((side, side))), 1) for middle in middles])
