"""Tells whether one model did better than another on the very same cells.

Two intervals that overlap say little: both models meet the same easy and the same odd patients. Here the
difference itself gets an interval and a p value. Two tests must agree: one that leaves out subjects for both
models at once, which bears that one of them varies more between people (`leuknet.evaluation.paired`), and one
that swaps the two models' answers of whole subjects, which is exact where they are alike. Where the data
cannot tell the two apart, the result says so in a sentence, and no verdict is given. That is no proof of
being equal: whoever wants to show that names a margin.

Start at `compare`, which returns a `Comparison`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from leuknet.errors import DataError, SettingError
from leuknet.evaluation.crossed import Answers, Whose
from leuknet.evaluation.formulas import require
from leuknet.evaluation.margins import SIGNIFICANT, Margin, check_margin, margin_sentence, within_margin
from leuknet.evaluation.metrics import METRICS, of_weights
from leuknet.evaluation.naming import model_name
from leuknet.evaluation.paired import Paired, paired_difference
from leuknet.evaluation.resampling import permutation_test
from leuknet.types import Evaluation, Interval

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
        Two-sided, of no difference: the larger one of both tests.
    smallest_p
        The least p value that so many subjects (or cells) and resamples can give; the data may set a higher
        bound, for the two models can also agree on all cells of some subjects.
    warning
        A sentence where the data cannot tell the models apart, else None.
    verdict
        A sentence that says which is better, exactly where there is no warning.
    within
        What was found with a margin, None where none was named.
    margin_verdict
        The same in a sentence.
    """

    metric: str
    first: str
    second: str
    difference: Interval
    p_value: float
    smallest_p: float
    warning: str | None
    verdict: str | None
    within: Margin | None = None
    margin_verdict: str | None = None


