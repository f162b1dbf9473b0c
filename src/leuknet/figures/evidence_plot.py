"""The colours of maps that say where in an image a network finds what it answers.

Orange and blue, which people with any common colour blindness tell apart, over the image in grey, so that no
stain is taken for a map. Start at `overlay_evidence`; `gallery` draws figures with the same colours.
"""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray
from PIL import Image

from leuknet.errors import ShapeError
from leuknet.types import Pixels

EVIDENCE = LinearSegmentedColormap.from_list(
    "leuknet-evidence", ["#0a6fd6", "#5cb3ff", "#f4f4f4", "#ffb04d", "#ff7a00"]
)
"""Blue for the normal class, orange for the leukaemic one; as light on both sides of a pale middle."""

OPACITY = 0.9
"""Of the largest value of a map; 0 is transparent."""


def overlay_evidence(pixels: Pixels, values: NDArray[np.float32]) -> Pixels:
    """Return a map over its image in grey; the further from 0, the less of the image shines through.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        The image.
    values : (H, W) float32
        Above 0 for the leukaemic class, below 0 for the normal one. The largest of the map, on either side,
        gets the strongest colour.

    Returns
    -------
    (H, W, 3) uint8

    Raises
    ------
    ShapeError
        If the map is not of the image's size.
    """
    if values.shape != pixels.shape[:2]:
        raise ShapeError(
            "cannot draw the map",
            why=f"it is {values.shape} and its image {pixels.shape}",
            fix="bring the map to the size of the image",
        )
    shares = values / (float(np.abs(values).max(initial=0)) or 1.0)
    grey = np.asarray(Image.fromarray(pixels).convert("L"), np.float64)[..., None]
    colours = np.asarray(EVIDENCE((shares + 1) / 2))[..., :3] * 255
    opacity = OPACITY * np.abs(shares)[..., None]
    return np.asarray((1 - opacity) * grey + opacity * colours).round().astype(np.uint8)
