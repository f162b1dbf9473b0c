"""Scores of a two-class model, each with an interval.

Cells of one patient look alike, so that resampling cells makes intervals too narrow for a claim about new
patients: `bootstrap` resamples whole subjects where it is told which cell is whose. Metrics over subjects
let each person count once, however many cells there are of each.

Start at `METRICS`, then `bootstrap`; `wilson` is the interval of a plain count. What each metric computes
stands in `leuknet.evaluation.formulas`, which also says how to add one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from leuknet.errors import SettingError
from leuknet.evaluation.formulas import (
    ECE_BINS,
    Threshold,
    Values,
    Weights,
    accuracy,
    auprc,
    auroc,
    balanced_accuracy,
    brier,
    checked,
    ece,
    require,
    sensitivity,
    specificity,
    subject_accuracy,
    subject_vote,
    weighted_f1,
)
from leuknet.types import Interval, Labels, Probabilities

__all__ = [
    "ECE_BINS",
    "METRICS",
    "Metric",
    "Threshold",
    "Values",
    "Weights",
    "accuracy",
    "auprc",
    "auroc",
    "balanced_accuracy",
    "bootstrap",
    "brier",
    "centred",
    "draw_weights",
    "ece",
    "number_clusters",
    "of_weights",
    "percentile_limits",
    "sensitivity",
    "specificity",
    "subject_accuracy",
    "subject_vote",
    "weighted_f1",
    "wilson",
]

# Elements of one block of resampled weights: 2 MiB, so that the few copies a metric makes stay in the cache.
_BLOCK = 256 * 1024


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
        resampled values are then moved back by the mean of that shift (Efron & Tibshirani 1993, "An
        Introduction to the Bootstrap", chapter 10).
    """

    title: str
    compute: Callable[[Labels, Probabilities, Threshold, Weights | None], Values]
    is_percent: bool
    higher_is_better: bool
    rests_on: tuple[int, ...] = (0, 1)
    unit: Literal["cell", "subject"] = "cell"
    is_biased: bool = False


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy", accuracy, True, True),
    "balanced_accuracy": Metric("balanced accuracy", balanced_accuracy, True, True),
    "sensitivity": Metric("sensitivity", sensitivity, True, True, rests_on=(1,)),
    "specificity": Metric("specificity", specificity, True, True, rests_on=(0,)),
    "weighted_f1": Metric("weighted F1", weighted_f1, False, True),
    "auroc": Metric("AUROC", auroc, False, True),
    "auprc": Metric("AUPRC", auprc, False, True),
    "brier": Metric("Brier score", brier, False, False),
    "ece": Metric(f"ECE ({ECE_BINS} bins)", ece, False, False, is_biased=True),
    "subject_accuracy": Metric("accuracy, mean over subjects", subject_accuracy, True, True, unit="subject"),
    "subject_vote": Metric("subjects called right by majority", subject_vote, True, True, unit="subject"),
}
"""Every metric by name, in the order in which reports show them. All lie in [0, 1]."""


