"""Two small networks for the published systems whose idea is known, and whose layers are not.

    separable            depthwise separable convolutions (Howard et al. 2017)
    squeeze-excitation   3x3 convolutions, each followed by a gate on its maps (Hu et al. 2018)

Each is a stem and blocks in a row, every one of which halves the side, then the mean of each map, dropout and
one fully connected layer. Convolutions are followed by batch normalisation; weights start as PyTorch's own.

Start at `separable` and `squeeze_excitation`.

References
----------
Howard et al. (2017), "MobileNets: efficient convolutional neural networks for mobile vision applications",
arXiv 1704.04861. Hu, Shen & Sun (2018), "Squeeze-and-excitation networks", CVPR.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from leuknet.errors import SettingError
from leuknet.networks.leuknet import ZeroCenter


def separable(
    image_size_px: int = 224, *, filters: Sequence[int] = (32, 64, 128, 256), dropout: float = 0.5
) -> nn.Sequential:
    """Return a network of depthwise separable convolutions.

    It takes pixels (N, 3, S, S) in 0..255 and gives logits (N, 2), class 0 normal.

    Parameters
    ----------
    image_size_px
        Side S of the square input; at least 2 for each entry of `filters`, multiplied: 16 for four.
    filters
        Maps of the first convolution, which is a full one, and of each block after it.
    dropout
        Chance that a value is set to zero while training.

    Raises
    ------
    SettingError
        If the input is too small, or a number of filters is not positive.
    """
    _check(image_size_px, filters)
    layers = OrderedDict[str, nn.Module](input=ZeroCenter())
    layers["conv1"] = _convolution(3, filters[0], stride=2)
    for number, (before, after) in enumerate(pairwise(filters), start=2):
        depthwise = _convolution(before, before, groups=before)
        layers[f"separable{number}"] = nn.Sequential(depthwise, _convolution(before, after, window=1))
        layers[f"pool{number}"] = nn.MaxPool2d(2)
    return _with_head(layers, filters[-1], dropout)


def squeeze_excitation(
    image_size_px: int = 224,
    *,
    filters: Sequence[int] = (32, 64, 128, 256),
    reduction: int = 8,
    dropout: float = 0.5,
) -> nn.Sequential:
    """Return a network whose maps are weighed by a gate after each convolution.

    It takes pixels (N, 3, S, S) in 0..255 and gives logits (N, 2), class 0 normal.

    Parameters
    ----------
    image_size_px
        Side S of the square input; at least 2 for each entry of `filters`, multiplied: 16 for four.
    filters
        Maps of each convolution.
    reduction
        A gate sees its maps through so many times fewer values.
    dropout
        Chance that a value is set to zero while training.

    Raises
    ------
    SettingError
        If the input is too small, or a number of filters is below `reduction`.
    """
    _check(image_size_px, filters, at_least=reduction)
    layers = OrderedDict[str, nn.Module](input=ZeroCenter())
    for number, (before, after) in enumerate(pairwise((3, *filters)), start=1):
        layers[f"conv{number}"] = _convolution(before, after)
        layers[f"gate{number}"] = Gate(after, reduction)
        layers[f"pool{number}"] = nn.MaxPool2d(2)
    return _with_head(layers, filters[-1], dropout)


class Gate(nn.Module):
    """Squeeze and excitation: weighs each map by what the means of all maps say of it.

    y_c = x_c * sigmoid(W2 relu(W1 mean(x) + b1) + b2)_c, the mean over all places of each map.

    Parameters
    ----------
    channels
        Number of maps C.
    reduction
        W1 leaves C / reduction values.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.excite = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        weights: Tensor = self.excite(self.squeeze(x.mean((2, 3))).relu()).sigmoid()
        return x * weights[:, :, None, None]


def _convolution(before: int, after: int, *, window: int = 3, stride: int = 1, groups: int = 1) -> nn.Module:
    convolution = nn.Conv2d(
        before, after, window, stride=stride, padding=window // 2, groups=groups, bias=False
    )
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())


def _with_head(layers: OrderedDict[str, nn.Module], features: int, dropout: float) -> nn.Sequential:
    layers["mean"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["dropout"] = nn.Dropout(dropout)
    layers["head"] = nn.Linear(features, 2)
    return nn.Sequential(layers)


def _check(image_size_px: int, filters: Sequence[int], *, at_least: int = 1) -> None:
    smallest = 2 ** len(filters)
    if not filters or at_least < 1 or min(filters) < at_least or image_size_px < smallest:
        raise SettingError(
            "cannot build the network",
            why=f"an input of {image_size_px} pixels and filters {list(filters)} do not fit",
            fix=f"use an input of at least {smallest} pixels, and filters of at least {max(1, at_least)}",
        )
