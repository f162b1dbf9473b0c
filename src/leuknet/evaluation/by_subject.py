"""How a model did on each subject, and whether its abstention keeps its promise for each of them.

A mean over cells hides the patient on whom a model fails: here every subject has a line, the worst first.
A conformal band promises that a stated share of new cells is not called wrongly with certainty; cells of
one person err together, so that the promise is checked person by person.

Start at `subject_rows`, then `coverage`. A subject with cells of both classes is a line in each, as in the
metrics over subjects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import DataError
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
        Share of cells that are not called wrongly with certainty: called right, or uncertain. None where
        the model has no calibration.
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
    """What became of the share of cells that a model promised not to call wrongly with certainty.

    Attributes
    ----------
    asked
        `Calibration.coverage`.
    found
        Share of all cells, with an interval from a bootstrap over subjects.
    lowest, lowest_subject
        The least share of a subject's cells, and whose it is.
    subjects_reached
        Share of the rows of `subject_rows` that are at or above `asked`.
    uncertain
        Share of all cells on which the model does not decide: what the coverage costs.
    """

    asked: float
    found: Interval
    lowest: float
    lowest_subject: str
    subjects_reached: float
    uncertain: float


def subject_rows(evaluation: Evaluation) -> tuple[SubjectRow, ...]:
    """Return a row for each subject and class, lowest accuracy first.

    Of equal accuracies the one of more cells is first, then by name and class. A DataError says so if a
    cell names no subject.
    """
    if None in evaluation.subject_ids:
        unnamed = evaluation.subject_ids.count(None)
        raise DataError(
            "cannot judge subject by subject",
            why=f"{unnamed} of {evaluation.cells} cells name no subject",
            fix="evaluate cells whose subjects are published, or add a subject column to manifest.csv",
        )
    labels = np.array(evaluation.labels)
    right, uncertain = _outcomes(evaluation)
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
                covered=float((right | uncertain)[mine].mean()) if evaluation.calibration else None,
                uncertain=int(uncertain[mine].sum()),
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.accuracy.estimate, -row.cells)))


def coverage(evaluation: Evaluation) -> Coverage:
    """Compare the coverage that was asked for with what these cells got.

    Returns
    -------
    Coverage
        A cell is covered if it is called right or is uncertain.

    Raises
    ------
    DataError
        If a cell names no subject, or the model has no calibration.
    ShapeError
        If all cells come from one subject.
    """
    rows = subject_rows(evaluation)
    if evaluation.calibration is None:
        raise DataError(
            "cannot check the coverage",
            why=f"model {evaluation.model_id} was saved without a calibration",
            fix="train it again with this version of LeukNet",
        )
    right, uncertain = _outcomes(evaluation)
    everyone = np.zeros(evaluation.cells, dtype=np.intp)
    found = shares(right | uncertain, everyone, np.array(evaluation.subject_ids))[0]
    asked = evaluation.calibration.coverage
    covered = {row: row.covered for row in rows if row.covered is not None}
    worst = min(covered, key=lambda row: covered[row])
    return Coverage(
        asked=asked,
        found=found,
        lowest=covered[worst],
        lowest_subject=worst.subject,
        subjects_reached=sum(share >= asked for share in covered.values()) / len(rows),
        uncertain=float(uncertain.mean()),
    )


def _outcomes(evaluation: Evaluation) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each cell whether it is called right, and whether it is uncertain."""
    probabilities = np.array(evaluation.probabilities)
    right = (probabilities >= evaluation.threshold) == (np.array(evaluation.labels) == Label.LEUKAEMIC)
    if evaluation.calibration is None:
        return right, np.zeros_like(right)
    low, high = evaluation.calibration.undecided
    return right, (low <= probabilities) & (probabilities < high)
