"""EfficientNet-Lite as a graph gives what PyTorch gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from leuknet.networks.onnx_lite import build_lite_graph
from leuknet.networks.published import efficientnet_lite0, efficientnet_lite2
from leuknet.networks.stages import StageMeans


# TensorFlow pads even and odd sides differently.
@pytest.mark.parametrize(
    ("make", "side", "stages"),
    [
        (efficientnet_lite0, 64, None),
        (efficientnet_lite0, 65, (1, 3)),
        (efficientnet_lite0, 48, (0, 5)),
        (efficientnet_lite2, 61, None),
    ],
)
def test_the_graph_gives_what_the_network_gives(make: Any, side: int, stages: Any) -> None:
    torch.manual_seed(5)
    network = make(side, pretrained=False, stages=stages).eval()
    _spread(network)
    inputs = np.random.default_rng(1).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    found: list[torch.Tensor] = []
    network.head.register_forward_pre_hook(lambda _, given: found.append(given[0]))
    with torch.inference_mode():
        logits = network(torch.from_numpy(inputs).permute(0, 3, 1, 2).float()).numpy()

    graph = build_lite_graph(network, side, temperature=2.0)
    onnx.checker.check_model(graph, full_check=True)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    probability, log_odds, features = session.run(None, {"pixels": inputs})

    expected = logits[:, 1] - logits[:, 0]
    assert np.ptp(expected) > 1e-2
    np.testing.assert_allclose(features, found[0].numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(log_odds, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-expected / 2)), rtol=1e-3)


def _spread(network: torch.nn.Module) -> None:
    """Give all normalisations statistics of their own: fresh ones would hide which is which."""
    for name, value in network.named_buffers():
        if name.endswith(("running_mean", "input.mean")):
            value.normal_(0, 0.1)
        elif name.endswith(("running_var", "input.std")):
            value.uniform_(0.5, 1.5)
    body = network.get_submodule("body")
    if isinstance(body, StageMeans):
        body.standardise(torch.randn(50, body.n_features))


def test_an_activation_that_the_graph_does_not_know_is_refused() -> None:
    network = efficientnet_lite0(32, pretrained=False)
    network.set_submodule("body.bn1.act", torch.nn.SiLU())
    with pytest.raises(TypeError, match="SiLU"):
        build_lite_graph(network, 32, temperature=1.0)
