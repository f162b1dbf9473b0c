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
from leuknet.evaluation.crossed import Answers, Whose, crossed_bootstrap, crossed_difference
from leuknet.evaluation.curves import arrays_of
from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.resampling import clusters_of
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
        gap = self.scores[metric]
        if gap.low <= 0 <= gap.high:
            return "cannot be told apart"
        return "better" if (gap.estimate > 0) == METRICS[metric].higher_is_better else "worse"


def make_row(evaluations: Sequence[Evaluation]) -> Row:
    """Return the row of one recipe or baseline, from evaluations of all rounds for each of its seeds."""
    first = evaluations[0]
    unit = _unit(evaluations)
    answers = _answers_by_seed(evaluations, unit)
    found = crossed_bootstrap(answers, unit=unit, metrics=_shared_metrics(evaluations))
    subjects = {subject for evaluation in evaluations for subject in evaluation.subject_ids}
    return Row(
        name=name_of(first),
        protocol=first.protocol,
        split_kind=first.split_kind,
        simulated=first.simulated,
        seeds=tuple(sorted({evaluation.seed for evaluation in evaluations})),
        cells=len({path for evaluation in evaluations for path in evaluation.paths}),
        subjects=None if None in subjects else len(subjects),
        scores={metric: mean.interval for metric, mean in found.items()},
        by_seed={metric: mean.values for metric, mean in found.items()},
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
        both = [*first, *second]
        unit = _unit(both)
        answers = (_answers_by_seed(side, unit) for side in (first, second))
        gaps = crossed_difference(*answers, unit=unit, metrics=_shared_metrics(both))
        found.append(Difference(name, against, gaps))
    return tuple(found)


def choose_by_validation(groups: Iterable[Sequence[Evaluation]]) -> list[Evaluation]:
    """Return for each seed and round the evaluation of the recipe that did best on its validation side."""
    best: dict[tuple[int, str], tuple[float, Evaluation]] = {}
    for evaluation in (evaluation for members in groups for evaluation in members):
        if evaluation.model_id.startswith(PREFIX):
            continue
        loss = None if evaluation.calibration is None else evaluation.calibration.subject_loss
        if loss is None:
            model = f"{evaluation.recipe}, seed {evaluation.seed}"
            raise DataError(
                "cannot choose a recipe by validation",
                why=f"{model}, does not state its loss on the validation side",
                fix="train it again with this LeukNet, or leave out --nested",
            )
        place = (evaluation.seed, evaluation.round)
        if place not in best or loss < best[place][0]:
            best[place] = (loss, evaluation)
    return [evaluation for _, evaluation in best.values()]


def complete_seeds(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Return those of seeds that have all rounds: a mean over seeds must not compare different cells."""
    if not evaluations:
        return []
    rounds = PROTOCOLS[evaluations[0].protocol].rounds
    there = Counter(evaluation.seed for evaluation in evaluations)
    return [evaluation for evaluation in evaluations if there[evaluation.seed] == rounds]


def name_of(evaluation: Evaluation) -> str:
    """Return what a row of this evaluation is called."""
    is_baseline = evaluation.model_id.startswith(PREFIX)
    return evaluation.model_id if is_baseline else evaluation.recipe


def _unit(evaluations: Sequence[Evaluation]) -> Whose:
    """Return what is resampled: subjects where every evaluation asks for it."""
    return "cells" if any(clusters_of(evaluation) is None for evaluation in evaluations) else "subjects"


def _shared_metrics(evaluations: Sequence[Evaluation]) -> list[str]:
    return [name for name in METRICS if all(name in evaluation.metrics for evaluation in evaluations)]


def _answers_by_seed(evaluations: Sequence[Evaluation], unit: Whose) -> list[Answers]:
    """Pool the rounds of each seed, since each tests other cells; seeds in order."""
    by_seed: dict[int, list[Evaluation]] = {}
    for evaluation in evaluations:
        by_seed.setdefault(evaluation.seed, []).append(evaluation)
    return [_pooled(by_seed[seed], unit) for seed in sorted(by_seed)]


def _pooled(rounds: Sequence[Evaluation], unit: Whose) -> Answers:
    """Put the cells of all rounds of one seed into one set of arrays; each keeps its own threshold."""
    ids = np.array([path for tested in rounds for path in tested.paths])
    subjects = np.array([str(name) for tested in rounds for name in tested.subject_ids])
    labels, probabilities = zip(*map(arrays_of, rounds), strict=True)
    return Answers(
        ids=ids,
        labels=np.concatenate(labels),
        probabilities=np.concatenate(probabilities),
        threshold=np.concatenate([np.full(tested.cells, tested.threshold) for tested in rounds]),
        whose=subjects if unit == "subjects" else ids,
    )


def _tested(evaluations: Sequence[Evaluation]) -> set[tuple[int, str, frozenset[str]]]:
    return {(tested.seed, tested.round, frozenset(tested.paths)) for tested in evaluations}
