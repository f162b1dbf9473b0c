"""Runs the paper's network on the cell's window only, with the numbers of the whole image.

`Windowed(network)(pixels)` equals `network(pixels)` but for rounding, and so do all gradients. Each of the
three stages (convolution, ReLU, normalisation, pooling) is computed inside the window that the cell can
reach, see `leuknet.images.windows`; around it lie the maps of one black image, which are part of the
computation and get their gradients too. As few images go through at once as there are threads, so that their
maps stay in the processor's cache: without that, most of the time is spent on waiting for memory.

Start at `Windowed.forward`.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_input

from leuknet.images.windows import Window, find_cells, in_chunks, plan_stages
from leuknet.networks.leuknet import LeukNet

# ReLU and pooling may change places, and a pooled map has a quarter of the values.
STAGES = (("conv1", "relu1", "norm1", "pool1"), ("conv2", "pool2", "relu2"), ("conv3", "pool3", "relu3"))


def windowed(network: nn.Module) -> nn.Module:
    """Return the form of a network that leaves out black margins, or the network itself if it has none."""
    return Windowed(network) if isinstance(network, LeukNet) else network


class Windowed(nn.Module):
    """The same network, computed where its input is not black.

    On a GPU, where small pieces do not pay, the whole images go through the network itself.

    Parameters
    ----------
    network
        Its weights are shared, not copied.
    """

    def __init__(self, network: LeukNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, S, S) in 0..255, of any type, to logits (N, 2)."""
        if pixels.device.type != "cpu":
            return cast("Tensor", self.network(pixels.float()))
        side = pixels.shape[-1]
        cells = find_cells(pixels.detach().permute(0, 2, 3, 1).numpy())
        black = self.black_maps(pixels)
        maps, order = [], []
        for chosen, window in in_chunks(cells, side, size=torch.get_num_threads()):
            maps.append(self._maps(pixels[torch.from_numpy(chosen)], window, black))
            order.append(chosen)
        values = self.network.get_submodule("fc1")(torch.cat(maps).flatten(1))
        values = values[torch.from_numpy(np.argsort(np.concatenate(order)))]  # as they came
        for name in ("relu4", "dropout", "fc2"):
            values = self.network.get_submodule(name)(values)
        return cast("Tensor", values)

    def black_maps(self, pixels: Tensor) -> list[Tensor]:
        """What each stage is given, and what the last one gives, for a black image: (1, C, H, W) each."""
        black = torch.zeros_like(pixels[:1], dtype=torch.float32)
        maps = [self.network.get_submodule("input")(black)]
        for names in STAGES:
            latest = maps[-1]
            for name in names:
                latest = self.network.get_submodule(name)(latest)
            maps.append(latest)
        return maps

    def _maps(self, pixels: Tensor, window: Window, black: list[Tensor]) -> Tensor:
        """Return the maps (n, C, H, W) of the last stage for images whose cells lie within `window`."""
        side = pixels.shape[-1]
        rows, columns = window.within(Window.whole(side))
        maps = self.network.get_submodule("input")(pixels[..., rows, columns].float())
        for names, stage, around in zip(STAGES, plan_stages(window, side), black[:-1], strict=True):
            maps = self._run_stage(names, _paste(maps, window, around, stage.read))
            window = stage.write
        return _paste(maps, window, black[-1], Window.whole(black[-1].shape[-1]))

    def _run_stage(self, names: tuple[str, ...], patch: Tensor) -> Tensor:
        convolution = cast("nn.Conv2d", self.network.get_submodule(names[0]))
        # The patch brings its own padding. Nothing is derived to the pixels, nor when predicting.
        convolve = _Convolution.apply if patch.requires_grad else functional.conv2d
        maps = convolve(patch, convolution.weight, convolution.bias)
        for name in names[1:]:
            maps = self.network.get_submodule(name)(maps)
        return maps


def _paste(maps: Tensor, window: Window, around: Tensor, onto: Window) -> Tensor:
    """Return the part `onto` of a map that is `maps` within `window`, `around` elsewhere and 0 outside."""
    side = around.shape[-1]
    inside = Window(max(onto.top, 0), min(onto.bottom, side), max(onto.left, 0), min(onto.right, side))
    left, right = inside.left - onto.left, onto.right - inside.right
    padding = (left, right, inside.top - onto.top, onto.bottom - inside.bottom)
    patch = functional.pad(around[(..., *inside.within(Window.whole(side)))], padding)
    patch = patch.expand(len(maps), -1, -1, -1).clone(memory_format=torch.channels_last)
    patch[(..., *window.within(onto))] = maps
    return patch


class _Convolution(torch.autograd.Function):
    """A 3x3 convolution without padding; the gradient of its weights is nine matrix products.

    For windows of this size that is up to twice as fast as the kernel in PyTorch, see docs/decisions/0012.
    """

    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16)  # type: ignore[untyped-decorator]
    def forward(ctx: Any, patch: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(patch, weight)
        return functional.conv2d(patch, weight, bias)

    @staticmethod
    @once_differentiable
    @custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        patch, weight = ctx.saved_tensors
        n, n_in, height, width = patch.shape
        n_out = len(weight)
        to_patch = conv2d_input(patch.shape, weight, gradient)  # type: ignore[no-untyped-call]
        # With the gradient laid out on the patch's own grid, each of the nine positions of the filter sees
        # the patch moved by a fixed number of pixels: no copies, one product of two matrices for each.
        laid_out = gradient.new_zeros(n, height, width, n_out)
        laid_out[:, :-2, :-2] = gradient.permute(0, 2, 3, 1)
        n_pixels = n * height * width - 2 * width - 2
        gradients = laid_out.view(-1, n_out)[:n_pixels].t()
        values = patch.permute(0, 2, 3, 1).reshape(-1, n_in)
        to_weight = torch.stack(
            [gradients @ values[row * width + column :][:n_pixels] for row in range(3) for column in range(3)]
        )
        return to_patch, to_weight.view(3, 3, n_out, n_in).permute(2, 3, 0, 1), gradient.sum((0, 2, 3))
