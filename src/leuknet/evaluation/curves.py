"""Curves of a two-class test, each with a band that says how far new patients may lie from it.

A single score hides where a model fails. These curves show it: ROC and precision-recall over all thresholds,
net benefit of acting on the probabilities, and what is gained by leaving the least certain cells to a person.
Bands are those of the jackknife at each place, over whole subjects where it is known which cell is whose.
With too few subjects, or of a class, there is no band: they would say too little of how subjects differ.

Start at `roc`. `reliability.py` compares stated with observed shares; `figures/curves_plot.py` draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from leuknet.evaluation.bands import (
    GRID,
    area_under_steps,
    band_of,
    count_down,
    read_line,
    read_steps,
)
from leuknet.evaluation.bands import (
    Band as Band,
)
from leuknet.evaluation.bands import (
    share_of as share_of,
)
from leuknet.evaluation.formulas import checked, require
from leuknet.evaluation.jackknife import basis_of, score_interval
from leuknet.evaluation.resampling import (
    MIN_SUBJECTS,
    Array,
    Clusters,
    clusters_of,
)
from leuknet.types import Evaluation, Interval, Labels, Probabilities

_THRESHOLDS = np.arange(1, 100) / 100


@dataclass(frozen=True, eq=False)
class Curve:
    """Points (K,) float64 by ascending x, and a band.

    There is none where it was not asked for, or too few subjects stand behind the curve.

    The function that made it says how the curve goes from one point to the next.
    """

    x: Array
    y: Array
    band: Band | None


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """What a model gains by leaving its least certain cells to a person.

    Attributes
    ----------
    curve
        x is the coverage, the share of cells that are decided, from 0 to 1; y is the risk, the share of wrong
        calls among them. From the last x up to its own, y holds; the first two are equal.
    area
        Mean risk over all coverages (AURC), in [0, 1]; less is better.
    """

    curve: Curve
    area: Interval


def roc(
    labels: Labels,
    probabilities: Probabilities,
    clusters: Clusters = None,
    *,
    band: bool = True,
) -> Curve:
    """Return the ROC curve: sensitivity (y) over 1 - specificity (x), for all thresholds.

    The points are those of scikit-learn's `roc_curve`. Between them the curve is linear, so that the area by
    trapezoids is the metric `auroc`. Where it rises straight up, the band is that of the upper end.

    Parameters
    ----------
    labels : (N,) int64
        1 for leukaemic, 0 for normal; both must be there.
    probabilities : (N,) float64
        P(leukaemic), each in [0, 1].
    clusters
        Whose the cells are: see `Clusters`.
    band
        Whether to compute it.

    Returns
    -------
    Curve
        From (0, 0) to (1, 1). The other curves here share these parameters.

    Raises
    ------
    ShapeError
        If the arrays do not fit, or a class is missing.

    Examples
    --------
    >>> curve = roc(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.6, 0.9]), band=False)
    >>> curve.x.tolist(), curve.y.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    _check(labels, probabilities)
    x, y, _ = roc_curve(labels, probabilities)
    basis = basis_of(clusters, cells=labels.size, classes=labels)

    def read(weights: Array) -> Array:
        leukaemic, normal = count_down(probabilities, labels == 1, weights)
        return read_line(share_of(normal, normal[:, -1:]), share_of(leukaemic, leukaemic[:, -1:]))

    around = band_of(GRID, read, basis) if band else None
    if around is not None:
        around.low[-1] = 1.0  # whoever calls all cells leukaemic misses none
    return Curve(x, y, around)


def precision_recall(
    labels: Labels,
    probabilities: Probabilities,
    clusters: Clusters = None,
    *,
    band: bool = True,
) -> Curve:
    """Return precision (y, share of leukaemic cells among those called so) over recall (x, sensitivity).

    The points are those of scikit-learn's `precision_recall_curve`, but for (0, 1), which no threshold gives.
    The curve has steps: from the last recall up to its own, a precision holds. The area under the steps is
    the average precision, the metric `auprc`; straight lines would promise a precision that no threshold
    gives (Davis & Goadrich 2006, ICML, 233-240).
    """
    _check(labels, probabilities)
    precision, recall, _ = precision_recall_curve(labels, probabilities)
    x, y = recall[-2::-1], precision[-2::-1]
    basis = basis_of(clusters, cells=labels.size, classes=labels)

    def read(weights: Array) -> Array:
        leukaemic, normal = count_down(probabilities, labels == 1, weights)
        return read_steps(share_of(leukaemic, leukaemic[:, -1:]), share_of(leukaemic, leukaemic + normal))

    around = band_of(GRID, read, basis) if band else None
    return Curve(np.append(0.0, x), np.append(y[0], y), around)


