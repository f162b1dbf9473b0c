"""How a model did on each subject, and whether its abstention keeps its promise for each of them.

A mean over cells hides the patient on whom a model fails: here every subject has a line, the worst first.
Conformal sets promise to hold the true class of a stated share of cells, a bound promises that few of a
person's calls are wrong; cells of one person err together, so that both are checked person by person.

Start at `subject_rows`, then `coverage` and `called_risk`. A subject with cells of both classes is a line in
each, as in the metrics over subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import DataError
from leuknet.evaluation.abstention import Sets, sets_of
from leuknet.evaluation.jackknife import score_interval
from leuknet.evaluation.reliability import shares
from leuknet.evaluation.resampling import wilson
from leuknet.types import Evaluation, Interval, Label


@dataclass(frozen=True)
class SubjectRow:
    """One subject's cells of one class.

    Attributes
    ----------
    right
        Cells that are called as labelled, at the model's threshold.
    accuracy
        right / cells, with Wilson's interval: of this subject's cells, taken as independent.
    mean_probability
        Mean P(leukaemic).
    vote_is_right
        Whether most cells are called right; None if half are.
    covered
        Share of cells whose conformal set holds the true class, which a set that names no class never does.
        None where the model's sets are not known.
    uncertain
        Cells in the undecided band; 0 where there is none.
    """

    subject: str
    label: Label
    cells: int
    right: int
    accuracy: Interval
    mean_probability: float
    vote_is_right: bool | None
    covered: float | None
    uncertain: int


@dataclass(frozen=True)
class Coverage:
    """What became of the share of cells whose conformal sets were to hold the true class.

    Attributes
    ----------
    asked
        `Calibration.coverage`.
    found
        Share of all cells, with the interval of `leuknet.evaluation.jackknife` over subjects.
    mean
        Mean over the rows of `subject_rows`, which count alike; its interval leaves subjects out in turn.
    lowest, lowest_subject
        The least share of a subject's cells, and whose it is.
    subjects_reached
        Share of the rows that are at or above `asked`.
    one, both, none
        Share of all cells whose set names one class, both or none.
    """

    asked: float
    found: Interval
    mean: Interval
    lowest: float
    lowest_subject: str
    subjects_reached: float
    one: float
    both: float
    none: float


@dataclass(frozen=True)
class CalledRisk:
    """Wrong calls among each subject's called cells, that is, those that are not left undecided.

    Attributes
    ----------
    asked
        `RiskBound.asked`; None where no bound was asked for.
    mean
        Share of wrong calls among a subject's called cells, averaged over subjects with a called cell, who
        count alike; None if there is none.
    called
        Share of a subject's cells that is called, averaged over all subjects.
    subjects, silent
        How many there are, and of how many of them no cell is called.
    highest, highest_subject
        The largest share of wrong calls of a subject, and whose it is; None and "" if no cell is called.
    """

    asked: float | None
    mean: Interval | None
    called: Interval
    subjects: int
    silent: int
    highest: float | None
    highest_subject: str


def subject_rows(evaluation: Evaluation) -> tuple[SubjectRow, ...]:
    """Return a row for each subject and class, lowest accuracy first.

    Of equal accuracies the one of more cells is first, then by name and class. A DataError says so if a
    cell names no subject.
    """
    _check_named(evaluation)
    labels = np.array(evaluation.labels)
    right, uncertain = _outcomes(evaluation)
    sets = _sets(evaluation)
    held = None if sets is None else sets.hold(labels)
    probabilities = np.array(evaluation.probabilities)
    rows = []
    for subject, label in sorted(set(zip(evaluation.subject_ids, evaluation.labels, strict=True))):
        mine = (np.array(evaluation.subject_ids) == subject) & (labels == label)
        cells, hits = int(mine.sum()), int(right[mine].sum())
        rows.append(
            SubjectRow(
                subject=str(subject),
                label=Label(label),
                cells=cells,
                right=hits,
                accuracy=wilson(hits, cells),
                mean_probability=float(probabilities[mine].mean()),
                vote_is_right=None if 2 * hits == cells else 2 * hits > cells,
                covered=None if held is None else float(held[mine].mean()),
                uncertain=int(uncertain[mine].sum()),
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.accuracy.estimate, -row.cells)))


def coverage(evaluation: Evaluation) -> Coverage:
    """Compare the coverage that was asked for with what the conformal sets of these cells got.

    Raises
    ------
    DataError
        If a cell names no subject, or the model's sets are not known.
    """
    rows, sets = subject_rows(evaluation), _sets(evaluation)
    if evaluation.calibration is None or sets is None:
        why = f"model {evaluation.model_id} was saved without its conformal sets"
        if evaluation.neighbours:
            why = "each probability is a mean with other cells, and the sets were made for single cells"
        raise DataError(
            "cannot check the coverage",
            why=why,
            fix="train the model with this version of LeukNet, and let no cell vote",
        )
    everyone = np.zeros(evaluation.cells, dtype=np.intp)
    held = sets.hold(np.array(evaluation.labels))
    found = shares(held, everyone, np.array(evaluation.subject_ids))[0]
    asked = evaluation.calibration.coverage
    covered = {row: row.covered for row in rows if row.covered is not None}
    worst = min(covered, key=lambda row: covered[row])
    return Coverage(
        asked=asked,
        found=found,
        mean=_mean_over(
            np.array(list(covered.values())), [row.subject for row in covered], cells=evaluation.cells
        ),
        lowest=covered[worst],
        lowest_subject=worst.subject,
        subjects_reached=sum(share >= asked for share in covered.values()) / len(rows),
        one=float((sets.named == 1).mean()),
        both=float((sets.named == 2).mean()),
        none=float((sets.named == 0).mean()),
    )


def called_risk(evaluation: Evaluation) -> CalledRisk:
    """Return how often a subject's calls are wrong, where a model leaves cells undecided.

    Each subject is one, whatever the classes of its cells. A DataError says so if a cell names no subject.
    """
    _check_named(evaluation)
    right, uncertain = _outcomes(evaluation)
    names, person = np.unique(np.array(evaluation.subject_ids, dtype=str), return_inverse=True)
    cells, called = np.bincount(person), np.bincount(person, ~uncertain)
    wrong = np.bincount(person, ~uncertain & ~right)
    speaks = called > 0
    own = wrong[speaks] / called[speaks]
    bound = None if evaluation.calibration is None else evaluation.calibration.bound
    return CalledRisk(
        asked=None if bound is None else bound.asked,
        mean=_mean_over(own, names[speaks], cells=int(called.sum())) if own.size else None,
        called=_mean_over(called / cells, names, cells=evaluation.cells),
        subjects=len(names),
        silent=int((~speaks).sum()),
        highest=float(own.max()) if own.size else None,
        highest_subject=str(names[speaks][own.argmax()]) if own.size else "",
    )


def _mean_over(
    values: NDArray[np.float64], subjects: Sequence[str] | NDArray[np.str_], *, cells: int
) -> Interval:
    """Return the mean of shares (N,) of subjects, who count alike; it rests on so many cells."""
    found = score_interval(
        lambda weights: weights @ values / weights.sum(axis=-1),
        np.array(subjects),
        cells=values.size,
        subjects_alike=True,
    )
    return replace(found, cells=cells)


def _check_named(evaluation: Evaluation) -> None:
    if None in evaluation.subject_ids:
        unnamed = evaluation.subject_ids.count(None)
        raise DataError(
            "cannot judge subject by subject",
            why=f"{unnamed} of {evaluation.cells} cells name no subject",
            fix="evaluate cells whose subjects are published, or add a subject column to manifest.csv",
        )


def _sets(evaluation: Evaluation) -> Sets | None:
    """Return the conformal set of each cell; None where they are not known, or cells voted."""
    fit = evaluation.calibration
    if fit is None or fit.quantile is None or evaluation.neighbours:
        return None
    return sets_of(np.array(evaluation.probabilities), fit.quantile)


def _outcomes(evaluation: Evaluation) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each cell whether it is called right, and whether it is uncertain."""
    probabilities = np.array(evaluation.probabilities)
    right = (probabilities >= evaluation.threshold) == (np.array(evaluation.labels) == Label.LEUKAEMIC)
    if evaluation.calibration is None:
        return right, np.zeros_like(right)
    low, high = evaluation.calibration.undecided
    return right, (low <= probabilities) & (probabilities < high)
