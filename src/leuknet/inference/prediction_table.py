"""Writes predictions to a table, one line each as they come, so that any number of them fits into memory.

Start at `write_predictions`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from leuknet.errors import SettingError, StoppedError
from leuknet.inference.outcome import SEPARATOR, Said, word_of
from leuknet.records.whole import whole_file
from leuknet.types import Prediction

COLUMNS = ("path", "probability", "label", "outcome", "threshold", "model_id", "subject", "warnings", "error")
NUMBERS = ("probability", "threshold")
"""The columns that hold numbers; the others hold text."""


@dataclass(frozen=True)
class PredictionSummary:
    """What `write_predictions` wrote: lines in all, lines with an error, and the first 20 of these paths.

    `said` counts outcomes and warnings.
    """

    written: int
    failed: int
    failed_paths: tuple[str, ...]
    said: Said = field(default_factory=Said)


def write_predictions(
    predictions: Iterable[Prediction], path: Path, *, class_names: tuple[str, str]
) -> PredictionSummary:
    r"""Write one line for each prediction, as they come, to a CSV or Parquet file.

    Lines go to `<name>.partial.csv` beside the file, which takes its place at the end. If anything stops
    the work before, Ctrl-C included, the lines so far are there until the next try. An empty field of the
    CSV stands for what is not known; Parquet has null there. Several warnings are joined by `; `. Bytes of
    a file name that are no UTF-8 are written as `\udc..`; all else, newlines included, as it is.

    Parameters
    ----------
    predictions
        For instance of `predict_files`.
    path
        Ends in `.csv` or `.parquet`; replaced if it exists.
    class_names
        Written as the label of class 0 and of class 1. The outcome is the label, `uncertain` or `unfamiliar`:
        see `leuknet.inference.outcome.outcome_of`.

    Raises
    ------
    SettingError
        If the file has another suffix or cannot be written there.
    StoppedError
        After Ctrl-C; says where the lines so far are.
    """
    check_table(path)
    partial = path.with_name(f"{path.name}.partial.csv")
    summary = _write_csv(predictions, partial, class_names)
    if path.suffix.lower() == ".csv":
        partial.replace(path)
        return summary
    import polars as pl  # here, so that those who write CSV need not wait for it to load

    schema = {name: pl.Float64() if name in NUMBERS else pl.String() for name in COLUMNS}
    with whole_file(path) as part:
        # glob=False: a name may hold [ or *.
        pl.scan_csv(partial, schema=schema, glob=False).sink_parquet(part)
    partial.unlink()
    return summary


def check_table(path: Path, *, suffixes: tuple[str, ...] = (".csv", ".parquet")) -> None:
    """Raise a `SettingError` if a table cannot have this name: before any work is done for it."""
    if path.suffix.lower() not in suffixes or path.is_dir():
        raise SettingError(
            f"cannot write a table to {str(path)!r}",
            why="it is a folder" if path.is_dir() else f"its suffix is {path.suffix!r}",
            fix=f"name a file that ends in {' or '.join(suffixes)}",
        )


def line_of(prediction: Prediction, class_names: tuple[str, str]) -> tuple[str | float | None, ...]:
    """Return the values of `COLUMNS` for a prediction; None where nothing is known."""
    label = None if prediction.label is None else class_names[prediction.label]
    outcome = word_of(prediction, class_names)
    score = (prediction.path, prediction.probability, label, outcome, prediction.threshold)
    warnings = SEPARATOR.join(prediction.warnings) or None
    return (*score, prediction.model_id, prediction.subject, warnings, prediction.error)


def _write_csv(
    predictions: Iterable[Prediction], path: Path, class_names: tuple[str, str]
) -> PredictionSummary:
    try:
        stream = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        fix = "choose a folder that exists and that you may write to"
        raise SettingError(f"cannot write predictions to {path}", why=str(error), fix=fix) from error
    written, failed, failed_paths, said = 0, 0, list[str](), Said()
    try:
        with stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            for prediction in predictions:
                writer.writerow(line_of(prediction, class_names))
                said.add(word_of(prediction, class_names), prediction.warnings)
                written += 1
                failed += prediction.error is not None
                failed_paths += [prediction.path] if prediction.error is not None and failed <= 20 else []
    except KeyboardInterrupt as stop:
        kept = f"the lines so far are in {path}; predict the remaining files into another file"
        raise StoppedError("predicting was stopped", why=f"Ctrl-C after {written} images", fix=kept) from stop
    except BaseException as error:
        error.add_note(f"the {written} lines written before are in {path}")
        raise
    return PredictionSummary(written, failed, tuple(failed_paths), said)
