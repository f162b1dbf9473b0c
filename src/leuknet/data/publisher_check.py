"""Compares the cells at hand with what the publisher of C-NMC 2019 states or ships.

Without the publisher's hashes only numbers can be compared: images of each part and class, and training
images of each subject. With them each file is told by its bytes, so that missing files have names and a
file under a wrong name shows. A partial copy is worth a warning; wrong content is an error.

Start at `compare_counts`, `compare_subjects` or `compare_hashes`. None of them decodes an image.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from leuknet.data.c_nmc import NAME, TOP
from leuknet.data.c_nmc_labels import subject_of
from leuknet.data.digests import natural_key, shorten
from leuknet.data.published_counts import COUNTS, FOLDERS, PRELIM_SUBJECTS, TRAINING_SUBJECTS, PartCount
from leuknet.errors import DatasetError
from leuknet.images.reading import hash_file
from leuknet.types import CellImage, Dataset, Finding, Label


def compare_counts(cells: Iterable[CellImage], expected: Mapping[str, PartCount]) -> list[Finding]:
    """Report, by part and class, how many images are missing or too many.

    Where labels are not published, or some cells of a part carry none, the part is counted as a whole.
    """
    found = Counter((cell.part, cell.label) for cell in cells)
    findings: list[Finding] = []
    for part, stated in expected.items():
        n_leukaemic, n_normal, n_bare = (
            found[part, label] for label in (Label.LEUKAEMIC, Label.NORMAL, None)
        )
        if n_bare or stated.leukaemic is None or stated.normal is None:
            rows = [("", n_leukaemic + n_normal + n_bare, stated.images)]
        else:
            rows = [("ALL ", n_leukaemic, stated.leukaemic), ("HEM ", n_normal, stated.normal)]
        for name, n, n_stated in rows:
            if n < n_stated:
                message = f"{n_stated - n:,} of {n_stated:,} {name}images of {part} are missing"
                findings.append(Finding("warning", "missing", FOLDERS[part], message))
            elif n > n_stated:
                message = f"{part} has {n:,} {name}images, {n - n_stated:,} more than stated"
                findings.append(Finding("warning", "extra", FOLDERS[part], message))
    return findings


def compare_subjects(cells: Iterable[CellImage]) -> list[Finding]:
    """Report training subjects that the publisher has not in that fold, or has with other numbers.

    Ids are those of the file names, before merging, in upper case.
    """
    found: dict[str, Counter[str]] = {fold: Counter() for fold in TRAINING_SUBJECTS}
    for cell in cells:
        subject = subject_of(PurePosixPath(cell.id).name)
        if cell.part in found and subject is not None:
            found[cell.part][subject] += 1
    findings = []
    for fold, published in TRAINING_SUBJECTS.items():
        stated = {subject.upper(): n for subject, n in published.items()}
        for subject in sorted(found[fold], key=natural_key):
            n, n_stated = found[fold][subject], stated.get(subject, 0)
            if n > n_stated:
                message = f"subject {subject} has {n:,} images in {fold}, the publisher {n_stated:,}"
                findings.append(Finding("warning", "extra", FOLDERS[fold], message))
        absent = [subject for subject in stated if not found[fold][subject]]
        fewer = [
            f"{subject} ({found[fold][subject]:,} of {n:,})"
            for subject, n in stated.items()
            if 0 < found[fold][subject] < n
        ]
        for names, state in ((absent, "absent"), (fewer, "incomplete")):
            if names and len(absent) < len(stated):
                message = f"{len(names)} of {len(stated)} subjects of {fold} are {state}: {shorten(names)}"
                findings.append(Finding("info", "missing", FOLDERS[fold], message))
    return findings


def find_incomplete(dataset: Dataset) -> list[Finding]:
    """Report parts of C-NMC 2019 of which something is here and something lacks, and whose images lack.

    Empty for other data and for simulated cells.
    """
    if dataset.name != NAME or dataset.simulated:
        return []
    there = {cell.part for cell in dataset.cells}
    parts = {part: count for part, count in COUNTS.items() if part in there}
    lacking = [finding for finding in compare_counts(dataset.cells, parts) if finding.kind == "missing"]
    folders = {finding.path for finding in lacking}
    whose = [
        finding
        for finding in compare_subjects(dataset.cells)
        if finding.kind == "missing" and finding.path in folders
    ]
    return [*lacking, *whose]


def compare_hashes(dataset: Dataset, published: Mapping[str, str]) -> list[Finding]:
    """Compare each file's bytes with the publisher's.

    Parameters
    ----------
    published
        Path below the data set's root to sha256 (hex), as `read_hashes` returns it.

    Returns
    -------
    list of Finding
        Errors: `changed` (other bytes than published under this name) and `mislabelled` (bytes that are
        published under another name). Warnings: `extra` (neither name nor bytes are published) and
        `missing`, one for each file.
    """
    names: dict[str, list[str]] = {}
    for path, digest in published.items():
        names.setdefault(digest, []).append(path)
    present = {_plain(cell.id): cell.sha256 for cell in dataset.cells}
    seen = {_plain(finding.path) for finding in dataset.findings if finding.kind in ("outside", "unreadable")}
    findings = []
    for path in [path for path in published if path not in present and path not in seen]:
        # Not every published file is a cell: there is a list of labels too, which may lie elsewhere.
        lists = [] if path.endswith(".bmp") else sorted(dataset.root.rglob(PurePosixPath(path).name))
        if lists:
            present[path] = hash_file(lists[0])
        else:
            findings.append(Finding("warning", "missing", path, "published, but not here"))
    files = {_plain(cell.id): cell.path for cell in dataset.cells}
    for path, digest in present.items():
        if path in names.get(digest, []):
            continue
        # A header that is not known here makes the publisher's own file look like a copy.
        if digest != published.get(path) and path in files and hash_file(files[path]) == published.get(path):
            continue
        if subject_of(PurePosixPath(path).name) in PRELIM_SUBJECTS and digest in names:
            continue  # a preliminary cell under its original name, of which the publisher made a number
        if digest in names:
            message = f"its bytes are published as {', '.join(names[digest])}"
            findings.append(Finding("error", "mislabelled", path, message))
        elif path in published:
            findings.append(Finding("error", "changed", path, "its bytes are not the published ones"))
        else:
            findings.append(Finding("warning", "extra", path, "neither its name nor its bytes are published"))
    return findings


def read_hashes(path: Path) -> dict[str, str]:
    """Read the publisher's list: tab-separated, columns `path` and `sha256`; others are left alone.

    Returns
    -------
    dict
        Path, without a leading `C-NMC_Leukemia/`, to sha256 (hex).

    Raises
    ------
    DatasetError
        If the list cannot be read, is empty or lacks a column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            hashes = {_plain(row["path"].removeprefix(f"{TOP}/")): row["sha256"].lower() for row in rows}
        if not hashes:
            raise ValueError("it lists no file")
    except (OSError, ValueError, KeyError, AttributeError, csv.Error) as error:
        raise DatasetError(
            f"cannot use the list of hashes {path}",
            why=f"{error!r}",
            fix="give a tab-separated list with the columns path, sha256 and bytes",
        ) from error
    return hashes


def _plain(path: str) -> str:
    # Copying through some systems makes `.BMP` of `.bmp`; that is still the same file.
    plain = PurePosixPath(path)
    return plain.with_suffix(plain.suffix.lower()).as_posix()
