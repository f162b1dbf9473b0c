"""Several trained networks as one: the mean of their calibrated log odds.

Each member keeps its layers but the last. Their features side by side go into one fully connected layer,
whose weights are the members' own, divided by the number of members and by each one's temperature. So the
logits are exactly the mean, and the ensemble is a network like any other: with features, calibration, and a
model folder.

Start at `join`; `ensemble` builds the empty network for a model folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from leuknet.networks import build
from leuknet.networks.layers import last_linear
from leuknet.networks.leuknet import ZeroCenter
from leuknet.networks.predictor import TorchPredictor


class Ensemble(nn.Module):
    """Pixels (N, 3, S, S) in 0..255 to logits (N, 2), class 0 normal.

    Parameters
    ----------
    members
        Networks whose last fully connected layer has two outputs; it is taken away from each.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.input = ZeroCenter()  # each member has an input layer of its own
        self.input.is_fixed = True
        heads = [last_linear(member) for member in members]
        for member, head in zip(members, heads, strict=True):
            place = next(name for name, module in member.named_modules() if module is head)
            member.set_submodule(place, nn.Identity())
        self.members = nn.ModuleList(members)
        self.head = nn.Linear(sum(head.in_features for head in heads), 2)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, S, S) to (N, 2)."""
        centred = self.input(pixels)
        logits: Tensor = self.head(torch.cat([member(centred) for member in self.members], dim=1))
        return logits


def ensemble(image_size_px: int, *, members: Sequence[Mapping[str, Any]]) -> Ensemble:
    """Return an ensemble whose weights will come from a model folder.

    Parameters
    ----------
    image_size_px
        Side of the square input of every member.
    members
        `network` and `network_options` of each, as in its recipe.
    """
    return Ensemble(
        [build(member["network"], image_size_px, member["network_options"], empty=True) for member in members]
    )


@torch.no_grad()
def join(predictors: Sequence[TorchPredictor]) -> Ensemble:
    """Return the ensemble of trained models; the predictors' own networks are used up."""
    heads = [last_linear(predictor.network) for predictor in predictors]
    together = Ensemble([predictor.network.cpu() for predictor in predictors])
    weights, bias = [], torch.zeros(2)
    for predictor, head in zip(predictors, heads, strict=True):
        share = len(predictors) * predictor.card.temperature
        weights.append(head.weight.cpu() / share)
        bias += head.bias.cpu() / share
    together.head.weight.copy_(torch.cat(weights, dim=1))
    together.head.bias.copy_(bias)
    return together
