"""Features from the middle of a network: how strongly each map of several stages answers, on average.

What a network has learnt of photographs ends in features of whole objects. Those of its middle are of texture
and grain, and say more of a cell. Start at `StageMeans`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from leuknet.errors import SettingError


class StageMeans(nn.Module):
    """Pixels (N, 3, S, S) to the means of all maps of some stages (N, F), each standardised.

    Parameters
    ----------
    network
        An EfficientNet of timm; its stages after the last one that is taken are left out.
    stages
        The first and the last that are taken, both included, of 0 to 6.

    Attributes
    ----------
    first
        The first of them.
    channels
        Number of maps of each stage that is taken.
    n_features
        F, their sum.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: Any, stages: Sequence[int]) -> None:
        super().__init__()
        if len(stages) != 2 or not 0 <= stages[0] <= stages[1] < len(network.blocks):
            raise SettingError(
                "cannot take features from the middle of this network",
                why=f"stages are {list(stages)}",
                fix=f"name the first and the last, of 0 to {len(network.blocks) - 1}, such as [1, 3]",
            )
        self.first = stages[0]
        self.conv_stem, self.bn1 = network.conv_stem, network.bn1
        self.blocks = network.blocks[: stages[1] + 1]
        self.channels = tuple(_channels(stage) for stage in self.blocks[self.first :])
        self.n_features = sum(self.channels)
        self.register_buffer("mean", torch.zeros(self.n_features))
        self.register_buffer("std", torch.ones(self.n_features))

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, S, S) to (N, F)."""
        return self.scaled(torch.cat(self._means(pixels), dim=1))

    def scaled(self, features: Tensor) -> Tensor:
        """Means of maps (N, F), each standardised."""
        return (features - self.mean) / self.std

    def _means(self, pixels: Tensor) -> list[Tensor]:
        maps = self.bn1(self.conv_stem(pixels))
        found = []
        for number, stage in enumerate(self.blocks):
            maps = stage(maps)
            if number >= self.first:
                found.append(maps.mean((2, 3)))
        return found

    def standardise(self, features: Tensor) -> None:
        """Take mean and deviation of each feature from the training cells' (N, F), not yet scaled."""
        std, mean = torch.std_mean(features, dim=0)
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > 0, std, 1.0))


def _channels(stage: Any) -> int:
    """Number of maps that a stage gives: those of the last convolution of its last block."""
    block = stage[-1]
    last: nn.Conv2d = block.conv_pwl if hasattr(block, "conv_pwl") else block.conv_pw
    return last.out_channels
