"""Chance by drawing: who is drawn, how often each counts, and what interval or p value follows.

Cells of one patient look alike, so that whole subjects are drawn where it is known which cell is whose.
`clusters_for` decides, `Units` says which cells come along. `draw_weights` draws with replacement,
`permutation_test` swaps. `percentile_limits` are those of what a statistic was in each resample,
`wilson` gives those of a plain count. An undefined resample could have had any value: it counts as the least
possible value for the lower limit and as the largest for the upper.

The interval of a score comes from `leuknet.evaluation.jackknife`: percentiles of resamples hold the truth too
seldom where subjects are few. They are left to bands of curves, to the difference of two models and to Monte
Carlo.

Start at `clusters_for`. To add a method, write a function beside `percentile_limits` or `wilson`, and a line
in `leuknet.types.IntervalMethod`.

References
----------
Field & Welsh (2007), "Bootstrapping clustered data", JRSS B 69(3), 369-390: the cluster bootstrap. Efron &
Tibshirani (1993), "An Introduction to the Bootstrap". Phipson & Smyth (2010), "Permutation p-values should
never be zero", Stat. Appl. Genet. Mol. Biol. 9(1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import SettingError
from leuknet.evaluation.formulas import Values, Weights, require
from leuknet.evaluation.limits import LEVEL as LEVEL
from leuknet.types import Evaluation, Interval, IntervalMethod, SplitKind

RESAMPLES = 2000

MIN_SUBJECTS = 5
"""With fewer subjects there is no interval: they say too little of how subjects differ."""

BOOTSTRAP: dict[Literal["cells", "subjects"], IntervalMethod] = {
    "cells": IntervalMethod.BOOTSTRAP_CELLS,
    "subjects": IntervalMethod.BOOTSTRAP_SUBJECTS,
}

Clusters = NDArray[Any] | None
"""(N,) the subject of each cell, of any sortable type; None takes the cells as independent."""

Array = NDArray[np.float64]

# Elements of one block of resampled weights: 2 MiB, so that the few copies a metric makes stay in the cache.
_BLOCK = 256 * 1024


# Who is drawn --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Units:
    """What a resample draws whole: cells one by one, or all cells of a subject together.

    `of_cell` (N,) is the number of each cell's unit, counted from 0.
    """

    kind: Literal["cells", "subjects"]
    of_cell: NDArray[np.intp]

    @property
    def count(self) -> int:
        """How many there are, and how many each resample draws."""
        return int(self.of_cell.max()) + 1


def clusters_of(evaluation: Evaluation) -> NDArray[np.str_] | None:
    """Return `clusters_for` the cells of an evaluation."""
    return clusters_for(evaluation.split_kind, evaluation.subject_ids)


def clusters_for(split_kind: SplitKind, subject_ids: Sequence[str | None]) -> NDArray[np.str_] | None:
    """Return the subject of each cell (N,) where intervals must rest on subjects, else None.

    They must where whole subjects were kept apart from training and each cell names its subject, however few
    there are. The score of an image-level split makes no claim about new people.
    """
    subjects = [subject for subject in subject_ids if subject is not None]
    if split_kind == "image-level" or len(subjects) != len(subject_ids):
        return None
    return np.array(subjects)


def units_of(clusters: Clusters, *, cells: int, least: int = 2) -> Units:
    """Return the units of so many cells; a ShapeError unless clusters fit and there are so many at least."""
    names = np.arange(cells) if clusters is None else clusters
    misfit = f"labels have shape {(cells,)}, subjects {np.shape(names)}"
    require(np.shape(names) == (cells,), misfit, fix="give one subject for each cell")
    numbers: NDArray[np.intp] = np.unique(names, return_inverse=True)[1]
    require(numbers.max() + 1 >= least, "one cluster has no spread", fix="use two subjects or more")
    return Units("cells" if clusters is None else "subjects", numbers)


# How often each counts -----------------------------------------------------------------------------------


def draw_weights(units: Units, *, resamples: int, seed: int) -> Iterator[Weights]:
    """Yield blocks of rows of weights (B, N): how often each cell's unit was drawn.

    A resample draws as many units as there are, with replacement. All blocks together have as many rows as
    there are `resamples`.
    """
    generator = np.random.default_rng(seed)
    count = units.count
    for block in blocks(resamples, width=units.of_cell.size):
        n = block.stop - block.start
        drawn = generator.integers(count, size=(n, count))
        # One bincount serves all rows: each row counts in a range of its own.
        apart = drawn + count * np.arange(n)[:, None]
        times = np.bincount(apart.ravel(), minlength=n * count).reshape(n, count)
        yield times[:, units.of_cell].astype(np.float64)


def blocks(rows: int, *, width: int) -> Iterator[slice]:
    """Yield slices of rows, so few at a time that with `width` elements a row they stay in the cache."""
    most = max(1, _BLOCK // width)
    for start in range(0, rows, most):
        yield slice(start, min(start + most, rows))


# What follows --------------------------------------------------------------------------------------------


class Resampled(NamedTuple):
    """A statistic in each resample (..., B): the least and the largest value that it could have had."""

    low: Array
    high: Array


def resample(statistic: Callable[[Weights], Values], weights: Iterable[Weights]) -> Array:
    """Return a statistic (..., B) of each row of the weights, which come in blocks."""
    return np.concatenate([np.atleast_1d(statistic(block)) for block in weights], axis=-1)


def bounded(values: Array, bounds: tuple[float, float] = (0.0, 1.0)) -> Resampled:
    """Return resampled values (..., B), those undefined (NaN) as the least and the largest possible ones."""
    lowest, highest = bounds
    return Resampled(np.nan_to_num(values, nan=lowest), np.nan_to_num(values, nan=highest))


def percentile_limits(resampled: Resampled, *, level: float = LEVEL) -> tuple[Array, Array]:
    """Return the limits (...,) between which the share `level` of resampled values (..., B) lies."""
    low = np.quantile(resampled.low, (1 - level) / 2, axis=-1)
    high = np.quantile(resampled.high, (1 + level) / 2, axis=-1)
    return low, high


def interval_of(
    estimate: float,
    resampled: Resampled,
    *,
    method: IntervalMethod,
    cells: int,
    subjects: int | None,
    level: float = LEVEL,
) -> Interval:
    """Return an estimate with the limits of its resampled values (B,) and what it rests on."""
    low, high = percentile_limits(resampled, level=level)
    return Interval(
        estimate=float(estimate),
        low=float(low),
        high=float(high),
        level=level,
        method=method,
        cells=cells,
        subjects=subjects,
        resamples=resampled.low.size,
    )


def bootstrap_interval(
    estimate: float,
    resampled: Resampled,
    units: Units,
    *,
    used: NDArray[np.bool_] | None = None,
    level: float = LEVEL,
) -> Interval:
    """Return `interval_of` a statistic that rests on the cells `used` (N,), None for all of them."""
    of_used = units.of_cell if used is None else units.of_cell[used]
    return interval_of(
        estimate,
        resampled,
        method=BOOTSTRAP[units.kind],
        cells=of_used.size,
        subjects=np.unique(of_used).size if units.kind == "subjects" else None,
        level=level,
    )


def wilson(successes: int, total: int, *, level: float = LEVEL) -> Interval:
    """Return a share with Wilson's score interval, which takes the cells as independent.

    `total` is 1 or more, else ShapeError; `level` is between 0 and 1, else SettingError. The formula is
    that of Wilson (1927), JASA 22, 209-212, as computed by `scipy.stats.binomtest`.

    Examples
    --------
    >>> paper = wilson(196, 226)
    >>> f"{paper.estimate:.4f} ({paper.low:.3f} to {paper.high:.3f})"
    '0.8673 (0.817 to 0.905)'
    """
    require(0 <= successes <= total >= 1, f"{successes} of {total}", fix="count at least one cell")
    require(0 < level < 1, f"level {level}", fix="use 0.95 for a 95% interval", error=SettingError)
    from scipy.stats import binomtest  # loads for half a second, which the reading room need not wait for

    limits = binomtest(successes, total).proportion_ci(confidence_level=level, method="wilson")
    return Interval(
        estimate=successes / total,
        low=float(limits.low),
        high=float(limits.high),
        level=level,
        method=IntervalMethod.WILSON,
        cells=total,
        subjects=None,
        resamples=0,
    )


def permutation_test(
    distance: Callable[[NDArray[np.int64]], Array], units: int, *, width: int, resamples: int, seed: int
) -> tuple[float, float]:
    """Return a two-sided p value from swapping units, and the least that it could have been.

    Every way of swapping is tried once where there are no more of them than resamples; p is then exact.
    Otherwise ways are drawn, and what was observed counts as one of them: p is never 0.

    Parameters
    ----------
    distance
        Takes blocks (B, units) of 0 and 1, which say who is swapped, and returns how far from no difference
        each of them lies (B,).
    units
        Who can be swapped.
    width
        Elements that `distance` needs for one way.
    resamples, seed
        Number of ways to draw.
    """
    ways = 2**units
    generator = np.random.default_rng((seed, 1))  # not the stream that the bootstrap draws from
    # Equal differences may come out a little apart; distinct ones are further apart than this.
    observed = distance(np.zeros((1, units), dtype=np.int64)) - 1e-10
    as_far = 0
    for block in blocks(min(ways, resamples), width=width):
        if ways <= resamples:
            swapped = np.arange(block.start, block.stop)[:, None] >> np.arange(units) & 1
        else:
            swapped = generator.integers(2, size=(block.stop - block.start, units))
        as_far += int(np.sum(distance(swapped) >= observed))
    if ways <= resamples:
        return as_far / ways, 2 / ways
    return (1 + as_far) / (1 + resamples), 1 / (1 + resamples)
