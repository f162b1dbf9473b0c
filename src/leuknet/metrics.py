"""Scores of a two-class model, each with an interval.

Every metric is a plain function of labels, probabilities and a threshold. Each also takes weights of the
cells, one row per resample, so that a bootstrap of thousands of resamples is a few matrix computations
and not a loop. Cells of one patient look alike, so that resampling cells makes intervals too narrow for
a claim about new patients: `bootstrap` resamples whole subjects where it is told which cell is whose.

Start at `METRICS`, then `bootstrap`; `wilson` is the interval of a plain count. To add a metric, write a
function like `accuracy`, register it in `METRICS` and add a value worked out by hand to the tests.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from leuknet.errors import LeukNetError, SettingError, ShapeError
from leuknet.types import Interval, Labels, Probabilities

Weights = NDArray[np.float64]
"""(N,) or (B, N): how often each cell counts, >= 0; one row per resample."""

Values = np.float64 | NDArray[np.float64]
"""A scalar for weights (N,), an array (B,) for weights (B, N); NaN where the metric is undefined."""

Metric = Callable[[Labels, Probabilities, float, Weights | None], Values]

# Elements of one block of resampled weights: 32 MiB, of which a metric makes about four copies.
_BLOCK = 4 * 1024 * 1024


def accuracy(
    labels: Labels, probabilities: Probabilities, threshold: float, weights: Weights | None = None
) -> Values:
    """Return the share of cells that are called as they are labelled.

    Parameters
    ----------
    labels : (N,) int64
        1 for leukaemic, 0 for normal; N >= 1.
    probabilities : (N,) float64
        P(leukaemic), each in [0, 1].
    threshold
        Cells at or above this probability are called leukaemic; in [0, 1].
    weights : (N,) or (B, N) float64
        How often each cell counts; None counts each once.

    Returns
    -------
    float64 or (B,) float64
        In [0, 1]. The other metrics here share these parameters and this form.

    Raises
    ------
    ShapeError
        If arrays are empty, not one-dimensional or misfit, or a label or probability is out of range.
    SettingError
        If the threshold lies outside [0, 1].

    Examples
    --------
    >>> float(accuracy(np.array([1, 1, 0, 0]), np.array([0.9, 0.5, 0.6, 0.1]), 0.5))
    0.75
    """
    counts = _confusion(labels, probabilities, threshold, weights)
    return _ratio(counts[0, 0] + counts[1, 1], counts.sum(axis=(0, 1)))


def sensitivity(
    labels: Labels, probabilities: Probabilities, threshold: float, weights: Weights | None = None
) -> Values:
    """Return the share of leukaemic cells that are called so; NaN without leukaemic cells."""
    counts = _confusion(labels, probabilities, threshold, weights)
    return _ratio(counts[1, 1], counts[1].sum(axis=0))


def specificity(
    labels: Labels, probabilities: Probabilities, threshold: float, weights: Weights | None = None
) -> Values:
    """Return the share of normal cells that are called normal; NaN without normal cells."""
    counts = _confusion(labels, probabilities, threshold, weights)
    return _ratio(counts[0, 0], counts[0].sum(axis=0))


def weighted_f1(
    labels: Labels, probabilities: Probabilities, threshold: float, weights: Weights | None = None
) -> Values:
    """Return the mean of both classes' F1, each weighted by its number of cells.

    The official metric of C-NMC 2019, as scikit-learn's `f1_score(average="weighted")`. F1 of a class is
    2 right / (cells of the class + cells called so), and 0 where no cell of it is called right.
    """
    counts = _confusion(labels, probabilities, threshold, weights)
    support, called = counts.sum(axis=1), counts.sum(axis=0)
    right = np.stack([counts[0, 0], counts[1, 1]])
    # A class that is neither there nor called has support 0 and no part in the mean.
    f1 = np.nan_to_num(_ratio(2 * right, support + called))
    return _ratio((f1 * support).sum(axis=0), support.sum(axis=0))


def auroc(
    labels: Labels, probabilities: Probabilities, threshold: float, weights: Weights | None = None
) -> Values:
    """Return the chance that a leukaemic cell scores above a normal one, ties counting half.

    The area under the ROC curve (Hanley & McNeil 1982, Radiology 143(1), 29-36); the threshold has no
    part in it. NaN unless both classes are there.
    """
    weights = _checked(labels, probabilities, threshold, weights)
    order = np.argsort(probabilities, kind="stable")
    ties = np.flatnonzero(np.diff(probabilities[order], prepend=-1.0))
    weights, leukaemic = weights[..., order], labels[order] == 1
    positive = np.add.reduceat(weights * leukaemic, ties, axis=-1)
    negative = np.add.reduceat(weights * ~leukaemic, ties, axis=-1)
    below = np.cumsum(negative, axis=-1) - negative / 2
    return _ratio((positive * below).sum(axis=-1), positive.sum(axis=-1) * negative.sum(axis=-1))


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "sensitivity": sensitivity,
    "specificity": specificity,
    "weighted_f1": weighted_f1,
    "auroc": auroc,
}
"""Every metric by name, in the order in which reports show them. All lie in [0, 1]; more is better."""

RESTS_ON = {"sensitivity": (1,), "specificity": (0,)}
"""True classes that a metric rests on, where these are not both."""


def bootstrap(
    labels: Labels,
    probabilities: Probabilities,
    *,
    threshold: float,
    clusters: NDArray[Any] | None = None,
    metrics: Iterable[str] = tuple(METRICS),
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
        Keys of `METRICS`.
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
        If a metric is unknown or a number out of range.

    References
    ----------
    Field & Welsh (2007), "Bootstrapping clustered data", JRSS B 69(3), 369-390: the cluster bootstrap.
    """
    metrics = tuple(metrics)
    for name in metrics:
        close = difflib.get_close_matches(name, METRICS, n=1) or list(METRICS)
        _require(name in METRICS, f"no metric {name!r}", fix=f"use {', '.join(close)}", error=SettingError)
    _require(resamples >= 1, f"{resamples} resamples", fix="use 1 or more; 2000 is usual", error=SettingError)
    _require(0 < level < 1, f"level {level}", fix="use 0.95 for a 95% interval", error=SettingError)
    estimates = {name: float(METRICS[name](labels, probabilities, threshold, None)) for name in metrics}
    undefined = ", ".join(name for name, estimate in estimates.items() if np.isnan(estimate))
    _require(not undefined, f"{undefined}: undefined for one class", fix="use cells of both classes")
    cluster_of = _number_clusters(labels, clusters)
    blocks = [
        [METRICS[name](labels, probabilities, threshold, weights) for name in metrics]
        for weights in _draw_weights(cluster_of, resamples=resamples, seed=seed)
    ]
    values = np.concatenate(blocks, axis=1)
    low = np.quantile(np.nan_to_num(values, nan=0.0), (1 - level) / 2, axis=1)
    high = np.quantile(np.nan_to_num(values, nan=1.0), (1 + level) / 2, axis=1)
    used = {name: np.isin(labels, RESTS_ON.get(name, (0, 1))) for name in metrics}
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
        for number, name in enumerate(metrics)
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
    _require(0 <= successes <= total >= 1, f"{successes} of {total}", fix="count at least one cell")
    _require(0 < level < 1, f"level {level}", fix="use 0.95 for a 95% interval", error=SettingError)
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


