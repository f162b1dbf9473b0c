"""Curves of a two-class test, each with a band that says how far new patients may lie from it.

A single score hides where a model fails. These curves show it: ROC and precision-recall over all thresholds,
net benefit of acting on the probabilities, and what is gained by leaving the least certain cells to a person.
Bands and intervals rest on `leuknet.evaluation.resampling`: whole subjects where it is known which cell is
whose.

Start at `roc`. `reliability.py` compares stated with observed shares; `figures/curves_plot.py` draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from leuknet.errors import SettingError
from leuknet.evaluation.formulas import checked, require
from leuknet.evaluation.resampling import (
    RESAMPLES,
    Array,
    Clusters,
    bootstrap_interval,
    bounded,
    draw_weights,
    percentile_limits,
    units_of,
)
from leuknet.types import Evaluation, Interval, Labels, Probabilities

_GRID = np.linspace(0, 1, 101)
_THRESHOLDS = np.arange(1, 100) / 100


@dataclass(frozen=True, eq=False)
class Band:
    """Pointwise 95% limits of y: x (G,) ascending, low (G,) and high (G,), all float64."""

    x: Array
    low: Array
    high: Array


@dataclass(frozen=True, eq=False)
class Curve:
    """Points (K,) float64 by ascending x, and a band, None where no resamples were asked for.

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
    resamples: int = RESAMPLES,
    seed: int = 0,
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
        What to resample: see `Clusters`.
    resamples, seed
        Of the band; 0 resamples leave it out.

    Returns
    -------
    Curve
        From (0, 0) to (1, 1). The other curves here share these parameters.

    Raises
    ------
    ShapeError
        If the arrays do not fit, a class is missing, or there is one cluster only.

    Examples
    --------
    >>> curve = roc(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.6, 0.9]), resamples=0)
    >>> curve.x.tolist(), curve.y.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    _check(labels, probabilities)
    x, y, _ = roc_curve(labels, probabilities)
    counts = _resampled_counts(probabilities, labels == 1, clusters, resamples=resamples, seed=seed)
    rows = [
        _read_line(share_of(normal, normal[:, -1:]), share_of(leukaemic, leukaemic[:, -1:]))
        for leukaemic, normal in counts
    ]
    return Curve(x, y, _band(_GRID, rows))


