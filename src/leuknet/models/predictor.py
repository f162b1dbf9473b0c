"""A model folder as a predictor, computed by PyTorch.

A model folder holds `model.json` (what the model says of itself), `weights.safetensors`, `split.json`
(which cells trained it) and `golden.npz`: reference images with the probabilities they had when the model
was saved. Loading scores the images again and refuses a folder that gives other answers. No pickle is
ever read.

Start at `load_model`; `save_model` is its counterpart.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from leuknet.data.images import hash_file
from leuknet.data.simulate import golden_cells
from leuknet.data.split_file import write_split
from leuknet.data.transform import prepare
from leuknet.errors import ModelError, ShapeError
from leuknet.models import build
from leuknet.predict import open_card, write_card
from leuknet.types import ModelCard, Pixels, Probabilities, Split

GOLDEN_TOLERANCE = 1e-4
"""Largest difference in probability between two machines; kernels round differently by about 1e-6."""

N_GOLDEN = 4

BATCH_SIZE = 64

_COPY_AGAIN = "copy the whole folder again"


class TorchPredictor:
    """Scores pixels with a trained network; made by `load_model`.

    Attributes
    ----------
    card
        What the model says of itself.
    model_id
        First 12 hex digits of the sha256 of the weights file.
    """

    def __init__(self, network: nn.Module, card: ModelCard, model_id: str) -> None:
        self.card = card
        self.model_id = model_id
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device).eval()

    def predict(self, pixels: Pixels) -> Probabilities:
        """Score images as they are read from disk; see `leuknet.types.Predictor`.

        Raises
        ------
        ShapeError
            If the array is not (N, H, W, 3) uint8.
        """
        _check_images(pixels)
        size = self.card.recipe.image_size_px
        inputs = np.empty((len(pixels), size, size, 3), dtype=np.uint8)
        for index, image in enumerate(pixels):
            inputs[index] = prepare(image, canvas_px=self.card.canvas_px, image_size_px=size)
        return self.score(inputs)

    def score(self, inputs: Pixels) -> Probabilities:
        """Score images that have the network's input size; see `leuknet.types.Predictor`.

        Raises
        ------
        ShapeError
            If the array is not (N, S, S, 3) uint8.
        """
        _check_images(inputs)
        size = self.card.recipe.image_size_px
        if inputs.shape[1:3] != (size, size):
            raise ShapeError(
                "cannot score these inputs",
                why=f"the network takes {size}x{size} pixels, not {inputs.shape[1]}x{inputs.shape[2]}",
                fix="call .predict(pixels), which resizes",
            )
        parts = [
            positive_probability(self._network, to_tensor(inputs[start : start + BATCH_SIZE], self._device))
            for start in range(0, len(inputs), BATCH_SIZE)
        ]
        return np.concatenate([np.empty(0), *parts])


def load_model(folder: Path) -> TorchPredictor:
    """Open a model folder and let it prove itself on its golden images.

    Raises
    ------
    ModelError
        If a file is missing or damaged, weights do not fit the network, or the answers differ.
    """
    card = open_card(folder)
    network = build(card.recipe.network, card.recipe.image_size_px, card.recipe.network_options)
    weights = folder / "weights.safetensors"
    try:
        network.load_state_dict(load_file(weights))
        model_id = hash_file(weights)[:12]
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(
            f"cannot load the weights of {folder}",
            why=f"{weights.name}: {error}",
            fix=_COPY_AGAIN,
        ) from error
    predictor = TorchPredictor(network, card, model_id)
    inputs, expected = _read_golden(folder, card.recipe.image_size_px)
    difference = float(np.abs(predictor.score(inputs) - expected).max())
    if not difference <= GOLDEN_TOLERANCE:
        raise ModelError(
            f"model folder {folder} does not prove itself",
            why=f"its reference images score {difference:.2g} away from the recorded probabilities, "
            f"over the tolerance of {GOLDEN_TOLERANCE:g}",
            fix=f"{_COPY_AGAIN}; the files do not belong together or were changed",
        )
    return predictor


def save_model(network: nn.Module, card: ModelCard, split: Split, folder: Path) -> None:
    """Write a model folder: weights, card, split, and reference images with their probabilities.

    The split goes with the model so that cells which trained it are recognised wherever it is tested.

    The reference images are simulated cells, so that a model folder never carries a patient's cell. The
    folder appears whole or not at all; an older one in its place is replaced.
    """
    size = card.recipe.image_size_px
    golden = np.stack(
        [prepare(cell, canvas_px=card.canvas_px, image_size_px=size) for cell in golden_cells(N_GOLDEN)]
    )
    network = network.eval()
    device = next(network.parameters()).device
    staging = folder.with_name(f".{folder.name}.{os.getpid()}")
    staging.mkdir(parents=True)
    try:
        tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
        (staging / "weights.safetensors").write_bytes(save(tensors))
        write_card(card, staging)
        write_split(split, staging / "split.json")
        probabilities = positive_probability(network, to_tensor(golden, device))
        np.savez(staging / "golden.npz", inputs=golden, probabilities=probabilities)
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def to_tensor(inputs: Pixels, device: torch.device) -> Tensor:
    """(N, S, S, 3) uint8 to (N, 3, S, S) float32 in 0..255. The layout in memory stays as it was."""
    return torch.from_numpy(inputs).to(device).permute(0, 3, 1, 2).float()


@torch.inference_mode()
def positive_probability(network: nn.Module, pixels: Tensor) -> Probabilities:
    """(N, 3, S, S) to (N,) P(leukaemic): the second of two softmax values."""
    probabilities: Probabilities = network(pixels).double().softmax(dim=1)[:, 1].cpu().numpy()
    return probabilities


def _read_golden(folder: Path, size: int) -> tuple[Pixels, Probabilities]:
    path = folder / "golden.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            inputs, probabilities = stored["inputs"], stored["probabilities"]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ModelError(
            f"cannot check model folder {folder}",
            why=f"{path.name}: {error}",
            fix=_COPY_AGAIN,
        ) from error
    if inputs.shape != (len(probabilities), size, size, 3) or inputs.dtype != np.uint8 or not len(inputs):
        raise ModelError(
            f"cannot check model folder {folder}",
            why=f"{path.name} holds images of shape {inputs.shape}, not of {size}x{size} pixels",
            fix=_COPY_AGAIN,
        )
    return inputs, probabilities


def _check_images(pixels: Pixels) -> None:
    if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
        raise ShapeError(
            "these are not images",
            why=f"expected (N, H, W, 3) uint8, got {pixels.shape} {pixels.dtype}",
            fix="pass one image as pixels[None]; values are 0..255",
        )