def _confusion(
    labels: Labels, probabilities: Probabilities, threshold: float, weights: Weights | None
) -> NDArray[np.float64]:
    """Return weighted counts (2, 2) or (2, 2, B): true class, called class, resample."""
    weights = _checked(labels, probabilities, threshold, weights)
    outcome = 2 * labels + (probabilities >= threshold)
    one_hot = (outcome[:, None] == np.arange(4)).astype(np.float64)
    counts: NDArray[np.float64] = np.moveaxis(weights @ one_hot, -1, 0)
    return counts.reshape(2, 2, *weights.shape[:-1])


def _ratio(part: Values, whole: Values) -> Values:
    with np.errstate(invalid="ignore"):  # 0 / 0 is our "undefined"
        quotient: Values = np.divide(part, whole)
    return quotient


def _number_clusters(labels: Labels, clusters: NDArray[Any] | None) -> NDArray[np.intp]:
    """Return the number of each cell's cluster, counted from 0."""
    names = np.arange(labels.size) if clusters is None else clusters
    misfit = f"labels have shape {np.shape(labels)}, subjects {np.shape(names)}"
    _require(np.shape(names) == np.shape(labels), misfit, fix="give one subject for each cell")
    numbers: NDArray[np.intp] = np.unique(names, return_inverse=True)[1]
    _require(numbers.max() > 0, "one cluster has no spread", fix="use two subjects or more")
    return numbers


def _draw_weights(
    cluster_of: NDArray[np.intp], *, resamples: int, seed: int
) -> Iterator[NDArray[np.float64]]:
    """Yield blocks of rows of weights: how often each cell's cluster was drawn."""
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


def _checked(
    labels: Labels, probabilities: Probabilities, threshold: float, weights: Weights | None
) -> Weights:
    """Return the weights, ones where there are none, after a look at everything."""
    weights = np.ones(np.shape(labels)) if weights is None else weights
    shapes = np.shape(labels), np.shape(probabilities), np.shape(weights)[-1:]
    fits = np.ndim(labels) == 1 and shapes[0] == shapes[1] == shapes[2] != (0,)
    misfit = f"labels, probabilities and weights have shapes {shapes[0]}, {shapes[1]}, {shapes[2]}"
    _require(fits, misfit, fix="give one label and one probability for each of one or more cells")
    _require(bool(np.isin(labels, (0, 1)).all()), f"labels {np.unique(labels)}", fix="use 0 and 1")
    low, high = np.min(probabilities), np.max(probabilities)  # NaN if any is, which fails the comparison
    _require(bool(0 <= low <= high <= 1), f"probabilities from {low} to {high}", fix="stay within [0, 1]")
    _require(0 <= threshold <= 1, f"threshold {threshold}", fix="stay within [0, 1]", error=SettingError)
    return weights


def _require(holds: bool, why: str, *, fix: str, error: type[LeukNetError] = ShapeError) -> None:
    if not holds:
        raise error("cannot compute a metric or its interval", why=why, fix=fix)
