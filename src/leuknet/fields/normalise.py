"""Changes the stain of cells to look like that of others, by two classic methods.

A model has learnt one laboratory's colours. Where another's differ, its scores drift, and its own reference
says so. To recolour the cells can bring them back among the familiar ones. It cannot show that the scores are
then right: only cells of known class from that laboratory can. So it is off unless asked for, and what it did
to the share of familiar cells is stated beside the scores.

Both methods see all cells of one image at once, so that differences between cells stay. Start at
`learn_stain`, then `recolour`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from skimage.color import lab2rgb, rgb2lab

from leuknet.errors import DataError
from leuknet.images.measures import BLACK_LEVEL
from leuknet.types import Mask, Pixels

StainMethod = Literal["macenko", "reinhard"]

STAIN_METHODS: tuple[StainMethod, ...] = ("macenko", "reinhard")

_LIGHT = 255.0
_PALEST = 0.15  # optical density below which a pixel says nothing of the stain, as published
_ANGLE_PERCENT = 1.0
_STRONGEST_PERCENT = 99.0
_LEAST_PIXELS = 100


@dataclass(frozen=True, eq=False)
class Stain:
    """How the cells of one image are coloured.

    Attributes
    ----------
    method
        What learnt it.
    vectors : (2, 3) float64
        Macenko: optical density of the two stains. Reinhard: mean and standard deviation in L*a*b*.
    strengths : (2,) float64
        Macenko: 99th percentile of the amount of each stain. Reinhard: not used, ones.
    """

    method: StainMethod
    vectors: NDArray[np.float64]
    strengths: NDArray[np.float64]


def learn_stain(cells: Sequence[Pixels], method: StainMethod) -> Stain:
    """Learn the stain of cells on black.

    Parameters
    ----------
    cells
        Each (H, W, 3) uint8; black pixels are left out.
    method
        `macenko` finds the two stains by the extreme directions of the optical densities; `reinhard` takes
        mean and standard deviation in L*a*b*.

    Raises
    ------
    DataError
        If there are too few pixels, or not two stains in them.

    References
    ----------
    Macenko et al. (2009), "A method for normalizing histology slides for quantitative analysis", ISBI.
    Reinhard et al. (2001), "Color transfer between images", IEEE Computer Graphics and Applications 21(5).
    """
    pixels = np.concatenate([cell[_inside(cell)] for cell in cells] or [np.empty((0, 3), np.uint8)])
    if len(pixels) < _LEAST_PIXELS:
        raise _no_stain(f"{len(pixels)} pixels of cells are too few")
    if method == "reinhard":
        lab = rgb2lab(pixels[None])[0]
        spread = np.maximum(lab.std(axis=0), 1e-3)
        return Stain(method, np.stack([lab.mean(axis=0), spread]), np.ones(2))
    density = _density(pixels)
    stained = density[(density > _PALEST).all(axis=1)]
    if len(stained) < _LEAST_PIXELS:
        raise _no_stain("its cells are too pale")
    _, axes = np.linalg.eigh(np.cov(stained.T))
    plane = axes[:, [2, 1]] * np.sign(axes[:, [2, 1]].sum(axis=0))
    angles = np.arctan2(*(stained @ plane).T[::-1])
    low, high = np.percentile(angles, (_ANGLE_PERCENT, 100 - _ANGLE_PERCENT))
    ends = [plane @ np.array([np.cos(angle), np.sin(angle)]) for angle in (low, high)]
    # The stain that absorbs more red comes first: azure before eosin.
    ends.sort(key=lambda vector: -vector[0])
    vectors = np.stack(ends)
    if np.linalg.cond(vectors) > 1e3:
        raise _no_stain("its cells show one stain only")
    amounts = _amounts(density, vectors)
    return Stain(method, vectors, np.maximum(np.percentile(amounts, _STRONGEST_PERCENT, axis=0), 1e-3))


def recolour(cell: Pixels, source: Stain, target: Stain) -> Pixels:
    """Return a cell on black in the colours of another stain, both learnt by one method."""
    inside = _inside(cell)
    pixels = cell[inside]
    if source.method == "reinhard":
        lab = (rgb2lab(pixels[None]) - source.vectors[0]) / source.vectors[1]
        coloured = 255 * lab2rgb(lab * target.vectors[1] + target.vectors[0])[0]
    else:
        density = _density(pixels)
        amounts = _amounts(density, source.vectors)
        # What the two stains do not explain stays as it is.
        rest = density - amounts @ source.vectors
        coloured = _LIGHT * np.exp(-(amounts * target.strengths / source.strengths) @ target.vectors - rest)
    result = np.zeros_like(cell)
    # Not black, lest the cell get holes.
    result[inside] = np.clip(np.rint(coloured), BLACK_LEVEL + 1, 255)
    return result


def _inside(cell: Pixels) -> Mask:
    return cast(Mask, (cell > BLACK_LEVEL).any(axis=2))


def _density(pixels: Pixels) -> NDArray[np.float64]:
    return np.asarray(-np.log(np.maximum(pixels, 1) / _LIGHT))


def _amounts(density: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.lstsq(vectors.T, density.T, rcond=None)[0].T)


def _no_stain(why: str) -> DataError:
    return DataError(
        "cannot learn the stain of an image",
        why=why,
        fix="choose another target image, or leave --normalise out",
    )
