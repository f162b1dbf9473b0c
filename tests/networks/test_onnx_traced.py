"""The graph that PyTorch exports gives what the network gives, whatever the network."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from leuknet.errors import ModelError
from leuknet.images.transform import turned
from leuknet.networks import build
from leuknet.networks.layers import last_linear
from leuknet.networks.onnx_traced import build_traced_graph
from leuknet.networks.predictor import run_network
from tests.conftest import REPOSITORY

MEMBER = {"network": "leuknet", "network_options": {"filters": (4, 6, 8), "fc1": 5}}


def spread(network: nn.Module) -> nn.Module:
    """Give all normalisations statistics of their own: fresh ones would hide which is which."""
    for name, value in network.named_buffers():
        if name.endswith(("running_mean", "input.mean")):
            value.normal_(0, 0.1)
        elif name.endswith(("running_var", "input.std")):
            value.uniform_(0.5, 1.5)
    return network.eval()


def images(side: int, number: int = 3) -> Any:
    return np.random.default_rng(1).integers(0, 256, (number, side, side, 3), dtype=np.uint8)


def run(graph: onnx.ModelProto, pixels: Any) -> dict[str, Any]:
    onnx.checker.check_model(graph, full_check=True)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    names = ["probability", "log_odds", "features"]
    return dict(zip(names, session.run(names, {"pixels": pixels}), strict=True))


@pytest.mark.parametrize(
    ("name", "side", "options"),
    [
        ("separable", 48, {}),
        ("squeeze-excitation", 48, {}),
        ("timm:test_resnet", 32, {"pretrained": False}),
        ("timm:test_vit", 160, {"pretrained": False}),
        ("torchvision:shufflenet_v2_x0_5", 64, {"weights": None}),
        ("ensemble", 40, {"members": [MEMBER, MEMBER]}),
    ],
)
def test_the_graph_gives_what_the_network_gives(name: str, side: int, options: dict[str, Any]) -> None:
    torch.manual_seed(5)
    network = spread(build(name, side, options))
    pixels = images(side)
    log_odds, features = run_network(network, pixels)

    graph = build_traced_graph(network, side, temperature=2.0)
    found = run(graph, pixels)

    assert np.ptp(log_odds) > 1e-4
    np.testing.assert_allclose(found["log_odds"], log_odds, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found["features"], features, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found["probability"], 1 / (1 + np.exp(-log_odds / 2)), rtol=1e-3)
    np.testing.assert_array_equal(run_network(network, pixels)[0], log_odds)  # it stays as it is
    assert {tensor.name for tensor in graph.graph.initializer if tensor.name.endswith("weight")} <= set(
        network.state_dict()
    )
    assert str(REPOSITORY) not in str(graph)


def test_a_graph_may_turn_the_images_itself() -> None:
    torch.manual_seed(5)
    network = spread(build("separable", 48))
    pixels = images(48)
    each = [run_network(network, np.ascontiguousarray(one)) for one in turned(pixels, 4)]

    found = run(build_traced_graph(network, 48, temperature=1.0, turns=4), pixels)

    assert np.ptp([log_odds for log_odds, _ in each], axis=0).max() > 1e-3
    np.testing.assert_allclose(found["log_odds"], np.mean([one for one, _ in each], axis=0), atol=1e-4)
    np.testing.assert_allclose(found["features"], np.mean([one for _, one in each], axis=0), atol=1e-3)


class Counting(nn.Module):
    """What depends on the values of an image cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        means = pixels.mean(dim=(2, 3))
        if float(means.max()) > 100:
            means = means / 2
        logits: Tensor = self.head(means)
        return logits


def test_a_network_that_cannot_be_traced_is_an_error_that_says_so() -> None:
    with pytest.raises(ModelError, match="cannot make a graph") as caught:
        build_traced_graph(Counting(), 8, temperature=1.0)
    assert "PyTorch computes" in caught.value.fix
    assert last_linear(Counting()).in_features == 3
