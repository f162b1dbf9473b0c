"""A model folder as a predictor, computed by PyTorch.

A model folder holds `model.json` (what the model says of itself), `weights.safetensors`, `split.json`
(which cells trained it), `reference.npz` (what these cells look like) and `golden.npz`: images with the
probabilities they had when the model was saved. Loading scores the images again and refuses a folder that
gives other answers. No pickle is ever read.

Start at `load_model`; `save_model` is its counterpart.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from scipy.special import expit
from torch import Tensor, nn

from leuknet.data.images import hash_file
from leuknet.data.simulate import golden_cells
from leuknet.data.split_file import write_split
from leuknet.data.transform import prepare
from leuknet.errors import ModelError, ShapeError
from leuknet.familiar import Reference, read_reference, write_reference
from leuknet.models import build
from leuknet.predict import open_card, write_card
from leuknet.types import Features, ModelCard, Pixels, Probabilities, Split

WEIGHTS, REFERENCE = "weights.safetensors", "reference.npz"

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
    network
        The torch module, in evaluation mode.
    reference
        What its training cells look like; None in models of LeukNet 0.1.0.
    """

    def __init__(
        self, network: nn.Module, card: ModelCard, model_id: str, reference: Reference | None
    ) -> None:
        self.card = card
        self.model_id = model_id
        self.reference = reference
        self.network = network.to("cuda" if torch.cuda.is_available() else "cpu").eval()

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
        return self.embed(inputs)[0]

    def embed(self, inputs: Pixels) -> tuple[Probabilities, Features]:
        """Score inputs and return their features too; see `leuknet.types.Predictor`.

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
        temperature = 1.0 if self.card.calibration is None else self.card.calibration.temperature
        log_odds, features = run_network(self.network, inputs)
        return np.asarray(expit(log_odds / temperature)), features


def load_model(folder: Path) -> TorchPredictor:
    """Open a model folder and let it prove itself on its golden images.

    Raises
    ------
    ModelError
        If a file is missing or damaged, weights do not fit the network, or the answers differ.
    """
    card = open_card(folder)
    network = build(card.recipe.network, card.recipe.image_size_px, card.recipe.network_options)
    weights = folder / WEIGHTS
    try:
        network.load_state_dict(load_file(weights))
        model_id = model_id_of(folder)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(
            f"cannot load the weights of {folder}",
            why=f"{weights.name}: {error}",
            fix=_COPY_AGAIN,
        ) from error
    reference = read_reference(folder / REFERENCE) if (folder / REFERENCE).exists() else None
    if reference is None and card.calibration is not None:
        raise ModelError(
            f"cannot load the model folder {folder}", why=f"{REFERENCE} is missing", fix=_COPY_AGAIN
        )
    predictor = TorchPredictor(network, card, model_id, reference)
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


def model_id_of(folder: Path) -> str:
    """Return the id of the model in a folder: the first 12 hex digits of the sha256 of its weights."""
    return hash_file(folder / WEIGHTS)[:12]


def save_model(
    network: nn.Module,
    card: ModelCard,
    split: Split,
    folder: Path,
    *,
    hashes: Mapping[str, str],
    reference: Reference,
) -> None:
    """Write a model folder: weights, card, split, reference, and golden images with their probabilities.

    The split goes with the model, and with it the perceptual hash of each image (by sha256), so that cells
    which trained it are recognised wherever it is tested.

    The golden images are simulated cells, so that a model folder never carries a patient's cell. The
    folder appears whole or not at all; an older one in its place is replaced.
    """
    size = card.recipe.image_size_px
    golden = np.stack(
        [prepare(cell, canvas_px=card.canvas_px, image_size_px=size) for cell in golden_cells(N_GOLDEN)]
    )
    staging = folder.with_name(f".{folder.name}.{os.getpid()}")
    staging.mkdir(parents=True)
    try:
        tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
        (staging / WEIGHTS).write_bytes(save(tensors))
        write_card(card, staging)
        write_split(split, staging / "split.json", hashes=hashes)
        write_reference(reference, staging / REFERENCE)
        probabilities = TorchPredictor(network, card, "unsaved", reference).score(golden)
        np.savez(staging / "golden.npz", inputs=golden, probabilities=probabilities)
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def to_tensor(inputs: Pixels, device: torch.device) -> Tensor:
    """(N, S, S, 3) uint8 to (N, 3, S, S) float32 in 0..255. The layout in memory stays as it was."""
    return torch.from_numpy(inputs).to(device).permute(0, 3, 1, 2).float()


@torch.inference_mode()
def run_network(network: nn.Module, inputs: Pixels) -> tuple[NDArray[np.float64], Features]:
    """Return what a network says of (N, S, S, 3) uint8 inputs, before any calibration.

    Returns
    -------
    (N,) float64
        Log odds: the logit of class 1 minus that of class 0.
    (N, F) float32
        Features: what its last fully connected layer is given.
    """
    network = network.eval()
    device = next(network.parameters()).device
    last = last_linear(network)
    log_odds, features = [np.empty(0)], [np.empty((0, last.in_features), np.float32)]
    # Of each image only these numbers are kept, so that any number of images fits into memory.
    with last.register_forward_pre_hook(lambda _, given: features.append(given[0].float().cpu().numpy())):
        for start in range(0, len(inputs), BATCH_SIZE):
            logits = network(to_tensor(inputs[start : start + BATCH_SIZE], device)).double()
            log_odds.append((logits[:, 1] - logits[:, 0]).cpu().numpy())
    return np.concatenate(log_odds), np.concatenate(features)


def last_linear(network: nn.Module) -> nn.Linear:
    """The last fully connected layer; what it is given are the network's features."""
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise ModelError(
            "cannot take features from this network",
            why="it has no fully connected layer",
            fix="end the network in a torch.nn.Linear of two outputs",
        )
    return layers[-1]


def _read_golden(folder: Path, size: int) -> tuple[Pixels, Probabilities]:
    path = folder / "golden.npz"
    try:
        # Opened here: NumPy leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            inputs, probabilities = stored["inputs"], stored["probabilities"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
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
