"""Scores of a two-class model, each with an interval.

Metrics over subjects let each person count once, however many cells there are of each.

Start at `METRICS`, then `metric_intervals`. What each metric computes stands in
`leuknet.evaluation.formulas`, which also says how to add one; how intervals are made, in
`leuknet.evaluation.jackknife`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import SettingError
from leuknet.evaluation import formulas
from leuknet.evaluation.calibration_error import ece_interval, gaps_of
from leuknet.evaluation.formulas import ECE_BINS, Threshold, Values, Weights, checked, require
from leuknet.evaluation.jackknife import Basis, basis_of, jackknife_interval, leave_one_out
from leuknet.evaluation.limits import LEVEL, Bounds
from leuknet.evaluation.resampling import MIN_SUBJECTS, Array, Clusters, Units
from leuknet.types import Interval, Labels, Probabilities


@dataclass(frozen=True)
class Metric:
    """One metric: how it is computed, and how it is shown.

    Attributes
    ----------
    title
        As readers know it.
    compute
        A function of `leuknet.evaluation.formulas`.
    is_percent
        Whether reports show it in percent; otherwise in 0..1.
    rests_on
        True classes of the cells that have a part in it.
    unit
        Whether `compute` takes cells, or subjects as `subject_accuracy` does.
    compares
        Whether it compares the two classes, so that the class of fewer subjects decides how much is known.
    is_biased
        Whether chance adds to the value, as it adds gaps to the calibration error. What it adds is then taken
        out of the estimate.
    least
        The least value that it can have; the largest is 1.
    """

    title: str
    compute: Callable[[Labels, Probabilities, Threshold, Weights | None], Values]
    is_percent: bool
    higher_is_better: bool
    rests_on: tuple[int, ...] = (0, 1)
    unit: Literal["cell", "subject"] = "cell"
    compares: bool = False
    is_biased: bool = False
    least: float = 0.0

    @property
    def bounds(self) -> Bounds:
        """The least and the largest value that it can have."""
        return self.least, 1.0

    def rests_on_cells(self, labels: Labels) -> NDArray[np.bool_]:
        """Return which cells (N,) have a part in the metric."""
        return np.isin(labels, self.rests_on)

    def basis(self, labels: Labels, clusters: Clusters) -> Basis:
        """Return what the metric of these cells rests on."""
        used, classes = self.rests_on_cells(labels), labels if self.compares else None
        return basis_of(clusters, cells=labels.size, used=used, classes=classes)


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy", formulas.accuracy, True, True),
    "balanced_accuracy": Metric("balanced accuracy", formulas.balanced_accuracy, True, True, compares=True),
    "sensitivity": Metric("sensitivity", formulas.sensitivity, True, True, rests_on=(1,)),
    "specificity": Metric("specificity", formulas.specificity, True, True, rests_on=(0,)),
    "weighted_f1": Metric("weighted F1", formulas.weighted_f1, False, True, compares=True),
    "mcc": Metric("MCC", formulas.mcc, False, True, compares=True, least=-1.0),
    "auroc": Metric("AUROC", formulas.auroc, False, True, compares=True),
    "auprc": Metric("AUPRC", formulas.auprc, False, True, compares=True),
    "brier": Metric("Brier score", formulas.brier, False, False),
    "ece": Metric(f"ECE ({ECE_BINS} bins)", formulas.ece, False, False, is_biased=True),
    "subject_accuracy": Metric(
        "accuracy, mean over subjects", formulas.subject_accuracy, True, True, unit="subject"
    ),
    "subject_vote": Metric(
        "subjects called right by majority", formulas.subject_vote, True, True, unit="subject"
    ),
}
"""Every metric by name, in the order in which reports show them. All lie in [0, 1], MCC in [-1, 1]."""


def metric_intervals(
    labels: Labels,
    probabilities: Probabilities,
    *,
    threshold: Threshold,
    clusters: Clusters = None,
    metrics: Iterable[str] | None = None,
    level: float = LEVEL,
) -> dict[str, Interval]:
    """Return each metric with its interval from leaving out each subject, or each cell.

    Intervals are those of `leuknet.evaluation.jackknife`, that of the calibration error is explained in
    `leuknet.evaluation.calibration_error`. Where fewer than `MIN_SUBJECTS` subjects have a part, or a class
    that is compared has too few of them, there is none: see `Interval.is_known`.

    Parameters
    ----------
    labels, probabilities, threshold
        As in `accuracy`.
    clusters
        The subject of each cell (N,). None takes the cells as independent, as the interval then says.
    metrics
        Keys of `METRICS`; None takes all, without clusters all over cells.
    level
        Share of such intervals that should hold the truth, in (0, 1).

    Returns
    -------
    dict of str to Interval
        In the order of `metrics`; cells and subjects are those that the metric rests on.

    Raises
    ------
    ShapeError
        If arrays do not fit, or if a metric is undefined for want of a class.
    SettingError
        If a metric is unknown, one over subjects is asked for without clusters, or the level is out of range.
    """
    names = _chosen(metrics, clusters)
    require(0 < level < 1, f"level {level}", fix="use 0.95 for a 95% interval", error=SettingError)
    checked(labels, probabilities, threshold, None)
    units = basis_of(clusters, cells=labels.size).units
    values = {
        name: estimate_of(METRICS[name], labels, probabilities, threshold, units=units) for name in names
    }
    undefined = ", ".join(name for name, value in values.items() if np.isnan(value))
    require(not undefined, f"{undefined}: undefined for one class", fix="use cells of both classes")
    return {
        name: _interval(METRICS[name], value, labels, probabilities, threshold, clusters, level)
        for name, value in values.items()
    }


def estimate_of(
    metric: Metric, labels: Labels, probabilities: Probabilities, threshold: Threshold, *, units: Units
) -> float:
    """Return a metric's value, less what chance adds if it is biased; NaN where it is undefined."""
    if metric.is_biased:
        return gaps_of(labels, probabilities, units).debiased
    function = of_weights(metric, labels, probabilities, threshold, cluster_of=units.of_cell)
    return float(function(np.ones(labels.size)))


