"""Networks behind one call: `build(name, image_size_px, options)`.

To add a network, write a function that returns a torch module and give it a line in `MODELS`. It takes
the side of its input and keyword options, accepts pixels (N, 3, S, S) in 0..255 and gives logits (N, 2).
`layer_table` lists what a network is made of.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from leuknet.errors import MissingExtraError, SettingError

try:
    import torch
    from torch import nn
except ModuleNotFoundError as error:
    raise MissingExtraError(
        "cannot build or run a network",
        why="PyTorch is not installed",
        fix="pip install 'leuknet[train]'",
    ) from error

from leuknet.models.layers import list_layers
from leuknet.models.leuknet import leuknet
from leuknet.types import LayerRow

__all__ = ["MODELS", "build", "layer_table"]

MODELS: dict[str, Callable[..., nn.Module]] = {"leuknet": leuknet}


def build(name: str, image_size_px: int, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Return a network with fresh weights, drawn from torch's global generator.

    Parameters
    ----------
    name
        A key of `MODELS`.
    image_size_px
        Side of the square input.
    options
        Keyword arguments of the network's function.

    Raises
    ------
    SettingError
        If the name or an option does not exist, or an option is of the wrong kind.
    """
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, n=1, cutoff=0.0)
        raise SettingError(
            f"no network is called {name!r}",
            why=f"the networks are {', '.join(MODELS)}",
            fix=f"use {near[0]!r}",
        )
    options = dict(options or {})
    known = [
        key
        for key, parameter in inspect.signature(MODELS[name]).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    if unknown := sorted(set(options) - set(known)):
        raise SettingError(
            f"network {name!r} has no option {unknown[0]!r}",
            why=f"its options are {', '.join(known)}",
            fix=f"for example --set network_options.{known[0]}=...",
        )
    try:
        return MODELS[name](image_size_px, **options)
    except (TypeError, ValueError) as error:
        raise SettingError(
            f"cannot build network {name!r}",
            why=f"options {options}: {error}",
            fix=f"run `leuknet model show {name}` to see what it takes",
        ) from error


def layer_table(
    name: str, image_size_px: int, options: Mapping[str, Any] | None = None
) -> tuple[LayerRow, ...]:
    """Return one row for each layer of a network; see `leuknet.models.layers.list_layers`.

    Costs no memory: the network is never filled with numbers. Raises what `build` raises.
    """
    with torch.device("meta"):
        network = build(name, image_size_px, options)
    return list_layers(network, image_size_px)
