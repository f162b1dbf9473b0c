"""Bands of curves: a curve in each resample, read at fixed places, and the limits that hold it there.

Start at `band_of`; `leuknet.evaluation.curves` says which curves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leuknet.evaluation.jackknife import Basis
from leuknet.evaluation.limits import exact_limits, expanded_level
from leuknet.evaluation.resampling import MIN_SUBJECTS, Array, bounded, draw_weights, percentile_limits

GRID = np.linspace(0, 1, 101)
"""Where curves of shares are read."""


@dataclass(frozen=True, eq=False)
class Band:
    """Pointwise 95% limits of y: x (G,) ascending, low (G,) and high (G,), all float64."""

    x: Array
    low: Array
    high: Array


def share_of(part: Array, whole: Array) -> Array:
    """Return part / whole, NaN where there is nothing to share."""
    shape = np.broadcast_shapes(part.shape, whole.shape)
    quotient: Array = np.divide(part, whole, out=np.full(shape, np.nan), where=whole > 0)
    return quotient


def count_down(scores: Array, hits: NDArray[np.bool_], weights: Array) -> tuple[Array, Array]:
    """Return how many hits and others (B, T + 1) have one of the t greatest scores, for t = 0..T.

    T is the number of distinct scores, so that cells that tie are counted together.
    """
    order = np.argsort(-scores, kind="stable")
    ties = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    ranked, hit = weights[:, order], hits[order]
    hit_at = np.add.reduceat(ranked * hit, ties, axis=1)
    other_at = np.add.reduceat(ranked * ~hit, ties, axis=1)
    start = ((0, 0), (1, 0))
    return np.pad(hit_at.cumsum(axis=1), start), np.pad(other_at.cumsum(axis=1), start)


def resampled_counts(
    scores: Array, hits: NDArray[np.bool_], basis: Basis, *, resamples: int, seed: int
) -> Iterator[tuple[Array, Array]]:
    """Yield `count_down` of blocks of resamples; nothing where there are too few subjects for a band."""
    if basis.count >= MIN_SUBJECTS:
        for weights in draw_weights(basis.units, resamples=resamples, seed=seed):
            yield count_down(scores, hits, weights)


def read_line(x: Array, y: Array) -> Array:
    """Return y at `GRID` of each of B curves (B, T) that are linear between points; NaN without an x."""
    rows = np.stack([np.interp(GRID, each_x, each_y) for each_x, each_y in zip(x, y, strict=True)])
    rows[np.isnan(x[:, -1])] = np.nan
    return rows


def read_steps(x: Array, y: Array) -> Array:
    """Return y at `GRID` of each of B curves (B, T): that of the first point at or beyond it."""
    # A share such as 3 / 10 must be found although the grid holds 0.30000000000000004. At 0, where nothing
    # is defined, the first step begins.
    places = np.maximum(GRID - 1e-9, 1e-9)
    rows = np.stack([each_y[np.searchsorted(each_x, places)] for each_x, each_y in zip(x, y, strict=True)])
    rows[np.isnan(x[:, -1])] = np.nan
    return rows


def area_under_steps(x: Array, y: Array) -> Array:
    """Return the area (B,) under each of B curves that keep each y from the last x up to its own."""
    # Where y is undefined nobody has been decided yet: x has not moved.
    area: Array = (np.diff(x, axis=1) * np.nan_to_num(y[:, 1:])).sum(axis=1)
    return area


def band_of(x: Array, rows: Sequence[Array], basis: Basis) -> Band | None:
    """Return the band at x (G,) of resampled curves, read there in blocks (B, G)."""
    if not rows:
        return None
    resampled = bounded(np.concatenate(rows).T)
    low, high = percentile_limits(resampled, level=expanded_level(basis.effective()))
    for edge in (0.0, 1.0):
        # That all resamples agree at the edge bounds nothing; how many subjects there are does.
        limits = exact_limits(edge, basis.count)
        if limits is not None:
            agreed = (low == edge) & (high == edge)
            low[agreed], high[agreed] = limits
    return Band(x, low, high)
