"""What the page of a reading study tells: plain values, without names of readers. Start at `StudyResults`."""

from __future__ import annotations

from dataclasses import dataclass

from leuknet.evaluation.agreement import Compared


@dataclass(frozen=True)
class ReaderRow:
    """What one reader said in one phase.

    Attributes
    ----------
    reader
        A pseudonym, `reader 1` and so on.
    read, total
        Items read and to be read, cells shown twice counting twice.
    counts
        Pairs of a verdict and how many cells got it at their first showing.
    seconds
        First quartile, median and third quartile of the seconds per item; None if none was read.
    """

    reader: str
    read: int
    total: int
    counts: tuple[tuple[str, int], ...]
    seconds: tuple[float, float, float] | None


@dataclass(frozen=True)
class StudyPhaseResults:
    """What came out of one phase, `unaided` or `assisted`."""

    phase: str
    readers: tuple[ReaderRow, ...]
    compared: tuple[Compared, ...]


@dataclass(frozen=True)
class StudyResults:
    """What came out of a study.

    Attributes
    ----------
    state, mode, repeat_share, washout_days, seed
        As the study was planned, see `leuknet.store.study_nouns.NewStudy`.
    opened_at, closed_at
        UTC, ISO 8601; "" if that has not happened.
    models
        The models that scored its cells, by their ids.
    phases
        In the order in which they were read.
    changes
        Assisted minus unaided, for whom both phases compare on the same cells; empty with one phase.
    disputed, adjudicated
        Cells on which readers differ, by the rule of `leuknet.store.adjudications`, and those of them that a
        lead has decided.
    simulated
        Whether all cells are those of demonstration cases, which a program drew.
    left_out
        Cells of demonstration cases that were read beside real ones: they are in none of the numbers.
    """

    title: str
    state: str
    mode: str
    repeat_share: float
    washout_days: int
    seed: int
    opened_at: str
    closed_at: str
    n_cells: int
    n_cases: int
    models: tuple[str, ...]
    phases: tuple[StudyPhaseResults, ...]
    changes: tuple[Compared, ...]
    disputed: int
    adjudicated: int
    simulated: bool
    left_out: int
