"""Grad-CAM: where the last convolution's output speaks for a class. The one map that needs gradients.

Start at `grad_cam`; `leuknet.explain.methods` says what it is good for.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import Tensor, nn

from leuknet.errors import ModelError
from leuknet.explain.occlusion import Maps, check_inputs
from leuknet.inference.model_folder import FolderPredictor
from leuknet.networks.predictor import TorchPredictor, channels_first
from leuknet.types import Pixels

# A backward pass keeps every layer's output: at 224 px, about 0.1 GB for each image.
_BATCH_SIZE = 8


def grad_cam(
    predictor: FolderPredictor, inputs: Pixels, *, layer: nn.Module | None = None, signed: bool = False
) -> Maps:
    """Return where the last convolution's output speaks for the leukaemic class.

    Each channel of the layer's output is weighted by the mean over places of the log odds' gradient; the
    weighted sum is resized to the input, bilinearly.

    Parameters
    ----------
    predictor
        A model that PyTorch computes.
    inputs : (N, S, S, 3) uint8
        Of the network's input size; N may be 0.
    layer
        The layer whose output is taken; if None, `last_convolution` finds it.
    signed
        Keep what speaks for the normal class, as values below 0. Without it these are set to 0, as published.

    Returns
    -------
    (N, S, S) float32
        In the unit of activation times gradient, comparable between images of one network only.

    Raises
    ------
    ShapeError
        If the inputs do not fit the network.
    ModelError
        If no layer is given and the network has no convolution, or something else than PyTorch computes it.

    References
    ----------
    Selvaraju et al. (2017), "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization", ICCV. What is below 0 is their "counterfactual explanation". Computed by captum.
    """
    if not isinstance(predictor, TorchPredictor):
        raise ModelError(
            "cannot draw Grad-CAM maps with this predictor",
            why="they need gradients, and ONNX Runtime computes none",
            fix="open the model with leuknet.load(folder, engine='torch')",
        )
    check_inputs(predictor, inputs)
    size = predictor.card.recipe.image_size_px
    method = LayerGradCam(log_odds(predictor), layer or last_convolution(predictor))
    maps = [np.empty((0, size, size), np.float32)]
    for start in range(0, len(inputs), _BATCH_SIZE):
        batch = channels_first(torch.from_numpy(inputs[start : start + _BATCH_SIZE]).to(predictor.device))
        coarse = method.attribute(batch, relu_attributions=not signed)
        full = LayerAttribution.interpolate(coarse, (size, size), interpolate_mode="bilinear")
        maps.append(full.detach()[:, 0].float().cpu().numpy())
    return np.concatenate(maps)


def log_odds(predictor: TorchPredictor) -> Callable[[Tensor], Tensor]:
    """Return the function that is explained: (N, 3, S, S) pixels to (N,) log odds of `predictor.score`.

    Where the recipe takes the mean over turns of the image, it is that of the image as it lies.
    """

    def compute(batch: Tensor) -> Tensor:
        logits: Tensor = predictor.network(batch)
        return (logits[:, 1] - logits[:, 0]) / predictor.card.temperature

    return compute


def last_convolution(predictor: TorchPredictor) -> nn.Module:
    """Return the layer that ends the network's last convolution, found by watching one forward pass.

    That is the last `Conv2d` whose output has more than one place (the gates of squeeze-and-excitation have
    one), or, where layers that keep the shape take its output in a row, such as normalization and ReLU, the
    last of these: what is below 0 before a ReLU reaches no answer and belongs in no map.

    Raises
    ------
    ModelError
        If the network has no such convolution.
    """
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def note(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        if given and isinstance(given[0], Tensor) and isinstance(output, Tensor):
            calls.append((module, given[0], output))

    size = predictor.card.recipe.image_size_px
    with ExitStack() as hooks, torch.no_grad():
        for module in predictor.network.modules():
            hooks.enter_context(module.register_forward_hook(note))
        predictor.network(torch.zeros(1, 3, size, size, device=predictor.device))
    places = [
        place
        for place, (module, _, output) in enumerate(calls)
        if isinstance(module, nn.Conv2d) and max(output.shape[-2:]) > 1
    ]
    if not places:
        raise ModelError(
            "cannot draw Grad-CAM maps of this network",
            why="it has no convolution whose output has more than one place",
            fix="use occlusion, which works with any network, or name a layer",
        )
    found, _, values = calls[places[-1]]
    modules = [module for module, _, _ in calls]
    for module, given, output in calls[places[-1] + 1 :]:
        # A module that is used in several places would answer for all of them.
        if given is values and output.shape == values.shape and modules.count(module) == 1:
            found, values = module, output
    return found
