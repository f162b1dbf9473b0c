"""The formula of every metric: plain functions of labels, probabilities and a threshold.

Each also takes weights of the cells, one row per resample, so that a bootstrap of thousands of resamples
is a few matrix computations and not a loop.

Start at `accuracy`, whose docstring holds for all. `leuknet.evaluation.metrics` lists them with their names
and gives them intervals. To add a metric, write a function here, register it in `metrics.METRICS`, and add a
value worked out by hand to the tests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import LeukNetError, SettingError, ShapeError
from leuknet.types import Labels, Probabilities

Weights = NDArray[np.float64]
"""(N,) or (B, N): how often each cell counts, >= 0; one row per resample."""

Values = np.float64 | NDArray[np.float64]
"""A scalar for weights (N,), an array (B,) for weights (B, N); NaN where the metric is undefined."""

Threshold = float | NDArray[np.float64]
"""One for all cells, or (N,): of each cell, where cells of several models are judged together."""

ECE_BINS = 10
"""Bins of equal width of the expected calibration error. Its value depends on them, so reports state it."""


def accuracy(
    labels: Labels, probabilities: Probabilities, threshold: Threshold, weights: Weights | None = None
) -> Values:
    """Return the share of cells that are called as they are labelled.

    Parameters
    ----------
    labels : (N,) int64
        1 for leukaemic, 0 for normal; N >= 1.
    probabilities : (N,) float64
        P(leukaemic), each in [0, 1].
    threshold : float or (N,) float64
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
        If a threshold lies outside [0, 1].

    Examples
    --------
    >>> float(accuracy(np.array([1, 1, 0, 0]), np.array([0.9, 0.5, 0.6, 0.1]), 0.5))
    0.75
    """
    counts = _confusion(labels, probabilities, threshold, weights)
    return _ratio(counts[0, 0] + counts[1, 1], counts.sum(axis=(0, 1)))


def balanced_accuracy(
    labels: Labels, probabilities: Probabilities, threshold: Threshold, weights: Weights | None = None
) -> Values:
    """Return the mean of sensitivity and specificity; NaN unless both classes are there."""
    counts = _confusion(labels, probabilities, threshold, weights)
    normal, leukaemic = counts.sum(axis=1)
    return (_ratio(counts[0, 0], normal) + _ratio(counts[1, 1], leukaemic)) / 2


def sensitivity(
    labels: Labels, probabilities: Probabilities, threshold: Threshold, weights: Weights | None = None
) -> Values:
    """Return the share of leukaemic cells that are called so; NaN without leukaemic cells."""
    counts = _confusion(labels, probabilities, threshold, weights)
    return _ratio(counts[1, 1], counts[1].sum(axis=0))


def specificity(
    labels: Labels, probabilities: Probabilities, threshold: Threshold, weights: Weights | None = None
) -> Values:
    """Return the share of normal cells that are called normal; NaN without normal cells."""
    counts = _confusion(labels, probabilities, threshold, weights)
    return _ratio(counts[0, 0], counts[0].sum(axis=0))


def weighted_f1(
    labels: Labels, probabilities: Probabilities, threshold: Threshold, weights: Weights | None = None
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


def mcc(
    labels: Labels, probabilities: Probabilities, threshold: Threshold, weights: Weights | None = None
) -> Values:
    """Return Matthews' correlation coefficient of label and call, in [-1, 1]; 0 is what a coin gets.

    (TP TN - FP FN) / sqrt((TP + FP) (TP + FN) (TN + FP) (TN + FN)), as scikit-learn's `matthews_corrcoef`
    (Matthews 1975, Biochim. Biophys. Acta 405(2), 442-451). 0 where all cells are called alike, the limit of
    calls that say nothing (Chicco & Jurman 2020, BMC Genomics 21, 6); NaN unless both classes are there.
    """
    counts = _confusion(labels, probabilities, threshold, weights)
    true, called = counts.sum(axis=1), counts.sum(axis=0)
    scale = np.sqrt(true[0] * called[0]) * np.sqrt(true[1] * called[1])
    covariance = counts[1, 1] * counts[0, 0] - counts[0, 1] * counts[1, 0]
    correlation = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    defined: Values = np.where(true.min(axis=0) > 0, correlation, np.nan)[()]
    return defined


def auroc(
    labels: Labels, probabilities: Probabilities, threshold: Threshold, weights: Weights | None = None
) -> Values:
    """Return the chance that a leukaemic cell scores above a normal one, ties counting half.

    The area under the ROC curve (Hanley & McNeil 1982, Radiology 143(1), 29-36); the threshold has no
    part in it. NaN unless both classes are there.
    """
    positive, count = _by_rank(labels, probabilities, threshold, weights)
    negative = count - positive
    below = np.cumsum(negative, axis=-1) - negative / 2
    return _ratio((positive * below).sum(axis=-1), positive.sum(axis=-1) * negative.sum(axis=-1))


def auprc(
    labels: Labels, probabilities: Probabilities, threshold: Threshold, weights: Weights | None = None
) -> Values:
    """Return the average precision: the mean, over leukaemic cells, of the precision at their rank.

    Precision at a rank is the share of leukaemic cells among all with this probability or a higher one, as
    in scikit-learn's `average_precision_score`; no interpolation. The threshold has no part in it. A
    coin's value is the share of leukaemic cells, not 0.5. NaN without leukaemic cells, 1 without normal.
    """
    positive, count = _by_rank(labels, probabilities, threshold, weights)
    found = np.cumsum(positive[..., ::-1], axis=-1)
    looked_at = np.cumsum(count[..., ::-1], axis=-1)
    # Nobody looked at means nobody found: such ranks add nothing.
    precision = np.divide(found, looked_at, out=np.zeros_like(found), where=looked_at > 0)
    return _ratio((positive[..., ::-1] * precision).sum(axis=-1), found[..., -1])


def brier(
    labels: Labels, probabilities: Probabilities, threshold: Threshold, weights: Weights | None = None
) -> Values:
    """Return the mean squared distance of probability and label: 0 is perfect, 0.25 is always saying 0.5.

    Brier (1950), Monthly Weather Review 78(1), 1-3, in the form for two classes that runs from 0 to 1.
    """
    weights = checked(labels, probabilities, threshold, weights)
    return _ratio(weights @ (probabilities - labels) ** 2, weights.sum(axis=-1))


def ece(
    labels: Labels, probabilities: Probabilities, threshold: Threshold, weights: Weights | None = None
) -> Values:
    """Return the expected calibration error: the mean gap of stated probability and observed frequency.

    Cells are put into `ECE_BINS` bins of P(leukaemic), equally wide, each with its lower edge and the last
    with both. Each bin contributes the distance between its mean probability and its share of leukaemic
    cells, weighted by its number of cells.

    Notes
    -----
    Naeini, Cooper & Hauskrecht (2015), AAAI-15, whose binning of P(positive) this follows. Of few cells
    it is above 0 even for perfect probabilities; `leuknet.evaluation.calibration_error` takes out what chance
    adds.
    """
    weights = checked(labels, probabilities, threshold, weights)
    # A bin's gap times its number of cells is the sum of its cells' signed gaps.
    gaps = weights @ (np.eye(ECE_BINS)[bin_of(probabilities)] * (probabilities - labels)[:, None])
    return _ratio(np.abs(gaps).sum(axis=-1), weights.sum(axis=-1))


def bin_of(probabilities: Probabilities) -> NDArray[np.intp]:
    """Return in which of the `ECE_BINS` bins each probability (N,) lies, counted from 0."""
    # Multiplying is exact where edges such as 0.3 are not: np.linspace(0, 1, 11)[3] lies above 0.3.
    return np.minimum(probabilities * ECE_BINS, ECE_BINS - 1).astype(np.intp)


def subject_accuracy(
    labels: Labels, shares: Probabilities, threshold: Threshold, weights: Weights | None = None
) -> Values:
    """Return the mean over subjects of the share of their cells that is called as labelled.

    Parameters
    ----------
    labels : (N,) int64
        Class of each subject. One with cells of both classes is two entries, one for each class.
    shares : (N,) float64
        Share of the subject's cells that is called leukaemic. The threshold has its part in it, and none
        here.
    weights : (N,) or (B, N) float64
        How often each subject counts.
    """
    weights = checked(labels, shares, threshold, weights)
    return _ratio(weights @ _right(labels, shares), weights.sum(axis=-1))


def subject_vote(
    labels: Labels, shares: Probabilities, threshold: Threshold, weights: Weights | None = None
) -> Values:
    """Return the share of subjects most of whose cells are called as labelled; a tied vote counts half.

    Parameters are those of `subject_accuracy`.
    """
    weights = checked(labels, shares, threshold, weights)
    won = (np.sign(_right(labels, shares) - 0.5) + 1) / 2
    return _ratio(weights @ won, weights.sum(axis=-1))


def checked(
    labels: Labels, probabilities: Probabilities, threshold: Threshold, weights: Weights | None
) -> Weights:
    """Return the weights, ones where there are none, after a look at everything; errors as in `accuracy`."""
    weights = np.ones(np.shape(labels)) if weights is None else weights
    shapes = np.shape(labels), np.shape(probabilities), np.shape(weights)[-1:]
    fits = np.ndim(labels) == 1 and shapes[0] == shapes[1] == shapes[2] != (0,)
    misfit = f"labels, probabilities and weights have shapes {shapes[0]}, {shapes[1]}, {shapes[2]}"
    require(fits, misfit, fix="give one label and one probability for each of one or more cells")
    require(bool(np.isin(labels, (0, 1)).all()), f"labels {np.unique(labels)}", fix="use 0 and 1")
    low, high = np.min(probabilities), np.max(probabilities)  # NaN if any is, which fails the comparison
    require(bool(0 <= low <= high <= 1), f"probabilities from {low} to {high}", fix="stay within [0, 1]")
    one_each = np.shape(threshold) in ((), shapes[0])
    require(one_each, f"thresholds have shape {np.shape(threshold)}", fix="give one, or one for each cell")
    within = 0 <= np.min(threshold) <= np.max(threshold) <= 1
    require(bool(within), f"threshold {threshold}", fix="stay within [0, 1]", error=SettingError)
    return weights


def require(holds: bool, why: str, *, fix: str, error: type[LeukNetError] = ShapeError) -> None:
    """Raise `error` with `why` and `fix` unless the condition holds."""
    if not holds:
        raise error("cannot compute a metric or its interval", why=why, fix=fix)


def _confusion(
    labels: Labels, probabilities: Probabilities, threshold: Threshold, weights: Weights | None
) -> NDArray[np.float64]:
    """Return weighted counts (2, 2) or (2, 2, B): true class, called class, resample."""
    weights = checked(labels, probabilities, threshold, weights)
    outcome = 2 * labels + (probabilities >= threshold)
    one_hot = (outcome[:, None] == np.arange(4)).astype(np.float64)
    counts: NDArray[np.float64] = np.moveaxis(weights @ one_hot, -1, 0)
    return counts.reshape(2, 2, *weights.shape[:-1])


def _by_rank(
    labels: Labels, probabilities: Probabilities, threshold: Threshold, weights: Weights | None
) -> tuple[Weights, Weights]:
    """Return weighted counts of leukaemic and of all cells at each probability that occurs, lowest first."""
    weights = checked(labels, probabilities, threshold, weights)
    order = np.argsort(probabilities, kind="stable")
    ties = np.flatnonzero(np.diff(probabilities[order], prepend=-1.0))
    weights, leukaemic = weights[..., order], labels[order] == 1
    return np.add.reduceat(weights * leukaemic, ties, axis=-1), np.add.reduceat(weights, ties, axis=-1)


def _right(labels: Labels, shares: Probabilities) -> Probabilities:
    return np.where(labels == 1, shares, 1 - shares)


def _ratio(part: Values, whole: Values) -> Values:
    with np.errstate(invalid="ignore"):  # 0 / 0 is our "undefined"
        quotient: Values = np.divide(part, whole)
    return quotient
