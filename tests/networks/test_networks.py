"""The network is the paper's: 17 layers, MATLAB's defaults, normalization equal to its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from leuknet.errors import SettingError
from leuknet.networks import MODELS, build, layer_table
from leuknet.networks.layers import last_linear
from leuknet.networks.leuknet import CrossChannelNormalization, leuknet
from leuknet.networks.undrawn import Undrawn

# name, output shape, trained values: worked out by hand from 3x3 "same" convolutions and 3x3 pooling with
# stride 2. 224 -> 111 -> 55 -> 27; conv1 has 3*3*3*64 + 64 values, fc1 256*27*27*128 + 128.
PAPER_LAYERS = [
    ("input", (3, 224, 224), 0),
    ("conv1", (64, 224, 224), 1_792),
    ("relu1", (64, 224, 224), 0),
    ("norm1", (64, 224, 224), 0),
    ("pool1", (64, 111, 111), 0),
    ("conv2", (128, 111, 111), 73_856),
    ("relu2", (128, 111, 111), 0),
    ("pool2", (128, 55, 55), 0),
    ("conv3", (256, 55, 55), 295_168),
    ("relu3", (256, 55, 55), 0),
    ("pool3", (256, 27, 27), 0),
    ("fc1", (128,), 23_888_000),
    ("relu4", (128,), 0),
    ("dropout", (128,), 0),
    ("fc2", (2,), 258),
    ("softmax", (2,), 0),
    ("output", (2,), 0),
]


def test_the_layer_table_is_the_papers_17_layers() -> None:
    rows = layer_table("leuknet", 224)

    assert [(row.name, row.output_shape, row.parameters) for row in rows] == PAPER_LAYERS
    assert [row.number for row in rows] == list(range(1, 18))


def test_the_cost_is_that_of_convolutions_and_full_connections() -> None:
    rows = {row.name: row for row in layer_table("leuknet", 224)}

    # Two operations for each of 3*3*64 inputs of each of 128*111*111 outputs.
    assert rows["conv2"].gflop == pytest.approx(2 * 9 * 64 * 128 * 111**2 / 1e9)
    assert sum(row.gflop for row in rows.values()) == pytest.approx(3.822, abs=0.001)


def formula(x: np.ndarray, channel: int) -> np.ndarray:
    """Krizhevsky et al. (2012), section 3.3, written as it stands there, with alpha over the window."""
    low, high = max(0, channel - 2), min(x.shape[1] - 1, channel + 2)
    energy = (x[:, low : high + 1] ** 2).sum(axis=1)
    return np.asarray(x[:, channel] / (2 + 1e-4 / 5 * energy) ** 0.75)


def test_normalization_equals_the_formula() -> None:
    # Values up to some hundreds, as they come out of conv1 on pixels 0..255: small ones would hide alpha.
    x = torch.randn(2, 9, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 300

    y = CrossChannelNormalization(9)(x).numpy()

    expected = np.stack([formula(x.numpy(), channel) for channel in range(9)], axis=1)
    np.testing.assert_allclose(y, expected, rtol=1e-6)  # the band of alphas is stored in single precision


def test_normalization_and_its_gradient_equal_pytorchs() -> None:
    x = torch.randn(2, 64, 6, 6, generator=torch.Generator().manual_seed(1)) * 300
    ours = x.clone().requires_grad_()
    theirs = x.clone().requires_grad_()
    weights = torch.randn(2, 64, 6, 6, generator=torch.Generator().manual_seed(2))

    (CrossChannelNormalization(64)(ours) * weights).sum().backward()
    (nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)(theirs) * weights).sum().backward()

    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


def test_weights_start_as_in_matlab() -> None:
    torch.manual_seed(0)
    network = leuknet(224)
    conv2 = network.get_submodule("conv2")
    assert isinstance(conv2, nn.Conv2d)
    assert conv2.bias is not None

    # Glorot uniform: within sqrt(6 / (fan in + fan out)), and nearly reaching it among 73,728 draws.
    bound = (6 / (9 * 64 + 9 * 128)) ** 0.5
    largest = float(conv2.weight.detach().abs().max())
    assert 0.99 * bound < largest <= bound
    assert not conv2.bias.any()


MEMBERS = [{"network": "leuknet", "network_options": {"filters": [4, 4, 4], "fc1": n}} for n in (4, 6)]


@pytest.mark.parametrize("name", MODELS)
def test_every_network_gives_two_logits_and_trains_all_its_values(name: str) -> None:
    torch.manual_seed(0)  # a gate of few values can be drawn so that none of them answers
    network = build(name, 96, {"members": MEMBERS} if name == "ensemble" else None).eval()
    pixels = torch.randint(0, 256, (3, 3, 96, 96), generator=torch.Generator().manual_seed(0)).float()

    logits = network(pixels)
    logits.square().sum().backward()

    assert logits.shape == (3, 2)
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in network.parameters())


@pytest.mark.parametrize("name", ["leuknet", "efficientnet-lite0", "timm:vit_tiny_patch16_224"])
def test_an_undrawn_network_takes_nothing_from_the_generator_and_all_weights_of_another(name: str) -> None:
    before = torch.get_rng_state()

    with Undrawn():
        undrawn = build(name, 224, empty=True)

    assert torch.equal(torch.get_rng_state(), before)
    assert last_linear(undrawn).weight.count_nonzero() == 0
    drawn = build(name, 224, empty=True)
    assert last_linear(drawn).weight.count_nonzero() > 0
    undrawn.load_state_dict(drawn.state_dict())
    pixels = torch.randint(256, (1, 3, 224, 224)).float()
    assert torch.equal(undrawn.eval()(pixels), drawn.eval()(pixels))


def test_an_unknown_network_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="leuknet") as caught:
        build("leucnet", 224)

    assert caught.value.fix == "use 'leuknet'"


@pytest.mark.parametrize(
    ("size", "options", "why"),
    [
        (14, {}, "14 pixels"),
        (64, {"filters": [8, 8]}, "filters [8, 8]"),
        (64, {"fc1": 0}, "fc1 0"),
        (64, {"fc2": 8}, "its options are filters, fc1, dropout"),
        (64, {"fc1": "wide"}, "wide"),
    ],
)
def test_options_that_do_not_fit_are_errors(size: int, options: dict[str, object], why: str) -> None:
    with pytest.raises(SettingError) as caught:
        build("leuknet", size, options)

    assert why in caught.value.why
