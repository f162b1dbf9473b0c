"""Whether stated log odds are right as a whole: calibration intercept and slope by logistic recalibration.

A model can rank cells well and yet state probabilities that are all too high, or too near 0 and 1. Two
numbers say so. The intercept (calibration in the large) is what must be added to all log odds; the slope is
what they must be multiplied with. Both come from logistic regressions of the labels on the stated log odds,
without a penalty: with one, they would be pulled towards what they should be.

Start at `weak_calibration`.

References
----------
Cox (1958), "Two further applications of a model for binary regression", Biometrika 45, 562-565. Van Calster,
Nieboer et al. (2016), "A calibration hierarchy for risk models was defined: from utopia to empirical data",
J. Clin. Epidemiol. 74, 167-176. Van Calster, McLernon et al. (2019), "Calibration: the Achilles heel of
predictive analytics", BMC Medicine 17, 230.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit, logit

from leuknet.errors import ShapeError
from leuknet.evaluation.formulas import Values, Weights, checked
from leuknet.evaluation.jackknife import score_interval
from leuknet.evaluation.resampling import Array, Clusters
from leuknet.evaluation.spread import NEAREST
from leuknet.types import Interval, Labels, Probabilities, WeakCalibration

_ANY = (-np.inf, np.inf)
_STEPS = 50
_CLOSE = 1e-10


def weak_calibration(
    labels: Labels, probabilities: Probabilities, clusters: Clusters = None
) -> WeakCalibration:
    """Return calibration intercept and slope with their intervals.

    Parameters
    ----------
    labels, probabilities : (N,)
        Of tested cells, both classes. Probabilities nearer to 0 or 1 than 1e-7 are taken for that: networks
        compute in single precision.
    clusters
        The subject of each cell; None takes the cells as independent.

    Returns
    -------
    WeakCalibration
        Intervals leave out one subject at a time. A slope is None where one probability parts the classes
        without an error, since no slope is then steep enough, and either is where there are too few subjects
        for an interval; `doubt` says so.

    Raises
    ------
    ShapeError
        If arrays do not fit or a class is missing.

    Examples
    --------
    A model that states 90% where 80% is right, on either side, is right in the large and too extreme:

    >>> labels = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 1] * 20)
    >>> found = weak_calibration(labels, np.where(np.arange(200) % 10 < 5, 0.9, 0.1))
    >>> round(found.intercept.estimate, 6), round(found.slope.estimate, 3)
    (0.0, 0.631)
    """
    checked(labels, probabilities, 0.5, None)
    log_odds = logit(np.clip(probabilities, NEAREST, 1 - NEAREST))
    intercept = _interval(lambda weights: intercepts(labels, log_odds, weights), labels, clusters)
    if _is_separated(labels, log_odds, np.ones(labels.size)):
        return WeakCalibration(intercept, None, "one probability parts the classes without an error")
    slope = _interval(lambda weights: slopes(labels, log_odds, weights), labels, clusters)
    doubt = (
        ""
        if slope is not None and intercept is not None
        else "no interval: too few subjects, or none that differ"
    )
    return WeakCalibration(intercept, slope, doubt)


def intercepts(labels: Labels, log_odds: Array, weights: Weights) -> Values:
    """Return what must be added to log odds (N,) for each row of weights (N,) or (B, N); or NaN."""
    wanted = weights @ labels
    total = weights.sum(axis=-1)
    shift = np.zeros(np.shape(wanted))
    for _ in range(_STEPS):
        stated = expit(log_odds + np.expand_dims(shift, -1))
        slope = np.sum(weights * stated * (1 - stated), axis=-1)
        # Where the sum is flat a step could lead anywhere: 5 is further than any sensible one.
        step = np.clip((wanted - np.sum(weights * stated, axis=-1)) / np.maximum(slope, 1e-12), -5, 5)
        shift = shift + step
        if np.max(np.abs(step), where=(wanted > 0) & (wanted < total), initial=0.0) < _CLOSE:
            break
    found: Values = np.where((wanted > 0) & (wanted < total), shift, np.nan)[()]
    return found


def slopes(labels: Labels, log_odds: Array, weights: Weights) -> Values:
    """Return what log odds (N,) must be multiplied with, an intercept being free, for each row of weights.

    NaN where the classes are apart. Newton's method, whose steps are halved while the likelihood falls.
    """
    rows = np.atleast_2d(weights)
    start = np.array([0.0, 1.0])
    if len(rows) > 1 and not _is_separated(labels, log_odds, rows.mean(axis=0)):
        start = _fit(labels, log_odds, rows.mean(axis=0), start)  # the rows differ little from their mean
    found = np.array(
        [
            np.nan if _is_separated(labels, log_odds, row) else _fit(labels, log_odds, row, start)[1]
            for row in rows
        ]
    )
    return found if np.ndim(weights) == 2 else np.float64(found[0])


def _fit(labels: Labels, log_odds: Array, weights: Array, start: Array) -> Array:
    """Return intercept and slope (2,)."""
    there = weights > 0
    labels, log_odds, weights = labels[there], log_odds[there], weights[there]
    at, likelihood = start, _likelihood(start[0] + start[1] * log_odds, labels, weights)
    for _ in range(_STEPS):
        stated = expit(at[0] + at[1] * log_odds)
        error, spread = weights * (labels - stated), weights * stated * (1 - stated)
        cross = spread @ log_odds
        information = np.array([[spread.sum(), cross], [cross, spread @ log_odds**2]])
        gradient = np.array([error.sum(), error @ log_odds])
        step = np.linalg.solve(information + 1e-12 * np.eye(2), gradient)
        while True:
            further = at + step
            higher = _likelihood(further[0] + further[1] * log_odds, labels, weights)
            if higher >= likelihood - _CLOSE * max(1.0, abs(likelihood)):
                break
            step = step / 2
        at, likelihood = further, higher
        if np.abs(step).max() < _CLOSE:
            break
    return at


def _likelihood(log_odds: Array, labels: Labels, weights: Array) -> float:
    return -float(weights @ np.logaddexp(0, np.where(labels == 1, -log_odds, log_odds)))


def _is_separated(labels: Labels, log_odds: Array, weights: Array) -> bool:
    """Whether no slope is the best: one log odds parts the classes, in either direction."""
    there = weights > 0
    normal, leukaemic = (log_odds[there & (labels == label)] for label in (0, 1))
    if not normal.size or not leukaemic.size:
        return True
    return bool(normal.max() <= leukaemic.min() or leukaemic.max() <= normal.min())


def _interval(statistic: Callable[[Weights], Values], labels: Labels, clusters: Clusters) -> Interval | None:
    """Return the interval, None where there is none; a ShapeError where a class is missing."""
    try:
        found = score_interval(statistic, clusters, cells=labels.size, classes=labels, bounds=_ANY)
    except ShapeError:
        if np.unique(labels).size < 2:
            raise
        return None
    return found if found.is_known else None
