"""The paper's network as an ONNX graph.

The graph finds the window around the cells by itself and computes only there, step by step as
`leuknet.networks.windowed` does; what the three stages give for a black image lies in it as constants. Where
a map is pasted into them, the graph adds its difference from black: ONNX has no assignment to a part.

Start at `build_leuknet_graph`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import torch
from onnx import TensorProto
from torch import nn
from torch.nn import functional

from leuknet.images.windows import ROUND_PX
from leuknet.networks.leuknet import CrossChannelNormalization, LeukNet
from leuknet.networks.onnx_nodes import Graph
from leuknet.networks.windowed import STAGES, Windowed


@dataclass(frozen=True)
class _Corners:
    """A `leuknet.images.windows.Window` inside the graph: (2,) int64 of rows and columns each."""

    first: str
    end: str


@torch.no_grad()
def build_leuknet_graph(network: LeukNet, image_size_px: int, *, temperature: float) -> onnx.ModelProto:
    """Return the graph of a trained network.

    Parameters
    ----------
    network
        In evaluation mode.
    image_size_px
        Side S of its input.
    temperature
        Divides the log odds before they become a probability.
    """
    graph = Graph()
    graph.keep_weights(network)
    black = Windowed(network).black_maps(torch.zeros(1, 3, image_size_px, image_size_px))
    window = _find_window(graph, image_size_px)
    maps = graph.centred(_slice(graph, "pixels", window, axes=(1, 2)))
    for index, names in enumerate(STAGES):
        # A ring of zeros is the padding of the convolution, and shifts all places by one.
        around = graph.constant(f"black_{names[0]}", functional.pad(black[index], (1, 1, 1, 1)).numpy())
        window, read, written = _plan_stage(graph, window, side=black[index].shape[-1])
        patch = _paste(graph, maps, window, around, read)
        maps = _run_stage(graph, network, names, patch)
        window = written
    around = graph.constant("black_end", black[-1].numpy())
    side = black[-1].shape[-1]
    whole = _Corners(graph.integers(0, 0), graph.integers(side, side))
    values = graph.add("Flatten", _paste(graph, maps, window, around, whole))
    values = graph.add("Gemm", values, "fc1.weight", "fc1.bias", transB=1, name="fc1")
    graph.add("Relu", values, name="features")
    graph.end("fc2", temperature)
    return graph.to_model(image_size_px, n_features=len(network.get_parameter("fc1.bias")))


def _find_window(graph: Graph, side: int) -> _Corners:
    """Rows and columns between the first and the last that are not black in some image of the batch."""
    firsts, ends = [], []
    for across in ((0, 2, 3), (0, 1, 3)):
        line = graph.add("ReduceMax", "pixels", graph.integers(*across), keepdims=0)
        lit = graph.add("Cast", graph.add("Cast", line, to=TensorProto.BOOL), to=TensorProto.INT32)
        firsts.append(graph.add("ArgMax", lit, keepdims=1))
        ends.append(graph.add("ArgMax", lit, keepdims=1, select_last_index=1))
    # If nothing is lit, the first of equals is 0 and the last is S - 1: the whole image.
    step = graph.integers(ROUND_PX)
    first = graph.add("Mul", graph.add("Div", graph.add("Concat", *firsts, axis=0), step), step)
    above = graph.add("Add", graph.add("Concat", *ends, axis=0), step)
    end = graph.add("Mul", graph.add("Div", above, step), step)
    return _Corners(first, graph.add("Min", end, graph.integers(side)))


def _plan_stage(graph: Graph, window: _Corners, *, side: int) -> tuple[_Corners, _Corners, _Corners]:
    """As `leuknet.images.windows.plan_stages`; return the window itself, what is read, and what is written.

    The first two are counted in the stage's input with its ring of zeros.
    """
    by_one, by_two, n_pooled = graph.integers(1), graph.integers(2), (side - 3) // 2 + 1
    reached = graph.add("Max", graph.add("Sub", window.first, by_one), graph.integers(0))
    low = graph.add("Div", graph.add("Max", graph.add("Sub", reached, by_one), graph.integers(0)), by_two)
    low = graph.add("Min", low, graph.integers(n_pooled - 1))
    reached = graph.add("Min", graph.add("Add", window.end, by_one), graph.integers(side))
    high = graph.add("Add", graph.add("Div", graph.add("Sub", reached, by_one), by_two), by_one)
    high = graph.add("Max", graph.add("Min", high, graph.integers(n_pooled)), by_one)
    read = _Corners(
        graph.add("Mul", low, by_two), graph.add("Add", graph.add("Mul", high, by_two), graph.integers(3))
    )
    moved = _Corners(graph.add("Add", window.first, by_one), graph.add("Add", window.end, by_one))
    return moved, read, _Corners(low, high)


def _slice(graph: Graph, value: str, corners: _Corners, *, axes: tuple[int, int] = (2, 3)) -> str:
    return graph.add("Slice", value, corners.first, corners.end, graph.integers(*axes))


def _paste(graph: Graph, maps: str, window: _Corners, around: str, onto: _Corners) -> str:
    """The part `onto` of maps that are `maps` within `window` and `around` elsewhere."""
    nothing = graph.integers(0, 0)
    before = graph.add("Sub", window.first, onto.first)
    after = graph.add("Sub", onto.end, window.end)
    padding = graph.add("Concat", nothing, before, nothing, after, axis=0)
    difference = graph.add("Sub", maps, _slice(graph, around, window))
    return graph.add("Add", graph.add("Pad", difference, padding), _slice(graph, around, onto))


def _run_stage(graph: Graph, network: LeukNet, names: tuple[str, ...], patch: str) -> str:
    maps = graph.add("Conv", patch, f"{names[0]}.weight", f"{names[0]}.bias", name=names[0])
    for name in names[1:]:
        layer = network.get_submodule(name)
        if isinstance(layer, CrossChannelNormalization):
            maps = _normalize(graph, layer, maps)
        elif isinstance(layer, nn.MaxPool2d):
            maps = graph.add("MaxPool", maps, name=name, kernel_shape=[3, 3], strides=[2, 2])
        else:
            maps = graph.add("Relu", maps, name=name)
    return maps


def _normalize(graph: Graph, layer: CrossChannelNormalization, maps: str) -> str:
    """X / energy ** 0.75, the power by two square roots."""
    band = graph.constant("band", layer.band.numpy())
    k = graph.constant("k", np.full(len(layer.band), layer.k, dtype=np.float32))
    energy = graph.add("Conv", graph.add("Mul", maps, maps), band, k, name="energy")
    root = graph.add("Sqrt", energy)
    return graph.add("Div", maps, graph.add("Mul", root, graph.add("Sqrt", root)))
