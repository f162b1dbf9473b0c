"""Reads C-NMC 2019 from disk as its publisher laid it out, all three phases, or as others have repacked it.

The label sits in the folder and in the file name, the person in the name alone, and both have traps: one
subject is spelt `h3` in one fold and `H3` elsewhere, ALL subject `3` and HEM subject `H3` are two people,
and byte-identical images sit under different ids. The reader settles all of that once, so that nothing
after it has to look at a name. What does not fit becomes a `Finding`; it is never skipped in silence.

Start at `read`; `leuknet.data.c_nmc_places` says where cells lie. Each file is read once, whole, to hash it;
only what is not the publisher's own file is decoded, to tell it by its pixels.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from leuknet.data import published_counts as published
from leuknet.data.c_nmc_files import choose_files, read_contents, say_formats
from leuknet.data.c_nmc_labels import (
    CELL_NAME,
    CLASS_FOLDERS,
    PrelimLabel,
    label_of,
    read_prelim_labels,
    subject_of,
)
from leuknet.data.c_nmc_places import Found, Place, find_places
from leuknet.data.digests import find_duplicates, merge_subjects, natural_key, shorten
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
from leuknet.images.clutter import PassedOver
from leuknet.images.published_bmp import Digest
from leuknet.images.reading import has_image_suffix
from leuknet.types import CLASS_NAMES, CellImage, Dataset, Finding

NAME = published.NAME
VERSION = "2019"
TOP = "C-NMC_Leukemia"
SIMULATED = "simulated.json"
"""Marks a copy drawn by `leuknet data simulate`, and states its counts."""

_OWN_FILES = (SIMULATED, "simulated_truth.csv", PRELIM_LABELS)
_PHASE_FOLDER = re.compile(r"c[-_ ]?nmc.*(prelim|final).*", re.IGNORECASE)


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
        The folder that holds `C-NMC_Leukemia`, that folder itself, or any folder below which cells lie under
        their published names, see `leuknet.data.c_nmc_places`. Parts that are absent are simply absent;
        `leuknet.data.verify` reports them.
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
        Cells ordered by part, then by name (2 before 10). Ids are the published paths below
        `C-NMC_Leukemia`, wherever and in whatever format a cell lies; `Dataset.root` is that folder, or the
        one given where the layout is another. The hash of a lossless copy is that of the publisher's file.
        Cells whose folder and name disagree about the class have no label. Findings are of the kinds
        `extra`, `name`, `outside`, `unreadable`, `mislabelled`, `duplicate` (with different classes),
        `merged`, `unlabelled`, `label-without-file`, `twice`, `lossy`, and for what was concluded from
        names and pixels `layout`, `part`, `class`, `labels` and `copy`.

    Raises
    ------
    DatasetError
        If no image of the data set is there, or label files cannot be understood or contradict each other.
    """
    base = recognise(root)
    if base is None:
        raise DatasetError(
            f"cannot read C-NMC 2019 from {root}",
            why=f"neither it nor a folder {TOP} in it has {', '.join(FOLDERS.values())}, and most of its"
            " images have no names like UID_11_33_4_all.bmp",
            fix=f"name the folder that holds {TOP}, or the archive's folders, in any form (docs/data.md)",
        )
    simulation = read_simulation(base)
    drawn = _mark_of_simulation(base).parent
    own = [
        *(folder / name for name in _OWN_FILES for folder in (base, drawn)),
        *([prelim_labels.resolve()] if prelim_labels else []),
    ]
    found = find_places(base, own=own)
    labels, findings = _read_labels(found, base, prelim_labels)
    digests, unread = read_contents(base, found.places, as_is=simulation is not None, progress=progress)
    places, twice = choose_files(found.places, digests)
    cells, mislabelled = _make_cells(base, places, digests=digests, labels=labels)
    cells, merged = merge_subjects(cells, known=MERGED_SUBJECTS)
    conflicts = [finding for finding in find_duplicates(cells) if finding.severity == "error"]
    findings = [*found.findings, *findings, *unread, *twice, *say_formats(places.values(), digests)]
    findings += [*_compare_prelim(places, labels), *mislabelled, *conflicts, *merged]
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
    """Return the folder with the published layout: `root` or `C-NMC_Leukemia` in it; None without one."""
    for base in (root / TOP, root):
        if _has_parts(base):
            # Resolved: paths stay right if the working folder changes, and links below show as such.
            return base.resolve()
    return None


