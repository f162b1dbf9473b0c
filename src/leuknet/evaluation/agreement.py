"""How far raters agree: percent agreement, Cohen's kappa of two, Fleiss' kappa of several, with intervals.

Kappa is the part of the agreement beyond chance, where chance is what raters with these habits would reach by
guessing: 1 is full agreement, 0 no more than chance, below 0 less. It says nothing of who is right. It falls
where one category is rare, however well raters agree (Feinstein & Cicchetti 1990, "High agreement but low
kappa", J Clin Epidemiol 43, 543-549): percent agreement therefore always stands beside it.

Cells of one case are alike. With `MIN_CASES` cases or more, intervals resample whole cases, otherwise cells,
and each result says which.

Start at `agreement_of`; `change_of` compares the same cells rated twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import SettingError, ShapeError
from leuknet.evaluation.resampling import RESAMPLES, bounded, draw_counts, percentile_limits

Measure = Literal["agreement", "cohen", "fleiss"]
"""Percent agreement, of more than two raters the mean over their pairs; Cohen's kappa; Fleiss' kappa."""
MEASURES: tuple[Measure, ...] = get_args(Measure)

ComparedKind = Literal["pair", "all", "self", "model"]

MIN_CASES = 10
"""Cases from which on they are resampled: among fewer, resamples are too alike for an interval."""

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
        None where there is no estimate, or too little to resample. An interval without width, as after full
        agreement, is no bound: other cells may well be disagreed on.
    cells, cases
        What it rests on: the cells that all raters rated, and their cases.
    left_out
        Cells that some rater did not rate.
    resampled
        What the interval resamples.
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
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """Return how far raters agree.

    Cells that a rater did not rate are left out and counted: Fleiss (1971) takes the same number of ratings
    for each. Categories are nominal: leukaemic against uncertain is a disagreement as any other. Resamples in
    which kappa is undefined count as -1 for the lower limit and as 1 for the upper.

    Parameters
    ----------
    ratings : (N, R) int64
        Category of each cell by each of R raters, counted from 0; below 0 for not rated. R is 2 for `cohen`,
        2 or more otherwise.
    cases : (N,) of any sortable type
        The case of each cell.
    resamples, seed
        Of the bootstrap, at least 1; the same seed gives the same interval.

    Raises
    ------
    ShapeError
        If the arrays do not fit together or the measure.
    SettingError
        If there is no such measure, or no resample.

    References
    ----------
    Cohen (1960), Educational and Psychological Measurement 20, 37-46. Fleiss (1971), Psychological Bulletin
    76, 378-382. Field & Welsh (2007), JRSS B 69, 369-390: the cluster bootstrap.

    Examples
    --------
    >>> two = np.array([[0, 0], [0, 0], [1, 1], [0, 1]])
    >>> agreement_of(two, measure="cohen", cases=np.zeros(4)).estimate
    0.5
    """
    _check(ratings, measure, cases, resamples)
    n_categories = max(1, int(ratings.max(initial=0)) + 1)
    statistic = _statistic(measure, n_categories)

    def sums_of(rows: Ratings) -> Sums:
        return _contributions(rows, measure, n_categories)

    lowest = 0.0 if measure == "agreement" else -1.0
    return _estimated(
        ratings, cases, sums_of=sums_of, statistic=statistic, bounds=(lowest, 1.0), draws=(resamples, seed)
    )


def change_of(
    before: Ratings,
    after: Ratings,
    *,
    measure: Measure,
    cases: NDArray[Any],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """Return agreement after minus agreement before, over cells that all raters rated both times.

    Each resample serves both, so that what they share cancels out: the interval is that of the difference.
    Arguments and errors are those of `agreement_of`; row for row, `before` and `after` are the same cells.
    """
    for ratings in (before, after):
        _check(ratings, measure, cases, resamples)
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
    return _estimated(
        both, cases, sums_of=sums_of, statistic=difference, bounds=(-most, most), draws=(resamples, seed)
    )


def _check(ratings: Ratings, measure: Measure, cases: NDArray[Any], resamples: int) -> None:
    what = "cannot measure the agreement"
    if measure not in MEASURES:
        raise SettingError(what, why=f"no measure {measure!r}", fix=f"use {', '.join(MEASURES)}")
    if resamples < 1:
        raise SettingError(what, why=f"{resamples} resamples", fix="use 1 or more; 2000 is usual")
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
    bounds: tuple[float, float],
    draws: tuple[int, int],
) -> Agreement:
    """Return a statistic of sums over cells, with its interval; `sums_of` gives what each cell adds."""
    is_complete = (ratings >= 0).all(axis=1)
    rated, case_of = ratings[is_complete], cases[is_complete]
    n_cases = np.unique(case_of).size
    by_case = n_cases >= MIN_CASES
    estimate, low, high, reason = None, None, None, ""
    if not len(rated):
        reason = "no cell was rated by all of them"
    else:
        # Cells that were rated alike add alike: what each adds is worked out once for each kind.
        kinds, kind_of, times = np.unique(rated, axis=0, return_inverse=True, return_counts=True)
        added = sums_of(kinds)
        found = float(statistic(times @ added))
        if np.isnan(found):
            reason = "all ratings are of one category: there is no chance agreement to compare with"
        else:
            estimate = found
    if estimate is not None and len(rated) < 2:
        reason = "one cell has no spread"
    elif estimate is not None:
        units, weights = _drawn(added, kind_of.reshape(-1), times, case_of if by_case else None, draws=draws)
        values = statistic(weights @ units)
        low, high = (float(limit) for limit in percentile_limits(bounded(values, bounds)))
    left_out = len(ratings) - len(rated)
    resampled: Literal["cases", "cells"] = "cases" if by_case else "cells"
    return Agreement(estimate, low, high, len(rated), n_cases, left_out, resampled, reason)


def _drawn(
    added: Sums,
    kind_of: NDArray[np.intp],
    times: NDArray[np.intp],
    case_of: NDArray[Any] | None,
    *,
    draws: tuple[int, int],
) -> tuple[Sums, Sums]:
    """Return units (U, S) that are resampled, and how often each resample holds each of them (B, U)."""
    resamples, seed = draws
    if case_of is None:
        # Drawing N cells with replacement is one multinomial draw over the kinds of cells.
        return added, draw_counts(times, resamples=resamples, seed=seed)
    number = np.unique(case_of, return_inverse=True)[1].reshape(-1)
    n_cases = int(number.max()) + 1
    columns = [np.bincount(number, column[kind_of], n_cases) for column in added.T]
    units: Sums = np.stack(columns, axis=1).astype(np.float64)
    return units, draw_counts(np.ones(n_cases), resamples=resamples, seed=seed)


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
