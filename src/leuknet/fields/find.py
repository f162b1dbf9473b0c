"""Finds leukocytes by their stain, without any network.

Nuclei come first: nothing else in a smear absorbs so much red and green. A cell is then what lies around a
nucleus and is neither glass nor red cell, by `colour.foreignness`. Two steps decide what is one cell. The
cell mask is cut at its waists, by watershed on the distance to its edge, which parts touching cells. Pieces
of nucleus are then joined again if they lie together as the lobes of one nucleus do, and no longer if both
are as large as the nucleus of a cell of its own. Nothing looks further than `REACH_UM` from where it stands,
so that a tile of a slide gives the same cells as the whole slide.

Start at `find_by_stain`. Numbers were chosen on one half of the published images, see `docs/smear.md`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from leuknet.fields.colour import OPENING_UM, FieldColours, FieldView, foreignness, nuclei
from leuknet.fields.shapes import distance_to, fill_holes, opened
from leuknet.types import Mask

Regions = NDArray[np.int64]
"""(H, W): 0 outside of cells, else the number of the cell."""

REACH_UM = 64.0
"""No pixel further away than this has a part in whether and where a cell of at most `MOST_UM` is found."""

MOST_UM = 40.0
"""Longest side of the box of a cell; what is larger is no cell, and left out."""

_FOREIGN = 0.5
_STAINED = 0.1  # sum of the three optical densities
_CYTOPLASM_UM = 6.0  # furthest from the nucleus
_AROUND_UM = 8.0  # of a window: the cytoplasm, and what smooths its edge
_WAIST_UM = 0.7  # a cell is cut where it is this much narrower, to each side, than on both sides of the cut
_SMOOTHING_UM = 0.5
_CELL_HOLE_UM2 = 4.0  # larger ones are glass between cells that touch
_GAP_UM = 3.0  # largest between two lobes of one nucleus
_LOBED_UM = 17.0  # longest axis of a lobed nucleus
_ROUND_UM = 12.5  # longest axis of a nucleus whose parts are all joined
_OWN_UM2 = 50.0  # two parts that are both larger are two nuclei
_LEAST_NUCLEUS_UM2 = 12.0


def find_by_stain(view: FieldView, colours: FieldColours) -> Regions:
    """Return the leukocytes of a field, or of a tile of it.

    Parameters
    ----------
    view
        Of `colour.view_field`.
    colours
        Of the whole image, whatever part of it is viewed.

    Returns
    -------
    (H, W) int64
        At the view's resolution. Numbers are not in sequence.
    """
    nucleus = nuclei(view.density, view.score, view.microns_per_pixel)
    regions, last = np.zeros(nucleus.shape, np.int64), 0
    for window, own in _clusters(nucleus, view.microns_per_pixel):
        part = replace(
            view, pixels=view.pixels[window], density=view.density[window], score=view.score[window]
        )
        grown = _grow(part, colours, own)
        there = grown > 0
        regions[window][there] = grown[there] + last
        last += int(grown.max())
    return regions


def _clusters(nucleus: Mask, um: float) -> Iterator[tuple[tuple[slice, slice], Mask]]:
    """Yield windows with the nuclei that lie together there: most of a field is empty.

    Nuclei of different windows are more than two widths of cytoplasm apart, so that their cells cannot touch.
    """
    side = math.ceil(_CYTOPLASM_UM / um / 2)  # of a block
    h, w = nucleus.shape
    whole = np.pad(nucleus, ((0, -h % side), (0, -w % side)))
    blocks = whole.reshape(whole.shape[0] // side, side, -1, side).any(axis=(1, 3))
    labels, _ = ndimage.label(ndimage.binary_dilation(blocks, np.ones((5, 5), bool)), np.ones((3, 3)))
    further = math.ceil(_AROUND_UM / um) - 2 * side  # the dilation went two blocks
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        own = (labels[rows, columns] == number).repeat(side, axis=0).repeat(side, axis=1)
        top, left = rows.start * side, columns.start * side
        bottom, right = min(h, rows.stop * side), min(w, columns.stop * side)
        window = (
            slice(max(0, top - further), min(h, bottom + further)),
            slice(max(0, left - further), min(w, right + further)),
        )
        part = np.zeros((window[0].stop - window[0].start, window[1].stop - window[1].start), bool)
        inner = part[top - window[0].start :, left - window[1].start :][: bottom - top, : right - left]
        inner[:] = nucleus[top:bottom, left:right] & own[: bottom - top, : right - left]
        yield window, part


def _grow(view: FieldView, colours: FieldColours, nucleus: Mask) -> Regions:
    side_um = view.microns_per_pixel
    away_um = distance_to(nucleus) * side_um
    cell = cell_mask(view, colours, nucleus, away_um)
    seeds = _join_lobes(_cut_at_waists(cell, view) * nucleus, side_um)
    return with_nucleus(flood(away_um, seeds, cell, view), nucleus, side_um)


def flood(height: NDArray[np.float64], seeds: Regions, mask: Mask, view: FieldView) -> Regions:
    """Let seeds grow over a mask, low places first.

    A watershed among equal heights depends on all that it holds, however far away. The score, times next to
    nothing, leaves no two pixels equal.
    """
    return cast(Regions, watershed(height + 1e-6 * view.score, seeds, mask=mask).astype(np.int64))


def cell_mask(view: FieldView, colours: FieldColours, nucleus: Mask, away_um: NDArray[np.float64]) -> Mask:
    """Return nuclei and the cytoplasm around them, touching cells not told apart.

    `away_um` is each pixel's distance from the nuclei, in µm.
    """
    side_um = view.microns_per_pixel
    near = away_um < _CYTOPLASM_UM
    stained = (foreignness(view, colours) > _FOREIGN) & (view.density.sum(axis=2) > _STAINED)
    cell = ndimage.median_filter((stained & near) | nucleus, size=5)
    return fill_holes(opened(cell, OPENING_UM / side_um) | nucleus, _CELL_HOLE_UM2 / side_um**2)


def with_nucleus(regions: Regions, nucleus: Mask, side_um: float) -> Regions:
    """Leave out the regions that have too little of a nucleus: red cells, platelets, debris."""
    areas_um2 = np.bincount(regions.ravel(), weights=nucleus.ravel()) * side_um**2
    kept = areas_um2 >= _LEAST_NUCLEUS_UM2
    kept[0] = False
    return cast(Regions, np.where(kept[regions], regions, 0))


def _cut_at_waists(cell: Mask, view: FieldView) -> Regions:
    """Number the parts of the cell mask that are joined by waists only."""
    side_um = view.microns_per_pixel
    depth_um = distance_to(~cell) * side_um
    depth_um = np.where(cell, ndimage.gaussian_filter(depth_um, _SMOOTHING_UM / side_um), 0)
    tops, _ = ndimage.label(_deepest(cell, depth_um), structure=np.ones((3, 3)))
    return flood(-depth_um, tops * cell, cell, view)


def _deepest(cell: Mask, depth_um: NDArray[np.float64]) -> Mask:
    """Return the tops of depth that are `_WAIST_UM` above the way to any higher one, part by part."""
    tops = np.zeros(cell.shape, bool)
    parts, _ = ndimage.label(cell, structure=np.ones((3, 3)))
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        own = np.where(parts[box] == number, depth_um[box], 0)
        # Where nothing is that deep, `h_maxima` may take what is deepest.
        if own.max() >= _WAIST_UM:
            tops[box] |= (h_maxima(np.pad(own, 1), _WAIST_UM)[1:-1, 1:-1] > 0) & (own >= _WAIST_UM)
    return tops


def _join_lobes(pieces: Regions, side_um: float) -> Regions:
    """Number pieces alike that are lobes of one nucleus, nearest ones first."""
    if not pieces.any():
        return pieces
    moments = _moments(pieces)
    owner = list(range(len(moments)))

    def root(piece: int) -> int:
        while owner[piece] != piece:
            owner[piece] = piece = owner[owner[piece]]
        return piece

    for first, second in _neighbours(pieces, side_um):
        a, b = root(first), root(second)
        if a == b:
            continue
        union = moments[a] + moments[b]
        axis_um = _longest_axis(union) * side_um
        smaller_um2 = min(moments[a][0], moments[b][0]) * side_um**2
        if axis_um <= _ROUND_UM or (axis_um <= _LOBED_UM and smaller_um2 <= _OWN_UM2):
            moments[a] = union
            owner[b] = a
    return np.array([root(piece) for piece in range(len(owner))])[pieces]


def _neighbours(pieces: Regions, side_um: float) -> list[tuple[int, int]]:
    """Return the pairs of pieces at most `_GAP_UM` apart, nearest first."""
    away, places = ndimage.distance_transform_edt(pieces == 0, return_indices=True)
    away_um = away * side_um
    nearest = np.where(away_um <= _GAP_UM, pieces[tuple(places)], 0)
    gaps: dict[tuple[int, int], float] = {}
    for owner, distance_um in ((nearest, away_um), (nearest.T, away_um.T)):
        meet = (owner[1:] != owner[:-1]) & (owner[1:] > 0) & (owner[:-1] > 0)
        pairs = np.sort(np.stack([owner[1:][meet], owner[:-1][meet]], axis=1), axis=1)
        apart_um = (distance_um[1:] + distance_um[:-1])[meet]
        for pair, gap in zip(map(tuple, pairs.tolist()), apart_um, strict=True):
            gaps[pair] = min(gap, gaps.get(pair, np.inf))
    return sorted((pair for pair in gaps if gaps[pair] <= _GAP_UM), key=lambda pair: (gaps[pair], pair))


def _moments(pieces: Regions) -> NDArray[np.int64]:
    """Return of each piece its area, its sums of y and x, and those of y², x² and xy: (N, 6)."""
    y, x = np.nonzero(pieces)
    numbers = pieces[y, x]
    sums = np.zeros((int(numbers.max()) + 1, 6), np.int64)
    for column, values in enumerate((np.ones_like(y), y, x, y * y, x * x, y * x)):
        np.add.at(sums[:, column], numbers, values)
    return sums


def _longest_axis(moments: NDArray[np.int64]) -> float:
    """Return the longest axis of the ellipse with these moments, in pixels."""
    area, y, x, yy, xx, xy = moments.tolist()
    # Whole numbers up to here, so that it does not matter where a tile begins.
    var_y, var_x = (area * yy - y * y) / area**2 + 1 / 12, (area * xx - x * x) / area**2 + 1 / 12
    covariance = (area * xy - y * x) / area**2
    spread = float(np.hypot((var_y - var_x) / 2, covariance))
    return float(4 * np.sqrt((var_y + var_x) / 2 + spread))