def recognise(root: Path) -> Path | None:
    """Return the folder to read C-NMC 2019 from; None if neither layout nor names are the publisher's.

    Without the published layout most images must have the names of its cells: a few of them among somebody's
    own images make no C-NMC.
    """
    base = find_base(root)
    if base is not None:
        return base
    named = others = 0
    for folder, subfolders, files in os.walk(root):
        # A number is a name of the set only in a folder that is called like the publisher's.
        is_phase = any(_PHASE_FOLDER.fullmatch(part) for part in Path(folder).resolve().parts)
        for name in PassedOver().sort_out(folder, subfolders, files, wanted=has_image_suffix):
            is_named = CELL_NAME.fullmatch(name) or (is_phase and Path(name).stem.isdecimal())
            named, others = named + bool(is_named), others + (not is_named)
    return root.resolve() if named > others else None


def _has_parts(base: Path) -> bool:
    return any((base / folder).is_dir() for folder in FOLDERS.values())


def _mark_of_simulation(base: Path) -> Path:
    """Return where the mark lies, or would: beside the parts, of which `base` may be one or hold some."""
    above = [folder for folder in base.parents[:4] if _has_parts(folder)]
    below = [] if _has_parts(base) else [path.parent for path in sorted(base.rglob(SIMULATED))]
    marks = [folder / SIMULATED for folder in (base, *above, *filter(_has_parts, below))]
    return next((mark for mark in marks if mark.is_file()), base / SIMULATED)


def read_simulation(base: Path) -> dict[str, PartCount] | None:
    """Return the counts that `leuknet data simulate` wrote beside its copy; None for real data."""
    path = _mark_of_simulation(base)
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


def _read_labels(
    found: Found, base: Path, named: Path | None
) -> tuple[dict[str, PrelimLabel], list[Finding]]:
    """Read the labels of the preliminary phase: the file named, else in its place, else found elsewhere."""
    at_home = base / PRELIM_LABELS
    if named is not None or at_home.is_file():
        extra = [path for path in found.label_files if path not in (at_home, named and named.resolve())]
        return read_prelim_labels(named or at_home), [_left_out(path, base) for path in extra]
    read = {path: read_prelim_labels(path) for path in found.label_files}
    if len({tuple(sorted(labels.items())) for labels in read.values()}) > 1:
        raise DatasetError(
            f"cannot tell which labels of the preliminary phase are meant in {base}",
            why=f"these files say different things: {shorten([path.name for path in read])}",
            fix="name one with --prelim-labels",
        )
    if not read:
        return {}, []
    chosen = found.label_files[0]
    where = chosen.relative_to(base).as_posix()
    message = f"labels of the preliminary phase are those of this file{' and its copies' * (len(read) > 1)}"
    return read[chosen], [Finding("info", "labels", where, message)]


def _left_out(path: Path, base: Path) -> Finding:
    return Finding("warning", "extra", path.relative_to(base).as_posix(), "another label file; left out")


def _make_cells(
    base: Path,
    places: Mapping[str, Place],
    *,
    digests: Mapping[str, Digest],
    labels: Mapping[str, PrelimLabel],
) -> tuple[list[CellImage], list[Finding]]:
    cells, findings = [], []
    for id_, place in places.items():
        label, original, source = place.label, place.name, f"folder `{Path(place.path).parent.name}`"
        number = PurePosixPath(id_).name.lower()
        if place.part == "prelim" and number in labels:
            label, original = labels[number]
            source = "label file"
        elif label is None and (match := CELL_NAME.fullmatch(place.name)):
            label, source = CLASS_FOLDERS[match["label"].lower()], "end of the name"
        if label is not None and original and label_of(original) is not label:
            message = (
                f"the {source} says {label.short}, the name {original} contradicts it; used without label"
            )
            findings.append(Finding("error", "mislabelled", place.path, message))
            label = None
        sha256 = digests[place.path].sha256
        cells.append(CellImage(id_, base / place.path, sha256, label, subject_of(original), place.part))
    return cells, findings


def _compare_prelim(places: Mapping[str, Place], labels: Mapping[str, PrelimLabel]) -> list[Finding]:
    """Report preliminary images without a label, and labels without an image."""
    prelim = [id_ for id_, place in places.items() if place.part == "prelim"]
    names = [PurePosixPath(id_).name.lower() for id_ in prelim]
    bare = [name for name in names if name not in labels and not CELL_NAME.fullmatch(name)]
    there = {*names, *(name.rpartition(".")[0] for name in names)}
    absent = sorted(
        (
            name
            for name, said in labels.items()
            if name not in there and said.original_name.lower().removesuffix(".bmp") not in there
        ),
        key=natural_key,
    )
    folder, findings = FOLDERS["prelim"], []
    if bare:
        message = f"{len(bare):,} of {len(names):,} preliminary images have no label: {shorten(bare)}"
        findings.append(Finding("warning", "unlabelled", folder, message))
    if absent:
        message = f"{len(absent):,} of {len(labels):,} labelled images have no file: {shorten(absent)}"
        findings.append(Finding("warning", "label-without-file", folder, message))
    return findings
