"""Intervals of scores that are means over seeds: both the people and the seeds could have been others.

Models of several seeds are tested on cells of the same people, so that their scores are no independent tries.
Two variances are added up: that of the mean over seeds from leaving out each person for all seeds at once,
and that of the seeds' scores, divided by their number. Student's t takes its degrees of freedom from both
(Satterthwaite), so that two or three seeds that differ give wide intervals.

One seed says nothing of how seeds differ: the interval is then that of its model on new people, and its
method names no seeds.

Start at `mean_over_seeds`; `means_of` is its core, for a caller that needs two scores of the same people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leuknet.evaluation.jackknife import Basis, jackknife_interval
from leuknet.evaluation.limits import Bounds, Variance
from leuknet.evaluation.metrics import METRICS, Metric, estimate_of, leave_out
from leuknet.evaluation.resampling import Array, Units
from leuknet.types import Interval, IntervalMethod, Labels, Probabilities

Whose = Literal["cells", "subjects"]
"""What `Answers.whose` names."""

_ONE = {"cells": IntervalMethod.JACKKNIFE_CELLS, "subjects": IntervalMethod.JACKKNIFE_SUBJECTS}
_SEEDS = {"cells": IntervalMethod.JACKKNIFE_CELLS_SEEDS, "subjects": IntervalMethod.JACKKNIFE_SUBJECTS_SEEDS}
_PAIRED = {
    "cells": IntervalMethod.PAIRED_JACKKNIFE_CELLS,
    "subjects": IntervalMethod.PAIRED_JACKKNIFE_SUBJECTS,
}
_PAIRED_SEEDS = {
    "cells": IntervalMethod.PAIRED_JACKKNIFE_CELLS_SEEDS,
    "subjects": IntervalMethod.PAIRED_JACKKNIFE_SUBJECTS_SEEDS,
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
class OverSeeds:
    """A mean over seeds with its interval, and the value of each seed in the order given."""

    interval: Interval
    values: tuple[float, ...]


class Means(NamedTuple):
    """A metric of several seeds.

    Attributes
    ----------
    values : (S,)
        Of each seed.
    left_out : (P,)
        The mean over seeds without each person; of very many cells, without each group of them.
    people : (P,)
        Who was left out, sorted by name.
    """

    values: Array
    left_out: Array
    people: NDArray[np.str_]

    def minus(self, other: Means) -> Means:
        """Return the difference from other means of the same seeds and people."""
        return Means(self.values - other.values, self.left_out - other.left_out, self.people)


def mean_over_seeds(
    answers: Sequence[Answers], *, unit: Whose, metrics: Sequence[str]
) -> dict[str, OverSeeds]:
    """Return the mean over seeds of each metric with its interval.

    Parameters
    ----------
    answers
        One for each seed.
    unit
        What `Answers.whose` names.
    metrics
        Keys of `METRICS`.

    Returns
    -------
    dict of str to OverSeeds
        Cells and subjects of an interval are those that any seed tested and the metric rests on. Where they
        are fewer than `MIN_SUBJECTS` there is no interval: see `Interval.is_known`.

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2(6), 110-114. Owen (2007), "The pigeonhole bootstrap", Ann.
    Appl. Stat. 1(2), 386-411: that the two variances, added up, are never too small by much, and somewhat too
    large where both people and seeds vary.
    """
    found = {}
    for name in metrics:
        means = means_of(answers, METRICS[name], people=people_of(answers), unit=unit)
        interval = interval_of_means(means, answers, METRICS[name], unit=unit)
        found[name] = OverSeeds(interval, tuple(means.values.tolist()))
    return found


def people_of(*groups: Sequence[Answers]) -> NDArray[np.str_]:
    """Return who was tested in any of the groups, sorted by name."""
    return np.unique(np.concatenate([answers.whose for group in groups for answers in group]))


def means_of(answers: Sequence[Answers], metric: Metric, *, people: NDArray[np.str_], unit: Whose) -> Means:
    """Return a metric of each seed, and its mean over seeds without each of the people, who are sorted."""
    values, left_out = [], []
    for said in answers:
        units = Units(unit, np.searchsorted(people, said.whose))
        about = (metric, said.labels, said.probabilities, said.threshold)
        values.append(estimate_of(*about, units=units))
        left_out.append(leave_out(*about, units=units, count=people.size))
    return Means(np.array(values), np.mean(left_out, axis=0), people)


def interval_of_means(
    means: Means, answers: Sequence[Answers], metric: Metric, *, unit: Whose, paired: bool = False
) -> Interval:
    """Return the mean over seeds with its interval, and the cells and people that it rests on.

    `paired` says that the means are differences of two metrics, so that they may be negative.
    """
    seeds = means.values.size
    spread = Variance(float(np.var(means.values, ddof=1)) / seeds, seeds - 1.0) if seeds > 1 else None
    one, several = (_PAIRED, _PAIRED_SEEDS) if paired else (_ONE, _SEEDS)
    widest = metric.bounds[1] - metric.bounds[0]
    bounds: Bounds = (-widest, widest) if paired else metric.bounds
    left_out = means.left_out
    if left_out.size == means.people.size:
        left_out = left_out[np.isin(means.people, people_of(answers))]
    return jackknife_interval(
        float(np.mean(means.values)),
        left_out,
        _basis(answers, metric, unit),
        bounds=bounds,
        paired=paired,
        subjects_alike=metric.unit == "subject",
        # What is left of chance in a calibration error near 0 is not free to move on the scale of log odds.
        linear=metric.is_biased and not paired,
        other=spread,
        method=(one if spread is None else several)[unit],
    )


def _basis(answers: Sequence[Answers], metric: Metric, unit: Whose) -> Basis:
    """Return what means rest on: every cell that any seed tested, once."""
    ids, first = np.unique(np.concatenate([said.ids for said in answers]), return_index=True)
    labels = np.concatenate([said.labels for said in answers])[first]
    whose = np.concatenate([said.whose for said in answers])[first]
    basis = metric.basis(labels, whose if unit == "subjects" else ids)
    return Basis(Units(unit, basis.units.of_cell), basis.used, basis.classes)
