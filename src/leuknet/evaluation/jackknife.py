"""The interval of a score: each subject is left out in turn, and the spread of what remains gives the limits.

Cells of one subject look alike, so that subjects are the observations. How much the score moves when one of
them is left out gives its standard error (the delete-one-group jackknife). Limits are found where the score
is free to move, on the scale of its log odds, and taken back, so that they stay within what is possible.
Student's t takes its degrees of freedom from the effective number of subjects: one person with 757 cells and
one with 9 do not make two observations of a mean over cells.

Where no unit moves the score there is no spread to go by. Of 15 subjects who are all right the limits are
those of Clopper and Pearson for 15 of 15, 78% to 100%: never an interval without width. With fewer than
`MIN_SUBJECTS` subjects there is no interval: its limits are all that is possible, and its method says why.

`studies/coverage.py` measures how often such intervals hold the truth, beside the methods that were not
chosen; its table is in docs/protocol.md.

Start at `score_interval`.

References
----------
Miller (1974), "The jackknife - a review", Biometrika 61(1), 1-15. Kish (1965), "Survey Sampling": the
effective number of observations of unequal weight. Carter, Schnepel & Steigerwald (2017), Rev. Econ. Stat.
99(4), 698-709: few effective clusters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import SettingError
from leuknet.evaluation.formulas import Values, Weights, require
from leuknet.evaluation.limits import (
    LEVEL,
    UNIT,
    Bounds,
    Variance,
    equal_limits,
    exact_limits,
    no_narrower_than_perfect,
    student_limits,
)
from leuknet.evaluation.resampling import MIN_SUBJECTS, Array, Clusters, Units, blocks, resample, units_of
from leuknet.types import Interval, IntervalMethod

MOST_GROUPS = 1000
"""More cells that are taken as independent are left out in so many groups, drawn at random."""

TOO_FEW = {"cells": IntervalMethod.TOO_FEW_CELLS, "subjects": IntervalMethod.TOO_FEW_SUBJECTS}
JACKKNIFE = {"cells": IntervalMethod.JACKKNIFE_CELLS, "subjects": IntervalMethod.JACKKNIFE_SUBJECTS}
EXACT = {"cells": IntervalMethod.EXACT_CELLS, "subjects": IntervalMethod.EXACT_SUBJECTS}


@dataclass(frozen=True, eq=False)
class Basis:
    """What a score rests on.

    Attributes
    ----------
    units
        Who is left out whole.
    used : (N,) bool
        The cells that have a part in the score.
    classes : (N,) of any sortable type
        Where the score compares classes of cells, the class of each; else one class for all.
    """

    units: Units
    used: NDArray[np.bool_]
    classes: NDArray[Any]

    @property
    def sizes(self) -> list[NDArray[np.intp]]:
        """How many used cells each unit (U,) has in each class."""
        return [
            np.bincount(self.units.of_cell[self.used & (self.classes == one)], minlength=self.units.count)
            for one in np.unique(self.classes[self.used])
        ]

    @property
    def has_part(self) -> NDArray[np.bool_]:
        """Which units (U,) have a used cell."""
        there: NDArray[np.bool_] = np.sum(self.sizes, axis=0) > 0
        return there

    @property
    def count(self) -> int:
        """How many units have a part; where a class has few, as if each class had no more."""
        of_classes = [float(np.count_nonzero(each)) for each in self.sizes]
        return int(_balanced(float(np.count_nonzero(self.has_part)), of_classes))

    def effective(self, *, alike: bool = False) -> float:
        """Return Kish's effective number of units; where a class has few, as if each class had no more.

        It is (sum of n)^2 / sum of n^2 over the units' numbers of cells n; `alike` counts each unit once.
        """
        if alike:
            return float(self.count)
        return _balanced(_kish(np.sum(self.sizes, axis=0)), [_kish(each) for each in self.sizes])

    def variance_of(self, left_out: Array, *, subjects_alike: bool = False) -> Variance:
        """Return the variance of a score from its values without each of the units that have a part (G,)."""
        return Variance(jackknife_variance(left_out), max(self.effective(alike=subjects_alike) - 1, 1.0))


def score_interval(
    statistic: Callable[[Weights], Values],
    clusters: Clusters = None,
    *,
    cells: int,
    used: NDArray[np.bool_] | None = None,
    classes: NDArray[Any] | None = None,
    bounds: Bounds = UNIT,
    subjects_alike: bool = False,
    level: float = LEVEL,
) -> Interval:
    """Return a score of so many cells with its interval.

    Parameters
    ----------
    statistic
        The score as a function of the cells' weights, (N,) to a scalar and (B, N) to (B,), NaN where it is
        undefined: a formula of `leuknet.evaluation.formulas` with all but its weights given.
    clusters : (N,) or None
        The subject of each cell. None takes the cells as independent, which the method of the interval says.
    cells
        N.
    used : (N,) bool
        Cells that have a part in the score, None for all: those of leukaemia for the sensitivity.
    classes : (N,)
        The class of each cell, for a score that compares classes such as the AUROC: the class of fewer
        subjects then decides. None for a score of one class or none.
    bounds
        Least and largest possible value: (0, 1) and (-1, 1) are taken to log odds, (0, inf) to the logarithm,
        (-inf, inf) as it is.
    subjects_alike
        Whether each subject counts once, however many cells there are of them.
    level
        Share of such intervals that should hold the truth, in (0, 1).

    Returns
    -------
    Interval
        `Interval.is_known` says whether there is one; if not, its limits are `bounds`.

    Raises
    ------
    ShapeError
        If clusters do not fit, or the score is undefined.
    SettingError
        If the level is out of range.

    Examples
    --------
    >>> right = np.ones(15)
    >>> found = score_interval(lambda w: w @ right / w.sum(axis=-1), np.arange(15), cells=15)
    >>> f"{found.estimate:.0%} ({found.low:.0%} to {found.high:.0%})"
    '100% (78% to 100%)'
    """
    require(0 < level < 1, f"level {level}", fix="use 0.95 for a 95% interval", error=SettingError)
    basis = basis_of(clusters, cells=cells, used=used, classes=classes)
    estimate = float(statistic(np.ones(cells)))
    require(not math.isnan(estimate), "the score is undefined", fix="use cells of both classes")
    is_enough = basis.count >= MIN_SUBJECTS
    left_out = leave_one_out(statistic, basis.units) if is_enough else np.full(basis.units.count, np.nan)
    return jackknife_interval(
        estimate, left_out, basis, bounds=bounds, subjects_alike=subjects_alike, level=level
    )


def basis_of(
    clusters: Clusters,
    *,
    cells: int,
    used: NDArray[np.bool_] | None = None,
    classes: NDArray[Any] | None = None,
) -> Basis:
    """Return what a score of so many cells rests on; arguments and errors are those of `score_interval`."""
    return Basis(
        units_of(clusters, cells=cells, least=1),
        np.ones(cells, dtype=bool) if used is None else used,
        np.zeros(cells, dtype=np.intp) if classes is None else classes,
    )


def leave_one_out(statistic: Callable[[Weights], Values], units: Units, *, count: int | None = None) -> Array:
    """Return a statistic (..., U) without each unit in turn, NaN where it is then undefined.

    `count` is the number of units, where the last of them have no cell here. Of more than `MOST_GROUPS` cells
    groups are left out, as many as that and drawn at random: the standard error that follows is then off by
    about 1 / sqrt(2 * 1000), or 2%.
    """
    count = units.count if count is None else count
    group_of, groups = np.arange(count), count
    if units.kind == "cells" and count > MOST_GROUPS:
        group_of, groups = np.random.default_rng(0).permutation(count) % MOST_GROUPS, MOST_GROUPS
    of_cell = group_of[units.of_cell]

    def rows() -> Iterator[Weights]:
        for block in blocks(groups, width=of_cell.size):
            yield (of_cell != np.arange(block.start, block.stop)[:, None]).astype(np.float64)

    return resample(statistic, rows())


def jackknife_interval(
    estimate: float,
    left_out: Array,
    basis: Basis,
    *,
    bounds: Bounds = UNIT,
    subjects_alike: bool = False,
    linear: bool = False,
    paired: bool = False,
    level: float = LEVEL,
    other: Variance | None = None,
    method: IntervalMethod | None = None,
) -> Interval:
    """Return an estimate with the interval that follows from its values without each unit (U,).

    Parameters
    ----------
    estimate, left_out, basis
        The score, its values from `leave_one_out`, and what it rests on.
    bounds, subjects_alike, level
        As for `score_interval`; for `linear` see `student_limits`.
    paired
        Whether it is a difference of two models on the same cells: if nobody differs, see `equal_limits`.
    other
        A variance beside that of the units, such as that between seeds.
    method
        What to call it, where it is more than a jackknife.
    """
    low, high = bounds
    kind, how = basis.units.kind, TOO_FEW[basis.units.kind]
    if basis.count >= MIN_SUBJECTS and np.isfinite(left_out).all():
        moved = left_out[basis.has_part] if left_out.size == basis.units.count else left_out
        variance = basis.variance_of(moved, subjects_alike=subjects_alike)
        if other is not None:
            variance = variance.plus(other)
        found = student_limits(estimate, variance, bounds=bounds, linear=linear, level=level)
        if found is not None:
            low, high = no_narrower_than_perfect(found, moved, basis.count, bounds=bounds, level=level)
            how = method or JACKKNIFE[kind]
        elif paired and estimate == 0:
            (low, high), how = equal_limits(basis.count, bounds=bounds, level=level), EXACT[kind]
        elif exact := exact_limits(estimate, basis.count, bounds=bounds, level=level):
            (low, high), how = exact, EXACT[kind]
    return interval_on(basis, estimate, (low, high), method=how, level=level)


def interval_on(
    basis: Basis, estimate: float, limits: Bounds, *, method: IntervalMethod, level: float = LEVEL
) -> Interval:
    """Return an estimate with limits and the cells and subjects that it rests on."""
    of_used = basis.units.of_cell[basis.used]
    return Interval(
        estimate=float(estimate),
        low=float(limits[0]),
        high=float(limits[1]),
        level=level,
        method=method,
        cells=of_used.size,
        subjects=np.unique(of_used).size if basis.units.kind == "subjects" else None,
        resamples=0,
    )


def jackknife_variance(left_out: Array) -> float:
    """Return the variance of a statistic from its values without each of G units (G,): (G - 1) / G sum d^2.

    d is how far each lies from their mean. Tukey (1958), Ann. Math. Stat. 29, 614.
    """
    return float((left_out.size - 1) * np.var(left_out))


def _balanced(of_all: float, of_classes: list[float]) -> float:
    """Return a number of units; where there are several classes, at most as if all were like the smallest."""
    return min(of_all, len(of_classes) * min(of_classes))


def _kish(cells: NDArray[np.intp]) -> float:
    return float(cells.sum() ** 2 / np.sum(cells.astype(np.float64) ** 2))
