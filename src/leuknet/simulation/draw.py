"""Draws one simulated cell: a stained lymphocyte on black, as C-NMC's crops look.

A cell's look follows from two tuples. `Traits` say what a pathologist would look at, and bear the
class; `Nuisance` says what stain, slide and camera did, and bears none. Colours, contrast and edges were
fitted to the means of 129 published crops; no pixel of them is in here.

Start at `draw_cell`. Which cell has which traits is decided in `leuknet.simulation.population`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.filters import gaussian

from leuknet.data.published_counts import CANVAS_PX
from leuknet.types import Pixels

Plane = NDArray[np.float32]


def _rgb(*values: float) -> Plane:
    """Shape (3, 1, 1): planes of one colour each are added up several times faster than pixels."""
    return np.array(values, np.float32)[:, None, None]


# Mean sRGB of the published crops, taken as logarithms: stain absorbs light in proportion.
NUCLEUS = np.log(_rgb(66.0, 24.5, 75.0))
CYTOPLASM = np.log(_rgb(100.0, 66.0, 112.0))
FRAGMENT = np.log(_rgb(88.0, 56.0, 84.0))

# Directions in log R, G, B. The first is the main axis of variation between the published crops.
DARKNESS = _rgb(-0.49, -0.80, -0.34)
HUE = _rgb(0.75, -0.15, -0.64)
SATURATION = _rgb(0.25, -0.92, 0.30)
PALE = _rgb(1.15, 1.50, 0.35)
TINT = _rgb(-0.8, -0.1, 0.6)
REDDISH = _rgb(1.50, 0.90, 0.10)

FRAGMENTS = 0.15
"""Share of cells with a pale fragment or a neighbour's remains attached, in either class."""


class Traits(NamedTuple):
    """What bears the class. Values outside the ranges given are drawn as the nearest value within.

    Attributes
    ----------
    area_px
        Non-black pixels of the drawn image; 2,000 to 70,000.
    chromatin
        Coarseness; 0 is in between, each step of 1 makes clumps a third larger and their contrast
        stronger; -4 to 4.
    nuclear_share
        Area of the nucleus divided by that of the whole cell; 0.5 to 0.99.
    irregularity
        Standard deviation of the outline's radius divided by its mean, before clefts; 0 to 0.2.
    nucleoli
        Strength of the pale nucleoli; 0 (none) to 2.
    """

    area_px: float
    chromatin: float
    nuclear_share: float
    irregularity: float
    nucleoli: float


LOWEST = Traits(2_000, -4, 0.5, 0, 0)
HIGHEST = Traits(70_000, 4, 0.99, 0.2, 2)


class Nuisance(NamedTuple):
    """What stain, slide and camera add: 0 on the average slide, spread by about 1 between slides."""

    darkness: float
    hue: float
    saturation: float
    cytoplasm: float
    grain_strength: float
    grain_size: float
    blur: float
    light_right: float
    light_down: float


def draw_cell(traits: Traits, nuisance: Nuisance, *, seed: int | Sequence[int]) -> Pixels:
    """Draw one cell at true scale in the middle of a black canvas.

    Parameters
    ----------
    traits, nuisance
        How the cell and its slide look. No value is refused, extreme ones only look unlike any slide.
    seed
        Decides what the two leave open: the outline's bumps, the place of the nucleus, the pattern of
        the chromatin. Equal arguments give equal pixels.

    Returns
    -------
    (450, 450, 3) uint8
        `traits.area_px` pixels differ from black, to within 1%; the rest are exactly black.
    """
    rng = np.random.default_rng(seed)
    # Python floats: NumPy's would turn every plane into float64, at twice the cost.
    traits = Traits(*np.clip(traits, LOWEST, HIGHEST).tolist())
    nuisance = Nuisance(*map(float, nuisance))
    body, fragment = _outline(traits, rng)
    body, fragment = _double(body), _double(fragment)
    either = np.minimum(body, fragment)
    level = _level(either, round(traits.area_px))
    rows, columns = np.nonzero(either < level)
    window = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    body, inside = body[window], (either < level)[window]

    nucleus = _nucleus(np.where(body < level, body, np.inf), traits, rng)
    colour = _colours(nucleus, body < level, nuisance)
    colour += _chromatin(nucleus, traits, rng) * PALE
    colour += _grain(nucleus, nuisance, rng) * REDDISH
    colour += _light(inside.shape, nuisance, rng) * -DARKNESS
    sharp = np.where(inside, np.exp(colour), 0)
    # Blurring against black darkens the outermost pixels, as resampling did in the published crops.
    blur_px = 1.3 * math.exp(0.3 * nuisance.blur)
    smooth = gaussian(sharp, blur_px, mode="constant", truncate=3, channel_axis=0)
    smooth += 0.6 * _noise(inside.shape, 1.5, rng)
    drawn = np.where(inside, np.clip(np.rint(smooth), 1, 255), 0).astype(np.uint8)
    return _centre(np.moveaxis(drawn, 0, -1), inside)


