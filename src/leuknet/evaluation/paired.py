"""Whether two models, or two recipes over several seeds, differ: one test, one interval, one margin.

Both met the same people, so that what makes some people hard for either is no part of their difference. The
statistic is the difference of a metric's log odds, divided by its standard error: people are left out one at
a time, from both models at once (the jackknife), and where there are several seeds, the spread of their
differences is added. It is referred to Student's t with the degrees of freedom of Welch and Satterthwaite.
Log odds, since near 1 a model that is lucky looks steadier than it is.

Swapping the answers of people would be exact only where both models err alike in every respect: where one
varies more between people than the other, it called equal models different in 6 to 20% of draws. How often
this test does is in docs/results.md, by `studies/verdicts.py`.

Start at `paired_difference`.

References
----------
Miller (1974), "The jackknife - a review", Biometrika 61(1), 1-15. Satterthwaite (1946), Biometrics Bulletin
2(6), 110-114. Schuirmann (1987), J. Pharmacokinet. Biopharm. 15(6), 657-680: two one-sided tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from scipy.stats import t as student

from leuknet.evaluation.crossed import Answers, Whose
from leuknet.evaluation.formulas import require
from leuknet.evaluation.metrics import METRICS, of_weights
from leuknet.evaluation.resampling import LEVEL, Array, blocks
from leuknet.types import Interval, IntervalMethod

MOST_LEFT_OUT = 500
"""Where cells are taken as independent and there are more, they are left out in so many groups."""

METHODS: dict[tuple[Whose, bool], IntervalMethod] = {
    ("cells", False): IntervalMethod.PAIRED_JACKKNIFE_CELLS,
    ("subjects", False): IntervalMethod.PAIRED_JACKKNIFE_SUBJECTS,
    ("cells", True): IntervalMethod.PAIRED_JACKKNIFE_CELLS_SEEDS,
    ("subjects", True): IntervalMethod.PAIRED_JACKKNIFE_SUBJECTS_SEEDS,
}
"""What is left out, and whether seeds vary too, to the name of the interval."""


@dataclass(frozen=True)
class Paired:
    """A difference between two models, or between means over seeds, and what the data say about it.

    Attributes
    ----------
    difference
        Second minus first, in the metric's own unit, with a 95% interval.
    p_value
        Two-sided, of no difference; never below `smallest_p`, and 1 where `gap` is not empty.
    smallest_p
        2 ** (1 - n) for n subjects (or cells) with a part in the metric: what counting signs could give at
        best, where every one of them speaks for the same model.
    error
        Standard error of the difference, in the metric's own unit.
    freedom
        Degrees of freedom.
    gap
        Why nothing can be tested, empty where something can.
    """

    difference: Interval
    p_value: float
    smallest_p: float
    error: float
    freedom: float
    gap: str = ""

    def p_above(self, bound: float) -> float:
        """Return the one-sided p value against a true difference of `bound` or less."""
        return self._one_sided(self.difference.estimate - bound)

    def p_below(self, bound: float) -> float:
        """Return the one-sided p value against a true difference of `bound` or more."""
        return self._one_sided(bound - self.difference.estimate)

    def _one_sided(self, distance: float) -> float:
        if self.gap:
            return 1.0
        ratio = distance / self.error if self.error else np.copysign(np.inf, distance)
        return max(float(student.sf(ratio, self.freedom)), self.smallest_p / 2)


def paired_difference(
    first: Sequence[Answers], second: Sequence[Answers], *, unit: Whose, metric: str, level: float = LEVEL
) -> Paired:
    """Compare two models, or two recipes over seeds.

    Parameters
    ----------
    first, second
        One for each seed, in one order of seeds, each pair on the same cells. With one seed, the result
        speaks of these two trained models alone; with more, of the recipes that trained them.
    unit
        What `Answers.whose` names: who is left out whole.
    metric
        A key of `METRICS`.
    level
        Share of such intervals that hold the true difference.

    Raises
    ------
    ShapeError
        If there is one unit only, or the metric is undefined for want of a class.

    Notes
    -----
    With values a and b of the two models (of a metric that goes down to -1, moved into [0, 1]), f(x) =
    logit((N x + 1/2) / (N + 1)) stays finite at 0 and 1; N is the number of cells with a part in the metric,
    or that of subjects, n, for a metric over subjects. L is the mean over seeds of f(b) - f(a). Its
    variance is (n - 1) / n times the sum of squares of what leaving out each unit does to it (about their
    mean), plus the variance of L over seeds divided by their number, plus (L / n) ** 2: as much as one more
    unit would bring that shows no difference, so that units which all agree do not make it 0. Degrees of
    freedom take units with leukaemic cells alone, with normal cells alone and with both as samples of their
    own, and seeds as another. Limits of L, times (b - a) / L, are those of b - a.

    Where no unit shows a difference, though the answers differ, the limits are those that a share of 0 of n
    has: 1 - 0.05 ** (1 / n) to either side.
    """
    who = _units_of(first, second, unit=unit, metric=metric)
    both = [_leave_out(side, metric, who) for side in (first, second)]
    values, without = (np.stack(parts) for parts in zip(*both, strict=True))
    undefined = bool(np.isnan(values).any())
    require(not undefined, f"{metric}: undefined for one class", fix="use cells of both classes")
    gap = f"all cells of a class are of one {unit.removesuffix('s')}" if np.isnan(without).any() else ""
    span = 1 - METRICS[metric].least
    if gap or all(_alike(*pair) for pair in zip(first, second, strict=True)):
        found, error = _Test(0.0, 0.0, 0.0, 1.0), 0.0
    else:
        scale = who.cells if METRICS[metric].unit == "cell" else who.size
        shares, shares_without = (1 - (1 - part) / span for part in (values, without))
        odds = (logit((scale * part + 0.5) / (scale + 1)) for part in (shares, shares_without))
        found = _test(*odds, who=who)
        # Where nobody shows a difference: that of a share of 0 of so many.
        none = (1 - (1 - level) ** (1 / who.size)) / _reach(found, level)
        error = span * (found.error * _slope(shares, found.shift, scale) if found.error else none)
    smallest = 1.0 if gap else 2.0 ** (1 - who.size)
    p_value = 1.0 if gap else max(2 * float(student.sf(abs(found.ratio), found.freedom)), smallest)
    estimate = float((values[1] - values[0]).mean())
    reach = 2 * span if gap else _reach(found, level) * error
    interval = Interval(
        estimate=estimate,
        low=max(estimate - reach, -span),
        high=min(estimate + reach, span),
        level=level,
        method=METHODS[unit, len(first) > 1],
        cells=who.cells,
        subjects=who.size if unit == "subjects" else None,
        resamples=0,
    )
    return Paired(interval, p_value, smallest, error, found.freedom, gap)


class _Who(NamedTuple):
    """Who is left out: those with a part in the metric.

    `names` (U,) are all units, `groups` (U,) say with which others each is left out, -1 for those without a
    part; `patterns` (G,) which classes a group has, 1, 2 or both in 3. `size` units have a part, with
    `cells` cells.
    """

    names: NDArray[np.str_]
    groups: NDArray[np.intp]
    patterns: NDArray[np.intp]
    size: int
    cells: int


def _units_of(first: Sequence[Answers], second: Sequence[Answers], *, unit: Whose, metric: str) -> _Who:
    every = [*first, *second]
    names = np.unique(np.concatenate([answers.whose for answers in every]))
    require(len(names) > 1, "one cluster has no spread", fix="use two subjects or more")
    classes = np.zeros(len(names), dtype=np.intp)
    cells: set[str] = set()
    for said in every:
        used = METRICS[metric].rests_on_cells(said.labels)
        np.bitwise_or.at(classes, np.searchsorted(names, said.whose[used]), 1 + said.labels[used])
        cells.update(said.ids[used].tolist())
    count = int(np.count_nonzero(classes))
    numbers = np.arange(count)
    if unit == "cells" and count > MOST_LEFT_OUT:
        numbers = np.random.default_rng(0).permutation(count) % MOST_LEFT_OUT
    groups = np.full(len(names), -1)
    groups[classes > 0] = numbers
    patterns = np.zeros(min(count, int(numbers.max(initial=0)) + 1), dtype=np.intp)
    np.bitwise_or.at(patterns, numbers, classes[classes > 0])
    return _Who(names, groups, patterns, count, len(cells))


class _Test(NamedTuple):
    """A shift of log odds, its standard error, their ratio (0 where both are), and degrees of freedom."""

    shift: float
    error: float
    ratio: float
    freedom: float


def _test(odds: Array, without: Array, *, who: _Who) -> _Test:
    """Test log odds of both models and each seed (2, S), also with each of G groups left out (2, S, G)."""
    by_seed = odds[1] - odds[0]
    shift = float(by_seed.mean())
    left_out = (without[1] - without[0]).mean(axis=0)
    pulls = (left_out - left_out.mean()) ** 2 * (left_out.size - 1) / left_out.size
    samples = [(pulls[members].sum(), members.sum() - 1) for members in _samples(who.patterns)]
    if len(by_seed) > 1:
        samples.append((by_seed.var(ddof=1) / len(by_seed), len(by_seed) - 1))
    variances, freedoms = (np.array(column, dtype=np.float64) for column in zip(*samples, strict=True))
    error = float(np.sqrt(variances.sum() + (shift / who.size) ** 2))
    spread = float((variances**2 / freedoms).sum())
    freedom = float(variances.sum() ** 2 / spread) if spread else float(freedoms.sum())
    return _Test(shift, error, shift / error if error else 0.0, freedom)


def _reach(found: _Test, level: float) -> float:
    """Return how many standard errors an interval reaches to either side."""
    return float(student.ppf((1 + level) / 2, found.freedom))


def _slope(values: Array, shift: float, scale: int) -> float:
    """Return by how much a metric changes as its log odds do, between the values of both models (2, S)."""
    raw = float((values[1] - values[0]).mean())
    if raw * shift > 0:
        return raw / shift
    # Means over seeds of both scales can differ in sign, or be 0, where they are next to nothing.
    inner = (scale * values + 0.5) / (scale + 1)
    return float((inner * (1 - inner)).mean()) * (scale + 1) / scale


def _samples(patterns: NDArray[np.intp]) -> list[NDArray[np.bool_]]:
    """Return who belongs to each sample of those with the same classes; one alone makes all of them one."""
    sorts, counts = np.unique(patterns, return_counts=True)
    if (counts < 2).any():
        return [np.ones(patterns.shape, dtype=bool)]
    return [patterns == sort for sort in sorts]


def _leave_out(side: Sequence[Answers], metric: str, who: _Who) -> tuple[Array, Array]:
    """Return a metric of each seed (S,), and with each of G groups of units left out (S, G)."""
    numbers = np.arange(len(who.patterns))[:, None]
    values, without = [], []
    for said in side:
        place = np.searchsorted(who.names, said.whose)
        function = of_weights(
            METRICS[metric], said.labels, said.probabilities, said.threshold, cluster_of=place
        )
        values.append(function(np.ones(said.labels.size)))
        rows = [
            np.atleast_1d(function((who.groups[place] != numbers[block]).astype(np.float64)))
            for block in blocks(len(numbers), width=said.labels.size)
        ]
        without.append(np.concatenate(rows))
    return np.array(values), np.array(without)


def _alike(first: Answers, second: Answers) -> bool:
    """Whether two models said the same of the same cells."""
    return all(
        np.array_equal(ours, theirs)
        for ours, theirs in ((first.ids, second.ids), (first.probabilities, second.probabilities))
    ) and np.array_equal(first.threshold, second.threshold)
