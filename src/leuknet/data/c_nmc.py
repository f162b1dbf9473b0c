"""Reads C-NMC 2019 from disk exactly as its publisher laid it out, all three phases.

The label sits in the folder and in the file name, the person in the name alone, and both have traps: one
subject is spelt `h3` in one fold and `H3` elsewhere, ALL subject `3` and HEM subject `H3` are two people,
and byte-identical images sit under different ids. The reader settles all of that once, so that nothing
after it has to look at a name. What does not fit becomes a `Finding`; it is never skipped in silence.

Start at `read`. Each file is read once, whole, to hash it; no image is decoded here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from leuknet.data import published_counts as published
from leuknet.data.c_nmc_labels import CLASS_FOLDERS, PrelimLabel, label_of, read_prelim_labels, subject_of
from leuknet.data.digests import find_duplicates, merge_subjects, natural_key, read_digests, shorten
from leuknet.data.published_counts import (
    CANVAS_PX,
    FOLDERS,
    LICENCE,
    MERGED_SUBJECTS,
    PRELIM_LABELS,
    URL,
    PartCount,
)
from leuknet.errors import DatasetError
from leuknet.types import CLASS_NAMES, CellImage, Dataset, Finding, Label, Severity

NAME = published.NAME
VERSION = "2019"
TOP = "C-NMC_Leukemia"
SIMULATED = "simulated.json"
"""Marks a copy drawn by `leuknet data simulate`, and states its counts."""

_OWN_FILES = (SIMULATED, "simulated_truth.csv", PRELIM_LABELS)
_TEST_NAME = re.compile(r"[0-9]+\.bmp", re.IGNORECASE)
_PARTS = {folder: part for part, folder in FOLDERS.items()}


class _Place(NamedTuple):
    part: str
    label: Label | None  # of the folder; None in the test phases
    name: str


def read(
    root: Path,
    *,
    prelim_labels: Path | None = None,
    class_names: tuple[str, str] = CLASS_NAMES,
    progress: bool = False,
) -> Dataset:
    """Read the cells of C-NMC 2019.

    Parameters
    ----------
    root
        The folder that holds `C-NMC_Leukemia`, or that folder itself. Parts that are absent are simply
        absent; `leuknet.data.verify` reports them.
    prelim_labels
        The publisher's label file of the preliminary phase, if it is not at its place in the folder.
        Columns `new_names` (`1.bmp`), `labels` (1 leukaemic, 0 normal) and, where the publisher's
        `Patient_ID` (`UID_57_29_1_all.bmp`) is kept, the subject.
    class_names
        What to call the normal and the leukaemic class; files and folders are named as published.
    progress
        Show a progress bar on standard error.

    Returns
    -------
    Dataset
        Cells ordered by part, then by name (2 before 10). `Dataset.root` is the folder
        `C-NMC_Leukemia`, and ids are paths below it. Cells whose folder and name disagree about the
        class have no label. Findings are of the kinds `extra`, `outside`, `unreadable`, `mislabelled`,
        `duplicate` (with different classes), `merged`, `unlabelled` and `label-without-file`.

    Raises
    ------
    DatasetError
        If no part of the data set is there, or a label file cannot be understood.
    """
    base = find_base(root)
    if base is None:
        raise DatasetError(
            f"cannot read C-NMC 2019 from {root}",
            why=f"neither it nor a folder {TOP} in it has {', '.join(FOLDERS.values())}",
            fix=f"name the folder that holds {TOP}, unpacked as published (docs/data.md)",
        )
    simulation = read_simulation(base)
    labels_file = prelim_labels or base / PRELIM_LABELS
    labels = read_prelim_labels(labels_file) if prelim_labels or labels_file.is_file() else {}
    places, findings = _list_places(base, labels_file=labels_file)
    digests, unread = read_digests(base, list(places), progress=progress)
    cells, mislabelled = _make_cells(base, places, digests=digests, labels=labels)
    cells, merged = merge_subjects(cells, known=MERGED_SUBJECTS)
    conflicts = [finding for finding in find_duplicates(cells) if finding.severity == "error"]
    findings += [*unread, *_compare_prelim(places, labels), *mislabelled, *conflicts, *merged]
    return Dataset(
        name=NAME,
        version=VERSION,
        licence=LICENCE if simulation is None else "not applicable: simulated cells",
        url=URL,
        root=base,
        cells=tuple(cells),
        findings=tuple(findings),
        simulated=simulation is not None,
        canvas_px=CANVAS_PX,
        class_names=class_names,
    )


def find_base(root: Path) -> Path | None:
    """Return the folder `C-NMC_Leukemia`, which is `root` or lies in it; None where no part is found."""
    for base in (root / TOP, root):
        if any((base / folder).is_dir() for folder in FOLDERS.values()):
            # Resolved: paths stay right if the working folder changes, and links below show as such.
            return base.resolve()
    return None


def read_simulation(base: Path) -> dict[str, PartCount] | None:
    """Return the counts that `leuknet data simulate` wrote beside its copy; None for real data."""
    path = base / SIMULATED
    if not path.is_file():
        return None
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        if stated["simulated"] is not True:
            raise ValueError("`simulated` is not true")
        return {
            part: PartCount(*(count[field] for field in PartCount._fields))
            for part, count in stated["counts"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"cannot tell whether {base} is simulated",
            why=f"{SIMULATED} there is damaged: {error!r}",
            fix="draw it again with `leuknet data simulate`; if the images are real, delete that file",
        ) from error


def _list_places(base: Path, *, labels_file: Path) -> tuple[dict[str, _Place], list[Finding]]:
    """Find the images below the base, by id and in order, with a finding for whatever does not belong."""
    own = {*(base / name for name in _OWN_FILES), labels_file.resolve()}
    places: dict[str, _Place] = {}
    findings: list[Finding] = []

    def report(severity: Severity, kind: str, path: Path, message: str) -> None:
        findings.append(Finding(severity, kind, path.relative_to(base).as_posix(), message))

    def report_closed(error: OSError) -> None:
        report(
            "error", "unreadable", Path(error.filename), f"folder cannot be read ({error.strerror}); left out"
        )

    for folder, subfolders, files in os.walk(base, onerror=report_closed):
        subfolders.sort(key=natural_key)
        for link in (Path(folder, name) for name in subfolders if Path(folder, name).is_symlink()):
            report("error", "outside", link, "links to folders are not followed; its files are left out")
        for path in (Path(folder, name) for name in sorted(files, key=natural_key)):
            place = _place(path.relative_to(base))
            if place:
                places[path.relative_to(base).as_posix()] = place
            elif path not in own:
                report("warning", "extra", path, "not a file of C-NMC 2019; left out")
    order = list(FOLDERS)
    ids = sorted(places, key=lambda id_: (order.index(places[id_].part), natural_key(places[id_].name), id_))
    return {id_: places[id_] for id_ in ids}, findings


def _place(path: Path) -> _Place | None:
    """Where a file belongs, from its path below the base; None if it is not one of the set's images."""
    folder = path.parent.as_posix()
    if folder in _PARTS and _PARTS[folder] in ("prelim", "final") and _TEST_NAME.fullmatch(path.name):
        return _Place(_PARTS[folder], None, path.name)
    fold = _PARTS.get(path.parent.parent.as_posix())
    if fold and path.parent.name in CLASS_FOLDERS and subject_of(path.name):
        return _Place(fold, CLASS_FOLDERS[path.parent.name], path.name)
    return None


