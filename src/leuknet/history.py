"""The history of a training run on disk: `history.csv` and TensorBoard's files.

Start at `HistoryFiles`, which the training loop feeds; `read_history` is its counterpart.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, fields
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from leuknet.types import HistoryRow

FILE_NAME = "history.csv"


class HistoryFiles:
    """Writes each row as it comes; a context manager.

    Parameters
    ----------
    out
        Run folder.
    history
        Rows before the first new one. What the files held beyond them, after the last checkpoint of a
        killed run, is dropped.
    """

    def __init__(self, out: Path, history: list[HistoryRow]) -> None:
        self._lines = (out / FILE_NAME).open("w", newline="", encoding="utf-8")
        self._csv = csv.DictWriter(self._lines, [field.name for field in fields(HistoryRow)])
        self._csv.writeheader()
        self._csv.writerows(asdict(row) for row in history)
        self._board = SummaryWriter(str(out / "tensorboard"), purge_step=len(history) + 1)

    def add(self, row: HistoryRow) -> None:
        """Write one row to both."""
        self._csv.writerow(asdict(row))
        self._lines.flush()
        for name in ("learning_rate", "loss", "accuracy", "validation_loss", "validation_accuracy"):
            if (value := getattr(row, name)) is not None:
                self._board.add_scalar(name, value, row.iteration)

    def __enter__(self) -> HistoryFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._board.close()


def read_history(folder: Path) -> tuple[HistoryRow, ...]:
    """Read `history.csv` of a run folder."""
    with (folder / FILE_NAME).open(newline="", encoding="utf-8") as lines:
        return tuple(
            HistoryRow(
                iteration=int(row["iteration"]),
                epoch=int(row["epoch"]),
                learning_rate=float(row["learning_rate"]),
                loss=float(row["loss"]),
                accuracy=float(row["accuracy"]),
                validation_loss=_number(row["validation_loss"]),
                validation_accuracy=_number(row["validation_accuracy"]),
                elapsed_s=float(row["elapsed_s"]),
            )
            for row in csv.DictReader(lines)
        )


def _number(text: str) -> float | None:
    return float(text) if text else None
