"""The maps of explanation by name, and what to say where one cannot be drawn.

A map says where a network looks, never whether that is right; a map may even say nothing of the network at
all, which is why `sanity.py` checks it. The two methods stand side by side because they fail differently:

    Grad-CAM    one backward pass; as coarse as the last convolution's output, and it averages gradients over
                places, which loses position in networks that flatten before their answer, as the paper's
    occlusion   forward passes only: what happens if a square is blackened, hence slow, and blind to what
                any of several places would tell by itself

Both explain one number, the log odds log(P / (1 - P)) of P(leukaemic) after calibration. In all signed maps,
above 0 speaks for leukaemic and below 0 for normal. Only Grad-CAM needs PyTorch, so it is imported where it
is drawn.

Start at `METHODS`, then `methods_for`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import NamedTuple

from leuknet.explain.occlusion import Maps, occlusion_by_sevenths
from leuknet.inference.model_folder import FolderPredictor
from leuknet.types import Pixels

Explain = Callable[[FolderPredictor, Pixels], Maps]
"""Gives signed maps of inputs (N, S, S, 3)."""


class Method(NamedTuple):
    """What draws signed maps, and the unit of their values."""

    explain: Explain
    unit: str


def signed_grad_cam(predictor: FolderPredictor, inputs: Pixels) -> Maps:
    """Grad-CAM of the last convolution, with what speaks for the normal class below 0."""
    from leuknet.explain.grad_cam import grad_cam

    return grad_cam(predictor, inputs, signed=True)


METHODS: dict[str, Method] = {
    "Grad-CAM": Method(signed_grad_cam, "activation times gradient"),
    "occlusion": Method(occlusion_by_sevenths, "log odds"),
}
"""The methods by their names in figures. To add one, add a line."""


def methods_for(predictor: FolderPredictor) -> tuple[Mapping[str, Method], str]:
    """Return the methods that can explain a model as it was opened.

    Returns
    -------
    mapping of str to Method
        A part of `METHODS`.
    str
        Which ones are left out, why, and what brings them, in words; empty if none is.
    """
    if find_spec("torch") is None or find_spec("captum") is None:
        return _WITHOUT_GRADIENTS, (
            "Grad-CAM maps are left out: they need PyTorch and captum, pip install 'leuknet[train]'"
        )
    if not predictor.computes_gradients:
        return _WITHOUT_GRADIENTS, (
            "Grad-CAM maps are left out: ONNX Runtime computes no gradients; open the model with PyTorch, "
            "leuknet.load(folder, engine='torch')"
        )
    return METHODS, ""


_WITHOUT_GRADIENTS = {"occlusion": METHODS["occlusion"]}
