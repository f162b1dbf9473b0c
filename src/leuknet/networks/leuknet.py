"""The paper's network: a series of 17 layers with MATLAB's defaults.

    1 input     3 x 224 x 224, channel mean of the training images subtracted
    2 conv1     64 filters 3x3, stride 1, "same"
    3 relu1
    4 norm1     cross-channel normalization over 5 channels
    5 pool1     maximum over 3x3, stride 2
    6 conv2     128 filters 3x3        7 relu2       8 pool2
    9 conv3     256 filters 3x3       10 relu3      11 pool3
    12 fc1      128 values            13 relu4      14 dropout 0.5
    15 fc2      2 values
    16 softmax, 17 output             applied by the loss when training and by the predictor afterwards

The paper publishes no width for fc1; 128 is our choice and an option. Start at `leuknet`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from leuknet.errors import SettingError


def leuknet(
    image_size_px: int = 224, *, filters: Sequence[int] = (64, 128, 256), fc1: int = 128, dropout: float = 0.5
) -> LeukNet:
    """Return the network with fresh weights: Glorot uniform, zero bias (MATLAB's defaults).

    It takes pixels (N, 3, S, S) in 0..255 of any float type and gives logits (N, 2), class 0 normal.

    Parameters
    ----------
    image_size_px
        Side S of the square input; at least 15, so that three poolings leave a pixel.
    filters
        Channels of the three convolutions.
    fc1
        Values after the first fully connected layer.
    dropout
        Chance that a value is set to zero while training.

    Raises
    ------
    SettingError
        If the input is too small or there are not three positive numbers of filters.

    References
    ----------
    Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks".
    """
    side = image_size_px
    for _ in range(3):
        side = (side - 3) // 2 + 1  # what a 3x3 window with stride 2 leaves
    if side < 1 or len(filters) != 3 or min(*filters, fc1) < 1:
        raise SettingError(
            "cannot build the network",
            why=f"an input of {image_size_px} pixels, filters {list(filters)} and fc1 {fc1} do not fit",
            fix="use an input of at least 15 pixels, three positive numbers of filters and a positive fc1",
        )
    first, second, third = filters
    return LeukNet(
        OrderedDict(
            input=ZeroCenter(),
            conv1=nn.Conv2d(3, first, 3, padding="same"),
            relu1=nn.ReLU(),
            norm1=CrossChannelNormalization(first),
            pool1=nn.MaxPool2d(3, stride=2),
            conv2=nn.Conv2d(first, second, 3, padding="same"),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(3, stride=2),
            conv3=nn.Conv2d(second, third, 3, padding="same"),
            relu3=nn.ReLU(),
            pool3=nn.MaxPool2d(3, stride=2),
            flatten=nn.Flatten(),  # part of fc1 in MATLAB, hence not one of the 17
            fc1=nn.Linear(third * side * side, fc1),
            relu4=nn.ReLU(),
            dropout=nn.Dropout(dropout),
            fc2=nn.Linear(fc1, 2),
        )
    ).initialised()


class LeukNet(nn.Sequential):
    """The layers one after the other, known by this name to what computes them in another way."""

    def initialised(self) -> LeukNet:
        """Draw fresh weights, as `leuknet` states them, and return the network."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None  # noqa: S101  both kinds are made with one
                nn.init.zeros_(module.bias)
        # Channels last is how the processor's convolution kernels want their maps.
        return self.to(memory_format=torch.channels_last)


class ZeroCenter(nn.Module):
    """The input layer: subtracts the training images' channel mean; the scale stays 0..255.

    `std` stays 1 unless the recipe asks to standardise. Where published weights bring their own statistics,
    these stay (`is_fixed`).
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.is_fixed = False
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.register_buffer("std", torch.ones(3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) in 0..255 to the same shape around 0."""
        return (pixels - self.mean) / self.std


class CrossChannelNormalization(nn.Module):
    """Divides each value by a power of the energy in a window of neighbouring channels.

    y_c = x_c / (k + alpha / window * sum of x_j^2 over the window around c) ^ beta

    equal to `torch.nn.LocalResponseNorm` and to MATLAB's `crossChannelNormalizationLayer` with beta 0.75,
    the one beta supported. The windowed sum is a 1x1 convolution with a banded matrix of ones, which the
    processor does several times faster than the padded three-dimensional pooling in PyTorch.

    References
    ----------
    Krizhevsky, Sutskever & Hinton (2012), "ImageNet classification with deep convolutional neural
    networks", section 3.3.
    """

    band: Tensor

    def __init__(self, channels: int, *, window: int = 5, alpha: float = 1e-4, k: float = 2.0) -> None:
        super().__init__()
        self.window, self.alpha, self.k = window, alpha, k
        distance = torch.arange(channels)[:, None] - torch.arange(channels)[None, :]
        band = (distance.abs() <= window // 2).float() * (alpha / window)
        self.register_buffer("band", band[:, :, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return cast("Tensor", _Normalize.apply(x, self.band.to(x.dtype), self.k))

    def extra_repr(self) -> str:
        """Text for `print(network)`."""
        return f"window={self.window}, alpha={self.alpha}, beta=0.75, k={self.k}"


class _Normalize(torch.autograd.Function):
    """x * (k + band x^2) ** -0.75, with a derivative that keeps half the maps that autograd would."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, band: Tensor, k: float) -> Tensor:
        root = functional.conv2d(x * x, band).add_(k).rsqrt_()
        scale = root.sqrt().mul_(root)  # energy ** -0.75, without the slow general power
        ctx.save_for_backward(x, root, scale, band)
        return x * scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        # dy_c / dx_j = [c = j] energy_c ** -0.75 - 1.5 x_c x_j band_cj energy_c ** -1.75, the band symmetric.
        x, root, scale, band = ctx.saved_tensors
        direct = gradient * scale
        shared = functional.conv2d((root * root).mul_(direct).mul_(x), band.to(root.dtype))
        return direct.addcmul_(x, shared, value=-1.5), None, None
