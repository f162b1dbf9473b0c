"""Reads a user's own cell images, listed in a `manifest.csv` or sorted into a folder for each class.

    path,label,subject,microns_per_pixel,part
    smear 1/cell-7.png,ALL,P1,0.12,
    smear 2/cell-1.png,HEM,P2,,

Only `path` and `label` are needed. A mistake in the list is an error that names the line, because a cell
read under a wrong label or without its subject would spoil every number made from it. An image that
is missing becomes a `Finding` and is left out. Without a manifest, `leuknet.data.class_folders` takes the
classes from the names of folders. `leuknet.data.people` says who is who.

Start at `read`. Each file is read once, whole, to hash it; no image is decoded here.
"""

from __future__ import annotations

import csv
import io
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from leuknet.data.class_folders import list_cells, subjects_from_names
from leuknet.data.digests import read_digests, shorten
from leuknet.data.people import tell_people
from leuknet.errors import DatasetError, SettingError
from leuknet.images.file_names import find_named
from leuknet.records.spreadsheet import read_table, with_point
from leuknet.types import CellImage, Dataset, Label
from leuknet.types.models import NO_CLASS

NAME = "folder"
MANIFEST = "manifest.csv"
COLUMNS = ("path", "label", "subject", "microns_per_pixel", "part")
REQUIRED = ("path", "label")
CLASS_NAMES = ("HEM", "ALL")

_OTHER_NAMES = {"normal": Label.NORMAL, "leukaemic": Label.LEUKAEMIC}
"""Accepted beside `CLASS_NAMES`, when the user names no classes."""


def read(
    root: Path,
    *,
    manifest: Path | None = None,
    class_names: tuple[str, str] | None = None,
    subject_pattern: str | None = None,
    progress: bool = False,
) -> Dataset:
    """Read the cells that a manifest lists, or else those in the folders of the classes.

    Parameters
    ----------
    root
        The folder that the manifest's paths start from. No file outside it is ever read. Without a manifest,
        the folder below which images lie in folders called like the classes, in any case.
    manifest
        The list, if it is not `manifest.csv` in `root`: UTF-8, comma separated, quoted as usual; also as a
        spreadsheet saves it again, with semicolons and decimal commas. Columns:

        - `path`: below `root`, with forward slashes; each once.
        - `label`: 1 or 0, or a class name in any case; empty if unknown. Without `class_names`, the names
          are ALL or leukaemic for 1, HEM or normal for 0.
        - `subject`: the person, empty or a word such as `NA` if unknown. Optional.
        - `microns_per_pixel`: scale in µm per pixel, above 0, empty if unknown. Optional.
        - `part`: any name, such as a hospital or a fold. Optional.
    class_names
        What 0 and 1 mean, in this order, where it is not HEM and ALL: `("other", "lymphocyte")`.
    subject_pattern
        A regular expression that tells people by the names of files; see
        `leuknet.data.class_folders.subjects_from_names`. For data without a column `subject`.
    progress
        Show a progress bar on standard error.

    Returns
    -------
    Dataset
        Cells in the order of the manifest, or of their paths. Findings: errors that leave a cell out,
        `outside` (a link leads out of the root) and `unreadable` (not there, or no file that can be read);
        those about people, see `leuknet.data.people.tell_people`; and those about folders.

    Raises
    ------
    DatasetError
        If the manifest is empty or wrong in any line, or the named one is missing; if there is none and no
        image lies in a folder of a class.
    SettingError
        If the class names are not two different names, or the pattern is of no use.

    Notes
    -----
    Ids that share an image are not merged, as they are for C-NMC 2019: here the user's word on who is who
    stands, and `leuknet.data.verify` warns of such images.
    """
    labels = label_names(class_names)
    path = manifest or root / MANIFEST
    if manifest is None and not path.exists():
        listed, findings = list_cells(root, labels)
    else:
        listed, findings = _listed(path, root=root, labels=labels, pattern=subject_pattern), []
    if subject_pattern is not None:
        subjects, unnamed = subjects_from_names(listed, subject_pattern)
        listed, findings = [replace(cell, subject=subjects[cell.id]) for cell in listed], findings + unnamed
    digests, unread = read_digests(root, [cell.id for cell in listed], progress=progress)
    read = [replace(cell, sha256=digests[cell.id]) for cell in listed if cell.id in digests]
    cells, told = tell_people(read, class_names or CLASS_NAMES)
    return Dataset(
        name=NAME,
        version="not stated",
        licence="not stated",
        url="",
        root=root,
        cells=tuple(cells),
        findings=(*findings, *unread, *told),
        class_names=class_names or CLASS_NAMES,
    )


def _listed(path: Path, *, root: Path, labels: Mapping[str, Label], pattern: str | None) -> list[CellImage]:
    """Return the cells that a manifest lists, still without their hashes."""
    cells: dict[str, CellImage] = {}
    rows = list(_read_rows(path))
    if pattern is not None and any("subject" in row for _, row in rows):
        raise SettingError(
            "cannot take subjects from the names of files",
            why=f"{path} has a column subject, which says who is who",
            fix="leave --subject-pattern out, or take the column away",
        )
    _check_labels(path, rows, labels)
    for line, row in rows:
        cell = _parse_row(row, root=root, labels=labels, where=f"{path}, line {line}")
        if cell.id in cells:
            raise _error(f"{path}, line {line}", why=f"path {cell.id!r} is listed a second time")
        cells[cell.id] = cell
    if not cells:
        raise _error(str(path), why="it lists no image")
    return list(cells.values())


