"""Turns the colours of a smear into what tells its leukocytes apart, whatever the stain and the lamp.

Stain absorbs light in proportion, so colours are compared as optical densities: the logarithm of how much
darker a pixel is than the empty glass around it. Nuclei then have one signature in all Romanowsky stains.
The cytoplasm has none: it is blue in one laboratory and tan in the next, where it equals the red cells of a
third. So it is told by contrast with the very field: a colour is foreign if it is more common around nuclei
than away from them, where only glass and red cells lie.

Start at `measure_colours`, then `view_field`. All lengths are in µm: images of different scale are first
reduced, by whole factors, to pixels of about `WORKING_UM`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu

from leuknet.errors import DataError
from leuknet.fields.shapes import distance_to, fill_holes, keep_large, opened
from leuknet.types import Mask, Pixels

Plane = NDArray[np.float32]

THREADS = min(2, os.cpu_count() or 1)
"""Windows or tiles that are looked at once: more would take more memory than a laptop has."""

WORKING_UM = 0.2
"""Side of a pixel at which cells are sought: 35 of them cross a small nucleus, which is enough."""

_SMOOTHING_UM = 0.25
_GLASS_UM = 5.0
"""Standard deviation of the window in which glass is measured: uneven light changes over larger lengths."""
BLOCK = 8
"""Side, in working pixels, of the squares in which glass is measured: a tile begins at a whole one."""

_GLASS_WEIGHT = 0.05  # of the whole image's glass, where the window holds none
_SATURATED = 2.0  # optical density of green from which on a camera sees only black

NUCLEUS_SCORE = 0.9
NUCLEUS_RED = 0.15
NUCLEUS_AZURE = 0.1
"""A pixel is of a nucleus if its score is this, or if it absorbs red, and red so much more than blue."""
_LEAST_NUCLEUS_UM2 = 5.0
HOLE_UM2 = 12.0
OPENING_UM = 0.3

_NEAR_UM, _FAR_UM = 3.5, 5.0
_BINS, _BIN, _LOWEST = 31, 0.06, -0.12
_RARE = 1e-4  # a colour's least density: what was never seen says little


@dataclass(frozen=True, eq=False)
class FieldColours:
    """What an image looks like where there is no leukocyte.

    Attributes
    ----------
    glass : (3,) float32
        Median sRGB of the bright part.
    bright
        Green level from which on a pixel counts as glass.
    foreign : (31, 31, 31) float32
        Of each colour, the log of how much more common it is around nuclei than away from them.
    """

    glass: NDArray[np.float32]
    bright: float
    foreign: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FieldView:
    """A field at working resolution.

    Attributes
    ----------
    pixels : (H, W, 3) uint8
        The image itself.
    density : (H, W, 3) float32
        Optical density of red, green and blue, relative to the glass around.
    score : (H, W) float32
        High in nuclei: red + green - blue.
    factor
        Pixels of the image to a side of one here.
    microns_per_pixel
        Of this view.
    """

    pixels: Pixels
    density: Plane
    score: Plane
    factor: int
    microns_per_pixel: float


def measure_colours(windows: Iterable[Pixels], microns_per_pixel: float) -> FieldColours:
    """Learn what glass, red cells and leukocytes look like in an image, from parts of it or the whole.

    Parameters
    ----------
    windows
        Each (H, W, 3) uint8, at full resolution.
    microns_per_pixel
        Their scale, in µm.

    Raises
    ------
    DataError
        If the image is of one colour only.
    """
    factor = reduction(microns_per_pixel)
    side_um = factor * microns_per_pixel
    small, samples = [], []
    for pixels in windows:  # smoothed twice, since all of them smoothed take four times the memory
        small.append(_reduced(pixels, factor))
        samples.append(_smoothed(small[-1], side_um)[::3, ::3].reshape(-1, 3))
    sampled = np.concatenate(samples)
    green = sampled[:, 1]
    if np.ptp(green) < 1:
        what, why = "cannot find cells in this image", "it is of one colour only"
        raise DataError(what, why=why, fix="use an image of a stained smear")
    bright = float(threshold_otsu(green))
    glass = np.median(sampled[green > bright], axis=0).astype(np.float32)

    def counted(window: Pixels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How often each colour is near a nucleus, and far from all."""
        density = _density(_smoothed(window, side_um), glass, bright, side_um)
        away = distance_to(nuclei(density, _score(density), side_um)) * side_um
        colours = _colour_numbers(density)
        near = np.bincount(colours[(away > 0) & (away < _NEAR_UM)], minlength=_BINS**3)
        return near, np.bincount(colours[away > _FAR_UM], minlength=_BINS**3)

    with ThreadPoolExecutor(THREADS) as pool:
        counts = np.sum(list(pool.map(counted, small)), axis=0, dtype=np.float64)
    near, far = map(_log_density, np.asarray(counts))
    return FieldColours(glass, bright, (near - far).astype(np.float32))


