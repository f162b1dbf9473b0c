"""Makes a network's outputs mean what they say, and says when it should not decide.

All of it is learned from the validation side: the temperature that makes probabilities agree with
frequencies, the threshold from which on a cell is called leukaemic, and the band of probabilities in which a
cell is called `uncertain` (`leuknet.evaluation.abstention`). The test side has no part in any of them.

Start at `calibrate`; `fit_temperature` and `choose_threshold` are its first two steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.metrics import roc_curve

from leuknet.errors import SettingError, ShapeError
from leuknet.evaluation.abstention import COVERAGE, conformal_sets, risk_band
from leuknet.evaluation.formulas import ece
from leuknet.evaluation.operating_points import choose_thresholds
from leuknet.types import Calibration, Labels, Probabilities, ThresholdRule

TEMPERATURES = (0.05, 20.0)
"""Bounds of the temperature."""


def calibrate(
    labels: Labels,
    log_odds: NDArray[np.float64],
    *,
    rule: ThresholdRule,
    subjects: Sequence[str | None],
    risk: float = 0.0,
) -> tuple[float, Calibration]:
    """Return the threshold and the calibration that the validation side asks for.

    Parameters
    ----------
    labels : (N,) int64
        1 for leukaemic, 0 for normal; both must occur.
    log_odds : (N,) float64
        The network's logit of class 1 minus that of class 0.
    rule
        How to choose the threshold.
    subjects
        Whose each cell is, None if not known; the threshold does not depend on it.
    risk
        Largest share of wrong calls among a new person's called cells, on average over people: it then
        decides which cells are undecided. 0 leaves that to the conformal sets.

    Raises
    ------
    ShapeError
        If arrays do not fit, or a class is missing.
    SettingError
        If the rule is unknown, or the people are too few for this risk.
    NoSubjectsError
        If a risk is asked for, and a cell names nobody.
    """
    if labels.shape != log_odds.shape or labels.ndim != 1 or len(np.unique(labels)) != 2:
        raise ShapeError(
            "cannot calibrate",
            why=f"labels {np.unique(labels)} of shape {labels.shape}, log odds of shape {log_odds.shape}",
            fix="give one label and one value for each validation cell, of both classes",
        )
    temperature = fit_temperature(labels, log_odds, subjects)
    probabilities = expit(log_odds / temperature)
    threshold = choose_threshold(labels, probabilities, rule)
    quantile, (low, high) = conformal_sets(labels, probabilities)
    # Where the conformal set names one class and the threshold calls the other, neither is to be trusted.
    band, bound = (min(low, threshold), max(high, threshold)), None
    if risk:
        band, bound = risk_band(labels, probabilities, threshold=threshold, subjects=subjects, risk=risk)
    return threshold, Calibration(
        temperature=temperature,
        undecided=band,
        coverage=COVERAGE,
        cells=len(labels),
        subjects=None if None in subjects else len(set(subjects)),
        ece_before=float(ece(labels, expit(log_odds), threshold)),
        ece_after=float(ece(labels, probabilities, threshold)),
        subject_loss=subject_loss(labels, log_odds / temperature, subjects),
        thresholds=choose_thresholds(labels, probabilities),
        quantile=quantile,
        bound=bound,
    )


def cell_losses(labels: Labels, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cross-entropy of each cell (N,), in nats, from labels and log odds (N,) of class 1."""
    return np.asarray(np.logaddexp(0, np.where(labels == 1, -log_odds, log_odds)))


def subject_loss(labels: Labels, log_odds: NDArray[np.float64], subjects: Sequence[str | None]) -> float:
    """Return the cross-entropy in which people count alike within a class, and both classes alike.

    A network that knows one person with many cells by heart need not be the best for new people. Where a cell
    names nobody, cells count alike within a class.

    Parameters
    ----------
    labels : (N,) int64
        1 for leukaemic, 0 for normal; both must occur.
    log_odds : (N,) float64
        Of class 1.
    subjects
        Whose each cell is.

    Returns
    -------
    float
        In nats, from 0; 0.693 is what chance gets.

    Examples
    --------
    >>> log_odds = np.log([1 / 4, 1 / 4, 1 / 4, 1 / 4, 3])  # P = 1/5, 1/5, 1/5, 1/5, 3/4
    >>> loss = subject_loss(np.array([0, 0, 0, 1, 1]), log_odds, ["H1", "H1", "H2", "1", "2"])
    >>> bool(np.isclose(loss, (np.log(5 / 4) + (np.log(5) + np.log(4 / 3)) / 2) / 2))
    True
    """
    return float(weights_of_people(labels, subjects) @ cell_losses(labels, log_odds))


