"""The small networks have the layers that they state, and gates weigh maps as their formula says."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from leuknet.errors import SettingError
from leuknet.networks import build, layer_table
from leuknet.networks.published import Published
from leuknet.networks.small import Gate

# Name, output shape and trained values, worked out by hand: a convolution without bias has window * window *
# maps before * maps after values, batch normalisation 2 for each map. A block has 3*3*C + C*D, and 2*C + 2*D.
SEPARABLE = [
    ("conv1", (32, 112, 112), 864 + 64),
    ("separable2", (64, 112, 112), 288 + 64 + 2_048 + 128),
    ("pool2", (64, 56, 56), 0),
    ("separable3", (128, 56, 56), 576 + 128 + 8_192 + 256),
    ("pool3", (128, 28, 28), 0),
    ("separable4", (256, 28, 28), 1_152 + 256 + 32_768 + 512),
    ("pool4", (256, 14, 14), 0),
]
# A gate between C maps and C / 8 values has twice C * C / 8 weights, and C + C / 8 biases.
GATED = [
    ("conv1", (32, 224, 224), 864 + 64),
    ("gate1", (32, 224, 224), 2 * 32 * 4 + 32 + 4),
    ("pool1", (32, 112, 112), 0),
    ("conv2", (64, 112, 112), 18_432 + 128),
    ("gate2", (64, 112, 112), 2 * 64 * 8 + 64 + 8),
    ("pool2", (64, 56, 56), 0),
    ("conv3", (128, 56, 56), 73_728 + 256),
    ("gate3", (128, 56, 56), 2 * 128 * 16 + 128 + 16),
    ("pool3", (128, 28, 28), 0),
    ("conv4", (256, 28, 28), 294_912 + 512),
    ("gate4", (256, 28, 28), 2 * 256 * 32 + 256 + 32),
    ("pool4", (256, 14, 14), 0),
]


@pytest.mark.parametrize(("name", "layers"), [("separable", SEPARABLE), ("squeeze-excitation", GATED)])
def test_the_layers_are_those_worked_out_by_hand(
    name: str, layers: list[tuple[str, tuple[int, ...], int]]
) -> None:
    rows = [(row.name, row.output_shape, row.parameters) for row in layer_table(name, 224)]

    assert rows[0] == ("input", (3, 224, 224), 0)
    assert rows[1 : 1 + len(layers)] == layers
    ends = [("mean", (256, 1, 1), 0), ("dropout", (256,), 0), ("head", (2,), 514)]
    assert rows[1 + len(layers) : -2] == ends


def test_separable_convolutions_cost_what_their_name_promises() -> None:
    rows = {row.name: row for row in layer_table("separable", 224)}

    # Two operations for 3*3 of each of 32 maps, then for 32 inputs of each of 64 maps, at 112 * 112 places.
    assert rows["separable2"].gflop == pytest.approx(2 * (9 * 32 + 32 * 64) * 112**2 / 1e9)
    assert sum(row.gflop for row in rows.values()) == pytest.approx(0.188, abs=0.001)


def test_a_gate_weighs_maps_by_their_means_as_its_formula_says() -> None:
    gate = Gate(2, 2)
    with torch.no_grad():
        gate.squeeze.weight.copy_(torch.tensor([[1.0, -0.25]]))
        gate.squeeze.bias.zero_()
        gate.excite.weight.copy_(torch.tensor([[4.0], [-4.0]]))
        gate.excite.bias.copy_(torch.tensor([0.0, 1.0]))
    # Means 1 and 3: 1 - 0.75 = 0.25 passes; 4 * 0.25 = 1 and 1 - 4 * 0.25 = 0 are what the sigmoids get.
    maps = torch.tensor([[[[0.0, 2.0]], [[3.0, 3.0]]]])

    found = gate(maps)

    one = 1 / (1 + math.exp(-1))
    torch.testing.assert_close(found, torch.tensor([[[[0.0, 2 * one]], [[1.5, 1.5]]]]))


def test_what_a_gate_leaves_through_is_cut_at_zero() -> None:
    gate = Gate(2, 2)
    with torch.no_grad():
        gate.squeeze.weight.copy_(torch.tensor([[-1.0, -1.0]]))
        gate.squeeze.bias.zero_()
        gate.excite.bias.zero_()

    # The squeezed value is below 0 for any positive maps, so that each map is halved.
    torch.testing.assert_close(gate(torch.ones(1, 2, 3, 3)), torch.full((1, 2, 3, 3), 0.5))


@pytest.mark.parametrize("name", ["separable", "squeeze-excitation"])
def test_the_smallest_input_is_16_pixels(name: str) -> None:
    assert build(name, 16).eval()(torch.zeros(1, 3, 16, 16)).shape == (1, 2)
    with pytest.raises(SettingError, match="at least 16 pixels"):
        build(name, 15)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("separable", {"filters": []}),
        ("separable", {"filters": [32, 0]}),
        ("squeeze-excitation", {"filters": [4, 8]}),
        ("squeeze-excitation", {"reduction": 0}),
        ("squeeze-excitation", {"filters": 3}),
    ],
)
def test_layers_that_do_not_fit_are_an_error(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="cannot build"):
        build(name, 64, options)


def test_a_pooled_vgg_gives_the_means_of_its_last_maps() -> None:
    torch.manual_seed(0)
    network = build("timm:vgg11", 64, {"pooled": True}).eval()
    assert isinstance(network, Published)
    pixels = torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(0)).float()

    maps = network.body.get_submodule("features")(network.input(pixels))

    assert network.head.in_features == maps.shape[1] == 512
    torch.testing.assert_close(network.body(network.input(pixels)), maps.mean((2, 3)))
    # The convolutions of configuration A of Simonyan & Zisserman (2015): 9.2 of its 133 million values.
    sizes = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    convolutions = sum(9 * a * b + b for a, b in pairwise(sizes))
    assert sum(value.numel() for value in network.body.parameters()) == convolutions


def test_only_a_vgg_can_be_pooled() -> None:
    with pytest.raises(SettingError, match="only a VGG"):
        build("timm:resnet18", 64, {"pooled": True})


def test_alexnet_and_xception_end_in_two_logits() -> None:
    for name, side in (("torchvision:alexnet", 64), ("timm:legacy_xception", 64)):
        network: nn.Module = build(name, side).eval()
        assert network(torch.zeros(1, 3, side, side)).shape == (1, 2)