def _make_cells(
    base: Path, places: Mapping[str, _Place], *, digests: Mapping[str, str], labels: Mapping[str, PrelimLabel]
) -> tuple[list[CellImage], list[Finding]]:
    cells, findings = [], []
    for name, digest in digests.items():
        place = places[name]
        label, original, source = place.label, place.name, f"folder `{Path(name).parent.name}`"
        if place.part == "prelim" and place.name.lower() in labels:
            label, original = labels[place.name.lower()]
            source = "label file"
        if label is not None and original and label_of(original) is not label:
            message = (
                f"the {source} says {label.short}, the name {original} contradicts it; used without label"
            )
            findings.append(Finding("error", "mislabelled", name, message))
            label = None
        cells.append(CellImage(name, base / name, digest, label, subject_of(original), place.part))
    return cells, findings


def _compare_prelim(places: Mapping[str, _Place], labels: Mapping[str, PrelimLabel]) -> list[Finding]:
    """Report preliminary images without a label, and labels without an image."""
    names = [place.name.lower() for place in places.values() if place.part == "prelim"]
    bare = [name for name in names if name not in labels]
    absent = sorted(labels.keys() - names, key=natural_key)
    folder, findings = FOLDERS["prelim"], []
    if bare:
        message = f"{len(bare):,} of {len(names):,} preliminary images have no label: {shorten(bare)}"
        findings.append(Finding("warning", "unlabelled", folder, message))
    if absent:
        message = f"{len(absent):,} of {len(labels):,} labelled images have no file: {shorten(absent)}"
        findings.append(Finding("warning", "label-without-file", folder, message))
    return findings
