"""The history of a training run on disk: `history.csv` and TensorBoard's files.

Start at `HistoryFiles`, which the training loop feeds; `read_history` is its counterpart.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Protocol

from leuknet.errors import DataError
from leuknet.types import HistoryRow

FILE_NAME = "history.csv"

_NOT_CURVES = ("iteration", "epoch", "elapsed_s")


class Board(Protocol):
    """TensorBoard's writer, as far as it is needed: so that reading a history needs no PyTorch."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object:
        """Add a point to the curve of this name."""
        ...

    def close(self) -> object:
        """Write what is not yet written."""
        ...


class HistoryFiles:
    """Writes each row as it comes; a context manager.

    Parameters
    ----------
    out
        Run folder.
    history
        Rows before the first new one. What the files held beyond them, after the last checkpoint of a
        killed run, is dropped.
    board
        Gets the same values; closed at the end.
    """

    def __init__(self, out: Path, history: list[HistoryRow], board: Board) -> None:
        self._lines = (out / FILE_NAME).open("w", newline="", encoding="utf-8")
        self._csv = csv.DictWriter(self._lines, [field.name for field in fields(HistoryRow)])
        self._csv.writeheader()
        self._csv.writerows(asdict(row) for row in history)
        self._board = board

    def add(self, row: HistoryRow) -> None:
        """Write one row to both."""
        self._csv.writerow(asdict(row))
        self._lines.flush()
        for name in (field.name for field in fields(HistoryRow) if field.name not in _NOT_CURVES):
            if (value := getattr(row, name)) is not None:
                self._board.add_scalar(name, value, row.iteration)

    def __enter__(self) -> HistoryFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._board.close()


def read_history(folder: Path) -> tuple[HistoryRow, ...]:
    """Read `history.csv` of a run folder; a DataError if it is missing, damaged or empty."""
    path = folder / FILE_NAME
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = tuple(_row(line) for line in csv.DictReader(lines))
        if not rows:
            raise ValueError("it holds no iteration")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"cannot read {path}", why=repr(error), fix="copy the run folder again, or train again"
        ) from error
    return rows


def _row(line: Mapping[str, str]) -> HistoryRow:
    loss, accuracy = line["validation_loss"], line["validation_accuracy"]
    by_subject = line["validation_subject_loss"]
    return HistoryRow(
        iteration=int(line["iteration"]),
        epoch=int(line["epoch"]),
        learning_rate=float(line["learning_rate"]),
        loss=float(line["loss"]),
        accuracy=float(line["accuracy"]),
        validation_loss=float(loss) if loss else None,
        validation_accuracy=float(accuracy) if accuracy else None,
        elapsed_s=float(line["elapsed_s"]),
        validation_subject_loss=float(by_subject) if by_subject else None,
    )