def weights_of_people(labels: Labels, subjects: Sequence[str | None]) -> NDArray[np.float64]:
    """Return a weight for each cell (N,), summing to 1: people count alike within a class, and both classes.

    Where a cell names nobody, cells count alike within a class.

    Examples
    --------
    >>> (12 * weights_of_people(np.array([0, 0, 0, 1, 1]), ["H1", "H1", "H2", "1", "2"])).tolist()
    [1.5, 1.5, 3.0, 3.0, 3.0]
    """
    names = [str(index) for index in range(len(labels))] if None in subjects else subjects
    weights = np.zeros(len(labels))
    for label in (0, 1):
        own = labels == label
        _, person = np.unique(np.array(names, dtype=str)[own], return_inverse=True)
        cells = np.bincount(person)
        weights[own] = 1 / cells[person] / len(cells) / 2
    return weights


def fit_temperature(labels: Labels, log_odds: NDArray[np.float64], subjects: Sequence[str | None]) -> float:
    """Return the temperature T at which P = 1 / (1 + exp(-log_odds / T)) fits the labels best.

    People count alike within a class, and both classes alike (`weights_of_people`), since it is new people
    for whom probabilities should hold. The loss is the cross-entropy against Platt's targets, (n1 + 1) /
    (n1 + 2) for leukaemic and 1 / (n0 + 2) for normal cells, instead of 1 and 0: with these, classes that
    are told apart without an error do not drive T to nothing. T keeps the order of the cells, and which of
    them lie above 0.5.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger (2017), "On calibration of modern neural networks", ICML. Platt (1999),
    "Probabilistic outputs for support vector machines", section 2.2.

    Examples
    --------
    >>> log_odds = np.repeat([-8.0, 8.0], 500)  # says 99.97%, is right in 4 of 5 cells
    >>> labels = np.concatenate([np.tile([0, 0, 0, 0, 1], 100), np.tile([1, 1, 1, 1, 0], 100)])
    >>> round(float(expit(8 / fit_temperature(labels, log_odds, [None] * 1000))), 2)
    0.8
    """
    weights, positives = weights_of_people(labels, subjects), int(labels.sum())
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (len(labels) - positives + 2))

    def loss(log_temperature: float) -> float:
        scaled = log_odds / np.exp(log_temperature)
        return float(weights @ (np.logaddexp(0, scaled) - target * scaled))

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))


def choose_threshold(labels: Labels, probabilities: Probabilities, rule: ThresholdRule) -> float:
    """Return the threshold that a rule asks for; see `leuknet.types.ThresholdRule`.

    For `youden` it lies half-way between the probabilities of two cells, or at one where no number lies
    between them; of equally good ones, the nearest to 0.5 is taken. It may call every cell leukaemic, or, if
    none has P = 1, no cell: that is as good as calling every one.

    References
    ----------
    Youden (1950), "Index for rating diagnostic tests", Cancer 3(1), 32-35.
    """
    if rule == "half":
        return 0.5
    if rule != "youden":
        raise SettingError("cannot choose a threshold", why=f"the rule is {rule!r}", fix="use half or youden")
    false_alarms, found, cuts = roc_curve(labels, probabilities, drop_intermediate=False)
    # The first cut is infinite: nothing is called. No threshold up to 1 does that where a cell has P = 1.
    first = int(probabilities.max() == 1)
    below, index = np.append(cuts[1:], 0.0)[first:], (found - false_alarms)[first:]
    cuts = np.minimum(cuts[first:], 1.0)
    middles = (cuts + below) / 2
    middles = np.where(middles > below, middles, cuts)
    best = middles[index >= index.max() - 1e-12]
    return float(best[np.abs(best - 0.5).argmin()])