def bootstrap(
    labels: Labels,
    probabilities: Probabilities,
    *,
    threshold: Threshold,
    clusters: NDArray[Any] | None = None,
    metrics: Iterable[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Return each metric with a percentile interval from resampling cells or whole subjects.

    A resample draws as many clusters as there are, with replacement; all cells of a drawn cluster come
    along. A resample without one of the classes leaves some metrics undefined. Such a resample could have
    had any value, so it counts as 0 for the lower limit and as 1 for the upper: intervals of data that
    can hardly tell are wide, never narrow by omission. Where all cells are called right, every resample
    agrees and the interval has no width; it is then no bound.

    Parameters
    ----------
    labels, probabilities, threshold
        As in `accuracy`.
    clusters : (N,) of any sortable type
        The subject of each cell; None makes each cell its own cluster.
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

    References
    ----------
    Field & Welsh (2007), "Bootstrapping clustered data", JRSS B 69(3), 369-390: the cluster bootstrap.
    """
    names = _chosen(metrics, clusters)
    require(resamples >= 1, f"{resamples} resamples", fix="use 1 or more; 2000 is usual", error=SettingError)
    require(0 < level < 1, f"level {level}", fix="use 0.95 for a 95% interval", error=SettingError)
    once = checked(labels, probabilities, threshold, None)
    cluster_of = number_clusters(labels, clusters)
    functions = {
        name: of_weights(METRICS[name], labels, probabilities, threshold, cluster_of=cluster_of)
        for name in names
    }
    estimates = {name: float(function(once)) for name, function in functions.items()}
    undefined = ", ".join(name for name, estimate in estimates.items() if np.isnan(estimate))
    require(not undefined, f"{undefined}: undefined for one class", fix="use cells of both classes")
    blocks = [
        [function(weights) for function in functions.values()]
        for weights in draw_weights(cluster_of, resamples=resamples, seed=seed)
    ]
    values = [
        centred(METRICS[name], row, estimates[name])
        for name, row in zip(names, np.concatenate(blocks, axis=1), strict=True)
    ]
    low, high = percentile_limits(np.array(values), level=level)
    used = {name: np.isin(labels, METRICS[name].rests_on) for name in names}
    return {
        name: Interval(
            estimate=estimates[name],
            low=float(low[number]),
            high=float(high[number]),
            level=level,
            method="bootstrap over cells" if clusters is None else "bootstrap over subjects",
            cells=int(used[name].sum()),
            subjects=None if clusters is None else np.unique(cluster_of[used[name]]).size,
            resamples=resamples,
        )
        for number, name in enumerate(names)
    }


def wilson(successes: int, total: int, *, level: float = 0.95) -> Interval:
    """Return a share with Wilson's score interval, which takes the cells as independent.

    `total` is 1 or more, else ShapeError; `level` is between 0 and 1, else SettingError. The formula is
    that of Wilson (1927), JASA 22, 209-212, as computed by `scipy.stats.binomtest`.

    Examples
    --------
    >>> paper = wilson(196, 226)
    >>> f"{paper.estimate:.4f} ({paper.low:.3f} to {paper.high:.3f})"
    '0.8673 (0.817 to 0.905)'
    """
    require(0 <= successes <= total >= 1, f"{successes} of {total}", fix="count at least one cell")
    require(0 < level < 1, f"level {level}", fix="use 0.95 for a 95% interval", error=SettingError)
    limits = binomtest(successes, total).proportion_ci(confidence_level=level, method="wilson")
    return Interval(
        estimate=successes / total,
        low=float(limits.low),
        high=float(limits.high),
        level=level,
        method="wilson",
        cells=total,
        subjects=None,
        resamples=0,
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


def number_clusters(labels: Labels, clusters: NDArray[Any] | None) -> NDArray[np.intp]:
    """Return the number of each cell's cluster (N,), counted from 0; a ShapeError unless there are two."""
    names = np.arange(labels.size) if clusters is None else clusters
    misfit = f"labels have shape {np.shape(labels)}, subjects {np.shape(names)}"
    require(np.shape(names) == np.shape(labels), misfit, fix="give one subject for each cell")
    numbers: NDArray[np.intp] = np.unique(names, return_inverse=True)[1]
    require(numbers.max() > 0, "one cluster has no spread", fix="use two subjects or more")
    return numbers


def draw_weights(cluster_of: NDArray[np.intp], *, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield blocks of rows of weights (B, N): how often each cell's cluster was drawn.

    All blocks together have as many rows as there are `resamples`. `cluster_of` is that of
    `number_clusters`.
    """
    generator = np.random.default_rng(seed)
    clusters = int(cluster_of.max()) + 1
    rows = max(1, _BLOCK // cluster_of.size)
    for start in range(0, resamples, rows):
        n = min(rows, resamples - start)
        drawn = generator.integers(clusters, size=(n, clusters))
        # One bincount serves all rows: each row counts in a range of its own.
        apart = drawn + clusters * np.arange(n)[:, None]
        times = np.bincount(apart.ravel(), minlength=n * clusters).reshape(n, clusters)
        yield times[:, cluster_of].astype(np.float64)


def percentile_limits(
    values: NDArray[np.float64], *, level: float, lowest: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the limits (...,) between which the share `level` of resampled values (..., B) lies.

    An undefined value (NaN) counts as `lowest` for the lower limit and as 1 for the upper.
    """
    low = np.quantile(np.nan_to_num(values, nan=lowest), (1 - level) / 2, axis=-1)
    high = np.quantile(np.nan_to_num(values, nan=1.0), (1 + level) / 2, axis=-1)
    return low, high


def centred(metric: Metric, values: NDArray[np.float64], estimate: float) -> NDArray[np.float64]:
    """Return resampled values (B,), moved back by their mean shift if the metric is biased; within [0, 1]."""
    if not metric.is_biased:
        return values
    return np.clip(values - (np.nanmean(values) - estimate), 0.0, 1.0)


def _chosen(metrics: Iterable[str] | None, clusters: NDArray[Any] | None) -> tuple[str, ...]:
    """Return the names of the metrics that are asked for, after a look at each."""
    if metrics is None:
        return tuple(name for name, one in METRICS.items() if clusters is not None or one.unit == "cell")
    names = tuple(metrics)
    for name in names:
        close = difflib.get_close_matches(name, METRICS, n=1) or list(METRICS)
        require(name in METRICS, f"no metric {name!r}", fix=f"use {', '.join(close)}", error=SettingError)
        known = clusters is not None or METRICS[name].unit == "cell"
        why, fix = f"{name} needs to know whose each cell is", "give `clusters`, or choose metrics over cells"
        require(known, why, fix=fix, error=SettingError)
    return names
