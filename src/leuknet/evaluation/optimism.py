"""Puts a number on the optimism of an image-level split: a learner's score by image minus that by subject.

Both scores are means over seeds, on cells of the same people. Each person is left out of both at once, and
seeds are compared one by one.

Start at `measure_worth`; how the interval is made stands in `leuknet.evaluation.crossed`. Nothing here knows
how a learner came to its answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from leuknet.errors import ShapeError
from leuknet.evaluation.crossed import Answers, interval_of_means, means_of, people_of
from leuknet.evaluation.metrics import METRICS
from leuknet.types import Interval, Probabilities, Split

Kind = Literal["image-level", "subject-level"]
KINDS: tuple[Kind, Kind] = ("image-level", "subject-level")

THRESHOLD = 0.5
"""From which on a cell counts as called leukaemic, the same for every learner."""


@dataclass(frozen=True)
class Worth:
    """What an image-level split is worth to one learner, by one metric.

    Attributes
    ----------
    learner, metric
        Who was scored, and a key of `leuknet.evaluation.metrics.METRICS`.
    image_level, subject_level
        Mean score over seeds; cells and subjects are those that any seed tested.
    optimism
        The first minus the second, in the metric's own unit, from -1 to 1 (MCC: from -2 to 2); above 0, the
        image-level split flatters.
    """

    learner: str
    metric: str
    image_level: Interval
    subject_level: Interval
    optimism: Interval


class Scored(NamedTuple):
    """A learner's P(leukaemic) of each cell of one split's test side, in order."""

    split: Split
    probabilities: Probabilities


def measure_worth(learner: str, scored: Sequence[Scored], *, metric: str) -> Worth:
    """Compare a learner's scores under both kinds of split.

    Parameters
    ----------
    learner
        Its name.
    scored
        One image-level and one subject-level split for each of two or more seeds, in any order; each tested
        cell has a label and names its person.
    metric
        A key of `METRICS`.

    Returns
    -------
    Worth
        With intervals as `leuknet.evaluation.crossed.mean_over_seeds` has them. Where a score is undefined
        without one of the people, there is none.

    Raises
    ------
    ShapeError
        If the seeds of the two kinds differ or are fewer than two, or probabilities do not fit the cells.
    """
    in_order = sorted(scored, key=lambda answers: answers.split.seed)
    by_kind = {kind: [answers for answers in in_order if answers.split.kind == kind] for kind in KINDS}
    seeds = {kind: [answers.split.seed for answers in members] for kind, members in by_kind.items()}
    if seeds["image-level"] != seeds["subject-level"] or len(set(seeds["image-level"])) < 2:
        raise ShapeError(
            "cannot measure what an image-level split is worth",
            why=f"seeds by image are {seeds['image-level']}, by subject {seeds['subject-level']}",
            fix="score one split of each kind for each of two or more seeds",
        )
    by_image, by_subject = ([_answers(answers) for answers in by_kind[kind]] for kind in KINDS)
    # People of either kind of split, but seeds of one: the two splits of a seed come and go together.
    people, about = people_of(by_image, by_subject), METRICS[metric]
    image, subject = (
        means_of(answers, about, people=people, unit="subjects") for answers in (by_image, by_subject)
    )
    both = [*by_image, *by_subject]
    intervals = (
        interval_of_means(image, by_image, about, unit="subjects"),
        interval_of_means(subject, by_subject, about, unit="subjects"),
        interval_of_means(image.minus(subject), both, about, unit="subjects", paired=True),
    )
    return Worth(learner, metric, *intervals)


def _answers(scored: Scored) -> Answers:
    cells = scored.split.test
    return Answers(
        ids=np.array([cell.id for cell in cells]),
        labels=np.array([cell.label for cell in cells], dtype=np.int64),
        probabilities=scored.probabilities,
        threshold=np.full(len(cells), THRESHOLD),
        whose=np.array([cell.subject for cell in cells], dtype=np.str_),
    )
