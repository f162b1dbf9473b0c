"""The ONNX graph of any network, as PyTorch exports it.

The paper's network and EfficientNet-Lite have graphs of their own, which are faster or made without tracing;
this serves all others: published networks, linear probes, ensembles, and means over turns of the image.

Start at `build_traced_graph`.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor, nn
from torch.onnx import OnnxExporterError

from leuknet.errors import MissingExtraError, ModelError
from leuknet.networks.layers import last_linear
from leuknet.networks.onnx_nodes import OPSET

_INSIDE = "network."


class _Answers(nn.Module):
    """Pixels (N, S, S, 3) uint8 to what `leuknet.networks.onnx_nodes` calls the outputs of a graph."""

    def __init__(self, network: nn.Module, temperature: float, turns: int) -> None:
        super().__init__()
        self.last = last_linear(network)
        self.place = next(name for name, module in network.named_modules() if module is self.last)
        network.set_submodule(self.place, nn.Identity())
        self.network = network
        self.temperature = temperature
        self.turns = turns

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        images = pixels.permute(0, 3, 1, 2).float()
        quarters = range(0, 4, 4 // self.turns)
        features = [self.network(torch.rot90(images, number, (2, 3))) for number in quarters]
        logits = torch.stack([self.last(one) for one in features]).mean(dim=0)
        log_odds = logits[:, 1] - logits[:, 0]
        return torch.sigmoid(log_odds / self.temperature), log_odds, torch.stack(features).mean(dim=0)


@torch.no_grad()
def build_traced_graph(
    network: nn.Module, image_size_px: int, *, temperature: float, turns: int = 1
) -> onnx.ModelProto:
    """Return the graph of a trained network; its weights bear the names that they have in the network.

    Parameters
    ----------
    network
        In evaluation mode, on the processor; it ends in its last fully connected layer. It stays as it is.
    image_size_px
        Side S of its input.
    temperature
        Divides the log odds before they become a probability.
    turns
        1, 2 or 4: log odds and features are means over so many turns of the image.

    Raises
    ------
    ModelError
        If PyTorch cannot trace this network.
    MissingExtraError
        If PyTorch's exporter lacks a package.
    """
    answers = _Answers(copy.deepcopy(network), temperature, turns).eval()
    example = torch.zeros(2, image_size_px, image_size_px, 3, dtype=torch.uint8)
    try:
        with _quietly():
            program = torch.onnx.export(
                answers,
                (example,),
                dynamo=True,
                optimize=False,  # it would rename the weights
                verbose=False,
                input_names=["pixels"],
                output_names=["probability", "log_odds", "features"],
                dynamic_shapes=({0: torch.export.Dim("N")},),
                opset_version=OPSET,
            )
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "cannot make a graph of this network",
            why=f"{error.name} is not installed",
            fix="pip install 'leuknet[train]'",
        ) from error
    except (OnnxExporterError, RuntimeError) as error:
        raise ModelError(
            "cannot make a graph of this network",
            why=f"PyTorch cannot export it: {' '.join(str(error).split())[:300]}",
            fix="leave the engine to LeukNet: PyTorch computes networks that have no graph",
        ) from error
    if program is None:  # as PyTorch's older exporters may answer
        raise TypeError("torch.onnx.export gave no program")
    return _cleaned(program.model_proto, answers.place)


def _cleaned(model: onnx.ModelProto, last: str) -> onnx.ModelProto:
    """Give weights the names of the network, and leave out where on this machine its code lies."""
    names = {
        tensor.name: f"{last}.{tensor.name.removeprefix('last.')}"
        if tensor.name.startswith("last.")
        else tensor.name.removeprefix(_INSIDE)
        for tensor in model.graph.initializer
    }
    for tensor in model.graph.initializer:
        tensor.name = names[tensor.name]
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model


@contextmanager
def _quietly() -> Iterator[None]:
    """PyTorch tells how far it is and what will be another way in its next release."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
