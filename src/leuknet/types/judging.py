"""How a model did on cells that it was not trained on.

Start at `Evaluation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leuknet.types.added import added
from leuknet.types.datasets import SplitKind
from leuknet.types.interval import Interval
from leuknet.types.models import Calibration
from leuknet.types.recipe import ThresholdRule
from leuknet.types.reviewing import Details


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
    shared
        How many of the cells that are scored now it scored; None in an evaluation from when only looks at
        all of these very cells were known.
    """

    at: str
    test_fingerprint: str
    recipe: str
    seed: int
    model_id: str
    shared: int | None = added(None)


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
        Earlier scorings of any of these cells by any model, oldest first.
    seen
        Pairs (times, cells): how many of the cells had been scored how often before, fewest times first; None
        in an evaluation from when only looks at all of these very cells were known.
    unresolved_looks
        Earlier scorings by a LeukNet that did not write down which cells it scored: any of these may have
        been among them.
    trained_people
        Ids of tested people whose cells trained the model or chose its settings; None where it cannot be
        told, in an evaluation from before this was looked up or of cells that name nobody.
    settings_chosen_on
        Tested cells, and people, whose labels had a part in the choice of the recipe's settings, as far as a
        search is known: with any, the score is optimistic.
    neighbours
        Where above 0, the score is transductive: each probability is the mean with so many other tested
        cells, see `leuknet.evaluation.transductive`.
    name
        What its user calls it in tables, legends and reports; empty where it was given no name: see
        `leuknet.evaluation.naming`.
    details
        Thresholds for a purpose, predictive values, weak calibration, people and subgroups; None in files
        that an earlier LeukNet wrote, for which `leuknet.evaluation.details.details_of` computes them.
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
    details: Details | None = added(None)
    trained_people: tuple[str, ...] | None = added(None)
    seen: tuple[tuple[int, int], ...] | None = added(None)
    unresolved_looks: int = added(0)
    settings_chosen_on: tuple[int, int] = added((0, 0))
    name: str = added("")


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
