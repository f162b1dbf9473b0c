"""What came out of a reading study: verdicts, times, agreement, and the table of all reads.

Of each reader the first showing of a cell counts; the repeats serve self-consistency alone. The model's call
is its outcome: positive is `leukaemic`, negative `normal`, and both uncertain and unfamiliar are `uncertain`,
since in both it says that a person should decide. It has no word for `not_a_cell`: where a reader says that,
the two differ. Simulated cells that were read beside real ones are in no number.

Start at `study_results`. Whoever still reads in the study must not see any of this: ask
`leuknet.store.blinding.is_reading` first.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import DataError
from leuknet.evaluation.agreement import Compared, ComparedKind, Measure, Ratings, agreement_of, change_of
from leuknet.room.csv_text import defused
from leuknet.room.demonstration import demonstration_cases
from leuknet.room.study_content import ReaderRow, StudyPhaseResults, StudyResults
from leuknet.store.adjudications import adjudicated, disputes
from leuknet.store.cell_nouns import VERDICTS, Verdict
from leuknet.store.database import Store
from leuknet.store.nouns import as_noun
from leuknet.store.studies import case_ids_of, load_study, reader_ids_of
from leuknet.store.study_nouns import Phase, Study, StudyLine
from leuknet.store.study_reads import study_lines

MODEL_CALLS: dict[str, Verdict] = {
    "positive": "leukaemic",
    "negative": "normal",
    "uncertain": "uncertain",
    "unfamiliar": "uncertain",
}
"""What each outcome of the model says, in the readers' words."""

COLUMNS = (
    "item", "reader", "phase", "position", "cell", "repeat", "verdict", "seconds", "decided_at",
    "adjudicated", "model_outcome", "model_probability", "simulated",
)  # fmt: skip
"""Of the table of reads."""

_GIVEN: tuple[Verdict, ...] = tuple(verdict for verdict in VERDICTS if verdict != "withdrawn")
_CODES: dict[Verdict, int] = {verdict: code for code, verdict in enumerate(_GIVEN)}


@dataclass(frozen=True, eq=False)
class _Readings:
    """A phase as arrays: each rater a column of codes (N,), -1 where there is no rating."""

    cases: NDArray[np.int64]
    first: dict[str, Ratings]
    again: dict[str, Ratings]
    model: Ratings


@dataclass(frozen=True)
class _Comparison:
    """Whom to compare, and their ratings (N, R)."""

    name: str
    kind: ComparedKind
    ratings: Ratings


def study_results(store: Store, study_id: UUID) -> StudyResults:
    """Return what came out of a study so far.

    Raises
    ------
    StoreError
        If there is no such study.
    DataError
        If a cell's outcome is none of `MODEL_CALLS`.
    """
    study = load_study(store, study_id)
    every, drawn = study_lines(store, study_id), demonstration_cases(store, case_ids_of(store, study_id))
    real = [line for line in every if line.case_id not in drawn]
    lines = real or every
    cells = {line.cell_id for line in lines}
    readers = _pseudonyms(reader_ids_of(store, study_id))
    readings = {phase: _readings(lines, phase, readers) for phase in study.phases}
    compared = {phase: _comparisons(found) for phase, found in readings.items()}
    disputed = [dispute for dispute in disputes(store, study_id) if dispute.cell_id in cells]
    return as_noun(
        StudyResults,
        study,
        opened_at="" if study.opened_at is None else study.opened_at.isoformat(timespec="seconds"),
        closed_at="" if study.closed_at is None else study.closed_at.isoformat(timespec="seconds"),
        n_cells=len(cells),
        n_cases=len({line.case_id for line in lines}),
        models=tuple(sorted({line.model_id for line in lines})),
        phases=tuple(
            StudyPhaseResults(
                phase,
                tuple(_reader_row(lines, phase, reader_id, name) for reader_id, name in readers.items()),
                tuple(_compared(comparison, readings[phase].cases) for comparison in compared[phase]),
            )
            for phase in study.phases
        ),
        changes=_changes(study, readings, compared),
        disputed=len(disputed),
        adjudicated=sum(dispute.adjudication is not None for dispute in disputed),
        simulated=bool(every) and not real,
        left_out=len({line.cell_id for line in every}) - len(cells),
    )


def reads_csv(store: Store, study_id: UUID) -> str:
    """Return all reads that count as CSV, one a line, by reader, phase and position; times are UTC.

    Readers have pseudonyms, cells and items their numbers: no name of a person, file or case is in it. Notes
    are left out, since they are free text.
    """
    readers = _pseudonyms(reader_ids_of(store, study_id))
    decided = adjudicated(store, study_id)
    drawn = demonstration_cases(store, case_ids_of(store, study_id))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in study_lines(store, study_id):
        if line.verdict is None or line.decided_at is None:
            continue
        decision = decided.get(line.cell_id)
        row = (
            line.item_id, readers[line.reader_id], line.phase, line.position, line.cell_id,
            int(line.is_repeat), line.verdict, line.seconds,
            line.decided_at.isoformat(timespec="seconds"),
            "" if decision is None else decision.verdict, line.outcome,
            "" if line.probability is None else line.probability, int(line.case_id in drawn),
        )  # fmt: skip
        writer.writerow([defused(value) if isinstance(value, str) else value for value in row])
    return text.getvalue()


