"""Networks of timm, and the plain network through ONNX Runtime and OpenVINO: default settings, fp32.

timm's networks are other networks: what else a user would train on these cells. Start at `open_timm`,
`open_onnxruntime` and `open_openvino`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from peers import Setup
from peers.plain import Plain, give_weights, plain_network


def open_timm(setup: Setup, *, name: str) -> Plain:
    """Return a network of timm with two classes, trained and run as the plain one."""
    import timm

    return Plain(setup, timm.create_model(name, num_classes=2))


class Graph(Plain):
    """The plain network as an ONNX graph; files are read by the plain loader."""

    def __init__(self, setup: Setup, run: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
        super().__init__(setup, torch.nn.Linear(1, 1))  # nothing is trained
        self.run = run

    def log_odds(self, images: torch.Tensor) -> NDArray[np.float32]:
        """(N, 3, S, S) to (N,)."""
        logits = self.run(images.numpy())
        return logits[:, 1] - logits[:, 0]

    def forward(self, n: int) -> NDArray[np.float32]:
        """Images in memory to log odds."""
        return self.log_odds(self.images(n))

    def predicting(self, n: int) -> NDArray[np.float32]:
        """Files to log odds."""
        return np.concatenate([self.log_odds(images) for images in self.loader(n)])


def export_plain(setup: Setup) -> Path:
    """Write the plain network as torch.onnx.export does by default, with a free batch size."""
    path = setup.folder / "plain.onnx"
    if not path.exists():
        network = plain_network(setup.image_size_px).eval()
        give_weights(network, setup)
        example = torch.zeros(2, 3, setup.image_size_px, setup.image_size_px)
        batch = torch.export.Dim("batch")
        torch.onnx.export(network, (example,), path, dynamic_shapes=({0: batch},), verbose=False)
    return path


def open_onnxruntime(setup: Setup) -> Graph:
    """Return ONNX Runtime on the default export."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(export_plain(setup)), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return Graph(setup, lambda images: session.run(None, {name: images})[0])


def open_openvino(setup: Setup) -> Graph:
    """Return OpenVINO on the same file."""
    import openvino

    # On processors with bf16 units OpenVINO rounds to bfloat16 unless told: other answers.
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled: Any = openvino.Core().compile_model(str(export_plain(setup)), "CPU", settings)
    return Graph(setup, lambda images: np.asarray(compiled(images)[0]))