def precision_recall(
    labels: Labels,
    probabilities: Probabilities,
    clusters: Clusters = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
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
    counts = _resampled_counts(probabilities, labels == 1, clusters, resamples=resamples, seed=seed)
    rows = [
        _read_steps(share_of(leukaemic, leukaemic[:, -1:]), share_of(leukaemic, leukaemic + normal))
        for leukaemic, normal in counts
    ]
    return Curve(np.append(0.0, x), np.append(y[0], y), _band(_GRID, rows))


def net_benefit(
    labels: Labels,
    probabilities: Probabilities,
    clusters: Clusters = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
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

    def benefit(leukaemic: Array, normal: Array) -> Array:
        cells = leukaemic[:, -1:] + normal[:, -1:]
        gained: Array = leukaemic[:, called] - normal[:, called] * _THRESHOLDS / (1 - _THRESHOLDS)
        return gained / cells

    counts = _resampled_counts(probabilities, labels == 1, clusters, resamples=resamples, seed=seed)
    band = _band(_THRESHOLDS, [benefit(*each) for each in counts])
    (estimate,) = benefit(*_count_down(probabilities, labels == 1, np.ones((1, labels.size))))
    return Curve(_THRESHOLDS, estimate, band)


def risk_coverage(
    labels: Labels,
    probabilities: Probabilities,
    clusters: Clusters = None,
    *,
    threshold: float,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> RiskCoverage:
    """Return the share of wrong calls among the most certain cells, over the share of cells decided.

    Certainty is how far P lies from the threshold, as a share of the way to 0 or 1 on its side: at threshold
    0.5 this orders cells as max(P, 1 - P) does. Cells of one certainty are decided together. The area has an
    interval, so that fewer than one resample is a SettingError.

    References
    ----------
    Geifman & El-Yaniv (2017), "Selective classification for deep neural networks", NeurIPS 30: the curve.
    Geifman, Uziel & El-Yaniv (2019), "Bias-reduced uncertainty estimation", ICLR: the area.
    """
    _check(labels, probabilities)
    require(resamples >= 1, f"{resamples} resamples", fix="use 1 or more; 2000 is usual", error=SettingError)
    called = probabilities >= threshold
    way = np.where(called, 1 - threshold, threshold)
    # At threshold 1, P = 1 has no way to go: as uncertain as can be.
    certainty = np.nan_to_num(share_of(np.abs(probabilities - threshold), way))
    wrong = called != (labels == 1)

    def points(errors: Array, right: Array) -> tuple[Array, Array]:
        decided = errors + right
        return share_of(decided, decided[:, -1:]), share_of(errors, decided)

    coverage, risk = points(*_count_down(certainty, wrong, np.ones((1, labels.size))))
    counts = _resampled_counts(certainty, wrong, clusters, resamples=resamples, seed=seed)
    resampled = [points(*each) for each in counts]
    areas = np.concatenate([_area_under_steps(*each) for each in resampled])
    band = _band(_GRID, [_read_steps(*each) for each in resampled])
    units = units_of(clusters, cells=labels.size)
    area = bootstrap_interval(_area_under_steps(coverage, risk)[0], bounded(areas), units)
    risk[0, 0] = risk[0, 1]  # of nobody decided there is no risk; the first step begins here
    return RiskCoverage(Curve(coverage[0], risk[0], band), area)


def arrays_of(evaluation: Evaluation) -> tuple[Labels, Probabilities]:
    """Return label and P(leukaemic) of each scored cell, in the order of `paths`."""
    return np.array(evaluation.labels, dtype=np.int64), np.array(evaluation.probabilities, dtype=np.float64)


def share_of(part: Array, whole: Array) -> Array:
    """Return part / whole, NaN where there is nothing to share."""
    shape = np.broadcast_shapes(part.shape, whole.shape)
    quotient: Array = np.divide(part, whole, out=np.full(shape, np.nan), where=whole > 0)
    return quotient


def _check(labels: Labels, probabilities: Probabilities) -> None:
    checked(labels, probabilities, 0.5, None)
    n_classes = np.unique(labels).size
    require(n_classes == 2, "the cells are of one class", fix="use cells of both classes")


def _count_down(scores: Array, hits: NDArray[np.bool_], weights: Array) -> tuple[Array, Array]:
    """Return how many hits and others (B, T + 1) have one of the t greatest scores, for t = 0..T.

    T is the number of distinct scores, so that cells that tie are counted together.
    """
    order = np.argsort(-scores, kind="stable")
    ties = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    ranked, hit = weights[:, order], hits[order]
    hit_at = np.add.reduceat(ranked * hit, ties, axis=1)
    other_at = np.add.reduceat(ranked * ~hit, ties, axis=1)
    start = ((0, 0), (1, 0))
    return np.pad(hit_at.cumsum(axis=1), start), np.pad(other_at.cumsum(axis=1), start)


def _resampled_counts(
    scores: Array, hits: NDArray[np.bool_], clusters: Clusters, *, resamples: int, seed: int
) -> Iterator[tuple[Array, Array]]:
    for weights in draw_weights(units_of(clusters, cells=hits.size), resamples=resamples, seed=seed):
        yield _count_down(scores, hits, weights)


def _read_line(x: Array, y: Array) -> Array:
    """Return y at `_GRID` of each of B curves (B, T) that are linear between points; NaN without an x."""
    rows = np.stack([np.interp(_GRID, each_x, each_y) for each_x, each_y in zip(x, y, strict=True)])
    rows[np.isnan(x[:, -1])] = np.nan
    return rows


def _read_steps(x: Array, y: Array) -> Array:
    """Return y at `_GRID` of each of B curves (B, T): that of the first point at or beyond it."""
    # A share such as 3 / 10 must be found although the grid holds 0.30000000000000004. At 0, where nothing
    # is defined, the first step begins.
    places = np.maximum(_GRID - 1e-9, 1e-9)
    rows = np.stack([each_y[np.searchsorted(each_x, places)] for each_x, each_y in zip(x, y, strict=True)])
    rows[np.isnan(x[:, -1])] = np.nan
    return rows


def _area_under_steps(x: Array, y: Array) -> Array:
    """Return the area (B,) under each of B curves that keep each y from the last x up to its own."""
    # Where y is undefined nobody has been decided yet: x has not moved.
    area: Array = (np.diff(x, axis=1) * np.nan_to_num(y[:, 1:])).sum(axis=1)
    return area


def _band(x: Array, rows: Sequence[Array]) -> Band | None:
    """Return the band at x (G,) of resampled curves, read there in blocks (B, G)."""
    return Band(x, *percentile_limits(bounded(np.concatenate(rows).T))) if rows else None
