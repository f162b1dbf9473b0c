"""Intervals of scores that are means over seeds: people and seeds are chance, and both are resampled.

Models of several seeds are tested on cells of the same people, so that their scores are no independent tries.
Each resample therefore draws people once, for all seeds, and seeds beside them.

Start at `crossed_bootstrap`; `resample_means` is its core, for a caller that needs two scores under the same
draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leuknet.evaluation.metrics import METRICS, of_weights
from leuknet.evaluation.resampling import (
    BOOTSTRAP,
    Array,
    Resampled,
    draw_counts,
    interval_of,
    resample,
    spread_counts,
)
from leuknet.types import Interval, IntervalMethod, Labels, Probabilities

Whose = Literal["cells", "subjects"]
"""What `Answers.whose` names."""

CROSSED: dict[Whose, IntervalMethod] = {
    "cells": IntervalMethod.CROSSED_CELLS,
    "subjects": IntervalMethod.CROSSED_SUBJECTS,
}


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
    """Values of each seed (S,), and the mean over seeds in each resample (B,)."""

    values: Array
    resampled: Resampled

    def minus(self, other: Means) -> Means:
        """Return the difference from other means under the same draws."""
        return Means(self.values - other.values, self.resampled.minus(other.resampled))


class Draws(NamedTuple):
    """What the resamples drew: people by name, how often each (B, P), and each seed's share (B, S)."""

    people: NDArray[np.str_]
    times: Array
    shares: Array


def crossed_bootstrap(
    answers: Sequence[Answers], *, unit: Whose, metrics: Sequence[str], seed: int = 0
) -> dict[str, Crossed]:
    """Return the mean over seeds of each metric, with a percentile interval.

    Parameters
    ----------
    answers
        One for each seed.
    unit
        What `Answers.whose` names, for the record.
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
    method = (BOOTSTRAP if len(answers) == 1 else CROSSED)[unit]
    found = {}
    for metric in metrics:
        means = resample_means(answers, metric, draws=draws)
        found[metric] = Crossed(
            interval_of_means(means, answers, method=method), tuple(means.values.tolist())
        )
    return found


def draw_people_and_seeds(*groups: Sequence[Answers], seed: int) -> Draws:
    """Draw, for each resample, as many people and seeds as there are, with replacement.

    Each group has the answers of the same seeds, which come and go together; people are those of any group.
    """
    people = np.unique(np.concatenate([answers.whose for group in groups for answers in group]))
    n_seeds = len(groups[0])
    return Draws(
        people,
        draw_counts(np.ones(len(people)), seed=(seed, 0)),
        draw_counts(np.ones(n_seeds), seed=(seed, 1)) / n_seeds,
    )


def resample_means(answers: Sequence[Answers], metric: str, *, draws: Draws) -> Means:
    """Return a metric of each seed, and its mean over seeds in each resample."""
    values, by_seed = [], []
    for said in answers:
        place = np.searchsorted(draws.people, said.whose)
        function = of_weights(
            METRICS[metric], said.labels, said.probabilities, said.threshold, cluster_of=place
        )
        values.append(float(function(np.ones(said.labels.size))))
        resampled = resample(function, spread_counts(draws.times, place))
        by_seed.append(METRICS[metric].bounded(resampled, values[-1]))
    low, high = (
        (np.stack(limits, axis=1) * draws.shares).sum(axis=1) for limits in zip(*by_seed, strict=True)
    )
    return Means(np.array(values), Resampled(low, high))


def interval_of_means(means: Means, answers: Sequence[Answers], *, method: IntervalMethod) -> Interval:
    """Return the mean over seeds with its interval, and the cells and people that it rests on."""
    tested = {pair for said in answers for pair in zip(said.ids, said.whose, strict=True)}
    return interval_of(
        float(np.mean(means.values)),
        means.resampled,
        method=method,
        cells=len(tested),
        subjects=len({person for _, person in tested}) if "subjects" in method.resampled else None,
    )
