"""Shows on which places of an image a score rests, by forward passes alone: no PyTorch, no gradients.

A black square is moved over what the network sees, and the fall of the log odds under it is drawn. Any
predictor will do, computed by ONNX Runtime or by PyTorch.

Start at `occlusion`. `draw_map` puts a map over a cell, and `MAP_LEGEND` belongs beside every such picture.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leuknet.errors import SettingError, ShapeError
from leuknet.images.transform import prepare
from leuknet.inference.model_folder import FolderPredictor
from leuknet.types import ModelCard, Pixels

Maps = NDArray[np.float32]
"""(N, S, S), one value for each pixel of each input."""

MAP_LEGEND = (
    "A black square is moved over the cell, and colour says how the model's log odds change under it. "
    "Orange: they fall, so what is hidden speaks for the leukaemic class; blue: they rise, it speaks for the "
    "normal class; grey: no change. The strongest colour is the largest change in this cell, so colours of "
    "two cells cannot be compared. The map shows what the model's answer rests on, not whether the answer is "
    "right, not what in the cell is abnormal, and not what two places tell together. It is no evidence for a "
    "diagnosis."
)
"""What the colours of `draw_map` mean, and what they do not."""

_SQUARES_AT_ONCE = 64


def occlusion(predictor: FolderPredictor, inputs: Pixels, *, window_px: int, stride_px: int) -> Maps:
    """Return by how much the log odds of the leukaemic class rest on each place.

    A black square, as black as the canvas, is moved over the image. The fall of the log odds under it counts
    for all its pixels; where squares overlap, the mean counts. A square that hides nothing but black costs no
    pass. Where the model takes the mean over turns of the image, the map is that of the image as it lies.

    Parameters
    ----------
    predictor
        The model, whatever computes it.
    inputs : (N, S, S, 3) uint8
        Of the network's input size; N may be 0.
    window_px, stride_px
        Side of the square, at most S, and its step, at most the side. An image costs up to
        ((S - window) / stride + 1) squared forward passes.

    Returns
    -------
    (N, S, S) float32
        Calibrated log odds of the whole image minus those of the image with the square. Above 0, the place
        speaks for leukaemic; 0.69 means that the odds double.

    Raises
    ------
    ShapeError
        If the inputs do not fit the network.
    SettingError
        If the square or its step are out of range.

    References
    ----------
    Zeiler & Fergus (2014), "Visualizing and Understanding Convolutional Networks", ECCV.
    """
    check_inputs(predictor, inputs)
    size = predictor.card.recipe.image_size_px
    if not 1 <= stride_px <= window_px <= size:
        raise SettingError(
            "cannot occlude parts of these images",
            why=f"a window of {window_px} px in steps of {stride_px} px does not fit {size} x {size} px",
            fix=f"use a window of 1 to {size} px and a step of at least 1 px, no longer than the window",
        )
    # The last square may reach beyond the border, so that no pixel is left out.
    starts = range(0, size - window_px + stride_px, stride_px)
    squares = [
        (slice(top, top + window_px), slice(left, left + window_px)) for top, left in product(starts, starts)
    ]
    counts = np.zeros((size, size))
    for square in squares:
        counts[square] += 1
    maps = [_falls(predictor, image, squares) / counts for image in inputs]
    return np.array(maps, np.float32).reshape(len(inputs), size, size)


def _falls(
    predictor: FolderPredictor, image: Pixels, squares: list[tuple[slice, slice]]
) -> NDArray[np.float64]:
    """Return the sum of what the squares over each pixel take away: (S, S)."""
    (whole,), _ = predictor.run(image[None])
    total = np.zeros(image.shape[:2])
    changing = [square for square in squares if image[square].any()]
    for first in range(0, len(changing), _SQUARES_AT_ONCE):
        batch = changing[first : first + _SQUARES_AT_ONCE]
        occluded = np.repeat(image[None], len(batch), axis=0)
        for copy, square in zip(occluded, batch, strict=True):
            copy[square] = 0
        for square, log_odds in zip(batch, predictor.run(occluded)[0], strict=True):
            total[square] += (whole - log_odds) / predictor.card.temperature
    return total


def occlusion_by_sevenths(predictor: FolderPredictor, inputs: Pixels) -> Maps:
    """`occlusion` by squares of a seventh of the side, in steps of half of that: 32 and 16 px of 224 px."""
    window_px = max(2, predictor.card.recipe.image_size_px // 7)
    return occlusion(predictor, inputs, window_px=window_px, stride_px=window_px // 2)


def occlusion_map(predictor: FolderPredictor, crop: Pixels) -> NDArray[np.float32]:
    """Return the map (S, S) of one cell on black (H, W, 3), as `FolderPredictor.predict` takes it."""
    (values,) = occlusion_by_sevenths(predictor, prepare(crop, predictor.card.input_form)[None])
    return np.asarray(values)


def check_inputs(predictor: FolderPredictor, inputs: Pixels) -> None:
    """Raise a ShapeError unless inputs are (N, S, S, 3) uint8 of the network's size."""
    shape = predictor.card.input_form.shape
    if inputs.shape[1:] != shape or inputs.dtype != np.uint8:
        raise ShapeError(
            "cannot explain these inputs",
            why=f"the network takes (N, {', '.join(map(str, shape))}) uint8, not {inputs.shape} "
            f"{inputs.dtype}",
            fix="resize images with leuknet.images.transform.prepare",
        )


def draw_map(crop: Pixels, values: Maps, *, card: ModelCard) -> Pixels:
    """Return a map over its cell, in the colours of LeukNet's other maps.

    Parameters
    ----------
    crop : (H, W, 3) uint8
        As it was given to `occlusion_map`.
    values : (S, S) float32
        What that returned.
    card
        Of the model, which says what part of the crop it sees.

    Returns
    -------
    (H, W, 3) uint8
        The crop in grey; coloured where the model sees it.
    """
    from leuknet.figures.evidence_plot import overlay_evidence  # loads Matplotlib

    h, w = crop.shape[:2]
    sides = card.input_form.true_scale_px
    # The middle of the crop at true scale, or all of it where the network is shown the crop resized.
    shown = (min(sides), min(sides)) if sides else (w, h)
    # Beyond the map `crop` gives 0; where it is larger than the crop, its rim goes.
    resized = Image.fromarray(values).resize(shown, Image.Resampling.NEAREST)
    left, top = (shown[0] - w) // 2, (shown[1] - h) // 2
    return overlay_evidence(crop, np.asarray(resized.crop((left, top, left + w, top + h))))