def net_benefit(
    labels: Labels,
    probabilities: Probabilities,
    clusters: Clusters = None,
    *,
    band: bool = True,
) -> Curve:
    """Return the decision curve: net benefit (y) of acting on P >= t, for thresholds t of 0.01 to 0.99 (x).

    Who acts at t says that a false alarm weighs t / (1 - t) of a leukaemic cell found. The net benefit is
    TP / N - FP / N * t / (1 - t). Acting on no cell gives 0; acting on every cell gives what this function
    returns for probabilities that are all 1. It holds for the test's share of leukaemic cells, no clinic's.

    References
    ----------
    Vickers & Elkin (2006), "Decision curve analysis", Medical Decision Making 26(6), 565-574.
    """
    _check(labels, probabilities)
    # How many of the distinct probabilities, greatest first, each threshold calls leukaemic.
    called = np.searchsorted(-np.unique(probabilities)[::-1], -_THRESHOLDS, side="right")

    def benefit(weights: Array) -> Array:
        leukaemic, normal = count_down(probabilities, labels == 1, weights)
        cells = leukaemic[:, -1:] + normal[:, -1:]
        gained: Array = leukaemic[:, called] - normal[:, called] * _THRESHOLDS / (1 - _THRESHOLDS)
        return gained / cells

    basis = basis_of(clusters, cells=labels.size, classes=labels)
    around = band_of(_THRESHOLDS, benefit, basis, bounds=(-np.inf, np.inf)) if band else None
    (estimate,) = benefit(np.ones((1, labels.size)))
    return Curve(_THRESHOLDS, estimate, around)


def risk_coverage(
    labels: Labels,
    probabilities: Probabilities,
    clusters: Clusters = None,
    *,
    threshold: float,
    band: bool = True,
) -> RiskCoverage:
    """Return the share of wrong calls among the most certain cells, over the share of cells decided.

    Certainty is how far P lies from the threshold, as a share of the way to 0 or 1 on its side: at threshold
    0.5 this orders cells as max(P, 1 - P) does. Cells of one certainty are decided together. The interval of
    the area is that of `leuknet.evaluation.jackknife`.

    References
    ----------
    Geifman & El-Yaniv (2017), "Selective classification for deep neural networks", NeurIPS 30: the curve.
    Geifman, Uziel & El-Yaniv (2019), "Bias-reduced uncertainty estimation", ICLR: the area.
    """
    _check(labels, probabilities)
    called = probabilities >= threshold
    way = np.where(called, 1 - threshold, threshold)
    # At threshold 1, P = 1 has no way to go: as uncertain as can be.
    certainty = np.nan_to_num(share_of(np.abs(probabilities - threshold), way))
    wrong = called != (labels == 1)

    def points(weights: Array) -> tuple[Array, Array]:
        errors, right = count_down(certainty, wrong, np.atleast_2d(weights))
        decided = errors + right
        return share_of(decided, decided[:, -1:]), share_of(errors, decided)

    coverage, risk = points(np.ones(labels.size))
    basis = basis_of(clusters, cells=labels.size)
    around = band_of(GRID, lambda weights: read_steps(*points(weights)), basis) if band else None
    risk[0, 0] = risk[0, 1]  # of nobody decided there is no risk; the first step begins here
    return RiskCoverage(
        Curve(coverage[0], risk[0], around),
        score_interval(
            lambda weights: area_under_steps(*points(weights)).squeeze(), clusters, cells=labels.size
        ),
    )


def arrays_of(evaluation: Evaluation) -> tuple[Labels, Probabilities]:
    """Return label and P(leukaemic) of each scored cell, in the order of `paths`."""
    return np.array(evaluation.labels, dtype=np.int64), np.array(evaluation.probabilities, dtype=np.float64)


def has_band(evaluation: Evaluation) -> bool:
    """Return whether there are enough subjects, of either class, for a band around its curves."""
    labels, _ = arrays_of(evaluation)
    return basis_of(clusters_of(evaluation), cells=labels.size, classes=labels).count >= MIN_SUBJECTS


def _check(labels: Labels, probabilities: Probabilities) -> None:
    checked(labels, probabilities, 0.5, None)
    n_classes = np.unique(labels).size
    require(n_classes == 2, "the cells are of one class", fix="use cells of both classes")