def view_field(pixels: Pixels, microns_per_pixel: float, colours: FieldColours) -> FieldView:
    """Return an image, or a part of it, at working resolution; (H, W, 3) uint8 at full resolution."""
    factor = reduction(microns_per_pixel)
    side_um = factor * microns_per_pixel
    small = _reduced(pixels, factor)
    density = _density(_smoothed(small, side_um), colours.glass, colours.bright, side_um)
    return FieldView(small, density, _score(density), factor, side_um)


def foreignness(view: FieldView, colours: FieldColours) -> Plane:
    """Return how foreign each pixel's colour is to glass and red cells: (H, W), above 0 rather foreign."""
    return np.asarray(colours.foreign.ravel()[_colour_numbers(view.density)])


def nuclei(density: Plane, score: Plane, side_um: float) -> Mask:
    """Return where nuclei are, without their fine outline: (H, W)."""
    azure = (density[..., 0] > NUCLEUS_RED) & (density[..., 0] - density[..., 2] > NUCLEUS_AZURE)
    solid = fill_holes(opened((score > NUCLEUS_SCORE) | azure, OPENING_UM / side_um), HOLE_UM2 / side_um**2)
    return keep_large(solid, _LEAST_NUCLEUS_UM2 / side_um**2)


def reduction(microns_per_pixel: float) -> int:
    """Return the whole factor by which an image of this scale is reduced."""
    return max(1, round(WORKING_UM / microns_per_pixel))


def _reduced(pixels: Pixels, factor: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).reduce(factor))


def _smoothed(pixels: Pixels, side_um: float) -> Plane:
    smooth = np.empty(pixels.shape, np.float32)
    for channel in range(3):  # one by one, for less memory
        ndimage.gaussian_filter(pixels[..., channel], _SMOOTHING_UM / side_um, output=smooth[..., channel])
    return smooth


def _density(smooth: Plane, glass: NDArray[np.float32], bright: float, side_um: float) -> Plane:
    """Return optical density relative to the glass around, and to the image's where there is none around."""
    is_glass = (smooth[..., 1] > bright).astype(np.float32)
    planes = (*(is_glass * smooth[..., channel] for channel in range(3)), is_glass)
    sums = np.stack([_block_sums(plane) for plane in planes], axis=2) / BLOCK**2
    sigma = _GLASS_UM / (BLOCK * side_um)
    around = ndimage.gaussian_filter(sums, (sigma, sigma, 0), mode="constant", truncate=3)
    local = (around[..., :3] + _GLASS_WEIGHT * glass) / (around[..., 3:] + _GLASS_WEIGHT)
    h, w = smooth.shape[:2]
    size = BLOCK * local.shape[1], BLOCK * local.shape[0]
    density = np.empty(smooth.shape, np.float32)
    for channel in range(3):
        plane = Image.fromarray(local[..., channel].astype(np.float32))
        lamp = np.asarray(plane.resize(size, Image.Resampling.BILINEAR))[:h, :w]
        density[..., channel] = np.log(lamp / np.maximum(smooth[..., channel], 1))
    return density


def _block_sums(plane: Plane) -> NDArray[np.float64]:
    """Return the sums over squares of `BLOCK` pixels, those at the far edges over what there is of them."""
    rows, columns = (np.arange(0, side, BLOCK) for side in plane.shape)
    by_row = np.add.reduceat(plane, rows, axis=0, dtype=np.float64)
    return np.asarray(np.add.reduceat(by_row, columns, axis=1))


def _score(density: Plane) -> Plane:
    red, green, blue = np.moveaxis(density, 2, 0)
    return np.asarray(red + np.minimum(green, _SATURATED) - blue, np.float32)


def _colour_numbers(density: Plane) -> NDArray[np.int64]:
    """Return the number of each pixel's colour among `_BINS` ** 3: (H, W)."""
    steps = np.clip(np.rint((density - _LOWEST) / _BIN), 0, _BINS - 1).astype(np.int64)
    return np.asarray((steps[..., 0] * _BINS + steps[..., 1]) * _BINS + steps[..., 2])


def _log_density(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    share = ndimage.gaussian_filter(counts.reshape(_BINS, _BINS, _BINS), 0.7) / max(1.0, counts.sum())
    return np.asarray(np.log(share + _RARE))
