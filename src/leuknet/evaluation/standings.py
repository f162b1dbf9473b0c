"""What a table of several models rests on: a row for each recipe or baseline, and how two rows differ.

A row is the mean over seeds of its scores, each on the cells of all rounds of the protocol together, since
every round tests other cells. Intervals hold the choice of people and seeds. A verdict on two rows rests on
the paired test of `leuknet.evaluation.paired`, needs `MIN_SEEDS`, since one seed says nothing of a recipe,
and is corrected for the number of rows. Nothing here reads or writes a file.

Start at `make_row`; `leuknet.experiments.scoreboard` makes the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from leuknet.data.protocols import PROTOCOLS
from leuknet.errors import DataError
from leuknet.evaluation.baselines import PREFIX
from leuknet.evaluation.crossed import Answers, OverSeeds, Whose, mean_over_seeds
from leuknet.evaluation.curves import arrays_of
from leuknet.evaluation.margins import SIGNIFICANT, Margin, within_margin
from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.paired import Paired, paired_difference
from leuknet.evaluation.resampling import clusters_of
from leuknet.types import Evaluation, Interval, SplitKind

MIN_SEEDS = 3
"""With fewer there is no verdict on recipes: of one training nobody knows what its luck is worth, and two
leave the spread of seeds a single degree of freedom (`studies/verdicts.py`)."""


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
    seeds
        How many both have.
    tests
        Metric to the paired test of `name` minus `against`.
    adjusted
        Metric to its p value, corrected for the number of rows by Holm (1979): of all recipes, and of all
        baselines, which are another question. Not corrected for the number of metrics.
    """

    name: str
    against: str
    seeds: int
    tests: Mapping[str, Paired]
    adjusted: Mapping[str, float]

    @property
    def scores(self) -> dict[str, Interval]:
        """Metric to `name` minus `against`, with an interval that is not corrected."""
        return {metric: found.difference for metric, found in self.tests.items()}

    def verdict(self, metric: str) -> str:
        """Return `better`, `worse`, `cannot be told apart`, or why there is no verdict.

        The corrected p value alone decides; that intervals overlap, or an interval holds 0, says nothing.
        """
        if self.seeds < MIN_SEEDS:
            return f"no verdict from {self.seeds} seed{'s' * (self.seeds != 1)}"
        if self.tests[metric].gap:
            return f"no verdict, {self.tests[metric].gap}"
        if self.adjusted[metric] >= SIGNIFICANT:
            return "cannot be told apart"
        is_higher = self.tests[metric].difference.estimate > 0
        return "better" if is_higher == METRICS[metric].higher_is_better else "worse"

    def within(self, metric: str, margin: float) -> Margin | None:
        """Return whether the row is as good as the other but for a margin; None where there is no verdict.

        Not corrected for the number of rows.
        """
        return within_margin(self.tests[metric], metric, margin) if self.has_verdict(metric) else None

    def has_verdict(self, metric: str) -> bool:
        """Whether there are seeds and people enough to tell anything."""
        return self.seeds >= MIN_SEEDS and not self.tests[metric].gap


def make_row(evaluations: Sequence[Evaluation]) -> Row:
    """Return the row of one recipe or baseline, from evaluations of all rounds for each of its seeds."""
    first = evaluations[0]
    metrics = _shared_metrics(evaluations)
    means: dict[str, OverSeeds] = {}
    for unit in ("cells", "subjects"):
        asked = [metric for metric in metrics if unit_of(evaluations, metric) == unit]
        if asked:
            means |= mean_over_seeds(_answers_by_seed(evaluations, unit), unit=unit, metrics=asked)
    found = {metric: means[metric] for metric in metrics}
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

    Whether p values are small depends on how many rows there are: see `Difference.adjusted`.

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
        found.append(_difference(name, second, against, first))
    return tuple(_corrected(found, behind))


def _difference(
    name: str, second: Sequence[Evaluation], against: str, first: Sequence[Evaluation]
) -> Difference:
    both = [*first, *second]
    tests = {}
    for metric in _shared_metrics(both):
        unit = unit_of(both, metric)
        answers = [_answers_by_seed(side, unit) for side in (first, second)]
        tests[metric] = paired_difference(*answers, unit=unit, metric=metric)
    return Difference(name, against, len({one.seed for one in first}), tests, {})


def _corrected(found: Sequence[Difference], behind: Mapping[str, Sequence[Evaluation]]) -> list[Difference]:
    """Return the differences with p values corrected among recipes, and among baselines."""
    kinds = [behind[gap.name][0].model_id.startswith(PREFIX) for gap in found]
    adjusted: list[dict[str, float]] = [{} for _ in found]
    for kind in set(kinds):
        family = [number for number, other in enumerate(kinds) if other == kind]
        for metric in {metric for number in family for metric in found[number].tests}:
            members = [number for number in family if metric in found[number].tests]
            p_values = holm([found[number].tests[metric].p_value for number in members])
            for number, p_value in zip(members, p_values, strict=True):
                adjusted[number][metric] = p_value
    return [replace(gap, adjusted=each) for gap, each in zip(found, adjusted, strict=True)]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number.

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6(2), 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    raised = np.array(p_values)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return [float(value) for value in corrected]


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


def unit_of(evaluations: Sequence[Evaluation], metric: str) -> Whose:
    """Return what is left out whole: subjects where all evaluations ask for it, and for metrics over them."""
    if METRICS[metric].unit == "subject":
        return "subjects"
    return "cells" if any(clusters_of(evaluation) is None for evaluation in evaluations) else "subjects"


def _shared_metrics(evaluations: Sequence[Evaluation]) -> list[str]:
    return [name for name in METRICS if all(name in evaluation.metrics for evaluation in evaluations)]


def _answers_by_seed(evaluations: Sequence[Evaluation], unit: Whose) -> list[Answers]:
    """Pool the rounds of each seed, since each tests other cells; seeds in order."""
    by_seed: dict[int, list[Evaluation]] = {}
    for evaluation in evaluations:
        by_seed.setdefault(evaluation.seed, []).append(evaluation)
    return [pooled_answers(by_seed[seed], unit) for seed in sorted(by_seed)]


def pooled_answers(rounds: Sequence[Evaluation], unit: Whose) -> Answers:
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