def leave_out(
    metric: Metric,
    labels: Labels,
    probabilities: Probabilities,
    threshold: Threshold,
    *,
    units: Units,
    count: int | None = None,
) -> Array:
    """Return a metric's values without each unit in turn; `count` is that of `leave_one_out`."""
    function = of_weights(metric, labels, probabilities, threshold, cluster_of=units.of_cell)
    return leave_one_out(function, units, count=count)


def _interval(
    metric: Metric,
    estimate: float,
    labels: Labels,
    probabilities: Probabilities,
    threshold: Threshold,
    clusters: Clusters,
    level: float,
) -> Interval:
    basis = metric.basis(labels, clusters)
    if metric.is_biased:
        return ece_interval(labels, probabilities, basis, level=level)
    left_out = np.full(basis.units.count, np.nan)
    if basis.count >= MIN_SUBJECTS:
        left_out = leave_out(metric, labels, probabilities, threshold, units=basis.units)
    alike = metric.unit == "subject"
    return jackknife_interval(
        estimate, left_out, basis, bounds=metric.bounds, subjects_alike=alike, level=level
    )


def of_weights(
    metric: Metric,
    labels: Labels,
    probabilities: Probabilities,
    threshold: Threshold,
    *,
    cluster_of: NDArray[np.intp],
) -> Callable[[Weights], Values]:
    """Return a metric of these cells as a function of the cells' weights alone.

    For a metric over subjects, cells are first summed up to one entry for each subject and class, which
    counts as often as its cells do: within each cluster of `cluster_of`, their weights must be alike.
    """
    if metric.unit == "cell":
        return lambda weights: metric.compute(labels, probabilities, threshold, weights)
    unit_of_cell = 2 * cluster_of + labels
    _, cell, unit = np.unique(unit_of_cell, return_index=True, return_inverse=True)
    shares = np.bincount(unit, weights=probabilities >= threshold) / np.bincount(unit)
    # The cells are called by now: what is left of the threshold is a range check.
    return lambda weights: metric.compute(labels[cell], shares, 0.5, weights[..., cell])


def _chosen(metrics: Iterable[str] | None, clusters: Clusters) -> tuple[str, ...]:
    """Return the names of the metrics that are asked for, after a look at each."""
    if metrics is None:
        return tuple(
            name for name, metric in METRICS.items() if clusters is not None or metric.unit == "cell"
        )
    names = tuple(metrics)
    for name in names:
        close = difflib.get_close_matches(name, METRICS, n=1) or list(METRICS)
        require(name in METRICS, f"no metric {name!r}", fix=f"use {', '.join(close)}", error=SettingError)
        known = clusters is not None or METRICS[name].unit == "cell"
        why, fix = f"{name} needs to know whose each cell is", "give `clusters`, or choose metrics over cells"
        require(known, why, fix=fix, error=SettingError)
    return names
