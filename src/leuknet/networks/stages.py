"""Features from the middle of a network: how strongly each map of several stages answers, on average.

What a network has learnt of photographs ends in features of whole objects. Those of its middle are of texture
and grain, and say more of a cell. Start at `StageMeans`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

FIRST, LAST = 2, 5
"""Stages of EfficientNet-Lite that are taken, both included, of 0 to 6."""


class StageMeans(nn.Module):
    """Pixels (N, 3, S, S) to the means of all maps of some stages (N, F), each standardised.

    Parameters
    ----------
    network
        An EfficientNet of timm; its stages after the last one that is taken are left out.

    Attributes
    ----------
    n_features
        F: the maps of all stages that are taken.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.conv_stem, self.bn1 = network.conv_stem, network.bn1
        self.blocks = network.blocks[: LAST + 1]
        self.n_features = sum(stage[-1].conv_pwl.out_channels for stage in self.blocks[FIRST:])
        self.register_buffer("mean", torch.zeros(self.n_features))
        self.register_buffer("std", torch.ones(self.n_features))

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, S, S) to (N, F)."""
        return (torch.cat(self._means(pixels), dim=1) - self.mean) / self.std

    def _means(self, pixels: Tensor) -> list[Tensor]:
        maps = self.bn1(self.conv_stem(pixels))
        found = []
        for number, stage in enumerate(self.blocks):
            maps = stage(maps)
            if number >= FIRST:
                found.append(maps.mean((2, 3)))
        return found

    def standardise(self, features: Tensor) -> None:
        """Take mean and deviation of each feature from the training cells' (N, F), not yet scaled."""
        std, mean = torch.std_mean(features, dim=0)
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > 0, std, 1.0))
