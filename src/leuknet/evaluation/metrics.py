"""Scores of a two-class model, each with an interval.

Metrics over subjects let each person count once, however many cells there are of each.

Start at `METRICS`, then `bootstrap`. What each metric computes stands in `leuknet.evaluation.formulas`, which
also says how to add one; how intervals are made, in `leuknet.evaluation.resampling`.
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
from leuknet.evaluation.formulas import ECE_BINS, Threshold, Values, Weights, checked, require
from leuknet.evaluation.resampling import (
    LEVEL,
    RESAMPLES,
    Array,
    Clusters,
    Resampled,
    bootstrap_interval,
    bounded,
    centred,
    draw_weights,
    resample,
    units_of,
)
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
    is_biased
        Whether resampling moves the value to one side, as each resample of a mean gap adds chance gaps. Its
        resampled values are then `centred`.
    least
        The least value that it can have; the largest is 1.
    """

    title: str
    compute: Callable[[Labels, Probabilities, Threshold, Weights | None], Values]
    is_percent: bool
    higher_is_better: bool
    rests_on: tuple[int, ...] = (0, 1)
    unit: Literal["cell", "subject"] = "cell"
    is_biased: bool = False
    least: float = 0.0

    def bounded(self, values: Array, estimate: float) -> Resampled:
        """Return resampled values (B,), centred if the metric is biased; undefined ones may be any."""
        return bounded(centred(values, estimate) if self.is_biased else values, (self.least, 1.0))

    def rests_on_cells(self, labels: Labels) -> NDArray[np.bool_]:
        """Return which cells (N,) have a part in the metric."""
        return np.isin(labels, self.rests_on)


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy", formulas.accuracy, True, True),
    "balanced_accuracy": Metric("balanced accuracy", formulas.balanced_accuracy, True, True),
    "sensitivity": Metric("sensitivity", formulas.sensitivity, True, True, rests_on=(1,)),
    "specificity": Metric("specificity", formulas.specificity, True, True, rests_on=(0,)),
    "weighted_f1": Metric("weighted F1", formulas.weighted_f1, False, True),
    "mcc": Metric("MCC", formulas.mcc, False, True, least=-1.0),
    "auroc": Metric("AUROC", formulas.auroc, False, True),
    "auprc": Metric("AUPRC", formulas.auprc, False, True),
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


def bootstrap(
    labels: Labels,
    probabilities: Probabilities,
    *,
    threshold: Threshold,
    clusters: Clusters = None,
    metrics: Iterable[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> dict[str, Interval]:
    """Return each metric with a percentile interval from resampling cells or whole subjects.

    A resample draws as many clusters as there are, with replacement; all cells of a drawn cluster come
    along. A resample without one of the classes leaves some metrics undefined, and counts as the least
    possible value for the lower limit and as the largest for the upper. Where all cells are called right,
    every resample agrees and the interval has no width; it is then no bound.

    Parameters
    ----------
    labels, probabilities, threshold
        As in `accuracy`.
    clusters
        None makes each cell its own cluster.
    metrics
        Keys of `METRICS`; None takes all, without clusters all over cells.
    resamples, seed
        Number of resamples, at least 1; the same seed gives the same intervals.
    level
        Share of resamples between the limits, in (0, 1).

    Returns
    -------
    dict of str to Interval
        In the order of `metrics`; cells and subjects are those that the metric rests on.

    Raises
    ------
    ShapeError
        If arrays do not fit, if there is one cluster only, or if a metric is undefined for want of a class.
    SettingError
        If a metric is unknown, one over subjects is asked for without clusters, or a number is out of range.
    """
    names = _chosen(metrics, clusters)
    require(resamples >= 1, f"{resamples} resamples", fix="use 1 or more; 2000 is usual", error=SettingError)
    require(0 < level < 1, f"level {level}", fix="use 0.95 for a 95% interval", error=SettingError)
    once = checked(labels, probabilities, threshold, None)
    units = units_of(clusters, cells=labels.size)
    functions = [
        of_weights(METRICS[name], labels, probabilities, threshold, cluster_of=units.of_cell)
        for name in names
    ]
    estimates = [float(function(once)) for function in functions]
    undefined = ", ".join(name for name, estimate in zip(names, estimates, strict=True) if np.isnan(estimate))
    require(not undefined, f"{undefined}: undefined for one class", fix="use cells of both classes")
    values = resample(
        lambda weights: np.stack([function(weights) for function in functions]),
        draw_weights(units, resamples=resamples, seed=seed),
    )
    return {
        name: bootstrap_interval(
            estimate,
            METRICS[name].bounded(row, estimate),
            units,
            used=METRICS[name].rests_on_cells(labels),
            level=level,
        )
        for name, estimate, row in zip(names, estimates, values, strict=True)
    }


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
