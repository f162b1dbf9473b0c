"""Finds the cells of C-NMC 2019 in whatever folders somebody keeps them.

The publisher's archive, its copies on other sites and what people make of them differ in folders, in capitals
and in the format of the files. What all share is the name of a training cell, `UID_11_33_4_all.bmp`, and for
the numbered cells of the two test phases a folder that says which phase. From these and the nearest folders
follows where each cell lies as published: that place is its id in every copy, so that a model trained on one
copy knows the cells of another. Whatever was concluded rather than read is a `Finding`.

Start at `find_places`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from leuknet.data.c_nmc_labels import CELL_NAME, CLASS_FOLDERS, subject_of
from leuknet.data.digests import natural_key
from leuknet.data.published_counts import FOLDERS, PRELIM_SUBJECTS, TRAINING_SUBJECTS
from leuknet.images.clutter import PassedOver
from leuknet.images.reading import IMAGE_SUFFIXES
from leuknet.types import Finding, Label, Severity

_PARTS = {folder: part for part, folder in FOLDERS.items()}
_FOLD = re.compile(r"(?:.*[ _.-])?fold[ _.-]?([0-2])", re.IGNORECASE)
_PHASES = {
    "prelim": re.compile(r".*prelim.*|validation[ _-]data", re.IGNORECASE),
    "final": re.compile(r".*final.*|testing[ _-]data", re.IGNORECASE),
}
_NUMBERED = re.compile(r"([0-9]+)\.[a-z]+", re.IGNORECASE)
_LABELS_FILE = re.compile(r".*prelim.*label.*\.csv", re.IGNORECASE)

_FOLD_OF = {name.upper(): fold for fold, names in TRAINING_SUBJECTS.items() for name in names}
_SPELLING = {name.upper(): name for names in TRAINING_SUBJECTS.values() for name in names}


class Place(NamedTuple):
    """Where a file belongs.

    Attributes
    ----------
    path
        Below the base, with forward slashes.
    id
        The path below `C-NMC_Leukemia` as published; `path` itself where none is.
    part
        `""` where it cannot be told.
    label
        What the folder says; None where there is none of a class.
    name
        Of the file.
    by
        What told the part: its `folder`, the `subject`, the `subject, not folder` where they disagree, or the
        name of the `root`; `""` where nothing did.
    """

    path: str
    id: str
    part: str
    label: Label | None
    name: str
    by: str


class Found(NamedTuple):
    """What lies below a folder: places by id and in order, label files, and findings."""

    places: dict[str, tuple[Place, ...]]
    label_files: tuple[Path, ...]
    findings: list[Finding]


def find_places(base: Path, *, own: Iterable[Path] = ()) -> Found:
    """Find the images of C-NMC 2019 below a folder.

    Parameters
    ----------
    base
        Resolved.
    own
        Files that belong there and are no images.

    Returns
    -------
    Found
        For each cell the files that hold it, the one at the publisher's place first; more than one is for
        the caller to judge. Findings are of the kinds `unreadable` (folders), `outside` (links), `extra`,
        `name`, `layout`, `part` and `class`.
    """
    findings: list[Finding] = []
    places: list[Place] = []
    label_files: list[Path] = []
    expected = set(own)
    for path in _walk(base, findings):
        below = path.relative_to(base)
        place = place_of(below, root_name=base.name)
        if place:
            places.append(place)
        elif _LABELS_FILE.fullmatch(path.name):
            label_files.append(path)
        elif path not in expected:
            findings.append(_stranger(below))
    order = [*FOLDERS, ""]
    places.sort(key=lambda place: _rank(place, order))
    by_id: dict[str, list[Place]] = {}
    # A cell that lies somewhere else too, where nothing says of which part it is, is still that cell.
    named = {Path(place.id).stem.casefold(): place.id.casefold() for place in reversed(places) if place.part}
    for place in places:
        id_ = place.id.casefold()
        by_id.setdefault(id_ if place.part else named.get(Path(id_).stem, id_), []).append(place)
    places = [alike[0] for alike in by_id.values()]
    found = {alike[0].id: tuple(alike) for alike in by_id.values()}
    return Found(found, tuple(label_files), [*findings, *_conclusions(places)])


def _rank(place: Place, order: list[str]) -> tuple[object, ...]:
    """Order by part, then by name, 2 before 10; of one cell's files the published place first."""
    name = natural_key(PurePosixPath(place.id).name)
    return order.index(place.part), name[0], place.id.casefold(), place.id != place.path, place.path


