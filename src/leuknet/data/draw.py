"""Draws one simulated cell: a stained lymphocyte on black, as C-NMC's crops look.

A cell's look follows from two tuples. `Traits` say what a pathologist would look at, and bear the
class; `Nuisance` says what stain, slide and camera did, and bears none. Colours, contrast and edges were
fitted to the means of 129 published crops; no pixel of them is in here.

Start at `draw_cell`. Which cell has which traits is decided in `leuknet.data.population`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from leuknet.data.published import CANVAS_PX
from leuknet.types import Pixels

Plane = NDArray[np.float32]

# Mean sRGB of the published crops, taken as logarithms: stain absorbs light in proportion.
NUCLEUS = np.log(np.array([66.0, 24.5, 75.0], np.float32))
CYTOPLASM = np.log(np.array([90.0, 60.0, 112.0], np.float32))
FRAGMENT = np.log(np.array([88.0, 56.0, 84.0], np.float32))

# Directions in log R, G, B. The first is the main axis of variation between the published crops.
DARKNESS = np.array([-0.49, -0.80, -0.34], np.float32)
HUE = np.array([0.75, -0.15, -0.64], np.float32)
SATURATION = np.array([0.25, -0.92, 0.30], np.float32)
PALE = np.array([1.15, 1.50, 0.35], np.float32)
REDDISH = np.array([1.50, 0.90, 0.10], np.float32)


class Traits(NamedTuple):
    """What bears the class.

    Attributes
    ----------
    area_px
        Non-black pixels of the drawn image.
    chromatin_px
        Size of the chromatin's clumps; coarser chromatin also has more contrast.
    nuclear_share
        Nucleus divided by whole cell, in area, 0 to 1.
    irregularity
        Standard deviation of the outline's radius, divided by its mean, before clefts.
    nucleoli
        Strength of the pale nucleoli, 0 (none) to about 2.
    """

    area_px: float
    chromatin_px: float
    nuclear_share: float
    irregularity: float
    nucleoli: float


class Nuisance(NamedTuple):
    """What stain, slide and camera add. Each is in standard deviations; 0 is the average slide."""

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
    traits
        `area_px` must lie in 2,000 to 70,000, the other traits in the ranges that their class states.
    nuisance
        Look of the slide; values beyond 4 give colours that no slide has.
    seed
        Decides everything that the two tuples leave open: the outline's bumps, the place of the
        nucleus, the chromatin's pattern. Equal arguments give equal pixels.

    Returns
    -------
    (450, 450, 3) uint8
        Exactly `area_px` pixels differ from black, to within 1%.
    """
    rng = np.random.default_rng(seed)
    cell, fragment = _outline(traits, rng)
    inside, rows, columns = _crop(cell, round(traits.area_px))
    cell, fragment = cell[rows, columns], fragment[rows, columns]
    radius = np.sqrt(traits.area_px / np.pi)

    nucleus = _nucleus(cell, fragment, inside, traits, rng)
    colour = _colours(nucleus, cell < fragment, nuisance, radius)
    colour += _texture(nucleus, traits, nuisance, rng)
    colour += _light(inside.shape, nuisance)
    sharp = np.where(inside[..., None], np.exp(colour), 0)
    # Blurring against black darkens the outermost pixels, as resampling did in the published crops.
    blurred = ndimage.gaussian_filter(sharp, (*2 * [1.25 * np.exp(0.35 * nuisance.blur)], 0), truncate=3)
    blurred += 0.5 * _noise(inside.shape, 1.5, rng)[..., None]
    drawn = np.where(inside[..., None], np.clip(np.rint(blurred), 1, 255), 0).astype(np.uint8)
    return _centre(drawn, inside)


def _outline(traits: Traits, rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Return two fields over a square window that grow outwards: of the cell's body and of a fragment.

    A pixel's value is its distance from the middle divided by the outline's radius in its direction, so
    that the outline is near 1, and any threshold gives a similar outline of another size.
    """
    radius = np.sqrt(traits.area_px / np.pi)
    side = min(CANVAS_PX, int(3.6 * radius))
    y, x = np.mgrid[:side, :side].astype(np.float32) / radius - side / 2 / radius
    angle = np.arctan2(y, x)
    turn = np.linspace(-np.pi, np.pi, 361, dtype=np.float32)

    order = np.arange(2, 9)
    weight = rng.standard_normal(order.size) / order
    weight *= traits.irregularity * np.sqrt(2) / np.linalg.norm(weight)
    profile = 1 + weight @ np.cos(np.outer(order, turn) + rng.uniform(0, 2 * np.pi, order.size)[:, None])
    # Clefts, and the notches that imperfect segmentation leaves.
    for depth in traits.irregularity * rng.exponential(0.7, rng.poisson(1.2)):
        gap = np.angle(np.exp(1j * (turn - rng.uniform(-np.pi, np.pi))))
        profile -= min(depth, 0.4) * np.exp(-((gap / rng.uniform(0.08, 0.3)) ** 2))
    body = np.hypot(x, y) / np.interp(angle, turn, profile).astype(np.float32)
    body += 0.007 * _noise(body.shape, 5, rng)

    fragment = np.full_like(body, np.inf)
    if rng.random() < 0.15:
        toward, size = rng.uniform(-np.pi, np.pi), rng.uniform(0.15, 0.35)
        away = np.interp(toward, turn, profile) + rng.uniform(0.2, 0.8) * size
        bent = 0.5 * size * _noise(body.shape, 30, rng)
        fragment = np.hypot(x - away * np.cos(toward) + bent, y - away * np.sin(toward) - bent) / size
        fragment += 0.03 * _noise(body.shape, 5, rng)
    return body, fragment


def _crop(cell: Plane, fragment: Plane) -> None: ...
