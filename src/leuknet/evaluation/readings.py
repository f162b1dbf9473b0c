"""What several readers said of the same cases, and how such a table is read and written.

A table has a line for each reading: who read, under which treatment (a modality, or with a model's aid),
which case, what the case truly is, and the rating. iMRMC's own format is read and written too, so that
the FDA's program and R's packages can check what LeukNet computes.

Start at `read_readings`. `leuknet.evaluation.mrmc` analyses them.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import DataError, SettingError, ShapeError
from leuknet.records import write_whole

COLUMNS = ("reader", "treatment", "case", "truth", "rating")
"""What a table of readings must have; a column `person` says which cases are of one person."""

IMRMC_DATA = "BEGIN DATA:"
"""The line of an iMRMC file after which readings follow: reader, case, modality, score."""

_TRUTH = "truth"
"""The reader, and the modality, of lines of an iMRMC file that say what a case is."""

_OLD_TRUTH = {"-1"}
"""What older files call that reader."""


class Reading(NamedTuple):
    """One line of a table, as text but for the rating."""

    reader: str
    treatment: str
    case: str
    truth: str
    rating: float
    person: str


@dataclass(frozen=True, eq=False)
class Readings:
    """Ratings of cases by readers under treatments.

    Attributes
    ----------
    ratings : (T, R, N) float64
        The higher, the surer that the case is positive; NaN where a reader did not read a case.
    truth : (N,) int64
        1 for positive, 0 for negative; for a kappa with the truth, the category on the readers' own scale.
    treatments, readers, cases
        Names, of length T, R and N.
    people : (N,) str, optional
        Whose each case is, where cases are nested in people; None takes cases as independent.

    Raises
    ------
    ShapeError
        If the parts do not fit together.
    """

    ratings: NDArray[np.float64]
    truth: NDArray[np.int64]
    treatments: tuple[str, ...]
    readers: tuple[str, ...]
    cases: tuple[str, ...]
    people: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together."""
        shape = (len(self.treatments), len(self.readers), len(self.cases))
        people = self.cases if self.people is None else self.people
        if self.ratings.shape != shape or self.truth.shape != shape[2:] or len(people) != shape[2]:
            raise ShapeError(
                "readings do not fit together",
                why=f"{shape} treatments, readers and cases; ratings {self.ratings.shape}, "
                f"truth {self.truth.shape}",
                fix="give ratings (T, R, N), and truth and people of length N",
            )

    def take(self, *, treatments: Sequence[int], readers: Sequence[int], cases: NDArray[np.intp]) -> Readings:
        """Return the readings of some treatments, readers and cases, by number."""
        return Readings(
            self.ratings[list(treatments)][:, list(readers)][:, :, cases],
            self.truth[cases],
            tuple(self.treatments[number] for number in treatments),
            tuple(self.readers[number] for number in readers),
            tuple(self.cases[number] for number in cases),
            None if self.people is None else self.people[cases],
        )

    def under(self, treatments: Sequence[str]) -> Readings:
        """Return the readings under some treatments, by name, of the cases that were read under any of them.

        A SettingError if there is no such treatment, or one is named twice.
        """
        if not set(treatments) <= set(self.treatments) or len(set(treatments)) != len(treatments):
            raise SettingError(
                f"no treatments {', '.join(treatments)}",
                why=f"there are {', '.join(self.treatments)}",
                fix="name each of them once",
            )
        chosen = [self.treatments.index(name) for name in treatments]
        read = ~np.isnan(self.ratings[chosen]).all(axis=(0, 1))
        everyone = range(len(self.readers))
        return self.take(treatments=chosen, readers=everyone, cases=np.flatnonzero(read))


