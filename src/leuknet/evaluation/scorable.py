"""Refuses cells that no score can be made of, and says why.

Start at `check_labels`, before cells are scored, and `check_classes`, after.
"""

from __future__ import annotations

from collections.abc import Sequence

from leuknet.errors import DataError
from leuknet.types import CellImage, Labels


def check_labels(cells: Sequence[CellImage]) -> None:
    """Raise a DataError if a cell has no label."""
    unlabelled = sum(cell.label is None for cell in cells)
    if unlabelled:
        raise DataError(
            "cannot evaluate cells without a label",
            why=f"{unlabelled} of {len(cells)} cells carry no label",
            fix="choose a labelled part; `leuknet predict` scores cells without labels",
        )


def check_scored(scored: int, unreadable: tuple[tuple[str, str], ...]) -> None:
    """Raise a DataError if nothing could be read."""
    if not scored:
        why = "the list of cells is empty"
        if unreadable:
            why = f"none of {len(unreadable)} cells can be read; the first: {unreadable[0][1]}"
        raise DataError("cannot evaluate without cells", why=why, fix="run `leuknet data verify` on the data")


def check_classes(labels: Labels, class_names: tuple[str, str]) -> None:
    """Raise a DataError if all cells are of one class."""
    if labels.min() == labels.max():
        raise DataError(
            "cannot evaluate cells of one class",
            why=f"all {labels.size} readable cells are {class_names[labels[0]]}: AUROC needs both classes",
            fix="add cells of the other class; `leuknet predict` scores cells of any class",
        )


def both_names(class_names: tuple[str, str]) -> str:
    """Return both names in words."""
    return " and ".join(class_names)
