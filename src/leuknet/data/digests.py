"""Tells files apart by their bytes: hashes them, finds identical ones, merges subject ids that share one.

A published image that sits under two names is a trap. Under two subject ids it puts one person on two
sides of a split by subject; under two classes one of its labels is wrong. Only the bytes show it, so each
file is read once, whole: about 9 GB for all of C-NMC 2019, at the speed of the disk.

Start at `read_digests`; then `find_duplicates` and `merge_subjects`. Nothing here decodes an image.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from leuknet.errors import UnreadableImageError
from leuknet.images.reading import hash_file
from leuknet.types import CellImage, Finding

T = TypeVar("T")

SHOWN = 5
"""Names that a message lists before it says how many more there are."""


def read_digests(
    root: Path, ids: Sequence[str], *, progress: bool = False
) -> tuple[dict[str, str], list[Finding]]:
    """Hash files below a root, several at a time, as `read_each` does: path to sha256 (hex)."""
    return read_each(root, ids, hash_file, progress=progress)


def read_each(
    root: Path, ids: Sequence[str], read: Callable[[Path], T], *, progress: bool = False
) -> tuple[dict[str, T], list[Finding]]:
    """Read files below a root, several at a time.

    Parameters
    ----------
    ids
        Paths below `root`, with forward slashes, in the order wanted.
    read
        What is wanted of each; may raise `UnreadableImageError`.
    progress
        Show a progress bar on standard error.

    Returns
    -------
    answers
        Path below the root to what was read, in the order of `ids`. Files with a finding are absent.
    findings
        An error for each file that a link takes out of the root (`outside`) or that cannot be read, or
        is none, such as a pipe (`unreadable`).
    """
    findings = _find_obstacles(root, ids)
    blocked = {finding.path for finding in findings}
    sound = [name for name in ids if name not in blocked]

    def answer(name: str) -> T | Finding:
        try:
            return read(root / name)
        except UnreadableImageError as error:
            return Finding("error", "unreadable", name, f"cannot be read ({error.why}); left out")

    with ThreadPoolExecutor() as threads:
        results = tqdm(
            threads.map(answer, sound), total=len(sound), desc="reading", unit="file", disable=not progress
        )
        answers = dict(zip(sound, results, strict=True))
    findings += [found for found in answers.values() if isinstance(found, Finding)]
    return {name: found for name, found in answers.items() if not isinstance(found, Finding)}, findings


def find_duplicates(cells: Iterable[CellImage]) -> list[Finding]:
    """Report each group of byte-identical files once, in the order of the cells.

    It is an error if their labels differ, since one of them is wrong; a warning if they belong to several
    subjects or parts, since a split may then put one image on two sides; otherwise a mere fact.
    """
    findings = []
    for group in _groups_by_bytes(cells):
        others = shorten([cell.id for cell in group[1:]])
        labels = {cell.label for cell in group} - {None}
        if len(labels) > 1:
            message = f"same bytes, other class: {others}"
            findings.append(Finding("error", "duplicate", group[0].id, message))
        elif len({cell.subject for cell in group} - {None}) > 1:
            message = f"same bytes, other subject: {others}"
            findings.append(Finding("warning", "duplicate", group[0].id, message))
        elif len({cell.part for cell in group}) > 1:
            message = f"same bytes, other part: {others}"
            findings.append(Finding("warning", "duplicate", group[0].id, message))
        else:
            findings.append(Finding("info", "duplicate", group[0].id, f"same bytes: {others}"))
    return findings


def merge_subjects(
    cells: Sequence[CellImage], *, known: Iterable[Sequence[str]] = ()
) -> tuple[list[CellImage], list[Finding]]:
    """Give one subject to ids that share a byte-identical image, or are known to.

    Identical files with different labels join nobody: `find_duplicates` reports them as an error.

    Parameters
    ----------
    known
        Groups of ids that belong together whether or not their shared images are at hand, so that a
        partial copy names its subjects as the full one does.

    Returns
    -------
    cells
        The same cells in the same order; a merged subject is called by its ids joined with `+`, in
        natural order (`H3+H10`).
    findings
        One `info` for each merged subject that occurs.
    """
    used = [cell for cell in cells if cell.label is not None and cell.subject is not None]
    joins = [(tuple(ids), "the published set has identical images under them") for ids in known]
    for group in _groups_by_bytes(used):
        ids = tuple(dict.fromkeys(cell.subject for cell in group if cell.subject is not None))
        if len(ids) > 1 and len({cell.label for cell in group}) == 1:
            joins.append((ids, f"identical here: {shorten([cell.id for cell in group])}"))

    present = {cell.subject for cell in cells if cell.subject is not None}
    names, findings = {}, []
    for members in _unite([*({subject} for subject in present), *(set(ids) for ids, _ in joins)]):
        ordered = sorted(members, key=natural_key)
        names.update(dict.fromkeys(ordered, "+".join(ordered)))
        if len(ordered) > 1 and present & members:
            why = "; ".join(reason for ids, reason in joins if ids[0] in members)
            message = f"ids {', '.join(ordered)} count as one subject: {why}"
            findings.append(Finding("info", "merged", "", message))
    merged = [replace(cell, subject=names[cell.subject]) if cell.subject else cell for cell in cells]
    return merged, sorted(findings, key=lambda finding: natural_key(finding.message))


def natural_key(text: str) -> tuple[tuple[str | int, ...], str]:
    """Sort key that puts `2` before `10`; the text itself settles ties such as `h3` and `H3`."""
    pieces = re.split(r"([0-9]+)", text.casefold())
    return tuple(int(piece) if place % 2 else piece for place, piece in enumerate(pieces)), text


def shorten(names: Sequence[str]) -> str:
    """List a few names, and say how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _groups_by_bytes(cells: Iterable[CellImage]) -> list[list[CellImage]]:
    by_digest: dict[str, list[CellImage]] = {}
    for cell in cells:
        by_digest.setdefault(cell.sha256, []).append(cell)
    return [group for group in by_digest.values() if len(group) > 1]


def _unite(groups: Iterable[set[str]]) -> list[set[str]]:
    """Join groups that share a member, directly or through others."""
    united: list[set[str]] = []
    for group in groups:
        touching = [other for other in united if other & group]
        united = [other for other in united if not other & group]
        united.append(group.union(*touching))
    return united


def _find_obstacles(root: Path, ids: Sequence[str]) -> list[Finding]:
    """Report what must not be opened: files outside the root, and pipes or folders, which would block."""
    base = root.resolve()
    # Thousands of files share a few folders, and following a folder's links is the slow part.
    folders = {folder: Path(os.path.realpath(folder)) for folder in {(root / name).parent for name in ids}}
    findings = []
    for name in ids:
        path = root / name
        real = Path(os.path.realpath(path)) if path.is_symlink() else folders[path.parent] / path.name
        if not real.is_relative_to(base):
            message = "a link leads out of the data folder; left out"
            findings.append(Finding("error", "outside", name, message))
        elif not _is_file(real):
            findings.append(Finding("error", "unreadable", name, "there is no such file; left out"))
    return findings


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a closed folder on the way: opening the file will tell the reason
        return True
