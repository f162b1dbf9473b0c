"""What the ONNX graphs of all networks share: how they are put together, their inputs and outputs.

    pixels       (N, S, S, 3) uint8, as `leuknet.images.transform.prepare` gives them
    probability  (N,) float32, P(leukaemic), calibrated
    log_odds     (N,) float32, before the calibration
    features     (N, F) float32, what the last fully connected layer is given

Start at `Graph`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

OPSET = 18
"""Old enough for runtimes of 2023."""


@dataclass
class Graph:
    """Nodes and constants while they are put together; each method returns the name of a value."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any] | np.generic] = field(default_factory=dict)

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Append a node with one output."""
        output = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        """Keep a constant under its name."""
        self.constants[name] = value
        return name

    def integers(self, *values: int) -> str:
        """Return a constant (len,) int64."""
        return self.constant("_".join(["integers", *map(str, values)]), np.array(values, dtype=np.int64))

    def keep_weights(self, network: nn.Module) -> None:
        """Keep all weights of a network as constants, under their names."""
        for name, value in network.state_dict().items():
            self.constant(name, value.detach().numpy())

    def centred(self, pixels: str) -> str:
        """Pixels (N, H, W, 3) to (N, 3, H, W) float32, less the mean and divided by the deviation."""
        maps = self.add("Cast", self.add("Transpose", pixels, perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
        return self.add("Div", self.add("Sub", maps, "input.mean"), "input.std")

    def end(self, last_layer: str, temperature: float) -> None:
        """Go from `features` through the last fully connected layer to log odds and probability."""
        weights = (f"{last_layer}.weight", f"{last_layer}.bias")
        logits = self.add("Gemm", "features", *weights, transB=1, name=last_layer)
        minus = self.constant("class_1_minus_class_0", np.array([-1, 1], dtype=np.float32))
        self.add("MatMul", logits, minus, name="log_odds")
        scale = self.constant("temperature", np.array(temperature, dtype=np.float32))
        self.add("Sigmoid", self.add("Div", "log_odds", scale), name="probability")

    def to_model(self, side: int, *, n_features: int) -> onnx.ModelProto:
        """Return all of it as a model; `side` is S, `n_features` F."""
        pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", side, side, 3])
        shapes: dict[str, list[str | int]] = {"probability": ["N"], "log_odds": ["N"]}
        shapes["features"] = ["N", n_features]
        outputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()
        ]
        used = {name for node in self.nodes for name in node.input}
        constants = [
            numpy_helper.from_array(np.ascontiguousarray(value), name)
            for name, value in self.constants.items()
            if name in used
        ]
        made = helper.make_graph(self.nodes, "leuknet", [pixels], outputs, constants)
        # The oldest file format that has this opset, so that runtimes older than our `onnx` read it.
        return helper.make_model(
            made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="leuknet", ir_version=8
        )