def label_names(class_names: tuple[str, str] | None) -> dict[str, Label]:
    """Every accepted spelling of a label, in lower case, with what it means."""
    negative, positive = (name.casefold().strip() for name in class_names or CLASS_NAMES)
    labels = {"0": Label.NORMAL, "1": Label.LEUKAEMIC, negative: Label.NORMAL, positive: Label.LEUKAEMIC}
    if len(labels) < 4 or not labels.keys().isdisjoint(("", *NO_CLASS)):
        raise SettingError(
            f"cannot name the classes {class_names}",
            why="the names must be two, different whatever their case, and neither empty, 0 or 1, nor "
            f"{' or '.join(NO_CLASS)}, which say that a model names no class",
            fix="name the negative class, then the positive one, such as `other` and `lymphocyte`",
        )
    return labels if class_names else labels | _OTHER_NAMES


def _read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row with the line on which it starts; a quoted name may span several lines."""
    try:
        table = read_table(path)
        reader = csv.DictReader(io.StringIO(table.text, newline=""), strict=True, delimiter=table.separator)
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        _check_columns(path, list(reader.fieldnames))
        start = reader.line_num + 1
        for row in reader:
            if None in row or None in row.values():
                where = f"{path}, line {start + table.skipped}"
                raise _error(where, why=f"it has not {len(reader.fieldnames)} fields, as the first line has")
            if table.separator != "," and "microns_per_pixel" in row:
                row["microns_per_pixel"] = with_point(row["microns_per_pixel"].strip())
            if any(row.values()):  # a spreadsheet leaves lines of nothing below the table
                yield start + table.skipped, row
            start = reader.line_num + 1
    except FileNotFoundError as error:
        raise _error(str(path), why="there is no such file") from error
    except (OSError, ValueError, csv.Error) as error:
        raise _error(str(path), why=f"{error}") from error


def _check_columns(path: Path, columns: list[str]) -> None:
    found = ", ".join(map(repr, columns)) or "none"
    for name in REQUIRED:
        if name not in columns:
            raise _error(str(path), why=f"column `{name}` is missing; its columns are {found}")
    for name in columns:
        # A misspelt `subject` that were passed over would let one person sit on two sides of a split.
        if name not in COLUMNS:
            raise _error(str(path), why=f"column {name!r} is unknown; allowed are {', '.join(COLUMNS)}")
        if columns.count(name) > 1:
            raise _error(str(path), why=f"column `{name}` occurs twice")


def _check_labels(
    path: Path, rows: Sequence[tuple[int, Mapping[str, str]]], labels: Mapping[str, Label]
) -> None:
    """Raise a `DatasetError` for the first label that means neither class, and say how classes are named."""
    found = dict.fromkeys(row["label"].strip() for _, row in rows)
    unknown = [label for label in found if label and label.casefold() not in labels]
    if not unknown:
        return
    line = next(line for line, row in rows if row["label"].strip() == unknown[0])
    named = [label for label in found if label not in ("", "0", "1")]
    others = list({label.casefold(): label for label in reversed(named)}.values())[::-1]
    fix = "correct the label, or name both classes as the manifest does, the negative one first"
    if len(others) > 2:
        fix = "correct the label; or leave the label of all images of other classes empty, and name the two"
    fix += ": --classes NEGATIVE,POSITIVE"
    if len(others) == 2:
        # Where one of them is known, it decides the order.
        means = [labels.get(label.casefold()) for label in others]
        orders = [others] if means[0] != Label.LEUKAEMIC and means[1] != Label.NORMAL else []
        orders += [others[::-1]] if means[0] != Label.NORMAL and means[1] != Label.LEUKAEMIC else []
        fix += f", here {' or '.join(map(_as_option, orders))}"
    raise DatasetError(
        f"cannot use the manifest {path}, line {line}",
        why=f"label {unknown[0]!r} is none of {', '.join(labels)}, nor empty; the labels in it are "
        f"{shorten(others)}",
        fix=fix,
    )


def _as_option(names: Sequence[str]) -> str:
    return f"--classes {shlex.quote(','.join(names))}"


def _parse_row(row: Mapping[str, str], *, root: Path, labels: Mapping[str, Label], where: str) -> CellImage:
    """Make a cell, still without its hash, from one line of the manifest."""
    path = find_named(root, row["path"])
    if not row["path"] or "\0" in row["path"] or Path(path).is_absolute() or ".." in path.parts:
        raise _error(where, why=f"path {row['path']!r} is empty, absolute or leads upwards with `..`")
    label = row["label"].strip()
    return CellImage(
        id=path.as_posix(),
        path=root / path,
        sha256="",
        label=labels[label.casefold()] if label else None,
        subject=row.get("subject", "").strip() or None,
        part=row.get("part", "").strip(),
        microns_per_pixel=_parse_scale(row.get("microns_per_pixel", "").strip(), where=where),
    )


def _parse_scale(text: str, *, where: str) -> float | None:
    if not text:
        return None
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not 0 < scale < math.inf:
        raise _error(where, why=f"microns_per_pixel {text!r} is not a number above 0, such as 0.12")
    return scale


def _error(where: str, *, why: str) -> DatasetError:
    return DatasetError(
        f"cannot use the manifest {where}",
        why=why,
        fix=f"list one image a line, columns {', '.join(REQUIRED)} and optionally {', '.join(COLUMNS[2:])}",
    )
