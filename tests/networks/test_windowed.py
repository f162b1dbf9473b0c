"""The network on windows gives what it gives on whole images: values, gradients and trained weights."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from leuknet.images.transform import prepare
from leuknet.networks import build
from leuknet.networks.leuknet import LeukNet, leuknet
from leuknet.networks.windowed import Windowed, windowed
from leuknet.simulation.simulate import golden_cells
from leuknet.types import InputForm


def _network(side: int, *, seed: int = 0) -> LeukNet:
    """A network whose input layer does something: centre and border of a black image then differ."""
    torch.manual_seed(seed)
    network = leuknet(side, filters=(8, 12, 16), fc1=10)
    network.get_buffer("input.mean").copy_(torch.tensor([40.0, 25.0, 50.0]).view(3, 1, 1))
    network.get_buffer("input.std").copy_(torch.tensor([30.0, 20.0, 25.0]).view(3, 1, 1))
    return network


def _pixels(side: int, boxes: list[tuple[int, int, int, int]], *, seed: int = 0) -> Tensor:
    """(N, 3, S, S) uint8: noise within the boxes, black elsewhere."""
    generator = np.random.default_rng(seed)
    inputs = np.zeros((len(boxes), side, side, 3), dtype=np.uint8)
    for image, (top, bottom, left, right) in zip(inputs, boxes, strict=True):
        image[top:bottom, left:right] = generator.integers(1, 256, (bottom - top, right - left, 3))
    return torch.from_numpy(inputs).permute(0, 3, 1, 2)


BOXES = {
    "in the middle": [(20, 40, 22, 45)],
    "at the corners": [(0, 20, 0, 20), (44, 64, 44, 64), (0, 20, 44, 64)],
    "in the last row": [(63, 64, 10, 50)],
    "one pixel": [(31, 32, 31, 32)],
    "all black": [(0, 0, 0, 0)],
    "the whole image": [(0, 64, 0, 64)],
    "many of several sizes": [(8 + i, 56 - i, 5 + i, 60 - 2 * i) for i in range(7)],
}


@pytest.mark.parametrize("boxes", BOXES.values(), ids=BOXES.keys())
@pytest.mark.parametrize("side", [64, 71])
def test_logits_are_those_of_the_whole_image(boxes: list[tuple[int, int, int, int]], side: int) -> None:
    network, pixels = _network(side).eval(), _pixels(side, boxes)
    whole = network(pixels.float())
    torch.testing.assert_close(Windowed(network)(pixels), whole, rtol=1e-4, atol=1e-5)
    # A network that tells black from the picture, or this test could not fail.
    assert boxes == [(0, 0, 0, 0)] or (whole - network(torch.zeros_like(pixels).float())).abs().max() > 1e-3


def _gradients(network: nn.Module, pixels: Tensor, forward: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    network.zero_grad()
    torch.manual_seed(5)  # both drop the same values
    logits = forward(pixels)
    functional.cross_entropy(logits, torch.arange(len(pixels)) % 2).backward()  # type: ignore[no-untyped-call]
    return {name: value.grad.clone() for name, value in network.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("boxes", BOXES.values(), ids=BOXES.keys())
def test_gradients_are_those_of_the_whole_image(boxes: list[tuple[int, int, int, int]]) -> None:
    # In float64 a value that is largest by a hair is the same in both, so that no gradient goes elsewhere.
    network = _network(64).double().train()
    pixels = _pixels(64, boxes)
    whole = _gradients(network, pixels, lambda given: network(given.double()))
    fast = _gradients(network, pixels, Windowed(network))
    assert len(whole) == 10
    for name, gradient in whole.items():
        torch.testing.assert_close(fast[name], gradient, rtol=1e-9, atol=1e-12, msg=name)


def test_the_written_out_derivatives_are_those_that_differences_give() -> None:
    network = _network(64).double()
    maps = torch.randn(2, 8, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: network.get_submodule("norm1")(x * 30), (maps,))


def test_a_network_that_learns_from_windows_learns_the_same() -> None:
    pixels = np.stack([prepare(cell, InputForm(450, 64)) for cell in golden_cells(12)])
    given, labels = torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.arange(12) % 2
    losses: dict[str, list[float]] = {}
    for name in ("whole", "windowed"):
        network = _network(64)
        form: nn.Module = Windowed(network) if name == "windowed" else network
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        losses[name] = []
        for step in range(25):
            torch.manual_seed(step)
            loss = functional.cross_entropy(form(given.float()), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses[name].append(loss.item())
    assert losses["windowed"] == pytest.approx(losses["whole"], rel=1e-3)
    assert min(losses["whole"]) < 0.8 * losses["whole"][0]


def test_bfloat16_rounds_and_no_more() -> None:
    network, pixels = _network(64).train(), _pixels(64, BOXES["many of several sizes"])
    exact = _gradients(network, pixels, Windowed(network))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = _gradients(network, pixels, Windowed(network))
    for name, gradient in exact.items():
        assert rounded[name].dtype == torch.float32
        assert (rounded[name] - gradient).norm() < 0.2 * gradient.norm(), name


def test_the_weights_are_shared_and_other_networks_stay_as_they_are() -> None:
    network = build("leuknet", 64)
    form = windowed(network)
    assert isinstance(form, Windowed)
    assert form.network is network
    other = nn.Sequential(copy.deepcopy(network))
    assert windowed(other) is other
