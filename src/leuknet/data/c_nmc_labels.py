"""What the file names of C-NMC 2019, and its one label file, say of class and subject.

Training cells carry both in their names. Preliminary cells are numbered, and a CSV file joins the numbers
to labels; copies of that file are about with and without its column `Patient_ID`, the one that holds the
subject. The reader alone uses this: neither a model nor a blinded reader may ever see a name.

Start at `subject_of` and `read_prelim_labels`.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

from leuknet.errors import DatasetError
from leuknet.records.spreadsheet import read_table
from leuknet.types import Label

CLASS_FOLDERS = {"all": Label.LEUKAEMIC, "hem": Label.NORMAL}

CELL_NAME = re.compile(
    r"UID_(?P<subject>H?[0-9]+)_(?P<image>[0-9]+)_(?P<cell>[0-9]+)_(?P<label>all|hem)"
    r"\.(?:bmp|png|webp|tiff?|jpe?g)",
    re.IGNORECASE,
)
"""`UID_11_33_4_all.bmp` is cell 4 of image 33 of ALL subject 11; ids of normal subjects start with H.

Case is ignored: one subject is `h3`, and copying may make `.BMP`. The publisher's files are BMPs; copies may
have other formats."""

_LABELS = {"1": Label.LEUKAEMIC, "0": Label.NORMAL}


class PrelimLabel(NamedTuple):
    """One line of the label file; `original_name` is `""` where the column `Patient_ID` is left out."""

    label: Label
    original_name: str


def subject_of(name: str) -> str | None:
    """Return the subject id in a published file name, in upper case; None if it is no cell's name.

    Examples
    --------
    >>> subject_of("UID_h3_4_1_hem.bmp"), subject_of("UID_3_4_1_all.bmp"), subject_of("17.bmp")
    ('H3', '3', None)
    """
    match = CELL_NAME.fullmatch(name)
    # `UID_011_...` is no published spelling, and no other person than `UID_11_...`.
    return re.sub(r"^(H?)0+(?=[0-9])", r"\1", match["subject"].upper()) if match else None


def label_of(name: str) -> Label | None:
    """Return the class in a published file name; None if it is no cell's name or contradicts itself.

    Examples
    --------
    >>> label_of("UID_11_33_4_all.bmp").short, label_of("UID_H6_1_1_all.bmp")
    ('ALL', None)
    """
    match = CELL_NAME.fullmatch(name)
    if not match:
        return None
    label = CLASS_FOLDERS[match["label"].lower()]
    by_subject = Label.NORMAL if match["subject"].upper().startswith("H") else Label.LEUKAEMIC
    return label if label is by_subject else None


def read_prelim_labels(path: Path) -> dict[str, PrelimLabel]:
    """Read the label file of the preliminary phase.

    Parameters
    ----------
    path
        CSV with the columns `new_names` (`1.bmp`) and `labels` (1 leukaemic, 0 normal), and perhaps
        `Patient_ID`, the original name of the cell (`UID_57_29_1_all.bmp`).

    Returns
    -------
    dict
        Name of the image in lower case to what is said of it.

    Raises
    ------
    DatasetError
        If the file cannot be read, a column is missing, a label is neither 0 nor 1, a name comes twice,
        or a `Patient_ID` is no cell's name.
    """
    try:
        table = read_table(path)
        reader = csv.DictReader(io.StringIO(table.text, newline=""), strict=True, delimiter=table.separator)
        columns = reader.fieldnames or ()
        missing = [name for name in ("new_names", "labels") if name not in columns]
        if missing:
            raise _error(path, why=f"it lacks {' and '.join(missing)}; it has {', '.join(columns) or 'none'}")
        labels: dict[str, PrelimLabel] = {}
        for row in reader:
            line = reader.line_num + table.skipped
            if not any(row.values()):
                continue  # a spreadsheet leaves lines of nothing below the table
            name = (row["new_names"] or "").strip().lower()
            if name in labels:
                raise _error(path, why=f"line {line}: {name} is listed twice")
            labels[name] = _parse_row(row, path=path, line=line)
        return labels
    except (OSError, ValueError, csv.Error) as error:
        raise _error(path, why=str(error)) from error


def _parse_row(row: dict[str, str | None], *, path: Path, line: int) -> PrelimLabel:
    stated = (row["labels"] or "").strip()
    if stated not in _LABELS:
        raise _error(path, why=f"line {line}: label {stated!r} is neither 1 (ALL) nor 0 (HEM)")
    original = (row["Patient_ID"] or "").strip() if "Patient_ID" in row else ""
    if "Patient_ID" in row and subject_of(original) is None:
        raise _error(path, why=f"line {line}: Patient_ID {original!r} is not like UID_57_29_1_all.bmp")
    return PrelimLabel(_LABELS[stated], original)


def _error(path: Path, *, why: str) -> DatasetError:
    return DatasetError(
        f"cannot read the preliminary labels in {path}",
        why=why,
        fix="use the publisher's file: columns new_names, labels and, for subjects, Patient_ID",
    )
