"""Intervals of scores that are means over seeds: people and seeds are chance, and both are resampled.

Models of several seeds are tested on cells of the same people, so that their scores are no independent tries.
Each resample therefore draws people once, for all seeds, and seeds beside them.

Start at `crossed_bootstrap`; `resample_means` is its core, for who needs two scores under the same draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leuknet.evaluation.metrics import METRICS, centred, of_weights, percentile_limits
from leuknet.types import Interval, Labels, Probabilities

RESAMPLES = 2000
LEVEL = 0.95

_ROWS = 200
"""Resamples computed at a time, so that their weights stay in the cache."""


class Answers(NamedTuple):
    """What the model of one seed said: arrays of one length.

    Attributes
    ----------
    ids : (N,) str
        The cells.
    labels, probabilities, threshold : (N,)
        True class, P(leukaemic), and from which probability on the cell is called leukaemic.
    whose : (N,) str
        The person of each cell, or the cell itself where cells are taken as independent.
    """

    ids: NDArray[np.str_]
    labels: Labels
    probabilities: Probabilities
    threshold: NDArray[np.float64]
    whose: NDArray[np.str_]


@dataclass(frozen=True)
class Crossed:
    """A mean over seeds with its interval, and the value of each seed in the order given."""

    interval: Interval
    values: tuple[float, ...]


class Means(NamedTuple):
    """Values of each seed (S,), and the least and largest possible mean in each resample (B,)."""

    values: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class Draws(NamedTuple):
    """What the resamples drew: people by name, how often each (B, P), and each seed's share (B, S)."""

    people: NDArray[np.str_]
    times: NDArray[np.float64]
    shares: NDArray[np.float64]


def crossed_bootstrap(
    answers: Sequence[Answers], *, unit: str, metrics: Sequence[str], seed: int = 0
) -> dict[str, Crossed]:
    """Return the mean over seeds of each metric, with a percentile interval.

    Parameters
    ----------
    answers
        One for each seed.
    unit
        What `Answers.whose` names, for the record: `subjects` or `cells`.
    metrics
        Keys of `METRICS`.
    seed
        Of the bootstrap; the same gives the same intervals.

    Returns
    -------
    dict of str to Crossed
        Cells and subjects of an interval are those that any seed tested. In a resample that leaves a seed's
        cells without a class that a metric needs, the value could be anything: it counts as 0 for lower
        limits and as 1 for upper ones. With one seed, people alone are resampled.

    References
    ----------
    Owen (2007), "The pigeonhole bootstrap", Ann. Appl. Stat. 1(2), 386-411: rows and columns are resampled
    independently, and a cell counts as often as its row and column were drawn, multiplied. The variance is
    never too small by much, and somewhat too large where both rows and columns vary.
    """
    draws = draw_people_and_seeds(answers, seed=seed)
    method = f"bootstrap over {unit}" if len(answers) == 1 else f"crossed bootstrap over {unit} and seeds"
    found = {}
    for metric in metrics:
        means = resample_means(answers, metric, draws=draws)
        interval = interval_of_means(float(np.mean(means.values)), means, answers, method=method)
        found[metric] = Crossed(interval, tuple(means.values.tolist()))
    return found


def crossed_difference(
    first: Sequence[Answers], second: Sequence[Answers], *, unit: str, metrics: Sequence[str], seed: int = 0
) -> dict[str, Interval]:
    """Return the second mean over seeds minus the first, with an interval, for each metric.

    Both meet the same draws of people and seeds, so that what makes some people hard for either is no part of
    the difference.

    Parameters
    ----------
    first, second
        One for each seed, in one order of seeds.
    unit, metrics, seed
        As for `crossed_bootstrap`.
    """
    draws = draw_people_and_seeds([*first, *second], seed=seed)
    draws = draws._replace(shares=draw_people_and_seeds(first, seed=seed).shares)
    method = f"crossed bootstrap over {unit} and seeds, paired"
    found = {}
    for metric in metrics:
        one, other = (resample_means(answers, metric, draws=draws) for answers in (first, second))
        gap = Means(other.values - one.values, other.low - one.high, other.high - one.low)
        found[metric] = interval_of_means(float(np.mean(gap.values)), gap, [*first, *second], method=method)
    return found


def draw_people_and_seeds(answers: Sequence[Answers], *, seed: int) -> Draws:
    """Draw, for each resample, as many people and seeds as there are, with replacement."""
    people = np.unique(np.concatenate([one.whose for one in answers]))
    return Draws(
        people,
        _draw(len(people), seed=(seed, 0)),
        _draw(len(answers), seed=(seed, 1)) / len(answers),
    )


def resample_means(answers: Sequence[Answers], metric: str, *, draws: Draws) -> Means:
    """Return a metric of each seed, and its mean over seeds in each resample."""
    values, low, high = [], [], []
    for one in answers:
        place = np.searchsorted(draws.people, one.whose)
        function = of_weights(METRICS[metric], one.labels, one.probabilities, one.threshold, cluster_of=place)
        values.append(float(function(np.ones(one.labels.size))))
        resampled = np.concatenate(
            [np.atleast_1d(function(weights)) for weights in _blocks(draws.times, place)]
        )
        resampled = centred(METRICS[metric], resampled, values[-1])
        low.append(np.nan_to_num(resampled, nan=0.0))
        high.append(np.nan_to_num(resampled, nan=1.0))
    return Means(
        np.array(values),
        (np.stack(low, axis=1) * draws.shares).sum(axis=1),
        (np.stack(high, axis=1) * draws.shares).sum(axis=1),
    )


def interval_of_means(estimate: float, means: Means, answers: Sequence[Answers], *, method: str) -> Interval:
    """Return the percentile interval of resampled means, with the cells and people that it rests on."""
    tested = {(cell, person) for one in answers for cell, person in zip(one.ids, one.whose, strict=True)}
    people = {person for _, person in tested}
    return Interval(
        estimate=estimate,
        low=float(percentile_limits(means.low, level=LEVEL)[0]),
        high=float(percentile_limits(means.high, level=LEVEL)[1]),
        level=LEVEL,
        method=method,
        cells=len(tested),
        subjects=len(people) if "subjects" in method else None,
        resamples=RESAMPLES,
    )


def _draw(n: int, *, seed: tuple[int, int]) -> NDArray[np.float64]:
    """Return how often each of `n` comes in each of `RESAMPLES` draws of `n` with replacement: (B, n)."""
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    return drawn.astype(np.float64)


def _blocks(times: NDArray[np.float64], place: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """Yield the weights of each cell (b, N) for a few resamples at a time."""
    for start in range(0, len(times), _ROWS):
        yield times[start : start + _ROWS, place]
