"""A model folder as a predictor, computed by PyTorch, and the writing of such folders.

`leuknet.inference.model_folder` says what a folder holds; `leuknet.inference.onnx_predictor` opens one
without PyTorch.

Start at `load_model`; `save_model` is its counterpart.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from leuknet.data.overlap import HashedCell
from leuknet.data.split_file import write_split
from leuknet.errors import MissingExtraError, ModelError
from leuknet.images.inputs import MappedInputs
from leuknet.images.transform import prepare
from leuknet.inference.familiar import Reference, read_reference, write_reference
from leuknet.inference.model_folder import (
    COPY_AGAIN,
    GOLDEN,
    GRAPH,
    REFERENCE,
    WEIGHTS,
    FolderPredictor,
    open_card,
    prove,
    write_card,
)
from leuknet.inference.model_id import model_id_of
from leuknet.inference.onnx_predictor import load_onnx_model
from leuknet.networks import build
from leuknet.networks.layers import last_linear
from leuknet.networks.onnx_graph import has_own_graph, write_graph
from leuknet.networks.undrawn import Undrawn
from leuknet.networks.windowed import windowed
from leuknet.records.whole import whole_folder
from leuknet.simulation.simulate import golden_cells
from leuknet.types import Features, ModelCard, Pixels, Split

N_GOLDEN = 4

BATCH_SIZE = 64


class TorchPredictor(FolderPredictor):
    """Scores pixels with a trained network; made by `load_model`.

    Attributes
    ----------
    network
        The torch module, in evaluation mode.
    """

    computes_gradients = True

    def __init__(
        self,
        network: nn.Module,
        card: ModelCard,
        model_id: str,
        reference: Reference | None,
        folder: Path | None = None,
    ) -> None:
        super().__init__(card, model_id, reference, folder)
        self.network = network.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    @property
    def device(self) -> torch.device:
        """Where the network's weights lie."""
        return next(self.network.parameters()).device

    def run(self, inputs: Pixels) -> tuple[NDArray[np.float64], Features]:
        """(N, S, S, 3) uint8 to log odds before calibration (N,) and features (N, F)."""
        return run_network(self.network, inputs)


def load_model(folder: Path) -> TorchPredictor:
    """Open a model folder and let it prove itself on its golden images.

    Raises
    ------
    ModelError
        If a file is missing or damaged, weights do not fit the network, or the answers differ.
    """
    card = open_card(folder)
    recipe = card.recipe
    with Undrawn():
        network = build(recipe.network, recipe.image_size_px, recipe.network_options, empty=True)
    try:
        network.load_state_dict(load((folder / WEIGHTS).read_bytes()))
    except (OSError, SafetensorError, RuntimeError) as error:
        why = f"{WEIGHTS}: {error}"
        raise ModelError(f"cannot load the weights of {folder}", why=why, fix=COPY_AGAIN) from error
    reference = read_reference(folder / REFERENCE)
    predictor = TorchPredictor(network, card, model_id_of(folder), reference, folder)
    prove(predictor, folder)
    return predictor


def save_model(
    network: nn.Module,
    card: ModelCard,
    split: Split,
    folder: Path,
    *,
    hashes: Mapping[str, str],
    reference: Reference,
    earlier: Sequence[HashedCell] = (),
) -> None:
    """Write a model folder, see `leuknet.inference.model_folder`.

    The split goes with the model, and with it the perceptual hash of each image (by sha256), so that cells
    which trained it are recognised wherever it is tested. So do the cells of `earlier` models whose weights
    are in it.

    The golden images are simulated cells, so that a model folder never carries a patient's cell. The
    folder appears whole or not at all; an older one in its place is replaced.
    """
    golden = np.stack([prepare(cell, card.input_form) for cell in golden_cells(N_GOLDEN)])
    with whole_folder(folder) as staging:
        tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
        (staging / WEIGHTS).write_bytes(save(tensors))
        write_card(card, staging)
        write_split(split, staging / "split.json", hashes=hashes, earlier=earlier)
        write_reference(reference, staging / REFERENCE)
        probabilities = TorchPredictor(network, card, "unsaved", reference).score(golden)
        np.savez(staging / GOLDEN, inputs=golden, probabilities=probabilities)
        _add_graph(network, card, staging)


def _add_graph(network: nn.Module, card: ModelCard, folder: Path) -> None:
    """Write the graph if PyTorch can export the network; without one it is PyTorch that predicts."""
    try:
        write_graph(network, card, folder)
        load_onnx_model(folder)  # or it does not agree with PyTorch
    except (ModelError, MissingExtraError) as error:
        if has_own_graph(card):
            raise
        (folder / GRAPH).unlink(missing_ok=True)
        warnings.warn(f"the model is saved without a graph: {error.why}", stacklevel=2)


def channels_first(inputs: Tensor) -> Tensor:
    """(N, S, S, 3) uint8 to (N, 3, S, S) float32 in 0..255; features (N, F) stay.

    The layout in memory stays as it was, which is the one that convolutions want.
    """
    return inputs.permute(0, 3, 1, 2).float() if inputs.ndim == 4 else inputs


@torch.inference_mode()
def run_network(network: nn.Module, inputs: Pixels | MappedInputs) -> tuple[NDArray[np.float64], Features]:
    """Return what a network says of (N, S, S, 3) uint8 inputs, before any calibration.

    Returns
    -------
    (N,) float64
        Log odds: the logit of class 1 minus that of class 0.
    (N, F) float32
        Features: what its last fully connected layer is given.
    """
    compute = windowed(network).eval()
    device = next(network.parameters()).device
    last = last_linear(network)
    log_odds, features = [np.empty(0)], [np.empty((0, last.in_features), np.float32)]
    # Of each image only these numbers are kept, so that any number of images fits into memory.
    with last.register_forward_pre_hook(lambda _, given: features.append(given[0].float().cpu().numpy())):
        for start in range(0, len(inputs), BATCH_SIZE):
            images = torch.from_numpy(inputs[start : start + BATCH_SIZE]).to(device)
            logits = compute(channels_first(images)).double()
            log_odds.append((logits[:, 1] - logits[:, 0]).cpu().numpy())
    return np.concatenate(log_odds), np.concatenate(features)
