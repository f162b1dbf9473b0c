"""How a model did: estimates that never travel alone.

Start at `Interval`, then `IntervalMethod` and `Evaluation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

from leuknet.types.datasets import SplitKind
from leuknet.types.models import Calibration
from leuknet.types.recipe import ThresholdRule

Unit = Literal["cells", "subjects", "seeds"]
"""What may be resampled."""


class IntervalMethod(StrEnum):
    """How an interval was made. Its text is what files, tables and pages hold; nothing needs to parse it.

    Attributes
    ----------
    resampled
        What was left out in turn or drawn with replacement; nothing for an interval that rests on a formula
        or a model.
    """

    resampled: tuple[Unit, ...]

    WILSON = "wilson"
    JACKKNIFE_CELLS = "jackknife over cells, taken as independent", "cells"
    JACKKNIFE_SUBJECTS = "jackknife over subjects", "subjects"
    EXACT_CELLS = "Clopper-Pearson, cells counted"
    EXACT_SUBJECTS = "Clopper-Pearson, subjects counted"
    TOO_FEW_CELLS = "no interval: too few cells"
    TOO_FEW_SUBJECTS = "no interval: too few subjects"
    BOOTSTRAP_CELLS = "bootstrap over cells", "cells"
    BOOTSTRAP_SUBJECTS = "bootstrap over subjects", "subjects"
    CROSSED_CELLS = "crossed bootstrap over cells and seeds", "cells", "seeds"
    CROSSED_SUBJECTS = "crossed bootstrap over subjects and seeds", "subjects", "seeds"
    PAIRED_CELLS = "crossed bootstrap over cells and seeds, paired", "cells", "seeds"
    PAIRED_SUBJECTS = "crossed bootstrap over subjects and seeds, paired", "subjects", "seeds"
    PROFILE_LIKELIHOOD = "profile likelihood"
    MONTE_CARLO_CELLS = "Monte Carlo over cells alone"
    MONTE_CARLO_PEOPLE = "Monte Carlo over cells and people"

    def __new__(cls, text: str, *resampled: Unit) -> Self:
        """Make a member of its text and what it resamples."""
        method = str.__new__(cls, text)
        method._value_ = text
        method.resampled = resampled
        return method

    @property
    def label(self) -> str:
        """As a key or caption names it: Wilson is a person."""
        return "Wilson" if self is IntervalMethod.WILSON else self.value


@dataclass(frozen=True)
class Interval:
    """An estimate that never travels alone.

    Attributes
    ----------
    level
        Share of such intervals that hold the truth, such as 0.95, if the method keeps its word.
    method
        How the limits were found; `leuknet.evaluation.resampling` holds all ways.
    cells, subjects
        What the estimate rests on; subjects is None where the data do not name them.
    resamples
        0 for a closed form.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: IntervalMethod
    cells: int
    subjects: int | None
    resamples: int

    @property
    def is_known(self) -> bool:
        """Whether there is an interval; if not, the limits are the least and the largest possible value."""
        return self.method not in (IntervalMethod.TOO_FEW_CELLS, IntervalMethod.TOO_FEW_SUBJECTS)


@dataclass(frozen=True)
class Look:
    """One scoring of a test side, as the ledger of `leuknet.evaluation.looks` keeps it.

    Attributes
    ----------
    at
        UTC, ISO 8601.
    test_fingerprint
        sha256 over ids, contents and labels of the scored cells, whatever split they belong to.
    recipe, seed, model_id
        Which model looked.
    """

    at: str
    test_fingerprint: str
    recipe: str
    seed: int
    model_id: str


@dataclass(frozen=True)
class Evaluation:
    """How a model did on cells that it was not trained on. It cannot hold a bare number.

    Attributes
    ----------
    model_id, recipe, seed
        The model. Baselines that are no network have a `model_id` that starts with `baseline:`.
    protocol, round
        The protocol whose test side was scored, `""` for a recipe's own split or other cells.
    threshold, threshold_rule, calibration
        As on the model's card; calibration is None for baselines.
    metrics
        Name to interval, in the order of `leuknet.evaluation.metrics.METRICS`; those over subjects only where
        each cell has one.
    confusion
        Counts, rows are the true class and columns the called class, class 0 first.
    paths, labels, probabilities, subject_ids
        Of each scored cell, in one order; a subject is None where none is published.
    unreadable
        Cells that could not be scored: path and reason. They count in no metric.
    warned
        Scored cells that depart from what the model was trained on: path and what was noticed. They count.
    looks
        Earlier scorings of these very cells by any model, oldest first.
    neighbours
        Where above 0, the score is transductive: each probability is the mean with so many other tested
        cells, see `leuknet.evaluation.transductive`.
    """

    model_id: str
    recipe: str
    seed: int
    dataset: str
    part: str
    protocol: str
    round: str
    simulated: bool
    split_kind: SplitKind
    split_fingerprint: str
    class_names: tuple[str, str]
    threshold: float
    threshold_rule: ThresholdRule
    calibration: Calibration | None
    cells: int
    subjects: int | None
    metrics: Mapping[str, Interval]
    confusion: tuple[tuple[int, int], tuple[int, int]]
    paths: tuple[str, ...]
    labels: tuple[int, ...]
    probabilities: tuple[float, ...]
    subject_ids: tuple[str | None, ...]
    unreadable: tuple[tuple[str, str], ...] = ()
    warned: tuple[tuple[str, str], ...] = ()
    looks: tuple[Look, ...] = ()
    neighbours: int = 0


@dataclass(frozen=True)
class Gallery:
    """One picture of test cells with explanations, kept beside an evaluation.

    Attributes
    ----------
    name
        `certain-wrong`, `uncertain` or `typical`.
    file
        PNG beside this record.
    caption, alt
        How the cells were chosen; the same for someone who cannot see the picture.
    """

    name: str
    file: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Galleries:
    """All galleries of an evaluation."""

    galleries: tuple[Gallery, ...]
