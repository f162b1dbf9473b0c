"""Reads a table of scored cells back, and trusts none of it.

Start at `read_scored`; `read_scored_images` gives the image of each cell beside its score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import DataError, NoSubjectsError, SettingError
from leuknet.inference.familiar import is_unfamiliar
from leuknet.inference.outcome import SEPARATOR, UNCERTAIN, UNFAMILIAR
from leuknet.records.spreadsheet import is_plain, read_table
from leuknet.types import Probabilities

if TYPE_CHECKING:
    import polars as pl

CALLED_UNFAMILIAR = "the table calls it unfamiliar, and does not say why"
"""The warning of an image whose outcome is not borne out by a warning of its own."""

MOST_TEXT = 256 * 2**20
"""Most bytes of texts of a table of others."""

_NEEDED = ("probability", "outcome", "threshold", "model_id", "warnings", "error")


@dataclass(frozen=True)
class ScoredCells:
    """A table of cells that one model scored at one threshold; all arrays are (N,), N >= 1.

    Attributes
    ----------
    subjects
        Whose each cell is.
    probabilities
        P(leukaemic), calibrated, in [0, 1]; NaN for a cell that has an error instead.
    uncertain, unfamiliar
        Whether the model does not decide on the cell; whether the cell is unlike the trained ones.
    """

    model_id: str
    threshold: float
    subjects: tuple[str, ...]
    probabilities: Probabilities
    uncertain: NDArray[np.bool_]
    unfamiliar: NDArray[np.bool_]


@dataclass(frozen=True)
class ScoredImages:
    """A table of images that one model scored, with where each lies; all tuples are of length N >= 1.

    Attributes
    ----------
    paths
        As the table has them.
    probabilities
        P(leukaemic), calibrated, in [0, 1]; None for an image that has an error instead.
    uncertain
        Whether the model does not decide on the cell.
    warnings
        How each departs from what the model was trained on. Whatever the table calls unfamiliar has a warning
        that says so, if only `CALLED_UNFAMILIAR`.
    errors
        Why it could not be scored, None where it was.
    """

    model_id: str
    threshold: float
    paths: tuple[str, ...]
    probabilities: tuple[float | None, ...]
    uncertain: tuple[bool, ...]
    warnings: tuple[tuple[str, ...], ...]
    errors: tuple[str | None, ...]


def read_scored(
    path: Path, *, subject_column: str = "subject", one_subject: str | None = None
) -> ScoredCells:
    """Read a table as `leuknet.inference.prediction_table` writes it: `.parquet`, or else CSV.

    Parameters
    ----------
    path
        Columns may stand in any order, and others beside them.
    subject_column
        Where the subjects are.
    one_subject
        Name of the one person whose all cells are; the table need not name it then.

    Raises
    ------
    DataError
        If the file cannot be read, has no rows, lacks a column, a row is amiss or names no subject.
    SettingError
        If there are several models or thresholds, or several subjects where one was stated.
    """
    names = (*_NEEDED, subject_column)
    texts = _read_texts(path, names if one_subject is None else _NEEDED, also=subject_column)
    probabilities, threshold = _scores(path, texts)
    return ScoredCells(
        model_id=str(_only(path, "model_id", texts["model_id"])),
        threshold=threshold,
        subjects=_whose(path, texts, column=subject_column, one_subject=one_subject),
        probabilities=probabilities.fill_null(float("nan")).to_numpy(),
        uncertain=_is_uncertain(texts).to_numpy(),
        unfamiliar=_is_unfamiliar(texts),
    )


def read_scored_images(path: Path, *, most_rows: int | None = None) -> ScoredImages:
    """Read a table as `read_scored` does, whoever the cells are of, with the path of each image.

    Parameters
    ----------
    path
        As there.
    most_rows
        No more are read, and a table that has more is refused, or one whose texts have more than `MOST_TEXT`
        bytes: a file of some kilobytes may hold millions of rows. None for a table of one's own.

    Raises
    ------
    DataError
        If the file cannot be read, has no rows or too many, lacks a column, or a row is amiss.
    SettingError
        If there are several models or thresholds.
    """
    texts = _read_texts(path, (*_NEEDED, "path"), also="path", most_rows=most_rows)
    probabilities, threshold = _scores(path, texts)
    for row in texts["path"].is_null().arg_true():
        raise _unreadable(path, f"row {row + 1} has no path")
    return ScoredImages(
        model_id=str(_only(path, "model_id", texts["model_id"])),
        threshold=threshold,
        paths=tuple(texts["path"].to_list()),
        probabilities=tuple(probabilities.to_list()),
        uncertain=tuple(_is_uncertain(texts).to_list()),
        warnings=_warnings_that_say_so(texts),
        errors=tuple(texts["error"].to_list()),
    )


def _scores(path: Path, texts: dict[str, pl.Series]) -> tuple[pl.Series, float]:
    """Return the probabilities, null where a row has an error instead, and the threshold of all."""
    numbers = {name: _numbers(path, texts[name]) for name in ("probability", "threshold")}
    failed = texts["error"].is_not_null()
    for row in (failed == numbers["probability"].is_not_null()).arg_true():
        both = "both a probability and" if failed[row] else "neither a probability nor"
        raise _unreadable(path, f"row {row + 1} has {both} an error")
    return numbers["probability"], float(_only(path, "threshold", numbers["threshold"]))


def _warnings(texts: dict[str, pl.Series]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(text.split(SEPARATOR)) if text else () for text in texts["warnings"].to_list())


def _warnings_that_say_so(texts: dict[str, pl.Series]) -> tuple[tuple[str, ...], ...]:
    """Return the warnings of each row, one of them at least for a row that is called unfamiliar."""
    return tuple(
        warnings if is_unfamiliar(warnings) or not unfamiliar else (*warnings, CALLED_UNFAMILIAR)
        for warnings, unfamiliar in zip(_warnings(texts), _is_unfamiliar(texts).tolist(), strict=True)
    )


def _is_unfamiliar(texts: dict[str, pl.Series]) -> NDArray[np.bool_]:
    """Return whether each row's warnings say so, or its outcome does: tables of an earlier LeukNet, which
    gave a class to such an image, and of other programs are read alike.
    """
    warned = np.array([is_unfamiliar(warnings) for warnings in _warnings(texts)])
    stated = (texts["outcome"] == UNFAMILIAR).fill_null(False).to_numpy()
    return np.asarray(warned | stated)


def _is_uncertain(texts: dict[str, pl.Series]) -> pl.Series:
    return (texts["outcome"] == UNCERTAIN).fill_null(False)


def _read_texts(
    path: Path, names: Sequence[str], *, also: str, most_rows: int | None = None
) -> dict[str, pl.Series]:
    """Return these columns, and `also` if it is there, as texts without blanks around; null where empty."""
    import polars as pl  # here, so that figures need not wait for it to load

    n_rows = None if most_rows is None else most_rows + 1
    try:  # glob=False: a name may hold [ or *.
        if path.suffix.lower() == ".parquet":
            table = pl.read_parquet(path, glob=False, n_rows=n_rows)
        elif is_plain(path):
            table = pl.read_csv(path, infer_schema=False, glob=False, n_rows=n_rows)
        else:
            found = read_table(path)
            content = found.text.replace("\r\n", "\n").encode()
            table = pl.read_csv(content, infer_schema=False, separator=found.separator, n_rows=n_rows)
        table = table.rename(str.strip)
        missing = [name for name in names if name not in table.columns]
        if missing == [also] and also != "path":
            raise _no_subjects(path, f"it has no column {also!r}, but {', '.join(table.columns)}")
        if missing or not table.height:
            raise _unreadable(path, f"it lacks the column {missing[0]!r}" if missing else "it has no rows")
        kept = table.select(pl.col(name) for name in dict.fromkeys((*names, also)) if name in table.columns)
        if most_rows is not None:
            _check_size(path, kept, most_rows)
        clean = kept.select(pl.all().cast(pl.String).str.strip_chars().replace("", None))
        # A spreadsheet leaves lines of nothing below the table.
        clean = clean.filter(~pl.all_horizontal(pl.all().is_null()))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise _unreadable(path, (str(error).splitlines() or ["unknown"])[0]) from error
    return {name: clean[name] for name in clean.columns}


def _check_size(path: Path, table: pl.DataFrame, most_rows: int) -> None:
    """Raise DataError for a table that would take too much memory as texts."""
    import polars as pl

    if table.height > most_rows:
        raise _too_large(path, f"it has more than {most_rows:,} rows")
    # A text that many rows share is held once until it is made a column of texts. Lengths are of 32 bits, in
    # which a sum of 4.3 GB would be nothing.
    lengths = [
        (pl.col(name).cat if kind in (pl.Categorical, pl.Enum) else pl.col(name).cast(pl.String).str)
        .len_bytes()
        .cast(pl.UInt64)
        for name, kind in table.schema.items()
    ]
    n_bytes = table.select(pl.sum_horizontal(length.sum() for length in lengths)).item()
    if n_bytes > MOST_TEXT:
        raise _too_large(path, f"its texts have {n_bytes:,} bytes, and at most {MOST_TEXT:,} are taken")


def _too_large(path: Path, why: str) -> DataError:
    return DataError(f"cannot read scored cells from {path}", why=why, fix="divide it")


def _numbers(path: Path, texts: pl.Series) -> pl.Series:
    import polars as pl

    decimal = texts.str.replace(r"^([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)$", "$1.$2")  # of a spreadsheet
    values = decimal.cast(pl.Float64, strict=False)
    for row in (texts.is_not_null() & ~values.is_between(0, 1).fill_null(False)).arg_true():
        raise _unreadable(path, f"row {row + 1}: {texts.name} is {texts[row]!r}, not a number from 0 to 1")
    return values


def _only(path: Path, name: str, values: pl.Series) -> Any:
    found = values.unique().sort().to_list()
    if None in found:
        raise _unreadable(path, f"row {values.is_null().arg_true()[0] + 1} has no {name}")
    if len(found) > 1:
        raise SettingError(
            f"cannot put the cells of {path} together",
            why=f"they have {len(found)} values of {name}: {', '.join(map(str, found[:3]))}",
            fix="score all cells with one model, or give a table for each",
        )
    return found[0]


def _whose(
    path: Path, texts: dict[str, pl.Series], *, column: str, one_subject: str | None
) -> tuple[str, ...]:
    if one_subject is None:
        unnamed, rows = texts[column].null_count(), len(texts[column])
        if unnamed:
            raise _no_subjects(path, f"{unnamed:,} of {rows:,} rows have none in column {column!r}")
        return tuple(texts[column].to_list())
    named = texts[column].drop_nulls().n_unique() if column in texts else 0
    if named > 1:
        why = f"the column {column!r} names {named} people"
        raise SettingError(
            f"cannot take all cells of {path} for one person's", why=why, fix="omit --one-subject"
        )
    return (one_subject,) * len(texts["error"])


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"cannot read scored cells from {path}", why=why, fix="give a table that `leuknet predict` wrote"
    )


def _no_subjects(path: Path, why: str) -> NoSubjectsError:
    return NoSubjectsError(
        f"cannot tell whose the cells of {path} are",
        why=why,
        fix="name the column with --subject-column (add one with each cell's person if there is none), or "
        "say --one-subject NAME if all are one person's",
    )
