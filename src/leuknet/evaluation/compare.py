"""Tells whether one model did better than another on the very same cells.

Two intervals that overlap say little: both models meet the same easy and the same odd patients. Here the
difference itself gets an interval, from resampling subjects for both models at once, and a p value, from
swapping the two models' answers of whole subjects. Where the data cannot tell the two apart, the result
says so in a sentence, and no verdict is given.

Start at `compare`, which returns a `Comparison`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from leuknet.errors import DataError, SettingError
from leuknet.evaluation.formulas import Values, Weights, require
from leuknet.evaluation.metrics import METRICS, of_weights
from leuknet.evaluation.resampling import (
    LEVEL,
    Units,
    bootstrap_interval,
    bounded,
    draw_weights,
    permutation_test,
    resample,
    units_of,
)
from leuknet.types import Evaluation, Interval, Labels

SIGNIFICANT = 0.05
"""From this p value on, two models count as not told apart."""

MIN_RESAMPLES = 100
"""With fewer, p values are too coarse to compare with `SIGNIFICANT`."""

_RANKING = ("auroc", "auprc")


@dataclass(frozen=True)
class Comparison:
    """How much a second model differs from a first one in a metric, and whether that can be told from chance.

    Attributes
    ----------
    metric
        A key of `leuknet.evaluation.metrics.METRICS`.
    first, second
        Names of the models: recipe and seed, or the baseline.
    difference
        Second minus first, in the metric's own unit, from -1 to 1 (MCC: from -2 to 2).
    p_value
        Two-sided: how often a difference at least so large comes about when the two models' answers are
        swapped at random.
    smallest_p
        The least p value that so many subjects (or cells) and resamples can give; the data may set a higher
        bound, for the two models can also agree on all cells of some subjects.
    warning
        A sentence where the data cannot tell the models apart, else None.
    verdict
        A sentence that says which is better, exactly where there is no warning.
    """

    metric: str
    first: str
    second: str
    difference: Interval
    p_value: float
    smallest_p: float
    warning: str | None
    verdict: str | None


class _Pair(NamedTuple):
    """The answers of two models on the same N cells in one order, row 0 the first model's."""

    labels: Labels
    probabilities: NDArray[np.float64]  # (2, N)
    thresholds: NDArray[np.float64]  # (2,)
    subjects: NDArray[Any] | None  # (N,)
    units: Units  # what is resampled and swapped whole


def compare(
    first: Evaluation, second: Evaluation, *, metric: str = "auroc", resamples: int = 10_000, seed: int = 0
) -> Comparison:
    """Compare two models that were evaluated on the same cells.

    Parameters
    ----------
    first, second
        Evaluations of the same cells, in any order. Each model keeps its own threshold.
    metric
        A key of `METRICS`.
    resamples, seed
        Of the bootstrap and of the permutation test, at least `MIN_RESAMPLES`. Where there are no more
        than `resamples` ways to swap, each is taken once and the p value is exact.

    Returns
    -------
    Comparison
        Subjects are resampled and swapped whole where each cell has one and neither split is image-level,
        and for metrics over subjects; else cells are, and taken as independent. `difference.method` says
        which it was.

    Raises
    ------
    DataError
        If the two did not score the same cells, or differ in a cell's label or subject.
    SettingError
        If the metric is unknown, or one over subjects of cells that do not all name theirs.
    ShapeError
        If all cells come from one subject, or the metric is undefined for want of a class.

    Notes
    -----
    AUROC and AUPRC ask only for the order of cells, so that answers are swapped as ranks: a model that
    states larger probabilities all over shall not differ by that.

    References
    ----------
    Phipson & Smyth (2010), "Permutation p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9(1):
    (1 + count) / (1 + resamples). Venkatraman & Begg (1996), Biometrika 83(4), 835-848, and Bandos,
    Rockette & Gur (2005), Stat. Med. 24(18), 2873-2893: swapping ranks to compare ROC curves.
    """
    fix = f"use one of {', '.join(METRICS)}"
    require(metric in METRICS, f"no metric {metric!r}", fix=fix, error=SettingError)
    fix = f"use {MIN_RESAMPLES} or more"
    require(resamples >= MIN_RESAMPLES, f"{resamples} resamples", fix=fix, error=SettingError)
    _check_same_cells(first, second)
    pair = _paired(first, second, metric)
    difference = _difference(pair, metric, resamples=resamples, seed=seed)
    p_value, smallest_p = _swap(pair, metric, resamples=resamples, seed=seed)
    names = _names(first, second)
    doubt = _doubt(difference, p_value, smallest_p)
    image_level = "image-level" in (first.split_kind, second.split_kind)
    caveat = " On an image-level split, which flatters both." if image_level else ""
    told = f"{METRICS[metric].title} cannot tell {names[1]} from {names[0]}: {doubt}.{caveat}"
    verdict = _verdict(names, metric, difference) + f"; p = {p_value:.2g}.{caveat}"
    return Comparison(
        metric,
        *names,
        difference=difference,
        p_value=p_value,
        smallest_p=smallest_p,
        warning=told if doubt else None,
        verdict=None if doubt else verdict,
    )


def _check_same_cells(first: Evaluation, second: Evaluation) -> None:
    ours, theirs = (
        dict(zip(model.paths, zip(model.labels, model.subject_ids, strict=True), strict=True))
        for model in (first, second)
    )
    unshared = sorted(ours.keys() ^ theirs.keys())
    odd = [path for path in ours.keys() & theirs.keys() if ours[path] != theirs[path]]
    why = ""
    if first.dataset != second.dataset:
        why = f"the data sets are {first.dataset} and {second.dataset}"
    elif unshared:
        why = f"{len(unshared)} cells were scored by one of them alone, such as {unshared[0]}"
    elif odd:
        why = f"{len(odd)} cells have another label or subject in the second, such as {min(odd)}"
    if why:
        fix = "evaluate both models on the same cells of the same data"
        raise DataError("cannot compare models that did not score the same cells", why=why, fix=fix)


