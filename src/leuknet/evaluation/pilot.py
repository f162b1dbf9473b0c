"""Draws studies that were never made, of people and cells that vary as those of a pilot evaluation.

The log odds that a model states of a cell are taken as the mean of the cell's class, plus how far the person
is off, plus what is the cell's own. People are drawn from a normal distribution with the pilot's variance
between people; what is the cell's own is drawn from the pilot's cells, whatever form it has. For two models
people and cells are drawn together, so that they meet the same hard ones.

Start at `fit_pilot`, then `draw_study`; `rivals.py` makes a second model of one.

References
----------
Searle, Casella & McCulloch (1992), "Variance Components", section 3.6: the analysis of variance of unequal
groups. Obuchowski & McClish (1997), Stat. Med. 16, 1529-1542: sample sizes for ROC areas from the variance
between and within people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from leuknet.errors import DataError, LeakError
from leuknet.evaluation.naming import model_name
from leuknet.evaluation.resampling import Array
from leuknet.evaluation.spread import NEAREST
from leuknet.types import Evaluation, Labels

FEWEST_PEOPLE = 3
"""Of each class, below which nothing is known of how people differ."""


@dataclass(frozen=True, eq=False)
class Pilot:
    """What an evaluation says of people and cells, for M = 1 or 2 models; class 0 comes first.

    Attributes
    ----------
    names
        Of the models.
    thresholds : (M,)
        Theirs.
    means : (2, M)
        Mean log odds over the people of each class.
    between : (2, M, M)
        Covariance of people's means about it, without what their few cells add.
    own : two arrays (n, M)
        What is left of each cell, on the scale of its variance within a person.
    people
        Of each class.
    cells_each
        Cells of each person and class.
    simulated
        Whether a program drew the cells.
    """

    names: tuple[str, ...]
    thresholds: Array
    means: Array
    between: Array
    own: tuple[Array, Array]
    people: tuple[int, int]
    cells_each: tuple[NDArray[np.intp], NDArray[np.intp]]
    simulated: bool

    @property
    def share(self) -> float:
        """Share of people who have leukaemic cells."""
        return self.people[1] / sum(self.people)

    @property
    def between_share(self) -> float:
        """Share of the variance of the first model's log odds, within a class, that lies between people."""
        apart = float(self.between[:, 0, 0].mean())
        own = float(np.mean([np.var(cells[:, 0]) for cells in self.own]))
        return apart / (apart + own) if apart + own else 0.0


class Study(NamedTuple):
    """A study that was drawn: N cells, and the probabilities (M, N) that each model states."""

    labels: Labels
    people: NDArray[np.intp]
    stated: Array


def fit_pilot(first: Evaluation, second: Evaluation | None = None) -> Pilot:
    """Learn from one evaluation, or from those of two models on the same cells, how people and cells vary.

    Parameters
    ----------
    first, second
        Of people that the models were not trained on, each cell with its subject. A person with cells of both
        classes counts in each, as two who have nothing in common.

    Raises
    ------
    LeakError
        If a split is by image: the model knows these people, who then differ less than new ones.
    DataError
        If a cell names no subject, tested cells voted on each other, there are fewer than `FEWEST_PEOPLE` of
        a class, everybody has one cell only, or the two did not score the same cells.
    """
    both = (first,) if second is None else (first, second)
    _check(both)
    order = [np.argsort(evaluation.paths) for evaluation in both]
    odds = np.stack(
        [
            logit(np.clip(np.array(evaluation.probabilities)[places], NEAREST, 1 - NEAREST))
            for evaluation, places in zip(both, order, strict=True)
        ],
        axis=1,
    )
    labels = np.array(first.labels)[order[0]]
    whose = np.array([str(name) for name in first.subject_ids])[order[0]]
    classes = [_vary(odds[labels == label], whose[labels == label], first, label) for label in (0, 1)]
    return Pilot(
        names=tuple(map(model_name, both)),
        thresholds=np.array([evaluation.threshold for evaluation in both]),
        means=np.stack([one.mean for one in classes]),
        between=np.stack([one.between for one in classes]),
        own=(classes[0].own, classes[1].own),
        people=(len(classes[0].cells), len(classes[1].cells)),
        cells_each=(classes[0].cells, classes[1].cells),
        simulated=first.simulated,
    )