def compare(
    first: Evaluation,
    second: Evaluation,
    *,
    metric: str = "auroc",
    margin: float | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare two models that were evaluated on the same cells.

    Parameters
    ----------
    first, second
        Evaluations of the same cells, in any order. Each model keeps its own threshold.
    metric
        A key of `METRICS`.
    margin
        Also ask whether the second is as good as the first but for this much, between 0 and 1 in the
        metric's own unit: 0.02 is two points of accuracy. Name it before you look at the data.

    Returns
    -------
    Comparison
        Subjects are left out and swapped whole where each cell has one and neither split is image-level,
        and for metrics over subjects; else cells are, and taken as independent. `difference.method` says
        which it was.

    Raises
    ------
    DataError
        If the two did not score the same cells, or differ in a cell's label or subject.
    SettingError
        If the metric is unknown, or one over subjects of cells that do not all name theirs, or the margin
        is out of range.
    ShapeError
        If all cells come from one subject, or the metric is undefined for want of a class.

    Notes
    -----
    AUROC and AUPRC ask only for the order of cells, so that answers are swapped as ranks: a model that
    states larger probabilities all over shall not differ by that.

    References
    ----------
    Venkatraman & Begg (1996), Biometrika 83(4), 835-848, and Bandos, Rockette & Gur (2005), Stat. Med.
    24(18), 2873-2893: swapping ranks to compare ROC curves.
    """
    fix = f"use one of {', '.join(METRICS)}"
    require(metric in METRICS, f"no metric {metric!r}", fix=fix, error=SettingError)
    fix = f"use {MIN_RESAMPLES} or more"
    require(resamples >= MIN_RESAMPLES, f"{resamples} resamples", fix=fix, error=SettingError)
    check_margin(margin)
    _check_same_cells(first, second)
    answers, unit = _side_by_side(first, second, metric)
    found = paired_difference(answers[:1], answers[1:], unit=unit, metric=metric)
    swapped, smallest = swap_test(answers, metric, resamples=resamples, seed=seed)
    found = replace(found, p_value=max(found.p_value, swapped), smallest_p=max(found.smallest_p, smallest))
    names = _names(first, second)
    doubt = _doubt(found)
    image_level = "image-level" in (first.split_kind, second.split_kind)
    caveat = " On an image-level split, which flatters both." if image_level else ""
    told = f"{METRICS[metric].title} cannot tell {names[1]} from {names[0]}: {doubt}.{caveat}"
    verdict = _verdict(names, metric, found.difference) + f"; p = {found.p_value:.2g}.{caveat}"
    within = None if margin is None else within_margin(found, metric, margin)
    return Comparison(
        metric,
        *names,
        difference=_with_people(found.difference, first, metric),
        p_value=found.p_value,
        smallest_p=found.smallest_p,
        warning=told if doubt else None,
        verdict=None if doubt else verdict,
        within=within,
        margin_verdict=None if within is None else margin_sentence(names, metric, within),
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


def _side_by_side(first: Evaluation, second: Evaluation, metric: str) -> tuple[list[Answers], Whose]:
    """Return both models' answers in the order of the first, and what is left out whole."""
    place = {path: number for number, path in enumerate(second.paths)}
    order = [place[path] for path in first.paths]
    is_known = None not in first.subject_ids
    over_subjects = METRICS[metric].unit == "subject"
    why, fix = f"{metric} needs the subject of every cell", "choose a metric over cells, such as accuracy"
    require(is_known or not over_subjects, why, fix=fix, error=SettingError)
    held_out = "image-level" not in (first.split_kind, second.split_kind)
    unit: Whose = "subjects" if is_known and (held_out or over_subjects) else "cells"
    ids, labels = np.array(first.paths), np.array(first.labels, dtype=np.int64)
    whose = np.array(first.subject_ids, dtype=np.str_) if unit == "subjects" else ids
    said = np.array(first.probabilities), np.array(second.probabilities)[order]
    thresholds = (np.full(labels.size, model.threshold) for model in (first, second))
    return [Answers(ids, labels, *both, whose) for both in zip(said, thresholds, strict=True)], unit


def _with_people(difference: Interval, first: Evaluation, metric: str) -> Interval:
    """Return the difference with its number of people, also where cells are left out one by one."""
    if None in first.subject_ids:
        return difference
    used = METRICS[metric].rests_on_cells(np.array(first.labels))
    return replace(difference, subjects=np.unique(np.array(first.subject_ids)[used]).size)


def swap_test(answers: Sequence[Answers], metric: str, *, resamples: int, seed: int) -> tuple[float, float]:
    """Return the p value of the permutation test and the least that it could have been."""
    # To swap what has no part in the metric changes nothing, and would feign a smaller p value.
    used = METRICS[metric].rests_on_cells(answers[0].labels)
    labels, said = answers[0].labels[used], np.array([model.probabilities[used] for model in answers])
    cluster_of = np.unique(answers[0].whose[used], return_inverse=True)[1]
    cells, clusters = labels.size, int(cluster_of.max()) + 1
    if metric in _RANKING:
        said = rankdata(said, axis=1) / cells
    # Both models' answers stand in one row of 2 N; weights of 0 and 1 say which of them count.
    function = of_weights(
        METRICS[metric],
        np.tile(labels, 2),
        said.ravel(),
        np.concatenate([model.threshold[used] for model in answers]),
        cluster_of=np.concatenate([cluster_of, cluster_of + clusters]),
    )

    def distance(swapped: NDArray[np.int64]) -> NDArray[np.float64]:
        other = swapped[:, cluster_of].astype(np.float64)
        chosen = np.hstack([1 - other, other])
        return np.abs(function(1 - chosen) - function(chosen))

    return permutation_test(distance, clusters, width=2 * cells, resamples=resamples, seed=seed)


def _names(first: Evaluation, second: Evaluation) -> tuple[str, str]:
    """Return what to call the two models; their ids tell apart what would be called alike."""
    ours, theirs = model_name(first), model_name(second)
    return (ours, theirs) if ours != theirs else (f"{ours} {first.model_id}", f"{theirs} {second.model_id}")


def _doubt(found: Paired) -> str:
    """Return why the two models cannot be told apart, empty where they can: the test alone decides."""
    difference = found.difference
    by_subject = "subjects" in difference.method.resampled
    if found.gap:
        return f"nothing can be tested, since {found.gap}"
    if found.smallest_p >= SIGNIFICANT:
        few = f"subjects ({difference.subjects})" if by_subject else f"cells ({difference.cells})"
        return f"no p value below {SIGNIFICANT} can come of so few {few}, {found.smallest_p:.2g} is the least"
    if found.p_value >= SIGNIFICANT:
        limits = f"{difference.low:+.3f} to {difference.high:+.3f}"
        return f"p = {found.p_value:.2g}; the {difference.level:.0%} interval of the difference is {limits}"
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
