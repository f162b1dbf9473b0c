"""Judges one drawn study as a real one is judged: by the same interval and the same test.

Of the AUROC all values without one person come from one sort of the scores, instead of one for each person:
planning draws thousands of studies.

Start at `interval_of_study` and `p_value_of`.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logit
from scipy.stats import t as student

from leuknet.evaluation.jackknife import basis_of, jackknife_interval
from leuknet.evaluation.metrics import METRICS, metric_intervals, of_weights
from leuknet.evaluation.pilot import Study
from leuknet.evaluation.resampling import Array
from leuknet.types import Interval, Labels


def interval_of_study(study: Study, metric: str, *, threshold: float) -> Interval:
    """Return the interval of a score of the first model, from leaving out one person at a time."""
    labels, stated = study.labels, study.stated[0]
    if metric == "auroc":
        estimate, left_out = auroc_left_out(labels, stated, study.people)
        basis = basis_of(study.people, cells=labels.size, classes=labels)
        return jackknife_interval(estimate, left_out, basis)
    found = metric_intervals(labels, stated, threshold=threshold, clusters=study.people, metrics=[metric])
    return found[metric]


def estimate_of(study: Study, metric: str, *, threshold: float) -> float:
    """Return a score of the first model."""
    function = of_weights(METRICS[metric], study.labels, study.stated[0], threshold, cluster_of=study.people)
    return float(function(np.ones(study.labels.size)))


def p_value_of(study: Study) -> tuple[float, float]:
    """Return the p value of the difference in AUROC, and the difference, second minus first.

    The test is that of `leuknet.evaluation.paired`, whose notes give the formula, for people of one class
    each.
    """
    labels, cells = study.labels, study.labels.size
    values, without = zip(
        *(auroc_left_out(labels, stated, study.people) for stated in study.stated), strict=True
    )
    people = without[0].size
    difference = values[1] - values[0]
    if np.isnan(without).any():  # all cells of a class are one person's
        return 1.0, difference
    odds, odds_without = (logit((cells * np.asarray(part) + 0.5) / (cells + 1)) for part in (values, without))
    shift, left_out = odds[1] - odds[0], odds_without[1] - odds_without[0]
    pulls = (left_out - left_out.mean()) ** 2 * (people - 1) / people
    of_class = np.bincount(study.people, labels) > 0
    samples = [pulls[of_class], pulls[~of_class]]
    if min(len(sample) for sample in samples) < 2:
        samples = [pulls]
    variances = np.array([sample.sum() for sample in samples])
    freedoms = np.array([len(sample) - 1 for sample in samples])
    error = np.sqrt(variances.sum() + (shift / people) ** 2)
    if error == 0:
        return 1.0, difference
    freedom = variances.sum() ** 2 / max((variances**2 / freedoms).sum(), np.finfo(np.float64).tiny)
    p_value = 2 * float(student.sf(abs(shift) / error, freedom))
    return max(p_value, 2.0 ** (1 - people)), difference


def auroc_left_out(labels: Labels, stated: Array, people: Labels) -> tuple[float, Array]:
    """Return the AUROC, and its values without each person (P,), numbered from 0.

    Parameters
    ----------
    labels, stated, people : (N,)
        Class, score and person of each cell; a person has cells of one class.
    """
    normal, leukaemic = np.sort(stated[labels == 0]), np.sort(stated[labels == 1])
    count = int(people.max()) + 1
    won = np.zeros(labels.size)
    for label, others in ((0, leukaemic), (1, normal)):
        own = stated[labels == label]
        below, up_to = np.searchsorted(others, own, "left"), np.searchsorted(others, own, "right")
        wins = (below + up_to) / 2
        won[labels == label] = wins if label else others.size - wins
    by_person = np.bincount(people, won, minlength=count)
    cells = [np.bincount(people[labels == label], minlength=count) for label in (0, 1)]
    total = float(won[labels == 1].sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = (total - by_person) / ((normal.size - cells[0]) * (leukaemic.size - cells[1]))
    return total / (normal.size * leukaemic.size), left_out
