"""Bands of curves: the jackknife's interval of a curve at each of many places.

Start at `band_of`; `leuknet.evaluation.curves` says which curves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leuknet.evaluation.formulas import Weights
from leuknet.evaluation.jackknife import Basis, jackknife_variance, leave_one_out
from leuknet.evaluation.limits import (
    UNIT,
    Bounds,
    Variance,
    exact_limits,
    no_narrower_than_perfect,
    student_limits,
)
from leuknet.evaluation.resampling import MIN_SUBJECTS, Array

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


def band_of(
    x: Array, curve: Callable[[Weights], Array], basis: Basis, *, bounds: Bounds = UNIT
) -> Band | None:
    """Return the band of a curve at x (G,), None where there are too few subjects for one.

    Parameters
    ----------
    x
        Where the curve is read.
    curve
        The curve at these places, of weights (B, N) to (B, G).
    basis
        What it rests on.
    bounds
        Of its values; infinite ones leave the limits as far from the curve on either side.
    """
    if basis.count < MIN_SUBJECTS:
        return None
    values = curve(np.ones((1, basis.used.size)))[0]
    left_out = leave_one_out(lambda weights: curve(weights).T, basis.units)
    if left_out.shape[1] == basis.units.count:
        left_out = left_out[:, basis.has_part]
    freedom = max(basis.effective() - 1, 1.0)
    limits = [
        _limits(float(value), row, freedom, basis.count, bounds)
        for value, row in zip(values, left_out, strict=True)
    ]
    low, high = np.array(limits).T
    return Band(x, low, high)


def _limits(value: float, left_out: Array, freedom: float, count: int, bounds: Bounds) -> Bounds:
    found = student_limits(value, Variance(jackknife_variance(left_out), freedom), bounds=bounds)
    if math.isinf(bounds[1]):
        return found or (math.nan, math.nan)  # nobody differs: what new people would do is not known
    if found is None:
        return exact_limits(value, count, bounds=bounds) or bounds
    return no_narrower_than_perfect(found, left_out, count, bounds=bounds)
