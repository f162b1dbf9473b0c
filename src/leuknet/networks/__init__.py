"""Networks behind one call: `build(name, image_size_px, options)`.

To add a network, write a function that returns a torch module and give it a line in `MODELS`. It takes
the side of its input and keyword options, accepts pixels (N, 3, S, S) in 0..255, has an input layer
`input` of the kind `ZeroCenter`, and ends in a fully connected layer that gives logits (N, 2). `SOURCES` are
whole families that others publish, by the word before the colon.
`layer_table` lists what a network is made of.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

from leuknet.errors import MissingExtraError, SettingError

try:
    import torch
    from torch import nn
except ModuleNotFoundError as error:
    raise MissingExtraError(
        "cannot build or run a network", why="PyTorch is not installed", fix="pip install 'leuknet[train]'"
    ) from error

from leuknet.networks.layers import list_layers
from leuknet.types import LayerRow

__all__ = ["MODELS", "SOURCES", "build", "describe", "layer_table"]


MODELS = {
    "leuknet": "leuknet.networks.leuknet:leuknet",
    "efficientnet-lite0": "leuknet.networks.published:efficientnet_lite0",
    "efficientnet-lite1": "leuknet.networks.published:efficientnet_lite1",
    "efficientnet-lite2": "leuknet.networks.published:efficientnet_lite2",
    "separable": "leuknet.networks.small:separable",
    "squeeze-excitation": "leuknet.networks.small:squeeze_excitation",
    "ensemble": "leuknet.networks.ensemble:ensemble",
}
"""Name to function; as text, since timm takes seconds to import and is often not needed."""

SOURCES = {
    "timm": "leuknet.networks.published:timm_network",
    "torchvision": "leuknet.networks.published:torchvision_network",
    "hf": "leuknet.networks.published:hf_network",
}
"""Word before the colon to a function that is also given the name after it."""


def build(
    name: str, image_size_px: int, options: Mapping[str, Any] | None = None, *, empty: bool = False
) -> nn.Module:
    """Return a network with fresh weights, drawn from torch's global generator, or published ones.

    Parameters
    ----------
    name
        A key of `MODELS`, or `source:name` with a key of `SOURCES`.
    image_size_px
        Side of the square input.
    options
        Keyword arguments of the network's function.
    empty
        Fetch no published weights, whatever the options say: others will take their place.

    Raises
    ------
    SettingError
        If the name or an option does not exist, or an option is of the wrong kind.
    ModelError
        If published weights cannot be had or do not fit.
    """
    maker = _find(name)
    options = dict(options or {})
    known = [
        key
        for key, parameter in inspect.signature(maker).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and key != "name"
    ]
    if unknown := sorted(set(options) - set(known)):
        raise SettingError(
            f"network {name!r} has no option {unknown[0]!r}",
            why=f"its options are {', '.join(known)}",
            fix=f"for example --set network_options.{known[0]}=...",
        )
    if empty:
        options |= {key: value for key, value in (("pretrained", False), ("weights", None)) if key in known}
    try:
        return maker(image_size_px, **options)
    except (TypeError, ValueError) as error:
        raise SettingError(
            f"cannot build network {name!r}",
            why=f"options {options}: {error}",
            fix=f"give what it takes with --set network_options.NAME=VALUE; the names are {', '.join(known)}",
        ) from error


def describe(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network's options with all that is needed to build it again where there is no network.

    They also say whether it starts from published weights, if it can.

    Raises
    ------
    SettingError
        If there is no such network.
    ModelError
        If the description of an `hf:` network cannot be had.
    """
    options = dict(options)
    parameters = inspect.signature(_find(name)).parameters
    if "pretrained" in parameters:
        options.setdefault("pretrained", parameters["pretrained"].default)
    if not name.startswith("hf:"):
        return options
    from leuknet.networks import published

    return published.describe(name.removeprefix("hf:"), options)


def _find(name: str) -> Callable[..., nn.Module]:
    source, colon, published_name = name.partition(":")
    if colon and source in SOURCES and published_name:
        maker: Callable[..., nn.Module] = pkgutil.resolve_name(SOURCES[source])
        # The function's second argument, as a keyword so that the size stays the first.
        return functools.partial(maker, name=published_name)
    if name in MODELS:
        own: Callable[..., nn.Module] = pkgutil.resolve_name(MODELS[name])
        return own
    known = [*MODELS, *(f"{source}:<name>" for source in SOURCES)]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    raise SettingError(
        f"no network is called {name!r}", why=f"the networks are {', '.join(known)}", fix=f"use {near[0]!r}"
    )


def layer_table(
    name: str, image_size_px: int, options: Mapping[str, Any] | None = None
) -> tuple[LayerRow, ...]:
    """Return one row for each layer of a network; see `leuknet.networks.layers.list_layers`.

    Costs no memory: the network is never filled with numbers. Raises what `build` raises.
    """
    with torch.device("meta"):
        network = build(name, image_size_px, options, empty=True)
    return list_layers(network, image_size_px)
