"""How far a model's log odds are off from person to person: the spread tau of `leuknet.evaluation.share`.

Start at `fit_spread`.

References
----------
Liu & Pierce (1994), "A Note on Gauss-Hermite Quadrature", Biometrika 81, 624-629: nodes around each person's
mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, logit, logsumexp, roots_hermite

from leuknet.errors import DataError, LeakError, LeukNetError
from leuknet.evaluation.resampling import LEVEL
from leuknet.types import Evaluation, Interval, IntervalMethod, SplitKind

MOST_TAU = 10.0
"""A larger tau is not told apart from none at all: within one person, scores would say nothing."""

_LIKELIHOOD_DROP = 1.9207  # half the 95% quantile of chi-squared with one degree of freedom
_NODES, _WEIGHTS = roots_hermite(31)

# Networks compute in single precision: closer to 0 or 1 a probability says no more.
NEAREST = 1e-7


@dataclass(frozen=True)
class Spread:
    """By how much a model's log odds are off from person to person, on people it was not trained on.

    Attributes
    ----------
    tau
        Standard deviation over people, in log odds, >= 0; limits where the profile likelihood has dropped by
        1.92, the upper one `MOST_TAU` where it has not by then. It rests on these cells and subjects.
    one_class
        Subjects whose cells are all of one class. They can be explained by any large delta, and make tau
        larger than it is within people who have both.
    model_id, dataset, split_kind, simulated
        As in the evaluation.
    """

    tau: Interval
    one_class: int
    model_id: str
    dataset: str
    split_kind: SplitKind
    simulated: bool


def fit_spread(evaluation: Evaluation) -> Spread:
    """Fit tau by marginal maximum likelihood: each person's delta is integrated out by quadrature.

    Parameters
    ----------
    evaluation
        Of people that the model was not trained on, every cell with its subject. Some of them must have
        cells of both classes: where labels go by person, as in C-NMC, no tau is large enough.

    Raises
    ------
    LeakError
        If the split is by image.
    DataError
        If a cell names no subject, there is one subject only, no tau up to `MOST_TAU` is the likeliest, or
        probabilities are not the model's own.
    """
    names, person = np.unique([str(name) for name in evaluation.subject_ids], return_inverse=True)
    labels = np.array(evaluation.labels)
    mixed = sum(np.unique(labels[person == number]).size > 1 for number in range(len(names)))
    _check(evaluation, people=len(names), mixed=mixed)
    log_odds = logit(np.clip(evaluation.probabilities, NEAREST, 1 - NEAREST))
    signs = 2.0 * labels - 1
    interval = _maximise(lambda tau: _log_likelihood(tau, signs, log_odds, person))
    if interval is None:
        why = f"no tau up to {MOST_TAU:g} is the likeliest; {mixed} of {len(names)} people have both classes"
        raise _cannot_tell(DataError, evaluation, why)
    estimate, low, high = interval
    return Spread(
        tau=Interval(
            estimate=estimate,
            low=low,
            high=high,
            level=LEVEL,
            method=IntervalMethod.PROFILE_LIKELIHOOD,
            cells=evaluation.cells,
            subjects=len(names),
            resamples=0,
        ),
        one_class=len(names) - mixed,
        model_id=evaluation.model_id,
        dataset=evaluation.dataset,
        split_kind=evaluation.split_kind,
        simulated=evaluation.simulated,
    )


def _check(evaluation: Evaluation, *, people: int, mixed: int) -> None:
    """Raise if the evaluation says nothing of new people; `mixed` of them have cells of both classes."""
    if evaluation.split_kind == "image-level":
        why = "its split is image-level: the model was trained on cells of the same people"
        raise _cannot_tell(LeakError, evaluation, why)
    if evaluation.split_kind == "unknown":
        why = "whether the model was trained on cells of the same people cannot be told: not all are named"
        raise _cannot_tell(DataError, evaluation, why)
    unnamed = evaluation.subject_ids.count(None)
    reasons = {
        f"{unnamed} of {evaluation.cells} cells name no subject": unnamed > 0,
        f"each probability is a mean with {evaluation.neighbours} other cells": evaluation.neighbours > 0,
        "all cells are one person's": people < 2,
        f"each of its {people} people has cells of one class only: labels go by person": not mixed,
    }
    for why, applies in reasons.items():
        if applies:
            raise _cannot_tell(DataError, evaluation, why)


def _cannot_tell(kind: type[LeukNetError], evaluation: Evaluation, why: str) -> LeukNetError:
    return kind(
        f"cannot tell from this evaluation how far {evaluation.model_id} is off from person to person",
        why=why,
        fix="evaluate the model on people that it was not trained on, who have cells of both classes",
    )


def _maximise(log_likelihood: Callable[[float], float]) -> tuple[float, float, float] | None:
    """Return where this is largest, and where it has dropped on either side; None if it grows to the end."""
    grid = np.array([0.0, *np.geomspace(0.05, MOST_TAU, 13)])
    best = int(np.argmax([log_likelihood(tau) for tau in grid]))
    if best == grid.size - 1:
        return None
    # Below the second point it is as flat as at 0, so that the search may end there.
    found = minimize_scalar(
        lambda tau: -log_likelihood(tau),
        bounds=(grid[max(best - 1, 0)] + 1e-3, grid[best + 1]),
        method="bounded",
        options={"xatol": 1e-4},
    )
    top, most = max((-found.fun, float(found.x)), (log_likelihood(0.0), 0.0))

    def above(tau: float) -> float:
        return float(log_likelihood(tau) - (top - _LIKELIHOOD_DROP))

    low = 0.0 if above(0.0) >= 0 else float(brentq(above, 0.0, most, xtol=1e-3))
    high = MOST_TAU if above(MOST_TAU) >= 0 else float(brentq(above, most, MOST_TAU, xtol=1e-3))
    return most, low, high


def _log_likelihood(
    tau: float, signs: NDArray[np.float64], log_odds: NDArray[np.float64], person: NDArray[np.intp]
) -> float:
    """Return the log of the product over people of their integral over delta ~ Normal(0, tau^2).

    `signs` (N,) are 1 for leukaemic and -1 for normal cells, `person` (N,) whose each is, from 0.
    """
    if tau < 1e-3:  # the scale below is then lost in rounding
        return float(-np.logaddexp(0, -signs * log_odds).sum())
    mode, curvature = _modes(tau, signs, log_odds, person)
    scale = np.sqrt(2 / curvature)
    terms = []
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        delta = mode + scale * node
        cells = np.bincount(person, -np.logaddexp(0, -signs * (log_odds + delta[person])))
        terms.append(np.log(weight) + node**2 + cells - 0.5 * (delta / tau) ** 2)
    return float((logsumexp(terms, axis=0) + np.log(scale / (tau * np.sqrt(2 * np.pi)))).sum())


def _modes(
    tau: float, signs: NDArray[np.float64], log_odds: NDArray[np.float64], person: NDArray[np.intp]
) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """Return each person's likeliest delta and the curvature there, by Newton's steps or else bisection."""
    delta = np.zeros(person.max() + 1)
    high = np.full_like(delta, np.abs(log_odds).max() + 50.0)
    low = -high
    for _ in range(100):
        right = expit(signs * (log_odds + delta[person]))
        slope = np.bincount(person, signs * (1 - right)) - delta / tau**2
        curvature = np.bincount(person, right * (1 - right)) + 1 / tau**2
        low, high = np.where(slope > 0, delta, low), np.where(slope > 0, high, delta)
        step = delta + slope / curvature
        step = np.where((low < step) & (step < high), step, (low + high) / 2)
        if np.abs(step - delta).max() < 1e-8:
            break
        delta = step
    return delta, curvature
