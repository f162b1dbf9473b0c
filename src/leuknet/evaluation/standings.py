"""What a table of several models rests on: a row for each recipe or baseline, and how two rows differ.

A row is the mean over seeds of its scores, each on the cells of all rounds of the protocol together, since
every round tests other cells. Intervals resample people and seeds. Nothing here reads or writes a file.

Start at `make_row`; `leuknet.experiments.scoreboard` makes the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leuknet.data.protocols import PROTOCOLS
from leuknet.errors import DataError
from leuknet.evaluation.baselines import PREFIX
from leuknet.evaluation.crossed import Answers, crossed_bootstrap, crossed_difference
from leuknet.evaluation.curves import arrays_of, clusters_of
from leuknet.evaluation.metrics import METRICS
from leuknet.types import Evaluation, Interval, SplitKind


@dataclass(frozen=True)
class Row:
    """One recipe or baseline in the table.

    Attributes
    ----------
    name
        Of the recipe, or `baseline: area` and the like.
    seeds
        Those with all rounds of the protocol.
    cells, subjects
        Different cells and people tested; subjects is None where cells name nobody.
    scores
        Metric to the mean over seeds, each on the cells of all rounds together, with its interval.
    by_seed
        Metric to the value of each seed.
    """

    name: str
    protocol: str
    split_kind: SplitKind
    simulated: bool
    seeds: tuple[int, ...]
    cells: int
    subjects: int | None
    scores: Mapping[str, Interval]
    by_seed: Mapping[str, tuple[float, ...]]

    @property
    def is_baseline(self) -> bool:
        """Whether it is no recipe, but something that should not work as well."""
        return self.name.startswith(PREFIX)


@dataclass(frozen=True)
class Difference:
    """How a row differs from another one on the same cells and seeds.

    Attributes
    ----------
    name, against
        The two rows.
    scores
        Metric to `name` minus `against`.
    """

    name: str
    against: str
    scores: Mapping[str, Interval]

    def verdict(self, metric: str) -> str:
        """Return `better`, `worse` or `cannot be told apart`: the last where the interval holds 0."""
        one = self.scores[metric]
        if one.low <= 0 <= one.high:
            return "cannot be told apart"
        return "better" if (one.estimate > 0) == METRICS[metric].higher_is_better else "worse"


def make_row(evaluations: Sequence[Evaluation]) -> Row:
    """Return the row of one recipe or baseline, from evaluations of all rounds for each of its seeds."""
    first = evaluations[0]
    by_subject = all(clusters_of(one) is not None for one in evaluations)
    answers = _answers_by_seed(evaluations, by_subject=by_subject)
    metrics = [name for name in METRICS if all(name in one.metrics for one in evaluations)]
    found = crossed_bootstrap(answers, unit="subjects" if by_subject else "cells", metrics=metrics)
    subjects = {one for evaluation in evaluations for one in evaluation.subject_ids}
    return Row(
        name=name_of(first),
        protocol=first.protocol,
        split_kind=first.split_kind,
        simulated=first.simulated,
        seeds=tuple(sorted({one.seed for one in evaluations})),
        cells=len({path for one in evaluations for path in one.paths}),
        subjects=None if None in subjects else len(subjects),
        scores={metric: one.interval for metric, one in found.items()},
        by_seed={metric: one.values for metric, one in found.items()},
    )


def find_differences(behind: Mapping[str, Sequence[Evaluation]], *, against: str) -> tuple[Difference, ...]:
    """Return how each row differs from one of them; rows of other seeds or cells are left out.

    Parameters
    ----------
    behind
        The evaluations of each row by its name, in the order of the rows.
    against
        One of them.

    Raises
    ------
    DataError
        If there is no such row.
    """
    if against not in behind:
        raise DataError(
            f"there is no row {against!r} to compare with",
            why=f"the rows are {', '.join(behind)}",
            fix="name one of them with --against",
        )
    first = behind[against]
    found = []
    for name, second in behind.items():
        if name == against or _tested(first) != _tested(second):
            continue
        by_subject = all(clusters_of(one) is not None for one in (*first, *second))
        both = [_answers_by_seed(side, by_subject=by_subject) for side in (first, second)]
        shared = [metric for metric in METRICS if all(metric in one.metrics for one in (*first, *second))]
        unit = "subjects" if by_subject else "cells"
        found.append(Difference(name, against, crossed_difference(*both, unit=unit, metrics=shared)))
    return tuple(found)


def choose_by_validation(groups: Iterable[Sequence[Evaluation]]) -> list[Evaluation]:
    """Return for each seed and round the evaluation of the recipe that did best on its validation side."""
    best: dict[tuple[int, str], tuple[float, Evaluation]] = {}
    for one in (one for members in groups for one in members if not one.model_id.startswith(PREFIX)):
        loss = None if one.calibration is None else one.calibration.subject_loss
        if loss is None:
            raise DataError(
                "cannot choose a recipe by validation",
                why=f"{one.recipe}, seed {one.seed}, does not state its loss on the validation side",
                fix="train it again with this LeukNet, or leave out --nested",
            )
        place = (one.seed, one.round)
        if place not in best or loss < best[place][0]:
            best[place] = (loss, one)
    return [one for _, one in best.values()]


def complete_seeds(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Return those of seeds that have all rounds: a mean over seeds must not compare different cells."""
    if not evaluations:
        return []
    rounds = PROTOCOLS[evaluations[0].protocol].rounds
    there = Counter(one.seed for one in evaluations)
    return [one for one in evaluations if there[one.seed] == rounds]


def name_of(evaluation: Evaluation) -> str:
    """Return what a row of this evaluation is called."""
    is_baseline = evaluation.model_id.startswith(PREFIX)
    return evaluation.model_id if is_baseline else evaluation.recipe


def _answers_by_seed(evaluations: Sequence[Evaluation], *, by_subject: bool) -> list[Answers]:
    """Pool the rounds of each seed, since each tests other cells; seeds in order."""
    seeds = sorted({one.seed for one in evaluations})
    return [_pooled([one for one in evaluations if one.seed == seed], by_subject) for seed in seeds]


def _pooled(evaluations: Sequence[Evaluation], by_subject: bool) -> Answers:
    """Put the cells of all rounds of one seed into one set of arrays; each keeps its own threshold."""
    ids = np.array([path for one in evaluations for path in one.paths])
    subjects = np.array([str(name) for one in evaluations for name in one.subject_ids])
    return Answers(
        ids=ids,
        labels=np.concatenate([arrays_of(one)[0] for one in evaluations]),
        probabilities=np.concatenate([arrays_of(one)[1] for one in evaluations]),
        threshold=np.concatenate([np.full(one.cells, one.threshold) for one in evaluations]),
        whose=subjects if by_subject else ids,
    )


def _tested(evaluations: Sequence[Evaluation]) -> set[tuple[int, str, frozenset[str]]]:
    return {(one.seed, one.round, frozenset(one.paths)) for one in evaluations}