def _paired(first: Evaluation, second: Evaluation, metric: str) -> _Pair:
    """Return both models' answers in the order of the first."""
    place = {path: number for number, path in enumerate(second.paths)}
    order = [place[path] for path in first.paths]
    labels = np.array(first.labels, dtype=np.int64)
    subjects = None if None in first.subject_ids else np.array(first.subject_ids)
    over_subjects = METRICS[metric].unit == "subject"
    why, fix = f"{metric} needs the subject of every cell", "choose a metric over cells, such as accuracy"
    require(subjects is not None or not over_subjects, why, fix=fix, error=SettingError)
    held_out = "image-level" not in (first.split_kind, second.split_kind)
    by_subject = subjects if held_out or over_subjects else None
    return _Pair(
        labels=labels,
        probabilities=np.array([first.probabilities, np.array(second.probabilities)[order]]),
        thresholds=np.array([first.threshold, second.threshold]),
        subjects=subjects,
        units=units_of(by_subject, cells=labels.size),
    )


def _difference(pair: _Pair, metric: str, *, resamples: int, seed: int) -> Interval:
    """Return second minus first, with a percentile interval: each resample serves both models."""
    first, second = (
        of_weights(
            METRICS[metric],
            pair.labels,
            pair.probabilities[model],
            float(pair.thresholds[model]),
            cluster_of=pair.units.of_cell,
        )
        for model in (0, 1)
    )

    def difference(weights: Weights) -> Values:
        return second(weights) - first(weights)

    estimate = float(difference(np.ones(pair.labels.size)))
    require(not np.isnan(estimate), f"{metric}: undefined for one class", fix="use cells of both classes")
    values = resample(difference, draw_weights(pair.units, resamples=resamples, seed=seed))
    used = METRICS[metric].rests_on_cells(pair.labels)
    widest = 1 - METRICS[metric].least
    found = bootstrap_interval(estimate, bounded(values, (-widest, widest)), pair.units, used=used)
    # Also where cells are resampled, it is told of how many people they are.
    return replace(found, subjects=None if pair.subjects is None else np.unique(pair.subjects[used]).size)


def _swap(pair: _Pair, metric: str, *, resamples: int, seed: int) -> tuple[float, float]:
    """Return the p value of the permutation test and the least that it could have been."""
    # To swap what has no part in the metric changes nothing, and would feign a smaller p value.
    used = METRICS[metric].rests_on_cells(pair.labels)
    labels, answers = pair.labels[used], pair.probabilities[:, used]
    cluster_of = np.unique(pair.units.of_cell[used], return_inverse=True)[1]
    cells, clusters = labels.size, int(cluster_of.max()) + 1
    if metric in _RANKING:
        answers = rankdata(answers, axis=1) / cells
    # Both models' answers stand in one row of 2 N; weights of 0 and 1 say which of them count.
    function = of_weights(
        METRICS[metric],
        np.tile(labels, 2),
        answers.ravel(),
        np.repeat(pair.thresholds, cells),
        cluster_of=np.concatenate([cluster_of, cluster_of + clusters]),
    )

    def distance(swapped: NDArray[np.int64]) -> NDArray[np.float64]:
        other = swapped[:, cluster_of].astype(np.float64)
        chosen = np.hstack([1 - other, other])
        return np.abs(function(1 - chosen) - function(chosen))

    return permutation_test(distance, clusters, width=2 * cells, resamples=resamples, seed=seed)


def _names(first: Evaluation, second: Evaluation) -> tuple[str, str]:
    """Return what to call the two models; their ids tell apart what would be called alike."""
    ours, theirs = (
        model.model_id if model.model_id.startswith("baseline:") else f"{model.recipe} (seed {model.seed})"
        for model in (first, second)
    )
    return (ours, theirs) if ours != theirs else (f"{ours} {first.model_id}", f"{theirs} {second.model_id}")


def _doubt(difference: Interval, p_value: float, smallest_p: float) -> str:
    """Return why the two models cannot be told apart, empty where they can."""
    if smallest_p >= SIGNIFICANT:
        by_subject = "subjects" in difference.method.resampled
        few = f"subjects ({difference.subjects})" if by_subject else f"cells ({difference.cells})"
        return f"no p value below {SIGNIFICANT} can come of so few {few}, {smallest_p:.2g} is the least"
    if difference.low <= 0 <= difference.high:
        limits = f"{difference.low:+.3f} to {difference.high:+.3f}"
        return f"the {LEVEL:.0%} interval of the difference, {limits}, holds 0; p = {p_value:.2g}"
    if p_value >= SIGNIFICANT:
        return f"p = {p_value:.2g}"
    return ""


def _verdict(names: tuple[str, str], metric: str, difference: Interval) -> str:
    """Return the beginning of a sentence that says which model is better and by how much."""
    shown, is_higher = METRICS[metric], difference.estimate > 0
    word = "better" if is_higher == shown.higher_is_better else "worse"
    limits = (difference.low, difference.high) if is_higher else (-difference.high, -difference.low)
    by, low, high = (
        f"{100 * number:.1f}" if shown.is_percent else f"{number:.3f}"
        for number in (abs(difference.estimate), *limits)
    )
    change = f"{'higher' if is_higher else 'lower'} by {by}{' points' if shown.is_percent else ''}"
    return f"{names[1]} is {word} than {names[0]}: {shown.title} {change} ({low} to {high})"
