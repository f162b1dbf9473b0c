"""What remains of a score where each person counts as one, and how alike a person's cells are.

Of 28 people with 1,867 cells there are 28 patients: the area under the curve of their mean probabilities
says how well people, not cells, are told apart. How much of it the cells add depends on how alike those of
one person are: the intra-class correlation says that, and the design effect how much less a mean over cells
knows than it would if they were independent.

Start at `people_scores`.

References
----------
Donner (1986), "A review of inference procedures for the intraclass correlation coefficient in the one-way
random effects model", Int. Stat. Rev. 54(1), 67-82: the analysis-of-variance estimator for unequal numbers,
and Fisher's transformation. Kish (1965), "Survey Sampling", section 8.2: the design effect.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from leuknet.evaluation.formulas import Values, Weights, auroc, checked, require
from leuknet.evaluation.jackknife import score_interval
from leuknet.evaluation.resampling import Array
from leuknet.evaluation.spread import NEAREST
from leuknet.types import Interval, Labels, PeopleScores, Probabilities


class Entries(NamedTuple):
    """People, once for each class of their cells: E entries.

    Attributes
    ----------
    person : (E,)
        Whose it is.
    labels : (E,)
        The class.
    cells : (E,)
        How many.
    mean : (E,)
        Of their probabilities.
    odds, squares : (E,)
        Sum of their log odds, and of the squares of these.
    """

    person: NDArray[Any]
    labels: Labels
    cells: Array
    mean: Array
    odds: Array
    squares: Array


def people_scores(labels: Labels, probabilities: Probabilities, subjects: NDArray[Any]) -> PeopleScores:
    """Return AUROC over people, intra-class correlation and design effect.

    Parameters
    ----------
    labels, probabilities : (N,)
        Of tested cells, both classes.
    subjects : (N,)
        Whose each cell is.

    Returns
    -------
    PeopleScores
        Intervals leave out one person at a time.

    Raises
    ------
    ShapeError
        If arrays do not fit or a class is missing.
    """
    checked(labels, probabilities, 0.5, None)
    fits = np.shape(subjects) == labels.shape
    require(fits, f"subjects have shape {np.shape(subjects)}", fix="give one subject for each cell")
    entries = entries_of(labels, probabilities, subjects)
    correlation = _correlation(entries)
    effect = None
    if correlation is not None:
        weighted = float((entries.cells**2).sum() / entries.cells.sum())
        effect = max(1.0, 1 + (weighted - 1) * correlation.estimate)
    return PeopleScores(
        leukaemic=int(np.sum(entries.labels == 1)),
        normal=int(np.sum(entries.labels == 0)),
        auroc=_with_cells(_area(entries), labels.size),
        intraclass=_with_cells(correlation, labels.size),
        design_effect=effect,
    )


def entries_of(labels: Labels, probabilities: Probabilities, subjects: NDArray[Any]) -> Entries:
    """Sum cells up to one entry for each person and class, by person, then class."""
    names, person = np.unique(subjects, return_inverse=True)
    units, unit = np.unique(2 * person + labels, return_inverse=True)
    log_odds: Array = logit(np.clip(probabilities, NEAREST, 1 - NEAREST))
    cells = np.bincount(unit).astype(np.float64)
    return Entries(
        person=names[units // 2],
        labels=units % 2,
        cells=cells,
        mean=_sums(unit, probabilities) / cells,
        odds=_sums(unit, log_odds),
        squares=_sums(unit, log_odds**2),
    )


def intraclass(entries: Entries, weights: Weights) -> Values:
    """Return the intra-class correlation within classes for each row of weights of entries (E,) or (B, E).

    (B - W) / (B + (n0 - 1) W), with B and W the mean squares between and within people, both within classes,
    and n0 = (N - sum over classes of sum of n^2 / N of the class) / (people - classes). NaN where there is no
    freedom left, or all log odds are alike.
    """
    of_people, of_cells, each = _mean_squares(entries, weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Values = (of_people - of_cells) / (of_people + (each - 1) * of_cells)
    return found


def _mean_squares(entries: Entries, weights: Weights) -> tuple[Values, Values, Values]:
    """Return mean squares between and within people, and n0, for each row of weights; NaN without freedom."""
    within = weights @ (entries.squares - entries.odds**2 / entries.cells)
    between = weights @ (entries.odds**2 / entries.cells)
    total, people = weights @ entries.cells, weights.sum(axis=-1)
    squares = np.zeros(np.shape(total))
    classes = np.zeros(np.shape(total))
    for label in (0, 1):
        own = weights * (entries.labels == label)
        cells = own @ entries.cells
        nobody_is_one = np.where(cells > 0, cells, 1.0)
        between = between - (own @ entries.odds) ** 2 / nobody_is_one
        squares = squares + (own @ entries.cells**2) / nobody_is_one
        classes = classes + (cells > 0)
    freedom = np.where(people > classes, people - classes, np.nan)
    left = np.where(total > people, total - people, np.nan)
    return between / freedom, within / left, (total - squares) / freedom


def _area(entries: Entries) -> Interval | None:
    if np.unique(entries.person).size < 2:
        return None
    return score_interval(
        lambda weights: auroc(entries.labels, entries.mean, 0.5, weights),
        entries.person,
        cells=entries.labels.size,
        classes=entries.labels,
        subjects_alike=True,
    )


def _correlation(entries: Entries) -> Interval | None:
    """Return it with limits on Fisher's scale for groups, whose least value is -1 / (n0 - 1)."""
    once = np.ones(entries.labels.size)
    if np.isnan(intraclass(entries, once)):
        return None
    each = float(_mean_squares(entries, once)[2])
    return score_interval(
        lambda weights: intraclass(entries, weights),
        entries.person,
        cells=entries.labels.size,
        bounds=(-1 / max(each - 1, 1e-9), 1.0),
        subjects_alike=True,
    )


def _sums(unit: NDArray[np.intp], values: Array) -> Array:
    return np.asarray(np.bincount(unit, values), dtype=np.float64)


def _with_cells(interval: Interval | None, cells: int) -> Interval | None:
    """Return it with the cells behind its entries."""
    return None if interval is None else replace(interval, cells=cells)
