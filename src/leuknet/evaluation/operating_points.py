"""What a threshold for a purpose is worth: it is chosen on validation cells and judged on tested ones.

A screening wants few leukaemic cells missed, a confirmation few false alarms. The threshold that serves such
a purpose must not be read off the tested cells, or the score is that of a fit. Here it comes from the
validation side alone; what the tested cells then give lies above or below the target, and has an interval.

What a call is worth depends on how many cells are leukaemic where the model is used, not where it was
tested: predictive values are stated for several prevalences, and follow from sensitivity and specificity.

Start at `choose_thresholds` and `operating_point`.

References
----------
Altman & Bland (1994), "Diagnostic tests 2: predictive values", BMJ 309, 102. Newcombe (2016), "MOVER-R
confidence intervals for ratios and products of two independently estimated quantities", Stat. Methods Med.
Res. 25(5), 1774-1778: limits of a ratio from those of its parts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np

from leuknet.errors import SettingError
from leuknet.evaluation.formulas import checked, require, sensitivity, specificity
from leuknet.evaluation.jackknife import score_interval
from leuknet.evaluation.resampling import Array, Clusters, wilson
from leuknet.types import (
    ChosenThreshold,
    Interval,
    IntervalMethod,
    Labels,
    LikelihoodRatio,
    OperatingPoint,
    PredictiveValues,
    Probabilities,
    Purpose,
)

TARGETS = (0.8, 0.9, 0.95, 0.99)
"""Sensitivities and specificities for which a training chooses thresholds."""

PREVALENCES = (0.01, 0.05, 0.2, 0.5)
"""Shares of leukaemic cells for which predictive values are stated, unless others are asked for."""

_FORMULAS = {"sensitivity": (sensitivity, 1), "specificity": (specificity, 0)}


def choose_thresholds(
    labels: Labels,
    probabilities: Probabilities,
    *,
    targets: Sequence[float] = TARGETS,
    purposes: Sequence[Purpose] = get_args(Purpose),
) -> tuple[ChosenThreshold, ...]:
    """Return the thresholds that reach each target on validation cells.

    Parameters
    ----------
    labels, probabilities : (N,)
        Of the validation side, both classes.
    targets
        In (0, 1).
    purposes
        What is to be reached.

    Returns
    -------
    tuple of ChosenThreshold
        Thresholds lie half-way between the probabilities of two cells. A specificity that no threshold up to
        1 reaches, since normal cells have a probability of 1, is left out.

    Raises
    ------
    ShapeError
        If arrays do not fit or a class is missing.
    SettingError
        If a target is not between 0 and 1.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> stated = np.array([0.1, 0.2, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9])
    >>> (low,) = choose_thresholds(labels, stated, targets=[0.75], purposes=["specificity"])
    >>> round(low.threshold, 2), low.reached
    (0.35, 0.75)
    """
    checked(labels, probabilities, 0.5, None)
    require(len(np.unique(labels)) == 2, "cells of one class", fix="give validation cells of both classes")
    cuts = _cuts(probabilities)
    found = []
    for purpose in purposes:
        formula, label = _FORMULAS[purpose]
        reached = np.array([float(formula(labels, probabilities, cut)) for cut in cuts])
        for target in sorted(targets):
            require(0 < target < 1, f"a {purpose} of {target}", fix="use 0.95 for 95%", error=SettingError)
            places = np.flatnonzero(reached >= target - 1e-12)
            if places.size:
                place = places[0] if purpose == "specificity" else places[-1]
                share, cells = float(reached[place]), int(np.sum(labels == label))
                found.append(ChosenThreshold(purpose, float(target), float(cuts[place]), share, cells))
    return tuple(found)


def operating_point(
    labels: Labels,
    probabilities: Probabilities,
    threshold: float,
    clusters: Clusters = None,
    *,
    chosen: ChosenThreshold | None = None,
    prevalences: Sequence[float] = PREVALENCES,
) -> OperatingPoint:
    """Return what tested cells say of a threshold.

    Parameters
    ----------
    labels, probabilities : (N,)
        Of tested cells, both classes.
    threshold
        In [0, 1], chosen without them.
    clusters
        The subject of each cell, for intervals over subjects; None takes the cells as independent, and the
        intervals of sensitivity and specificity are Wilson's.
    chosen
        How the threshold was chosen, for the record.
    prevalences
        Shares of leukaemic cells, in (0, 1).

    Returns
    -------
    OperatingPoint
        Limits of ratios and predictive values follow from those of sensitivity and specificity (MOVER-R),
        which are taken as independent: they rest on different cells, and in C-NMC on different people.

    Raises
    ------
    ShapeError
        If arrays do not fit or a class is missing.
    SettingError
        If a prevalence is not between 0 and 1.
    """
    found = class_share(labels, probabilities, threshold, clusters, "sensitivity")
    cleared = class_share(labels, probabilities, threshold, clusters, "specificity")
    missed, alarms = _rest(found), _rest(cleared)
    positive, negative = ratio_of(found, alarms), ratio_of(missed, cleared)
    if not (found.is_known and cleared.is_known):
        positive, negative = (replace(ratio, low=0.0, high=None) for ratio in (positive, negative))
    return OperatingPoint(
        chosen=chosen,
        threshold=threshold,
        sensitivity=found,
        specificity=cleared,
        positive_ratio=positive,
        negative_ratio=negative,
        predictive=tuple(
            predictive_values(found, cleared, prevalence=prevalence) for prevalence in sorted(prevalences)
        ),
    )


def predictive_values(found: Interval, cleared: Interval, *, prevalence: float) -> PredictiveValues:
    """Return positive and negative predictive value from sensitivity and specificity.

    Parameters
    ----------
    found, cleared
        Sensitivity and specificity with their intervals.
    prevalence
        Share of leukaemic cells where the calls are made, in (0, 1); else SettingError.

    Examples
    --------
    At a prevalence of 1%, a test of 90% and 90% is wrong in 11 of 12 alarms:

    >>> share = wilson(90, 100)
    >>> values = predictive_values(share, share, prevalence=0.01)
    >>> round(values.positive.estimate, 3), round(values.negative.estimate, 3)
    (0.083, 0.999)
    """
    fix = "use 0.05 for 5% leukaemic cells"
    require(0 < prevalence < 1, f"a prevalence of {prevalence}", fix=fix, error=SettingError)
    odds = prevalence / (1 - prevalence)
    # Of errors per right call: finite where the likelihood ratio of the call is not.
    return PredictiveValues(
        prevalence=float(prevalence),
        positive=_share_right(_rest(cleared), found, 1 / odds),
        negative=_share_right(_rest(found), cleared, odds),
    )


def ratio_of(over: Interval, under: Interval) -> LikelihoodRatio:
    """Return the ratio of two independent shares with the limits of MOVER-R.

    The limits solve A x^2 - 2 B x + C = 0 with B the product of the estimates; for the lower one, C comes
    from the lower limit above and A from the upper limit below, for the upper one the other way round.
    """
    product = over.estimate * under.estimate
    above = over.low * (2 * over.estimate - over.low), over.high * (2 * over.estimate - over.high)
    below = under.low * (2 * under.estimate - under.low), under.high * (2 * under.estimate - under.high)
    root = math.sqrt(max(product**2 - above[0] * below[1], 0.0))
    low = above[0] / (product + root) if product + root > 0 else 0.0
    high = None
    if below[0] > 0:
        high = (product + math.sqrt(max(product**2 - above[1] * below[0], 0.0))) / below[0]
    estimate = over.estimate / under.estimate if under.estimate > 0 else None
    return LikelihoodRatio(estimate, max(low, 0.0), high)


def _share_right(errors: Interval, right: Interval, weight: float) -> Interval | None:
    """Return the share of right calls, where `weight` errors come with each; None without any call."""
    if errors.estimate == right.estimate == 0:
        return None
    per_right = ratio_of(errors, right)
    limits = (per_right.estimate, per_right.high, per_right.low)
    share, low, high = (0.0 if ratio is None else 1 / (1 + weight * ratio) for ratio in limits)
    unknown = [one.method for one in (errors, right) if not one.is_known]
    subjects = None if errors.subjects is None or right.subjects is None else errors.subjects + right.subjects
    return replace(
        right,
        estimate=share,
        low=low,
        high=high,
        method=unknown[0] if unknown else IntervalMethod.MOVER,
        cells=errors.cells + right.cells,
        subjects=subjects,
        resamples=0,
    )


def class_share(
    labels: Labels, probabilities: Probabilities, threshold: float, clusters: Clusters, purpose: Purpose
) -> Interval:
    """Return sensitivity or specificity with its interval."""
    formula, label = _FORMULAS[purpose]
    used = labels == label
    if clusters is None:
        called = probabilities[used] >= threshold
        return wilson(int(np.sum(called == bool(label))), int(used.sum()))
    return score_interval(
        lambda weights: formula(labels, probabilities, threshold, weights),
        clusters,
        cells=labels.size,
        used=used,
    )


def _rest(share: Interval) -> Interval:
    """Return the share of the others."""
    return replace(share, estimate=1 - share.estimate, low=1 - share.high, high=1 - share.low)


def _cuts(probabilities: Probabilities) -> Array:
    """Return the thresholds that part the cells differently, ascending: 0 calls all of them leukaemic."""
    stated = np.unique(probabilities)
    middles = (stated[1:] + stated[:-1]) / 2
    above = [(stated[-1] + 1) / 2] if stated[-1] < 1 else []
    return np.concatenate([[0.0], middles, above])
