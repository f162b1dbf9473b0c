"""Networks as ONNX graphs, for programs without PyTorch; `onnx_nodes` names inputs and outputs.

The paper's network and EfficientNet-Lite have one of their own; others have the one that PyTorch exports. In
a model folder a graph takes its weights from `weights.safetensors`, so that they are stored once.

Start at `build_graph`; `write_graph` puts it into a model folder.
"""

from __future__ import annotations

import json
from pathlib import Path

import onnx
from onnx.external_data_helper import set_external_data
from torch import nn

from leuknet.inference.model_folder import GRAPH, WEIGHTS
from leuknet.networks.leuknet import LeukNet
from leuknet.networks.onnx_leuknet import build_leuknet_graph
from leuknet.records import write_whole
from leuknet.types import ModelCard

_LITE = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")


def has_own_graph(card: ModelCard) -> bool:
    """Whether a network's graph is put together here, and not exported by PyTorch."""
    return card.recipe.network in ("leuknet", *_LITE)


def build_graph(network: nn.Module, card: ModelCard, *, turns: int = 1) -> onnx.ModelProto:
    """Return the graph of a trained network.

    Parameters
    ----------
    network
        In evaluation mode, on the processor.
    card
        Says which network it is, the side S of its input, and the temperature.
    turns
        1, 2 or 4: how many turns of the image the graph itself takes the mean over.

    Raises
    ------
    ModelError, MissingExtraError
        If PyTorch cannot export the network.
    """
    side, temperature = card.recipe.image_size_px, card.temperature
    if turns == 1 and isinstance(network, LeukNet):
        return build_leuknet_graph(network, side, temperature=temperature)
    if turns == 1 and card.recipe.network in _LITE:
        from leuknet.networks.onnx_lite import build_lite_graph  # imports timm, which takes seconds

        return build_lite_graph(network, side, temperature=temperature)
    from leuknet.networks.onnx_traced import build_traced_graph  # imports PyTorch's exporter

    return build_traced_graph(network, side, temperature=temperature, turns=turns)


def write_graph(network: nn.Module, card: ModelCard, folder: Path) -> None:
    """Write `model.onnx` into a model folder that holds the network's weights.

    The same weights give the same bytes.

    Raises
    ------
    ModelError, MissingExtraError
        As `build_graph`.
    """
    model = build_graph(network, card)
    stored = (folder / WEIGHTS).read_bytes()
    n_header = int.from_bytes(stored[:8], "little")
    places = json.loads(stored[8 : 8 + n_header])
    for tensor in model.graph.initializer:
        if tensor.name in places:
            start, end = places[tensor.name]["data_offsets"]
            set_external_data(tensor, WEIGHTS, offset=8 + n_header + start, length=end - start)
            tensor.ClearField("raw_data")
    write_whole(folder / GRAPH, model.SerializeToString(deterministic=True))