def read_readings(path: str | Path) -> Readings:
    """Read a table of readings, or a file in iMRMC's format.

    Parameters
    ----------
    path
        A CSV file with the columns `COLUMNS`, and `person` if cases are nested in people; or a file that has
        the line `IMRMC_DATA`.

    Raises
    ------
    DataError
        If the file cannot be read, a column lacks, a value is none, a case has two truths or two people, or a
        reader rated a case twice under one treatment.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}", why=str(error), fix="give a CSV file in UTF-8") from error
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines) if line.strip() == IMRMC_DATA), None)
    readings = _of_table(lines, path) if start is None else _of_imrmc(lines[start + 1 :], start + 2, path)
    return _gather(readings, path)


def _of_table(lines: Sequence[str], path: Path) -> Iterator[Reading]:
    table = csv.DictReader(lines)
    lacking = [name for name in COLUMNS if name not in (table.fieldnames or ())]
    if lacking:
        raise DataError(
            f"{path} is no table of readings",
            why=f"it has no column {', '.join(lacking)}",
            fix=f"give a line for each reading, with {', '.join(COLUMNS)} (and person), "
            f"or a file in iMRMC's format",
        )
    for row in table:
        text: Mapping[str, str] = {name: (row.get(name) or "").strip() for name in (*COLUMNS, "person")}
        rating = _number(text["rating"], "rating", path, table.line_num)
        yield Reading(text["reader"], text["treatment"], text["case"], text["truth"], rating, text["person"])


def _of_imrmc(lines: Sequence[str], first: int, path: Path) -> Iterator[Reading]:
    parts = [
        (first + place, *_four(line, first + place, path)) for place, line in enumerate(lines) if line.strip()
    ]
    truths = {case: value for _, reader, case, _, value in parts if _says_truth(reader)}
    for number, reader, case, treatment, value in parts:
        if _says_truth(reader):
            continue
        if case not in truths:
            raise _line_error(
                path, number, f"nothing says what case {case!r} truly is", "add its line of truth"
            )
        yield Reading(reader, treatment, case, truths[case], _number(value, "score", path, number), "")


def _says_truth(reader: str) -> bool:
    return reader.lower() == _TRUTH or reader in _OLD_TRUTH


def _four(line: str, number: int, path: Path) -> tuple[str, str, str, str]:
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != 4:
        raise _line_error(path, number, f"{len(parts)} values", "give reader, case, modality and score")
    return parts[0], parts[1], parts[2], parts[3]


def _number(text: str, what: str, path: Path, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _line_error(path, line, f"{text!r} is no {what}", "give a finite number, with a decimal point")
    return value


def _line_error(path: Path, line: int, why: str, fix: str) -> DataError:
    return DataError(f"{path}, line {line}: no reading", why=why, fix=fix)


def _gather(lines: Iterator[Reading], path: Path) -> Readings:
    """Put readings into arrays, names in the order in which they first come."""
    ratings: dict[tuple[str, str, str], float] = {}
    truth: dict[str, str] = {}
    people: dict[str, str] = {}
    for one in lines:
        for said, value, what in ((truth, one.truth, "truth"), (people, one.person, "person")):
            if said.setdefault(one.case, value) != value:
                raise _twice(
                    path, f"case {one.case!r} has two values of {what}: {said[one.case]!r}, {value!r}"
                )
        place = (one.treatment, one.reader, one.case)
        if place in ratings:
            raise _twice(path, f"reader {one.reader!r} rated case {one.case!r} twice under {one.treatment!r}")
        ratings[place] = one.rating
    if not ratings:
        raise DataError(f"{path} holds no reading", why="there is no line of data", fix="give one a reading")
    treatments, readers, cases = (tuple(dict.fromkeys(place[axis] for place in ratings)) for axis in range(3))
    table = np.full((len(treatments), len(readers), len(cases)), np.nan)
    numbers = [{name: number for number, name in enumerate(names)} for names in (treatments, readers, cases)]
    for place, rating in ratings.items():
        table[tuple(of[name] for of, name in zip(numbers, place, strict=True))] = rating
    named = [people[case] for case in cases]
    if any(named) and not all(named):
        raise _twice(path, "some cases name a person and some do not")
    return Readings(
        table,
        np.array([_category(truth[case], path, case) for case in cases], dtype=np.int64),
        treatments,
        readers,
        cases,
        np.array(named) if all(named) else None,
    )


def _category(text: str, path: Path, case: str) -> int:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value.is_integer() or value < 0:
        raise _twice(path, f"the truth of case {case!r} is {text!r}")
    return int(value)


def _twice(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} contradicts itself",
        why=why,
        fix="give each case one truth (0 for negative, 1 for positive) and one person, and each reading once",
    )


def write_table(readings: Readings, path: str | Path) -> None:
    """Write a CSV file that `read_readings` and R's packages read: a line for each reading."""
    people = readings.people
    heads = (*COLUMNS, *(("person",) if people is not None else ()))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(heads)
    for t, r, n in zip(*np.nonzero(~np.isnan(readings.ratings)), strict=True):
        who = () if people is None else (people[n],)
        rating = float(readings.ratings[t, r, n])
        table.writerow(
            (readings.readers[r], readings.treatments[t], readings.cases[n], readings.truth[n], rating, *who)
        )
    write_whole(Path(path), text.getvalue().encode())


def write_imrmc(readings: Readings, path: str | Path, *, title: str = "LeukNet") -> None:
    """Write a file in the format of iMRMC; it knows no people, so that cases count as independent there.

    Raises
    ------
    DataError
        If a name holds a comma or a line break, which the format cannot keep, or a truth is not 0 or 1.
    """
    names = (*readings.readers, *readings.treatments, *readings.cases)
    bad = next((name for name in names if any(sign in name for sign in ",\r\n")), None)
    if bad is not None or not np.isin(readings.truth, (0, 1)).all():
        why = "a truth is neither 0 nor 1" if bad is None else f"{bad!r} holds a comma or a line break"
        raise DataError("cannot write iMRMC's format", why=why, fix="rename it, or write the table as CSV")
    lines = [title, IMRMC_DATA]
    lines += [
        f"{_TRUTH},{case},{_TRUTH},{value}"
        for case, value in zip(readings.cases, readings.truth, strict=True)
    ]
    for t, r, n in zip(*np.nonzero(~np.isnan(readings.ratings)), strict=True):
        rating = float(readings.ratings[t, r, n])
        lines.append(f"{readings.readers[r]},{readings.cases[n]},{readings.treatments[t]},{rating!r}")
    write_whole(Path(path), ("\n".join(lines) + "\n").encode())
