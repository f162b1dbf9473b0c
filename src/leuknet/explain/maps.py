"""Shows where in an image a network finds what it answers: Grad-CAM and occlusion.

A map says where a network looks, never whether that is right; a map may even say nothing of the network at
all, which is why `sanity.py` checks it. The two methods stand side by side because they fail differently:

    Grad-CAM    one backward pass; as coarse as the last convolution's output, and it averages gradients over
                places, which loses position in networks that flatten before their answer, as the paper's
    occlusion   forward passes only: what happens if a square is blackened, hence slow, and blind to what
                any of several places would tell by itself

Both explain one number, the log odds log(P / (1 - P)) of P(leukaemic) after calibration. In all signed maps,
above 0 speaks for leukaemic and below 0 for normal.

Start at `METHODS`. A network subtracts its own channel mean: inputs are pixels, 0..255, and black is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam, Occlusion
from numpy.typing import NDArray
from torch import Tensor, nn

from leuknet.errors import ModelError, SettingError, ShapeError
from leuknet.networks.predictor import TorchPredictor, to_tensor
from leuknet.types import Pixels

Maps = NDArray[np.float32]
"""(N, S, S), one value for each pixel of each input."""

Explain = Callable[[TorchPredictor, Pixels], Maps]
"""Gives signed maps of inputs (N, S, S, 3)."""


class Method(NamedTuple):
    """What draws signed maps, and the unit of their values."""

    explain: Explain
    unit: str


# A backward pass keeps every layer's output: at 224 px, about 0.1 GB for each image.
_BATCH_SIZE = 8
_WINDOWS_AT_ONCE = 64


def grad_cam(
    predictor: TorchPredictor, inputs: Pixels, *, layer: nn.Module | None = None, signed: bool = False
) -> Maps:
    """Return where the last convolution's output speaks for the leukaemic class.

    Each channel of the layer's output is weighted by the mean over places of the log odds' gradient; the
    weighted sum is resized to the input, bilinearly.

    Parameters
    ----------
    predictor
        The network and its card.
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
        If no layer is given and the network has no convolution.

    References
    ----------
    Selvaraju et al. (2017), "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization", ICCV. What is below 0 is their "counterfactual explanation". Computed by captum.
    """
    size = _checked_size(predictor, inputs)
    method = LayerGradCam(log_odds(predictor), layer or last_convolution(predictor))
    maps = [np.empty((0, size, size), np.float32)]
    for start in range(0, len(inputs), _BATCH_SIZE):
        batch = to_tensor(inputs[start : start + _BATCH_SIZE], _device(predictor))
        coarse = method.attribute(batch, relu_attributions=not signed)
        full = LayerAttribution.interpolate(coarse, (size, size), interpolate_mode="bilinear")
        maps.append(full.detach()[:, 0].float().cpu().numpy())
    return np.concatenate(maps)


def occlusion(predictor: TorchPredictor, inputs: Pixels, *, window_px: int, stride_px: int) -> Maps:
    """Return by how much the log odds of the leukaemic class rest on each place.

    A black square, as black as the canvas, is moved over the image. The fall of the log odds under it counts
    for all its pixels; where squares overlap, the mean counts.

    Parameters
    ----------
    predictor
        The network and its card.
    inputs : (N, S, S, 3) uint8
        Of the network's input size; N may be 0.
    window_px, stride_px
        Side of the square, at most S, and its step, at most the side. An image costs about
        ((S - window) / stride + 1) squared forward passes.

    Returns
    -------
    (N, S, S) float32
        Log odds of the whole image minus those of the image with the square. Above 0, the place speaks for
        leukaemic; 0.69 means that the odds double.

    Raises
    ------
    ShapeError
        If the inputs do not fit the network.
    SettingError
        If the square or its step are out of range.

    References
    ----------
    Zeiler & Fergus (2014), "Visualizing and Understanding Convolutional Networks", ECCV. Computed by captum.
    """
    size = _checked_size(predictor, inputs)
    if not 1 <= stride_px <= window_px <= size:
        raise SettingError(
            "cannot occlude parts of these images",
            why=f"a window of {window_px} px in steps of {stride_px} px does not fit {size} x {size} px",
            fix=f"use a window of 1 to {size} px and a step of at least 1 px, no longer than the window",
        )
    maps = np.empty((len(inputs), size, size), np.float32)
    for place in range(len(inputs)):
        image = to_tensor(inputs[place : place + 1], _device(predictor))
        changes = Occlusion(_knowing(log_odds(predictor), image)).attribute(
            image,
            sliding_window_shapes=(3, window_px, window_px),
            strides=(3, stride_px, stride_px),
            baselines=0.0,
            perturbations_per_eval=_WINDOWS_AT_ONCE,
        )
        maps[place] = changes[0, 0].cpu().numpy()  # the square covers all channels alike
    return maps


def signed_grad_cam(predictor: TorchPredictor, inputs: Pixels) -> Maps:
    """`grad_cam` of the last convolution, with what speaks for the normal class below 0."""
    return grad_cam(predictor, inputs, signed=True)


def occlusion_by_sevenths(predictor: TorchPredictor, inputs: Pixels) -> Maps:
    """`occlusion` by squares of a seventh of the side, in steps of half of that: 32 and 16 px of 224 px."""
    window_px = max(2, predictor.card.recipe.image_size_px // 7)
    return occlusion(predictor, inputs, window_px=window_px, stride_px=window_px // 2)


METHODS: dict[str, Method] = {
    "Grad-CAM": Method(signed_grad_cam, "activation times gradient"),
    "occlusion": Method(occlusion_by_sevenths, "log odds"),
}
"""The methods by their names in figures. To add one, add a line."""


def log_odds(predictor: TorchPredictor) -> Callable[[Tensor], Tensor]:
    """Return the function that is explained: (N, 3, S, S) pixels to (N,) log odds of `predictor.score`.

    Where the recipe takes the mean over turns of the image, it is that of the image as it lies.
    """
    calibration = predictor.card.calibration
    temperature = 1.0 if calibration is None else calibration.temperature

    def compute(batch: Tensor) -> Tensor:
        logits: Tensor = predictor.network(batch)
        return (logits[:, 1] - logits[:, 0]) / temperature

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
        predictor.network(torch.zeros(1, 3, size, size, device=_device(predictor)))
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


@torch.no_grad()
def _knowing(compute: Callable[[Tensor], Tensor], image: Tensor) -> Callable[[Tensor], Tensor]:
    """Return `compute`, which is then spared the copies of an image (1, 3, S, S) whose value it gave once.

    Three quarters of a canvas are black, and a black square on black changes nothing.
    """
    known = compute(image)

    def compute_changed(batch: Tensor) -> Tensor:
        values = known.repeat(len(batch))
        changed = (batch != image).flatten(1).any(dim=1)
        if changed.any():
            values[changed] = compute(batch[changed])
        return values

    return compute_changed


def _checked_size(predictor: TorchPredictor, inputs: Pixels) -> int:
    size = predictor.card.recipe.image_size_px
    if inputs.shape[1:] != (size, size, 3) or inputs.dtype != np.uint8:
        raise ShapeError(
            "cannot explain these inputs",
            why=f"the network takes (N, {size}, {size}, 3) uint8, not {inputs.shape} {inputs.dtype}",
            fix="resize images with leuknet.images.transform.prepare",
        )
    return size


def _device(predictor: TorchPredictor) -> torch.device:
    return next(predictor.network.parameters()).device
