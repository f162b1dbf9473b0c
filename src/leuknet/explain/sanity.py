"""Checks whether maps of explanation say anything of the network that they explain.

A map that stays the same when the network's weights are replaced by chance shows edges of the image, not
reasons. A map that marks what matters must change the answer when the marked pixels go, and sooner than any
pixels do. Both are measured here; neither shows that the reasons are good ones.

Both look at the cell's own pixels: the black canvas would agree with itself, and blackening it does nothing.

Start at `randomisation_check`, then `deletion_curve`.
"""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import trapezoid
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import nn

from leuknet.errors import ModelError, SettingError, ShapeError
from leuknet.explain.methods import Explain, signed_grad_cam
from leuknet.explain.occlusion import Maps
from leuknet.images.measures import BLACK_LEVEL
from leuknet.inference.model_folder import FolderPredictor
from leuknet.networks.predictor import TorchPredictor
from leuknet.types import Pixels

SAME_ABOVE = 0.5
"""From this agreement on, maps before and after count as the same. Our choice: Adebayo et al. draw curves and
set no limit. Maps are smooth, so that even unrelated ones agree by 0.2 to 0.4."""

Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Sanity:
    """How far maps agree with those of the same network with ever more weights replaced by chance.

    Attributes
    ----------
    cells
        Maps compared. Cells whose own map is constant, which can agree with nothing, are left out.
    layers
        What was replaced, from the answer down: after step i, `layers[:i + 1]` are random.
    rank_correlation
        Mean over cells of |Spearman's correlation| within the cell, in [0, 1], after each step. The size
        counts, since a map turned into its negative still has the same shape.
    similarity
        Mean over cells of the structural similarity of the maps' sizes |map|, each divided by its largest
        value; at most 1.
    """

    cells: int
    layers: tuple[str, ...]
    rank_correlation: tuple[float, ...]
    similarity: tuple[float, ...]

    @property
    def passes(self) -> bool:
        """Whether both measures are below `SAME_ABOVE` once all weights are random."""
        return max(self.rank_correlation[-1], self.similarity[-1]) < SAME_ABOVE


@dataclass(frozen=True)
class Deletion:
    """How the probability of the called class changes while the cell's pixels are blackened.

    Attributes
    ----------
    shares
        Shares of the cell's pixels that are black, from 0 to 1.
    most_first, random, least_first
        Mean over cells of the called class's probability, with pixels blackened in the order of the map, in
        an order of chance, and against the order of the map.
    faster
        Share of cells whose area under the curve is smaller in the map's order than by chance.
    """

    cells: int
    shares: tuple[float, ...]
    most_first: tuple[float, ...]
    random: tuple[float, ...]
    least_first: tuple[float, ...]
    faster: float

    @property
    def areas(self) -> tuple[float, float, float]:
        """Areas under the three curves, each in [0, 1]: most important first, by chance, least first."""
        most, chance, least = trapezoid([self.most_first, self.random, self.least_first], self.shares)
        return float(most), float(chance), float(least)

    @property
    def passes(self) -> bool:
        """Whether the map's order takes the answer away sooner than chance, and the reverse order later."""
        most, chance, least = self.areas
        return most < chance < least


def randomisation_check(
    predictor: TorchPredictor, inputs: Pixels, *, explain: Explain = signed_grad_cam, seed: int = 0
) -> Sanity:
    """Replace weights by chance, layer by layer from the answer down, and compare maps with the network's.

    A tensor of weights is drawn anew from a normal distribution around 0 with the root mean square that it
    had: nothing that was learnt stays but its scale. Adebayo et al. draw as before training; keeping the
    scale works for any network. What is no weight, such as the mean of a batch normalization, stays.

    Parameters
    ----------
    predictor
        The network and its card; it is left as it is.
    inputs : (N, S, S, 3) uint8
        At least one, of the network's input size.
    explain
        What draws signed maps, as in `leuknet.explain.methods.METHODS`.
    seed
        Decides the new weights.

    Raises
    ------
    ModelError
        If each map is constant within its cell: there is nothing to compare.

    References
    ----------
    Adebayo et al. (2018), "Sanity Checks for Saliency Maps", NeurIPS: cascading randomisation.
    """
    maps, cells = explain(predictor, inputs), _cells(inputs)
    kept = [place for place in range(len(inputs)) if _varies(maps[place][cells[place]])]
    if not kept:
        raise ModelError(
            "cannot check the explanations",
            why=f"none of {len(inputs)} maps differs between places of its cell",
            fix="choose other images or another method",
        )
    maps, cells, inputs = maps[kept], cells[kept], inputs[kept]
    changed = copy(predictor)
    changed.network = deepcopy(predictor.network)
    layers: dict[str, list[nn.Parameter]] = {}  # the weights of each part, from the answer down
    for name, parameter in reversed(list(changed.network.named_parameters())):
        layers.setdefault(name.partition(".")[0], []).append(parameter)
    correlation, similarity = list[float](), list[float]()
    generator = torch.Generator().manual_seed(seed)
    for parameters in layers.values():
        for parameter in parameters:
            values = parameter.detach()
            # Drawn on the processor: a seed gives the same weights on every device.
            drawn = torch.randn(values.shape, generator=generator)
            values.copy_(drawn * values.float().square().mean().sqrt().cpu())
        after = explain(changed, inputs)
        pairs = list(zip(maps, after, cells, strict=True))
        correlation.append(float(np.mean([_correlation(*pair) for pair in pairs])))
        similarity.append(float(np.mean([_similarity(*pair) for pair in pairs])))
    return Sanity(len(kept), tuple(layers), tuple(correlation), tuple(similarity))


