"""Reads a folder in which the class of an image is the name of a folder: `ALL/a1.png`, `HEM/b7.png`.

That is how most people keep labelled images, and it needs no list. The nearest folder of a class's name, in
any case, decides; other folders on the way mean nothing. Who an image came from may be in its name, which a
regular expression then tells.

Start at `list_cells`; `leuknet.data.folder` reads the files.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from leuknet.data.digests import natural_key, shorten
from leuknet.errors import DatasetError, SettingError
from leuknet.images.clutter import PassedOver
from leuknet.images.reading import has_image_suffix
from leuknet.types import CellImage, Finding, Label

GROUP = "subject"
"""The group of the pattern that holds the id; the first one if none is called so."""


def has_classes(root: Path, labels: Mapping[str, Label], *, number: int = 2) -> bool:
    """Whether images lie in folders of so many of the classes."""
    found: set[Label] = set()
    for path in _images(root):
        label = _label_of(path.relative_to(root), labels)
        found |= set() if label is None else {label}
        if len(found) >= number:
            return True
    return False


def list_cells(root: Path, labels: Mapping[str, Label]) -> tuple[list[CellImage], list[Finding]]:
    """List the images below a folder with the classes of their folders, still without hash and subject.

    Parameters
    ----------
    labels
        Names of folders in lower case, and what they mean.

    Returns
    -------
    cells
        In natural order of their paths.
    findings
        `layout`, which says what the folders' names were taken for; `extra`, images in no such folder, and
        `outside`, links to folders, which are not followed.

    Raises
    ------
    DatasetError
        If no image lies in a folder of a class.
    """
    findings: list[Finding] = []
    cells, without = [], []
    names: dict[str, Label] = {}
    for path in sorted(
        _images(root, findings), key=lambda path: natural_key(path.relative_to(root).as_posix())
    ):
        below = path.relative_to(root)
        folder = _class_folder(below, labels)
        if folder is None:
            without.append(below.as_posix())
            continue
        names[folder] = labels[folder.casefold().strip()]
        cells.append(CellImage(below.as_posix(), path, "", names[folder], None))
    if not cells:
        raise DatasetError(
            f"cannot tell the classes of the images in {root}",
            why=f"it has no manifest.csv, and none of its images lies in a folder called {_either(labels)}"
            f"{_found(root)}",
            fix="put the images of each class into a folder of its name, name the folders that you have with"
            " --classes NEGATIVE,POSITIVE, or list the images in a manifest.csv with the columns path and"
            " label",
        )
    meant = ", ".join(f"{name!r} as label {int(label)}" for name, label in sorted(names.items()))
    findings.append(Finding("info", "layout", "", f"classes are the names of folders: {meant}"))
    if without:
        message = (
            f"{len(without):,} images lie in no folder of a class, and were left out: {shorten(without)}"
        )
        findings.append(Finding("warning", "extra", without[0] if len(without) == 1 else "", message))
    return cells, findings


def subjects_from_names(
    cells: Iterable[CellImage], pattern: str
) -> tuple[dict[str, str | None], list[Finding]]:
    """Tell from each image's name who it came from.

    Parameters
    ----------
    pattern
        A regular expression, searched for in the name of the file, or in its path below the root if there is
        a slash in the pattern. Its group `subject`, or else its first one, is the id.

    Returns
    -------
    subjects
        By the cell's id; None where the pattern is not found.
    findings
        An error, `no-subject`, that names images without.

    Raises
    ------
    SettingError
        If the pattern is no regular expression, has no group, or is found in none of the names.
    """
    compiled = _compile(pattern)
    group: str | int = GROUP if GROUP in compiled.groupindex else 1
    subjects: dict[str, str | None] = {}
    for cell in cells:
        match = compiled.search(cell.id if "/" in pattern else PurePosixPath(cell.id).name)
        subjects[cell.id] = (match[group] or None) if match else None
    without = [id_ for id_, subject in subjects.items() if subject is None]
    if without and len(without) == len(subjects):
        raise SettingError(
            f"cannot tell subjects by the pattern {pattern!r}",
            why=f"it is in none of {len(subjects):,} names, the first of them {without[0]!r}",
            fix=r"a name like P07_cell3.png takes ^(?P<subject>P\d+)_; quote the pattern for the shell",
        )
    if not without:
        return subjects, []
    message = (
        f"{len(without):,} of {len(subjects):,} images have names without the pattern {pattern!r}, and name"
        f" nobody: {shorten(without)}"
    )
    return subjects, [Finding("error", "no-subject", without[0] if len(without) == 1 else "", message)]


def _compile(pattern: str) -> re.Pattern[str]:
    example = r"for example --subject-pattern '^(?P<subject>P\d+)_'"
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SettingError(
            f"cannot use the subject pattern {pattern!r}",
            why=f"it is no regular expression: {error}",
            fix=example,
        ) from error
    if not compiled.groups:
        raise SettingError(
            f"cannot use the subject pattern {pattern!r}",
            why="nothing in it stands in brackets, so that it does not say which part is the id",
            fix=example,
        )
    return compiled


def _images(root: Path, findings: list[Finding] | None = None) -> Iterator[Path]:
    """Yield the image files below a folder; hidden ones and those of operating systems are none."""

    def report(path: Path, message: str, kind: str) -> None:
        if findings is not None:
            findings.append(Finding("error", kind, path.relative_to(root).as_posix(), message))

    def report_closed(error: OSError) -> None:
        report(Path(error.filename), f"folder cannot be read ({error.strerror}); left out", "unreadable")

    over = PassedOver()
    for folder, subfolders, files in os.walk(root, onerror=report_closed):
        kept = over.sort_out(folder, subfolders, files, wanted=has_image_suffix)
        yield from (Path(folder, name) for name in kept)
    for link in over.links:
        report(Path(link), "links to folders are not followed; its files are left out", "outside")
    if over.clutter and findings is not None:
        findings.append(Finding("info", "clutter", "", over.lines[0]))


def _class_folder(below: Path, labels: Mapping[str, Label]) -> str | None:
    """Return the name of the nearest folder that is called like a class; None if none is."""
    names = reversed(below.parent.parts)
    return next((name for name in names if name.casefold().strip() in labels), None)


def _label_of(below: Path, labels: Mapping[str, Label]) -> Label | None:
    folder = _class_folder(below, labels)
    return None if folder is None else labels[folder.casefold().strip()]


def _either(labels: Mapping[str, Label]) -> str:
    *names, last = (name for name in labels if not name.isdecimal())
    return f"{', '.join(names)} or {last}"


def _found(root: Path) -> str:
    """Say in which folders images lie, for an error that teaches."""
    counts = Counter(path.relative_to(root).parent.as_posix() for path in _images(root))
    if not counts:
        return "; it holds no image at all"
    shown = shorten([f"{name} ({n:,})" for name, n in counts.most_common()])
    return f"; its folders with images: {shown}"
