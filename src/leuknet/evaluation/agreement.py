"""How far raters agree: percent agreement, Cohen's kappa of two, Fleiss' kappa of several, with intervals.

Kappa is the part of the agreement beyond chance, where chance is what raters with these habits would reach by
guessing: 1 is full agreement, 0 no more than chance, below 0 less. It says nothing of who is right. It falls
where one category is rare, however well raters agree (Feinstein & Cicchetti 1990, "High agreement but low
kappa", J Clin Epidemiol 43, 543-549): percent agreement therefore always stands beside it.

Cells of one case are alike, so that intervals leave out whole cases: those of `leuknet.evaluation.jackknife`,
kappa on Fisher's scale. Fewer than `MIN_SUBJECTS` cases say too little of how cases differ: there is then no
interval, and the result says so.

Start at `agreement_of`; `change_of` compares the same cells rated twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import SettingError, ShapeError
from leuknet.evaluation.jackknife import Basis, jackknife_interval
from leuknet.evaluation.limits import Bounds
from leuknet.evaluation.resampling import MIN_SUBJECTS, Units

Measure = Literal["agreement", "cohen", "fleiss"]
"""Percent agreement, of more than two raters the mean over their pairs; Cohen's kappa; Fleiss' kappa."""
MEASURES: tuple[Measure, ...] = get_args(Measure)

ComparedKind = Literal["pair", "all", "self", "model"]

HEADINGS: dict[ComparedKind, str] = {
    "pair": "Two readers (Cohen's kappa)",
    "all": "All readers (Fleiss' kappa)",
    "self": "Same reader twice (Cohen's kappa)",
    "model": "Reader and model (Cohen's kappa)",
}

Ratings = NDArray[np.int64]
Sums = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """An agreement, or the change of one, with its 95% interval.

    Attributes
    ----------
    estimate
        Agreement 0 to 1, kappa -1 to 1; of a change the second minus the first. None where it is undefined.
    low, high
        None where there is no estimate, or too few cases for an interval.
    cells, cases
        What it rests on: the cells that all raters rated, and their cases.
    left_out
        Cells that some rater did not rate.
    resampled
        What the interval leaves out or draws whole: cases. Results of earlier versions also hold cells.
    reason
        Why there is no estimate or no interval, "" if both are there.
    """

    estimate: float | None
    low: float | None
    high: float | None
    cells: int
    cases: int
    left_out: int
    resampled: Literal["cases", "cells"]
    reason: str


@dataclass(frozen=True)
class Compared:
    """Raters who were compared: percent agreement and kappa, side by side.

    Attributes
    ----------
    name
        Who, such as `reader 1 and reader 2`.
    kind
        Two readers, all readers, a reader with himself on cells shown twice, or a reader with the model. Of
        `all` kappa is Fleiss', else Cohen's.
    """

    name: str
    kind: ComparedKind
    agreement: Agreement
    kappa: Agreement


def agreement_of(
    ratings: Ratings,
    *,
    measure: Measure,
    cases: NDArray[Any],
) -> Agreement:
    """Return how far raters agree.

    Cells that a rater did not rate are left out and counted: Fleiss (1971) takes the same number of ratings
    for each. Categories are nominal: leukaemic against uncertain is a disagreement as any other. Where kappa
    is undefined without one of the cases, there is no interval.

    Parameters
    ----------
    ratings : (N, R) int64
        Category of each cell by each of R raters, counted from 0; below 0 for not rated. R is 2 for `cohen`,
        2 or more otherwise.
    cases : (N,) of any sortable type
        The case of each cell.

    Raises
    ------
    ShapeError
        If the arrays do not fit together or the measure.
    SettingError
        If there is no such measure.

    References
    ----------
    Cohen (1960), Educational and Psychological Measurement 20, 37-46. Fleiss (1971), Psychological Bulletin
    76, 378-382. Fleiss & Davies (1982), Am. J. Epidemiol. 115(6), 841-845: jackknifing kappa.

    Examples
    --------
    >>> two = np.array([[0, 0], [0, 0], [1, 1], [0, 1]])
    >>> agreement_of(two, measure="cohen", cases=np.zeros(4)).estimate
    0.5
    """
    _check(ratings, measure, cases)
    n_categories = max(1, int(ratings.max(initial=0)) + 1)
    statistic = _statistic(measure, n_categories)

    def sums_of(rows: Ratings) -> Sums:
        return _contributions(rows, measure, n_categories)

    lowest = 0.0 if measure == "agreement" else -1.0
    return _estimated(ratings, cases, sums_of=sums_of, statistic=statistic, bounds=(lowest, 1.0))


def change_of(
    before: Ratings,
    after: Ratings,
    *,
    measure: Measure,
    cases: NDArray[Any],
) -> Agreement:
    """Return agreement after minus agreement before, over cells that all raters rated both times.

    Each case is left out of both, so that what they share cancels out: the interval is that of the
    difference.
    Arguments and errors are those of `agreement_of`; row for row, `before` and `after` are the same cells.
    """
    for ratings in (before, after):
        _check(ratings, measure, cases)
    n_before = before.shape[1]
    both = np.hstack([before, after])
    n_categories = max(1, int(both.max(initial=0)) + 1)
    statistic = _statistic(measure, n_categories)

    def sums_of(rows: Ratings) -> Sums:
        parts = (rows[:, :n_before], rows[:, n_before:])
        return np.hstack([_contributions(part, measure, n_categories) for part in parts])

    def difference(sums: Sums) -> Sums:
        first, second = np.split(sums, 2, axis=-1)
        return statistic(second) - statistic(first)

    most = 1.0 if measure == "agreement" else 2.0
    return _estimated(both, cases, sums_of=sums_of, statistic=difference, bounds=(-most, most), paired=True)


def _check(ratings: Ratings, measure: Measure, cases: NDArray[Any]) -> None:
    what = "cannot measure the agreement"
    if measure not in MEASURES:
        raise SettingError(what, why=f"no measure {measure!r}", fix=f"use {', '.join(MEASURES)}")
    shapes = f"ratings have shape {ratings.shape}, cases {np.shape(cases)}"
    if ratings.ndim != 2 or np.shape(cases) != ratings.shape[:1]:
        raise ShapeError(what, why=shapes, fix="give a row for each cell, and the case of each row")
    if ratings.shape[1] < 2 or (measure == "cohen" and ratings.shape[1] != 2):
        raise ShapeError(what, why=shapes, fix="give two raters, or for 'fleiss' two or more")


def _estimated(
    ratings: Ratings,
    cases: NDArray[Any],
    *,
    sums_of: Callable[[Ratings], Sums],
    statistic: Callable[[Sums], Sums],
    bounds: Bounds,
    paired: bool = False,
) -> Agreement:
    """Return a statistic of sums over cells, with its interval; `sums_of` gives what each cell adds."""
    is_complete = (ratings >= 0).all(axis=1)
    rated, names = ratings[is_complete], np.unique(cases[is_complete], return_inverse=True)
    n_cases = names[0].size

    def told(reason: str, estimate: float | None = None, limits: Bounds | None = None) -> Agreement:
        low, high = limits or (None, None)
        left_out = len(ratings) - len(rated)
        return Agreement(estimate, low, high, len(rated), n_cases, left_out, "cases", reason)

    if not len(rated):
        return told("no cell was rated by all of them")
    units = Units("subjects", names[1].reshape(-1))
    by_case = _by_case(rated, units, sums_of)
    total = by_case.sum(axis=0)
    estimate = float(statistic(total))
    if np.isnan(estimate):
        return told("all ratings are of one category: there is no chance agreement to compare with")
    if n_cases < MIN_SUBJECTS:
        why = f"cells of {n_cases} case{'s' * (n_cases != 1)} say too little of how cases differ"
        return told(f"{why}; an interval needs {MIN_SUBJECTS}", estimate)
    every = np.ones(len(rated), dtype=bool)
    basis = Basis(units, every, np.zeros(len(rated), dtype=np.intp))
    found = jackknife_interval(estimate, statistic(total - by_case), basis, bounds=bounds, paired=paired)
    if not found.is_known:
        return told("without one of the cases, all ratings are of one category", estimate)
    return told("", estimate, (found.low, found.high))


def _by_case(rated: Ratings, units: Units, sums_of: Callable[[Ratings], Sums]) -> Sums:
    """Return what the cells of each case (C, S) add."""
    # Cells that were rated alike add alike: what each adds is worked out once for each kind.
    kinds, kind_of = np.unique(rated, axis=0, return_inverse=True)
    added = sums_of(kinds)[kind_of.reshape(-1)]
    columns = [np.bincount(units.of_cell, column, units.count) for column in added.T]
    by_case: Sums = np.stack(columns, axis=1).astype(np.float64)
    return by_case


def _contributions(rows: Ratings, measure: Measure, n_categories: int) -> Sums:
    """Return what each complete row (N, R) adds to the sums (N, S) that the measure is a function of."""
    if measure == "cohen":
        pairs: Sums = np.eye(n_categories**2)[rows[:, 0] * n_categories + rows[:, 1]]
        return pairs
    n_raters = rows.shape[1]
    counts = (rows[:, :, None] == np.arange(n_categories)).sum(axis=1).astype(np.float64)
    agreeing = (counts * (counts - 1)).sum(axis=1) / (n_raters * (n_raters - 1))
    return np.column_stack([np.ones(len(rows)), agreeing, counts])


def _statistic(measure: Measure, n_categories: int) -> Callable[[Sums], Sums]:
    """Return the measure as a function of sums (..., S); NaN where it is undefined."""

    def cohen(sums: Sums) -> Sums:
        table = sums.reshape(*sums.shape[:-1], n_categories, n_categories)
        total = table.sum(axis=(-2, -1))
        same = np.trace(table, axis1=-2, axis2=-1)
        # Counts are whole numbers: the denominator is 0 exactly where both raters used one category alone.
        chance = (table.sum(axis=-1) * table.sum(axis=-2)).sum(axis=-1)
        return _ratio(total * same - chance, total**2 - chance)

    def agreement(sums: Sums) -> Sums:
        return sums[..., 1] / sums[..., 0]

    def fleiss(sums: Sums) -> Sums:
        counts = sums[..., 2:]
        total = counts.sum(axis=-1)
        chance = (counts**2).sum(axis=-1)
        return _ratio(agreement(sums) * total**2 - chance, total**2 - chance)

    return {"agreement": agreement, "cohen": cohen, "fleiss": fleiss}[measure]


def _ratio(above: Sums, below: Sums) -> Sums:
    undefined = np.full(np.shape(below), np.nan)
    ratio: Sums = np.divide(above, below, out=undefined, where=np.asarray(below) > 0)
    return ratio


def kappa_text(kappa: Agreement) -> str:
    """Return `0.71 (0.60 to 0.81)`, or what there is of it."""
    if kappa.estimate is None:
        return "undefined"
    if kappa.low is None or kappa.high is None:
        return f"{kappa.estimate:z.2f} (no interval)"
    return f"{kappa.estimate:z.2f} ({kappa.low:z.2f} to {kappa.high:z.2f})"