def deletion_curve(
    predictor: FolderPredictor, inputs: Pixels, maps: Maps, *, steps: int = 20, seed: int = 0
) -> Deletion:
    """Blacken the pixels of each cell step by step, those first that the map holds for most important.

    Important is what speaks for the called class: the highest values of a cell called leukaemic, the lowest
    of one called normal.

    Parameters
    ----------
    predictor
        The model; it scores (N * steps) images three times.
    inputs : (N, S, S, 3) uint8
        At least one, of the network's input size.
    maps : (N, S, S) float32
        Signed maps of these inputs.
    steps
        In how many equal parts the cell's pixels go; at least 1.
    seed
        Decides the order of chance, also among pixels of equal value.

    Raises
    ------
    ShapeError
        If there is no input, or not one map for each.
    SettingError
        If `steps` is below 1.

    References
    ----------
    Petsiuk, Das & Saenko (2018), "RISE: Randomized Input Sampling for Explanation of Black-box Models",
    BMVC. They delete from the whole image; keeping to the cell denies a map that marks nothing but the cell
    an easy win over chance.
    """
    if not len(inputs) or maps.shape != inputs.shape[:3]:
        why = f"inputs have shape {inputs.shape}, maps {maps.shape}"
        raise ShapeError("cannot delete pixels", why=why, fix="pass one map for each of one or more inputs")
    if steps < 1:
        raise SettingError("cannot delete pixels", why=f"in {steps} steps", fix="use 1 step or more")
    probabilities = predictor.score(inputs)
    leukaemic = probabilities >= predictor.card.threshold
    shares = np.linspace(0, 1, steps + 1)
    chance = np.random.default_rng(seed)
    curves = np.empty((3, len(inputs), steps + 1))
    for place, cell in enumerate(_cells(inputs)):
        pixels = np.flatnonzero(cell)
        evidence = maps[place].ravel()[pixels] * (1 if leukaemic[place] else -1)
        orders = (
            np.lexsort((chance.random(pixels.size), -evidence)),
            chance.permutation(pixels.size),
            np.lexsort((chance.random(pixels.size), evidence)),
        )
        for curve, order in zip(curves, orders, strict=True):
            stated = predictor.score(_deleted(inputs[place], pixels[order], shares))
            curve[place] = stated if leukaemic[place] else 1 - stated
    areas = trapezoid(curves, shares)
    most, by_chance, least = (tuple(curve.tolist()) for curve in curves.mean(axis=1))
    faster = float(np.mean(areas[0] < areas[1]))
    return Deletion(len(inputs), tuple(shares.tolist()), most, by_chance, least, faster)


def _cells(inputs: Pixels) -> Booleans:
    """Return which pixels are not black: (N, S, S)."""
    return np.asarray(inputs.max(axis=-1) > BLACK_LEVEL)


def _varies(values: NDArray[np.float32]) -> bool:
    return values.size > 1 and bool(np.ptp(values) > 0)


def _correlation(before: NDArray[np.float32], after: NDArray[np.float32], cell: Booleans) -> float:
    if not _varies(after[cell]):
        return 0.0  # nothing is left of a map that has become constant
    return abs(float(spearmanr(before[cell], after[cell]).statistic))


def _similarity(before: NDArray[np.float32], after: NDArray[np.float32], cell: Booleans) -> float:
    sizes = [
        np.abs(values) / max(float(np.abs(values).max()), np.finfo(np.float32).tiny)
        for values in (before, after)
    ]
    local = structural_similarity(*sizes, data_range=1.0, full=True)[1]
    return float(local[cell].mean())


def _deleted(image: Pixels, order: NDArray[np.intp], shares: NDArray[np.float64]) -> Pixels:
    """Return the image with each share of the pixels in `order` blackened: (len(shares), S, S, 3)."""
    images = np.repeat(image[None], len(shares), axis=0)
    flat = images.reshape(len(shares), -1, 3)
    for pixels, share in zip(flat, shares, strict=True):
        pixels[order[: round(share * order.size)]] = 0
    return images
