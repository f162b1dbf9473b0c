"""Checks a data set before anything is computed from it: every file, every pixel, every count.

A run on damaged, doubled or mislabelled images yields numbers that look like any other. So everything is
looked at once, and each thing noticed becomes a `Finding`: an error would make results wrong, a warning
(such as a partial copy) deserves a look.

Start at `verify`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from leuknet.data import c_nmc, open_dataset, read_pixels
from leuknet.data.digests import find_duplicates, natural_key
from leuknet.data.published_counts import CANVAS_PX, COUNTS, FINAL_CANVAS_PX
from leuknet.data.publisher_check import compare_counts, compare_hashes, compare_subjects, read_hashes
from leuknet.errors import SettingError, UnreadableImageError
from leuknet.types import CellImage, Dataset, Finding, Label, PartSummary, Severity

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""Worst first."""


@dataclass(frozen=True)
class Verification:
    """What a check of a data set found.

    Attributes
    ----------
    class_names
        What `normal` and `leukaemic` mean in this data set, in this order.
    subjects
        People in all parts together; None if no cell names one.
    findings
        Errors first, then warnings, then infos; by kind and path within.
    """

    dataset: str
    root: Path
    simulated: bool
    class_names: tuple[str, str]
    parts: tuple[PartSummary, ...]
    subjects: int | None
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Severity | None:
        """Severity of the worst finding; None without findings."""
        return self.findings[0].severity if self.findings else None

    def count(self, severity: Severity) -> int:
        """Return the number of findings of one severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def to_json(self) -> str:
        """Return all of it as JSON in ASCII, with the number of findings of each severity."""
        numbers = {severity: self.count(severity) for severity in SEVERITIES}
        content = {**asdict(self), "root": str(self.root), "worst": self.worst, "numbers": numbers}
        return json.dumps(content, indent=2)


def verify(
    root: Path,
    *,
    name: str | None = None,
    manifest: Path | None = None,
    prelim_labels: Path | None = None,
    class_names: tuple[str, str] | None = None,
    subject_pattern: str | None = None,
    hashes: Path | None = None,
    progress: bool = False,
) -> Verification:
    """Read a data set whole and report whatever is odd about it.

    Parameters
    ----------
    name, manifest, prelim_labels, class_names, subject_pattern
        As for `leuknet.data.open_dataset`.
    hashes
        The publisher's list of paths and sha256, tab-separated. With it missing files have names, and
        files with changed content or a wrong name show; without it only numbers are compared.
    progress
        Show progress bars on standard error.

    Returns
    -------
    Verification
        Kinds of findings: those of the reader, `unreadable`, `size`, `black`, `image`, `duplicate`,
        `missing`, `extra`, `changed` and `mislabelled`.

    Raises
    ------
    DatasetError
        If the folder is no data set, or a list in it cannot be understood.
    SettingError
        If an option means nothing here, such as the publisher's hashes for simulated cells.
    """
    dataset = open_dataset(
        root,
        name=name,
        manifest=manifest,
        prelim_labels=prelim_labels,
        class_names=class_names,
        subject_pattern=subject_pattern,
        progress=progress,
    )
    found = [
        *dataset.findings,
        *find_duplicates(dataset.cells),
        *_compare(dataset, hashes=hashes),
        *_check_pixels(dataset, progress=progress),
    ]
    # dict.fromkeys: the reader has reported some duplicates already.
    findings = sorted(dict.fromkeys(found), key=_rank)
    subjects = {cell.subject for cell in dataset.cells} - {None}
    return Verification(
        dataset=dataset.name,
        root=dataset.root,
        simulated=dataset.simulated,
        class_names=dataset.class_names,
        parts=summarise_parts(dataset.cells),
        subjects=len(subjects) or None,
        findings=tuple(findings),
    )


def _rank(finding: Finding) -> tuple[int, str, object, str]:
    return SEVERITIES.index(finding.severity), finding.kind, natural_key(finding.path), finding.message


def summarise_parts(cells: Sequence[CellImage]) -> tuple[PartSummary, ...]:
    """Count the images and people of each part, in the order of the parts."""
    parts = []
    for part in dict.fromkeys(cell.part for cell in cells):
        labels = [cell.label for cell in cells if cell.part == part]
        subjects = {cell.subject for cell in cells if cell.part == part}
        summary = PartSummary(
            part=part,
            images=len(labels),
            leukaemic=labels.count(Label.LEUKAEMIC),
            normal=labels.count(Label.NORMAL),
            unlabelled=labels.count(None),
            subjects=None if None in subjects else len(subjects),
        )
        parts.append(summary)
    return tuple(parts)


def _compare(dataset: Dataset, *, hashes: Path | None) -> list[Finding]:
    if hashes is not None and dataset.simulated:
        raise SettingError(
            f"cannot compare {dataset.root} with the publisher's hashes",
            why="its cells are simulated; none of them was ever published",
            fix="leave the list of hashes out; counts are compared with those that the simulation states",
        )
    if hashes is not None:
        return compare_hashes(dataset, read_hashes(hashes))
    if dataset.name != c_nmc.NAME:
        return []
    simulation = c_nmc.read_simulation(dataset.root)
    if simulation is not None:
        return compare_counts(dataset.cells, simulation)
    return [*compare_counts(dataset.cells, COUNTS), *compare_subjects(dataset.cells)]


def _check_pixels(dataset: Dataset, *, progress: bool) -> list[Finding]:
    sides = (CANVAS_PX, FINAL_CANVAS_PX) if dataset.name == c_nmc.NAME else ()

    def check(cell: CellImage) -> list[Finding]:
        return _check_image(cell, root=dataset.root, sides=sides)

    with ThreadPoolExecutor() as threads:
        results = tqdm(
            threads.map(check, dataset.cells),
            total=len(dataset.cells),
            desc="checking",
            unit="image",
            disable=not progress,
        )
        return [finding for findings in results for finding in findings]


def _check_image(cell: CellImage, *, root: Path, sides: Sequence[int]) -> list[Finding]:
    """Decode one image; `sides` are the allowed sides of its square in pixels, empty if any will do."""
    where = cell.path.relative_to(root).as_posix()  # where it lies; its id may be its published place
    try:
        image = read_pixels(cell.path, root=root)
    except UnreadableImageError as error:
        return [Finding("error", "unreadable", where, error.why)]
    findings = [Finding("warning", "image", where, warning) for warning in image.warnings]
    height, width = image.pixels.shape[:2]
    if sides and not (height == width and height in sides):
        # Cells lie at true scale on their canvas; another size means that someone has scaled or cut them.
        message = f"{width} x {height} pixels, published are {' or '.join(f'{n} x {n}' for n in sides)}"
        findings.append(Finding("error", "size", where, message))
    if not image.pixels.any():
        findings.append(Finding("error", "black", where, "all pixels are black: it shows no cell"))
    return findings