def _outline(traits: Traits, rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Return two fields that grow outwards, at half resolution: of the cell's body and of a fragment.

    A value is the pixel's distance from the middle divided by the outline's radius in that direction.
    The outline therefore lies near 1, and another threshold gives the same outline in another size.
    """
    y, x = _plane(traits.area_px)
    turn = np.linspace(-np.pi, np.pi, 361)
    order = np.arange(2, 9)
    weight = rng.standard_normal(order.size) / order**1.5
    weight *= traits.irregularity * np.sqrt(2) / np.linalg.norm(weight)
    profile = 1 + weight @ np.cos(np.outer(order, turn) + rng.uniform(0, 2 * np.pi, (order.size, 1)))
    # Clefts, and the notches that imperfect segmentation leaves.
    for depth in traits.irregularity * rng.exponential(1.5, rng.poisson(1.2)):
        gap = np.angle(np.exp(1j * (turn - rng.uniform(-np.pi, np.pi))))
        profile -= min(depth, 0.4) * np.exp(-((gap / rng.uniform(0.08, 0.35)) ** 2))
    body = np.hypot(x, y) / np.interp(np.arctan2(y, x), turn, profile).astype(np.float32)
    body += np.float32(0.006) * _noise(body.shape, 3.5, rng)

    if rng.random() > FRAGMENTS:
        return body, np.full_like(body, 9)
    toward, size = rng.uniform(-np.pi, np.pi), rng.uniform(0.15, 0.35)
    away = float(np.interp(toward, turn, profile)) + rng.uniform(0.0, 0.6) * size
    bend = 0.3 * size * _noise(body.shape, 20, rng)
    fragment = np.hypot(x - away * math.cos(toward) + bend, y - away * math.sin(toward) - bend) / size
    return body, fragment + 0.03 * _noise(body.shape, 3, rng)


def _plane(area_px: float) -> tuple[Plane, Plane]:
    """Coordinates (y, x) from the middle of a window that holds the cell, in radii of a round cell.

    One step is two pixels: outlines are smooth, and at half resolution they cost a quarter.
    """
    radius = math.sqrt(area_px / math.pi)
    side = min(CANVAS_PX, int(4 * radius)) // 2
    steps = ((np.arange(side) - (side - 1) / 2) / (radius / 2)).astype(np.float32)
    return np.repeat(steps[:, None], side, 1), np.repeat(steps[None], side, 0)


def _double(plane: Plane) -> Plane:
    h, w = plane.shape
    return np.asarray(Image.fromarray(plane).resize((2 * w, 2 * h), Image.Resampling.BICUBIC), np.float32)


def _level(field: Plane, n: int) -> np.float32:
    """Return the level below which `n` pixels lie: it draws an outline of exactly that area."""
    return np.float32(np.partition(field, n, axis=None)[n])


def _nucleus(body: Plane, traits: Traits, rng: np.random.Generator) -> Plane:
    """Return how far each pixel belongs to the nucleus, 0 to 1, with a soft edge.

    The nucleus follows the cell's outline but lies off its middle, so that cytoplasm shows as a rim
    that is widest on one side. `body` is infinite outside the cell's body.
    """
    h, w = body.shape
    toward, off = rng.uniform(-np.pi, np.pi), rng.exponential(0.06)
    ramp = np.linspace(-1, 1, h)[:, None] * np.sin(toward) + np.linspace(-1, 1, w) * np.cos(toward)
    depth = (body + off * ramp).astype(np.float32)
    n = round(traits.nuclear_share * np.isfinite(body).sum())
    softness_px = 12
    steps = (_level(depth, n) - depth) * math.sqrt(traits.area_px / math.pi) / softness_px
    return np.asarray(np.clip(steps + 0.5, 0, 1), np.float32)


def _colours(nucleus: Plane, body: NDArray[np.bool_], nuisance: Nuisance) -> Plane:
    """Return log R, G, B of each pixel, (3, H, W), before any texture."""
    cytoplasm = CYTOPLASM + 0.1 * nuisance.cytoplasm * TINT
    mixed = cytoplasm + (NUCLEUS - cytoplasm) * nucleus
    stain = 0.2 * nuisance.darkness * DARKNESS
    stain = stain + 0.08 * nuisance.hue * HUE + 0.07 * nuisance.saturation * SATURATION
    return np.asarray(np.where(body, mixed, FRAGMENT) + stain, np.float32)


def _chromatin(nucleus: Plane, traits: Traits, rng: np.random.Generator) -> Plane:
    """Return the paleness of the chromatin, in units of `PALE`: clumps, and nucleoli on top of them."""
    coarseness = math.exp(0.3 * traits.chromatin)
    clumps = _noise(nucleus.shape, 15 * coarseness, rng)
    # Pale gaps between clumps are sharper than the clumps: the square skews the noise towards them.
    paleness = 0.055 * coarseness**1.5 * (clumps + 0.3 * clumps**2)
    y, x = np.ogrid[: nucleus.shape[0], : nucleus.shape[1]]
    rows, columns = np.nonzero(nucleus == 1)
    for place in rng.integers(rows.size, size=rng.integers(1, 4)):
        square = (y - rows[place]) ** 2 + (x - columns[place]) ** 2
        paleness += 0.22 * traits.nucleoli * np.exp(-square / (2 * rng.uniform(6, 10) ** 2))
    return np.asarray(nucleus * paleness, np.float32)


def _grain(nucleus: Plane, nuisance: Nuisance, rng: np.random.Generator) -> Plane:
    """Return reddish granules, in units of `REDDISH`: a fine texture that belongs to the slide."""
    strength = 0.025 * math.exp(0.5 * nuisance.grain_strength)
    return (
        nucleus * np.float32(strength) * _noise(nucleus.shape, 6 * math.exp(0.3 * nuisance.grain_size), rng)
    )


def _light(shape: tuple[int, int], nuisance: Nuisance, rng: np.random.Generator) -> Plane:
    """Return how light each pixel is: uneven illumination of the slide, uneven thickness of the cell."""
    down, right = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])
    tilt = 0.08 * (nuisance.light_down * down + nuisance.light_right * right)
    return np.asarray(tilt + 0.08 * _noise(shape, 60, rng), np.float32)


def _noise(shape: tuple[int, ...], spacing_px: float, rng: np.random.Generator) -> Plane:
    """Return smooth noise of mean 0 and standard deviation about 1 whose bumps are `spacing_px` apart."""
    h, w = shape
    coarse = rng.standard_normal((int(h / spacing_px) + 2, int(w / spacing_px) + 2), np.float32)
    coarse = (coarse - coarse.mean()) / coarse.std()
    # Interpolation between independent points loses about a fifth of their standard deviation.
    smooth = Image.fromarray(coarse).resize((w, h), Image.Resampling.BICUBIC)
    return np.float32(1.2) * np.asarray(smooth, np.float32)


def _centre(crop: Pixels, inside: NDArray[np.bool_]) -> Pixels:
    """Put the crop on a black canvas, its centroid in the middle as far as it then fits."""
    canvas = np.zeros((CANVAS_PX, CANVAS_PX, 3), np.uint8)
    middle = np.argwhere(inside).mean(0)
    top, left = np.clip(np.rint(CANVAS_PX / 2 - middle), 0, CANVAS_PX - np.array(inside.shape)).astype(int)
    canvas[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    return canvas
