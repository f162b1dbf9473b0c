"""AUROC round by round beside the pooled one: each round has a model of its own, with a scale of its own.

Pooled, a leukaemic cell of one round is compared with a normal cell of another: a model that states higher
probabilities all over then looks worse than it is, or better. Three models of AUROC 0.898 whose log odds are
a standard deviation apart have a pooled AUROC of 0.83. Within rounds only cells that one model scored are
compared. Where the two differ, the pooled one tells of the scales, and so would a threshold that all rounds
share.

Start at `by_round`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from leuknet.evaluation.crossed import (
    Answers,
    Means,
    Whose,
    interval_of_means,
    mean_over_seeds,
    means_of,
    people_of,
)
from leuknet.evaluation.formulas import Threshold, Values, Weights, auroc
from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.standings import pooled_answers, unit_of
from leuknet.evaluation.summary import number_text
from leuknet.types import Evaluation, Interval, Labels, Probabilities

_NAME = "auroc"


@dataclass(frozen=True)
class ByRound:
    """AUROC of one recipe or baseline, as means over seeds.

    Attributes
    ----------
    rounds
        Of each round by its name, in the order of the names.
    within
        Mean over rounds: cells are compared with cells of their own round alone.
    pooled
        Over the cells of all rounds together.
    """

    rounds: Mapping[str, Interval]
    within: Interval
    pooled: Interval


def by_round(evaluations: Sequence[Evaluation]) -> ByRound | None:
    """Return AUROC of each round, their mean, and the pooled one.

    Parameters
    ----------
    evaluations
        Of all rounds for each seed of one recipe or baseline.

    Returns
    -------
    ByRound or None
        Intervals leave out one subject at a time where whole subjects were held out, and cells else; with
        several seeds their spread is added. None where there is one round only.
    """
    names = sorted({evaluation.round for evaluation in evaluations})
    if len(names) < 2:
        return None
    unit = unit_of(evaluations, _NAME)
    grouped = {name: [one for one in evaluations if one.round == name] for name in names}
    rounds = {}
    for name, members in grouped.items():
        answers = [pooled_answers([one], unit) for one in sorted(members, key=lambda one: one.seed)]
        rounds[name] = mean_over_seeds(answers, unit=unit, metrics=[_NAME])[_NAME].interval
    seeds = sorted({evaluation.seed for evaluation in evaluations})
    of_seed = [[one for one in evaluations if one.seed == seed] for seed in seeds]
    pooled = [pooled_answers(members, unit) for members in of_seed]
    return ByRound(
        rounds=rounds,
        within=_within(pooled, [_places(members) for members in of_seed], unit),
        pooled=mean_over_seeds(pooled, unit=unit, metrics=[_NAME])[_NAME].interval,
    )


ROUND_NOTE = (
    "Each round has a model of its own. The mean of the rounds compares cells with cells of their own round "
    "alone; pooled, they are also compared with those that another model scored. Where the pooled one is "
    "lower, the models' scores are not on one scale."
)


def round_table(rounds: Mapping[str, ByRound]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return heads and rows of a table: each model's AUROC in each round, their mean, and the pooled one."""
    names = list(dict.fromkeys(name for found in rounds.values() for name in found.rounds))
    rows = []
    for model, found in rounds.items():
        of_rounds = (found.rounds.get(name) for name in names)
        texts = ("-" if one is None else number_text(one) for one in of_rounds)
        rows.append((model, *texts, number_text(found.within), number_text(found.pooled)))
    return ("model", *names, "mean of rounds", "pooled"), rows


def _within(answers: Sequence[Answers], places: Sequence[Labels], unit: Whose) -> Interval:
    """Return the mean over rounds and seeds, of answers (N,) whose rounds are numbered by places (N,)."""
    people = people_of(answers)
    found = []
    for said, place in zip(answers, places, strict=True):

        def compute(
            labels: Labels,
            probabilities: Probabilities,
            threshold: Threshold,
            weights: Weights | None,
            place: Labels = place,
        ) -> Values:
            return mean_within(labels, probabilities, place, weights)

        metric = replace(METRICS[_NAME], compute=compute)
        found.append(means_of([said], metric, people=people, unit=unit))
    means = Means(
        np.concatenate([one.values for one in found]),
        np.mean([one.left_out for one in found], axis=0),
        people,
    )
    return interval_of_means(means, answers, METRICS[_NAME], unit=unit)


def mean_within(
    labels: Labels, probabilities: Probabilities, places: Labels, weights: Weights | None = None
) -> Values:
    """Return the mean of the AUROCs of the groups of cells that are numbered by places (N,).

    Other parameters are those of `leuknet.evaluation.formulas.accuracy`. NaN where a group lacks a class.

    Examples
    --------
    Each group is right in all pairs, though the second states less all over:

    >>> labels, groups = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    >>> stated = np.array([0.6, 0.9, 0.1, 0.4])
    >>> float(mean_within(labels, stated, groups)), float(auroc(labels, stated, 0.5))
    (1.0, 0.75)
    """
    weights = np.ones(labels.size) if weights is None else weights
    areas = []
    for place in np.unique(places):
        own = places == place
        areas.append(auroc(labels[own], probabilities[own], 0.5, weights[..., own]))
    mean: Values = np.mean(areas, axis=0)
    return mean


def _places(evaluations: Sequence[Evaluation]) -> Labels:
    """Return the number of the round of each cell (N,), in the order of `pooled_answers`."""
    return np.repeat(np.arange(len(evaluations)), [evaluation.cells for evaluation in evaluations])