def draw_study(
    pilot: Pilot,
    people: tuple[int, int],
    cells_each: int | None,
    generator: np.random.Generator,
) -> Study:
    """Draw a study of new people.

    Parameters
    ----------
    pilot
        How people and cells vary.
    people
        How many of each class, normal first; 1 or more each.
    cells_each
        Cells of each person; None draws their numbers from the pilot's.
    generator
        Source of chance.
    """
    labels, whose, odds = [], [], []
    for label in (0, 1):
        count = people[label]
        cells = (
            generator.choice(pilot.cells_each[label], count)
            if cells_each is None
            else np.full(count, cells_each)
        )
        off = generator.multivariate_normal(
            np.zeros(len(pilot.names)), pilot.between[label], size=count, method="eigh"
        )
        own = pilot.own[label][generator.integers(len(pilot.own[label]), size=int(cells.sum()))]
        person = np.repeat(np.arange(count), cells)
        odds.append(pilot.means[label] + off[person] + own)
        labels.append(np.full(person.size, label))
        whose.append(person + label * people[0])
    return Study(np.concatenate(labels), np.concatenate(whose), expit(np.concatenate(odds).T))


class _Class(NamedTuple):
    """How one class varies; fields as in `Pilot`."""

    mean: Array
    between: Array
    own: Array
    cells: NDArray[np.intp]


def _vary(odds: Array, whose: NDArray[np.str_], evaluation: Evaluation, label: int) -> _Class:
    """Part the covariance of log odds (n, M) of one class into that between and that within people."""
    names, person = np.unique(whose, return_inverse=True)
    cells = np.bincount(person)
    people, total = len(names), len(person)
    fix = "use an evaluation of more people, with several cells each"
    name = evaluation.class_names[label]
    if people < FEWEST_PEOPLE or total == people:
        why = f"it has {total} {name} cells of {people} people"
        raise DataError("cannot plan a study by this evaluation", why=why, fix=fix)
    sums = np.stack([np.bincount(person, column) for column in odds.T], axis=1)
    means = sums / cells[:, None]
    own = odds - means[person]
    within = own.T @ own / (total - people)
    apart = means - sums.sum(axis=0) / total
    between = (apart * cells[:, None]).T @ apart / (people - 1)
    each = (total - (cells**2).sum() / total) / (people - 1)
    covariance = _possible((between - within) / each)
    return _Class(means.mean(axis=0), covariance, own * np.sqrt(total / (total - people)), cells)


def _possible(covariance: Array) -> Array:
    """Return the nearest matrix that is a covariance: chance can make a variance below 0."""
    values, vectors = np.linalg.eigh(covariance)
    possible: Array = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return possible


def _check(evaluations: Sequence[Evaluation]) -> None:
    first = evaluations[0]
    what, fix = (
        "cannot plan a study by this evaluation",
        "use one of people that the model was not trained on",
    )
    for evaluation in evaluations:
        if evaluation.split_kind == "image-level":
            why = "its split is image-level: the model knows these people, who then differ less than new ones"
            raise LeakError(what, why=why, fix=fix)
        if evaluation.neighbours:
            why = f"each probability is a mean with {evaluation.neighbours} other tested cells"
            raise DataError(what, why=why, fix="evaluate the model without --transductive")
        unnamed = evaluation.subject_ids.count(None)
        if unnamed:
            why = f"{unnamed} of {evaluation.cells} cells name no subject"
            raise DataError(what, why=why, fix=fix)
        if sorted(evaluation.paths) != sorted(first.paths):
            raise DataError(
                "cannot plan a comparison by these two evaluations",
                why="they did not score the same cells",
                fix="evaluate both models on the same cells",
            )