def place_of(path: Path, *, root_name: str = "") -> Place | None:
    """Say where a file belongs, from its path below the base; None if it is no image of C-NMC 2019.

    Examples
    --------
    >>> place_of(Path("PKG - C-NMC 2019/C-NMC_training_data/Fold_1/HEM/UID_H10_1_2_hem.png")).id
    'training_data/fold_1/hem/UID_H10_1_2_hem.bmp'
    """
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        return None
    below = path.as_posix()
    folders = [*reversed(path.parent.parts)]
    match = CELL_NAME.fullmatch(path.name)
    if match is None:
        part, by = _phase(folders, root_name)
        if not part or not _NUMBERED.fullmatch(path.name):
            return None
        return Place(below, _published(below, f"{FOLDERS[part]}/{path.name}"), part, None, path.name, by)
    label = next((CLASS_FOLDERS[f.casefold()] for f in folders if f.casefold() in CLASS_FOLDERS), None)
    subject = subject_of(path.name) or ""
    part, by = _fold(folders, subject, root_name)
    home = _PARTS.get(path.parent.parent.as_posix())
    if home and path.parent.name in CLASS_FOLDERS:
        part, by = home, "folder"  # in the publisher's own folders nothing is concluded
    id_ = below
    if part in TRAINING_SUBJECTS:
        word = match["label"].lower()
        name = f"UID_{_SPELLING.get(subject, subject)}_{match['image']}_{match['cell']}_{word}.bmp"
        # A cell in the wrong class's folder keeps that folder in its id: it is no published one.
        folder = word if label is None else label.short.lower()
        id_ = _published(below, f"{FOLDERS[part]}/{folder}/{name}")
    return Place(below, id_, part, label, path.name, by)


def _published(below: str, id_: str) -> str:
    """Return a published id; a BMP in the publisher's own folder keeps the name that it has."""
    path = PurePosixPath(below)
    at_home = str(path.parent) == str(PurePosixPath(id_).parent) and path.suffix.lower() == ".bmp"
    return below if at_home else str(PurePosixPath(id_).with_suffix(".bmp"))


def _phase(folders: Iterable[str], root_name: str) -> tuple[str, str]:
    for by, names in (("folder", folders), ("root", [root_name])):
        for name in names:
            for part, pattern in _PHASES.items():
                if pattern.fullmatch(name):
                    return part, by
    return "", ""


def _fold(folders: Iterable[str], subject: str, root_name: str) -> tuple[str, str]:
    """Return the part of a cell with a training cell's name, and what told it.

    Each subject is published in one part. A folder that is called otherwise is likely to be of somebody's own
    division, such as one of five folds.
    """
    published = "prelim" if subject in PRELIM_SUBJECTS else _FOLD_OF.get(subject, "")
    for name in folders:
        match = _FOLD.fullmatch(name)
        part = f"fold_{match[1]}" if match else "prelim" if "prelim" in name.casefold() else ""
        if part:
            return (part, "folder") if published in (part, "") else (published, "subject, not folder")
    if published:
        return published, "subject"
    match = _FOLD.fullmatch(root_name)
    return (f"fold_{match[1]}", "root") if match else ("", "")


def _walk(base: Path, findings: list[Finding]) -> Iterable[Path]:
    """Yield each file below a folder, in order; links to folders and closed ones become findings."""

    def report(kind: str, path: Path, message: str) -> None:
        findings.append(Finding("error", kind, path.relative_to(base).as_posix(), message))

    def report_closed(error: OSError) -> None:
        report("unreadable", Path(error.filename), f"folder cannot be read ({error.strerror}); left out")

    over = PassedOver()
    for folder, subfolders, files in os.walk(base, onerror=report_closed):
        kept = over.sort_out(folder, subfolders, files, wanted=lambda _: True)
        subfolders.sort(key=natural_key)
        yield from (Path(folder, name) for name in sorted(kept, key=natural_key))
    for link in over.links:
        report("outside", Path(link), "links to folders are not followed; its files are left out")
    if over.clutter:
        findings.append(Finding("info", "clutter", "", over.lines[0]))


def _stranger(below: Path) -> Finding:
    """Report a file that is no cell; an image with a name of no known form may be one."""
    if below.suffix.lower() not in IMAGE_SUFFIXES:
        return Finding("warning", "extra", below.as_posix(), "not a file of C-NMC 2019; left out")
    message = (
        "its name is neither like UID_11_33_4_all.bmp nor a number in a folder of the preliminary or final"
        " phase; left out"
    )
    return Finding("warning", "name", below.as_posix(), message)


def _conclusions(places: Iterable[Place]) -> list[Finding]:
    """Say of how many cells folder, part or class were concluded, and from what."""
    groups: dict[tuple[Severity, str, str], list[str]] = {}
    for place in places:
        for said in _said(place):
            groups.setdefault(said, []).append(place.path)
    findings = []
    for (severity, kind, message), paths in groups.items():
        first = f", the first of them {paths[0]!r}" if len(paths) > 1 else ""
        path = paths[0] if len(paths) == 1 else ""
        cells = "1 cell" if len(paths) == 1 else f"{len(paths):,} cells"
        findings.append(Finding(severity, kind, path, f"{cells} {message}{first}"))
    return findings


def _said(place: Place) -> Iterator[tuple[Severity, str, str]]:
    """Yield severity, kind and words of whatever was concluded about a place."""
    here, published = PurePosixPath(place.path), PurePosixPath(place.id)
    if not place.part:
        yield (
            "warning",
            "part",
            "of no part: no folder names one, and their subjects are not published",
        )
    elif here.parent != published.parent:
        yield "info", "layout", "found by name, in other folders than published"
    if place.by == "subject":
        yield "info", "part", f"counted as {place.part}, since their subjects are published there only"
    elif place.by == "root":
        yield "info", "part", f"counted as {place.part}, from the name of the folder that was opened"
    elif place.by == "subject, not folder":
        message = f"counted as {place.part}, where their subjects are published, against their folder's name"
        yield "warning", "part", message
    if place.label is None and CELL_NAME.fullmatch(place.name):
        yield "info", "class", "in no folder all or hem: their names alone say the class"
