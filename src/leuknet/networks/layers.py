"""Lists what a network is made of, from the network itself: shapes are measured, not written down.

Start at `list_layers`. A network on the `meta` device costs no memory, so this is instant at any size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from leuknet.errors import ModelError
from leuknet.networks.leuknet import CrossChannelNormalization, ZeroCenter
from leuknet.types import LayerRow


def list_layers(network: nn.Module, image_size_px: int) -> tuple[LayerRow, ...]:
    """Return one row per layer, counted as MATLAB does.

    Flattening belongs to the layer after it; the softmax and the output, which the loss and the
    predictor apply, are the last two rows. The cost counts convolutions and fully connected layers, as
    papers do: two operations per multiplication and addition.

    Parameters
    ----------
    network
        Layers in a row, each with a name, on the `meta` device.
    image_size_px
        Side of the square input.
    """
    values = torch.zeros(1, 3, image_size_px, image_size_px, device="meta")
    network.eval()
    rows: list[LayerRow] = []
    for name, module in network.named_children():
        with FlopCounterMode(display=False) as counter:
            values = module(values)
        if isinstance(module, nn.Flatten):
            continue
        kind, detail = _described(module, values)
        # The normalisation is computed as a convolution, but papers do not count it.
        flop = 0 if isinstance(module, CrossChannelNormalization) else counter.get_total_flops()
        parameters = sum(parameter.numel() for parameter in module.parameters())
        rows.append(
            LayerRow(len(rows) + 1, name, kind, detail, tuple(values.shape[1:]), parameters, flop / 1e9)
        )
    n, classes = len(rows), tuple(values.shape[1:])
    softmax = LayerRow(n + 1, "softmax", "Softmax", "probabilities", classes, 0, 0.0)
    return *rows, softmax, LayerRow(n + 2, "output", "Classification", "cross entropy", classes, 0, 0.0)


def _described(module: nn.Module, output: Tensor) -> tuple[str, str]:
    """MATLAB's name of the layer's kind, and its settings in a few words."""
    match module:
        case ZeroCenter():
            channels, height, width = output.shape[1:]
            return "Image input", f"{height}x{width}x{channels}, zerocenter"
        case nn.Conv2d():
            window = "x".join(map(str, module.kernel_size))
            detail = f"{module.out_channels} {window}, stride {module.stride[0]}, {module.padding}"
            return "Convolution", detail
        case nn.ReLU():
            return "ReLU", ""
        case CrossChannelNormalization():
            return "Cross-channel normalization", f"{module.window} channels"
        case nn.MaxPool2d():
            return "Max pooling", f"{module.kernel_size}x{module.kernel_size}, stride {module.stride}"
        case nn.Linear():
            return "Fully connected", f"{module.out_features}"
        case nn.Dropout():
            return "Dropout", f"{module.p:g}"
        case _:
            return type(module).__name__, ""


def last_linear(network: nn.Module) -> nn.Linear:
    """The last fully connected layer; what it is given are the network's features."""
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise ModelError(
            "cannot take features from this network",
            why="it has no fully connected layer",
            fix="end the network in a torch.nn.Linear of two outputs",
        )
    return layers[-1]
