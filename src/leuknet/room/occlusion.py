"""Shows on which places of a cell a score rests, with nothing but forward passes: no PyTorch, no gradients.

A black square is moved over what the network sees, and the fall of the log odds under it is drawn. This is
the definition of `leuknet.explain.maps.occlusion`, and a test holds the two to the same numbers; here it is
computed by ONNX Runtime.

Start at `occlusion_map`, then `draw_map`. `MAP_LEGEND` belongs beside every picture of a map.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leuknet.figures.evidence_plot import overlay_evidence
from leuknet.images.transform import prepare
from leuknet.inference.model_folder import FolderPredictor
from leuknet.types import ModelCard, Pixels

MAP_LEGEND = (
    "A black square is moved over the cell, and colour says how the model's log odds change under it. "
    "Orange: they fall, so what is hidden speaks for the leukaemic class; blue: they rise, it speaks for the "
    "normal class; grey: no change. The strongest colour is the largest change in this cell, so colours of "
    "two cells cannot be compared. The map shows what the model's answer rests on, not whether the answer is "
    "right, not what in the cell is abnormal, and not what two places tell together. It is no evidence for a "
    "diagnosis."
)
"""What the colours of `draw_map` mean, and what they do not."""

_BATCH = 16  # inputs held at once; the predictor computes fewer


def occlusion_map(predictor: FolderPredictor, crop: Pixels) -> NDArray[np.float32]:
    """Return by how much the calibrated log odds of the leukaemic class rest on each place of a cell.

    The square has a seventh of the input's side and moves by half of that: 32 px and 16 px of 224 px, which
    is up to 169 forward passes. A square that hides nothing but black costs none. Where the model takes the
    mean over turns of the image, the map is that of the image as it lies.

    Parameters
    ----------
    predictor
        The model that scored the cell.
    crop : (H, W, 3) uint8
        The cell on black, as `FolderPredictor.predict` takes it.

    Returns
    -------
    (S, S) float32
        S is the side of the network's input. Log odds of the whole image minus those of the image with the
        square, the mean of all squares that cover a pixel: above 0, the place speaks for leukaemic; 0.69
        means that the odds double.

    Raises
    ------
    ShapeError
        If the crop is not one 8-bit colour image.

    References
    ----------
    Zeiler & Fergus (2014), "Visualizing and Understanding Convolutional Networks", ECCV.
    """
    recipe = predictor.card.recipe
    size = recipe.image_size_px
    seen = prepare(crop, canvas_px=predictor.card.canvas_px, image_size_px=size, crop_px=recipe.crop_px)
    window = max(2, size // 7)
    # The last square may reach beyond the border, so that no pixel is left out.
    n_steps = -(-(size - window) // (window // 2)) + 1
    starts = [step * (window // 2) for step in range(n_steps)]
    squares = [
        (slice(top, top + window), slice(left, left + window)) for top, left in product(starts, starts)
    ]
    changed = [square for square in squares if seen[square].any()]
    temperature = 1.0 if predictor.card.calibration is None else predictor.card.calibration.temperature
    (whole,), _ = predictor.run(seen[None])
    total, counts = np.zeros((size, size)), np.zeros((size, size))
    for square in squares:
        counts[square] += 1
    for first in range(0, len(changed), _BATCH):
        batch = changed[first : first + _BATCH]
        inputs = np.repeat(seen[None], len(batch), axis=0)
        for one, square in zip(inputs, batch, strict=True):
            one[square] = 0
        log_odds, _ = predictor.run(inputs)
        for square, value in zip(batch, log_odds, strict=True):
            total[square] += (whole - value) / temperature
    return (total / counts).astype(np.float32)


def draw_map(crop: Pixels, values: NDArray[np.float32], *, card: ModelCard) -> Pixels:
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
    h, w = crop.shape[:2]
    sides = [side for side in (card.canvas_px, card.recipe.crop_px) if side is not None]
    # The middle of the crop at true scale, or all of it where the network is shown the crop resized.
    shown = (min(sides), min(sides)) if sides else (w, h)
    # Beyond the map `crop` gives 0; where it is larger than the crop, its rim goes.
    resized = Image.fromarray(values).resize(shown, Image.Resampling.NEAREST)
    left, top = (shown[0] - w) // 2, (shown[1] - h) // 2
    return overlay_evidence(crop, np.asarray(resized.crop((left, top, left + w, top + h))))
