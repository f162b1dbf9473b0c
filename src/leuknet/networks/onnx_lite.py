"""EfficientNet-Lite as an ONNX graph: with features from its end, or from its middle (`StageMeans`).

Its padding is TensorFlow's, which ONNX calls `SAME_UPPER`. Batch normalisation stays a node of its own, so
that the graph takes the very weights that PyTorch takes; ONNX Runtime folds it into the convolution when it
opens the file.

Start at `build_lite_graph`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from leuknet.networks.onnx_nodes import Graph
from leuknet.networks.stages import StageMeans

_UNITS = (("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"), ("conv_dw", "bn1", "conv_pw", "bn2"))
"""Convolutions and normalisations of timm's two kinds of block, in the order in which they compute."""


@torch.no_grad()
def build_lite_graph(network: nn.Module, image_size_px: int, *, temperature: float) -> onnx.ModelProto:
    """Return the graph of a trained EfficientNet-Lite.

    Parameters
    ----------
    network
        A `leuknet.networks.published.Published` one, in evaluation mode.
    image_size_px
        Side S of its input.
    temperature
        Divides the log odds before they become a probability.
    """
    graph = Graph()
    graph.keep_weights(network)
    body: Any = network.get_submodule("body")
    maps = _unit(graph, body, "body", "conv_stem", "bn1", graph.centred("pixels"))
    stages = []
    for stage, blocks in enumerate(body.blocks):
        for number, block in enumerate(blocks):
            maps = _block(graph, block, f"body.blocks.{stage}.{number}", maps)
        stages.append(maps)
    if isinstance(body, StageMeans):
        joined = graph.add("Concat", *(_mean(graph, one) for one in stages[body.first :]), axis=1)
        centred = graph.add("Sub", joined, "body.mean")
        graph.add("Div", centred, "body.std", name="features")
    else:
        maps = _unit(graph, body, "body", "conv_head", "bn2", maps)
        graph.add("Identity", _mean(graph, maps), name="features")
    graph.end("head", temperature)
    return graph.to_model(image_size_px, n_features=network.get_parameter("head.weight").shape[1])


def _mean(graph: Graph, maps: str) -> str:
    """(N, C, H, W) to the mean of each map (N, C)."""
    return graph.add("ReduceMean", maps, graph.integers(2, 3), keepdims=0)


def _block(graph: Graph, block: Any, place: str, maps: str) -> str:
    names = next(names for names in _UNITS if all(hasattr(block, name) for name in names))
    found = maps
    for convolution, normalisation in zip(names[::2], names[1::2], strict=True):
        found = _unit(graph, block, place, convolution, normalisation, found)
    return graph.add("Add", found, maps) if block.has_skip else found


def _unit(graph: Graph, parent: Any, place: str, convolution: str, normalisation: str, maps: str) -> str:
    """One convolution, its normalisation, and what follows: an upper bound at 6, or nothing."""
    layer: nn.Conv2d = getattr(parent, convolution)
    norm: Any = getattr(parent, normalisation)
    maps = graph.add(
        "Conv",
        maps,
        f"{place}.{convolution}.weight",
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        group=layer.groups,
        auto_pad="SAME_UPPER",
    )
    values = (f"{place}.{normalisation}.{name}" for name in ("weight", "bias", "running_mean", "running_var"))
    maps = graph.add("BatchNormalization", maps, *values, epsilon=norm.eps)
    if isinstance(norm.act, nn.ReLU6):
        bounds = (graph.constant(name, np.float32(value)) for name, value in (("zero", 0), ("six", 6)))
        maps = graph.add("Clip", maps, *bounds)
    elif not isinstance(norm.act, nn.Identity):
        raise TypeError(f"a graph knows no {type(norm.act).__name__}")
    return maps