def _pseudonyms(reader_ids: Iterable[int]) -> dict[int, str]:
    return {reader_id: f"reader {number}" for number, reader_id in enumerate(reader_ids, start=1)}


def _reader_row(lines: Sequence[StudyLine], phase: Phase, reader_id: int, name: str) -> ReaderRow:
    mine = [line for line in lines if (line.reader_id, line.phase) == (reader_id, phase)]
    read = [line for line in mine if line.verdict is not None]
    first = [line.verdict for line in read if not line.is_repeat]
    seconds = [line.seconds for line in read if line.seconds is not None]
    quartiles = [float(quartile) for quartile in np.quantile(seconds, (0.25, 0.5, 0.75))] if seconds else None
    return ReaderRow(
        reader=name,
        read=len(read),
        total=len(mine),
        counts=tuple((verdict, first.count(verdict)) for verdict in _GIVEN),
        seconds=None if quartiles is None else (quartiles[0], quartiles[1], quartiles[2]),
    )


def _readings(lines: Sequence[StudyLine], phase: Phase, readers: dict[int, str]) -> _Readings:
    """Return a phase's verdicts; cells are in the same order in each phase."""
    by_cell = {line.cell_id: line for line in lines}
    place = {cell_id: number for number, cell_id in enumerate(sorted(by_cell))}
    first = {name: np.full(len(place), -1, dtype=np.int64) for name in readers.values()}
    again = {name: np.full(len(place), -1, dtype=np.int64) for name in readers.values()}
    for line in lines:
        if line.phase == phase and line.verdict is not None:
            showing = again if line.is_repeat else first
            showing[readers[line.reader_id]][place[line.cell_id]] = _CODES[line.verdict]
    ordered = [by_cell[cell_id] for cell_id in place]
    # In the order in which cells came, not by their random ids: the same study has the same intervals.
    cases = dict.fromkeys(line.case_id for line in ordered)
    case_number = {case_id: number for number, case_id in enumerate(cases)}
    return _Readings(
        cases=np.array([case_number[line.case_id] for line in ordered], dtype=np.int64),
        first=first,
        again=again,
        model=np.array([_CODES[_model_call(line)] for line in ordered], dtype=np.int64),
    )


def _model_call(line: StudyLine) -> Verdict:
    if line.outcome not in MODEL_CALLS:
        raise DataError(
            "cannot compare readers with the model",
            why=f"cell {line.cell_id} has the outcome {line.outcome!r}",
            fix=f"score its case again: outcomes are {', '.join(MODEL_CALLS)}",
        )
    return MODEL_CALLS[line.outcome]


def _comparisons(readings: _Readings) -> list[_Comparison]:
    """Return whom to compare. Of two readers, Fleiss' kappa would only be another one beside Cohen's."""
    first = readings.first
    found = [
        _Comparison(f"{left} and {right}", "pair", np.stack([first[left], first[right]], axis=1))
        for left, right in combinations(first, 2)
    ]
    if len(first) > 2:
        found.append(_Comparison(f"all {len(first)} readers", "all", np.stack(list(first.values()), axis=1)))
    for name, ratings in first.items():
        again = readings.again[name]
        if (again >= 0).any():
            shown_twice = np.where(again >= 0, ratings, -1)
            found.append(_Comparison(f"{name} twice", "self", np.stack([shown_twice, again], axis=1)))
    return found + [
        _Comparison(f"{name} and the model", "model", np.stack([ratings, readings.model], axis=1))
        for name, ratings in first.items()
    ]


def _compared(comparison: _Comparison, cases: NDArray[np.int64]) -> Compared:
    ratings = comparison.ratings
    if comparison.kind == "self":
        # Cells that were not shown twice are no missing ratings.
        twice = (ratings >= 0).any(axis=1)
        ratings, cases = ratings[twice], cases[twice]
    return Compared(
        comparison.name,
        comparison.kind,
        agreement_of(ratings, measure="agreement", cases=cases),
        agreement_of(ratings, measure=_kappa(comparison.kind), cases=cases),
    )


def _changes(
    study: Study, readings: dict[Phase, _Readings], compared: dict[Phase, list[_Comparison]]
) -> tuple[Compared, ...]:
    """Return assisted minus unaided; not of self-consistency: other cells are repeated in each phase."""
    if study.mode != "both":
        return ()
    cases = readings["unaided"].cases
    before = [old for old in compared["unaided"] if old.kind != "self"]
    after = [new for new in compared["assisted"] if new.kind != "self"]
    return tuple(
        Compared(
            old.name,
            old.kind,
            *(
                change_of(old.ratings, new.ratings, measure=measure, cases=cases)
                for measure in ("agreement", _kappa(old.kind))
            ),
        )
        for old, new in zip(before, after, strict=True)
    )


def _kappa(kind: ComparedKind) -> Measure:
    return "fleiss" if kind == "all" else "cohen"
