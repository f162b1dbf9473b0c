"""Keeps a split on disk, as JSON: which cell was on which side, with the hash of its content.

A model folder carries its split, so that the cells which trained the model are recognised wherever it is
tested.

Start at `write_split`, `read_split` and `read_trained`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from leuknet.data.split import SIDES, fingerprint
from leuknet.errors import SplitError
from leuknet.records import write_whole
from leuknet.types import Dataset, Split, SplitKind


@dataclass(frozen=True)
class Trained:
    """The cells that trained a model or chose its settings.

    Attributes
    ----------
    contents
        sha256 of each cell. A test cell with one of these is a leak, whatever its name.
    subjects
        Whose cells they were; None is among them if a cell names nobody.
    """

    contents: frozenset[str]
    subjects: frozenset[str | None]


def write_split(split: Split, path: Path) -> None:
    """Write a split as JSON: kind, seed, fingerprint, and id, sha256, label and subject of each cell.

    The file appears whole or not at all.

    Raises
    ------
    SplitError
        If the file cannot be written.
    """
    content: dict[str, Any] = {"kind": split.kind, "seed": split.seed, "fingerprint": split.fingerprint}
    for side in SIDES:
        content[side] = [
            {"id": cell.id, "sha256": cell.sha256, "label": cell.label, "subject": cell.subject}
            for cell in getattr(split, side)
        ]
    try:
        write_whole(path, f"{json.dumps(content, indent=1)}\n".encode("ascii"))
    except OSError as error:
        raise SplitError(
            f"cannot write the split to {str(path)!r}",
            why=error.strerror or repr(error),
            fix="check the folder, its permissions and the space left",
        ) from error


def read_split(path: Path, dataset: Dataset) -> Split:
    """Read a split and find its cells again in a data set, by id and content.

    Raises
    ------
    SplitError
        If the file is missing or damaged, or if a cell is missing from the data set, has other bytes or
        another label.
    """
    content = _read_content(path)
    by_id = {cell.id: cell for cell in dataset.cells}
    wanted = [entry for side in SIDES for entry in content[side]]
    missing = [entry["id"] for entry in wanted if entry["id"] not in by_id]
    changed = [
        entry["id"]
        for entry in wanted
        if entry["id"] in by_id and by_id[entry["id"]].sha256 != entry["sha256"]
    ]
    if missing or changed:
        raise SplitError(
            f"cannot use the split {str(path)!r} with this data",
            why=f"of its {len(wanted)} cells {len(missing)} are missing and {len(changed)} have other bytes, "
            f"the first of them {(missing + changed)[0]!r}",
            fix="use the data it was made from, or make a new split",
        )
    train, validation, test = (tuple(by_id[entry["id"]] for entry in content[side]) for side in SIDES)
    found = fingerprint(train, validation, test)
    if found != content["fingerprint"]:
        raise SplitError(
            f"cannot use the split {str(path)!r} with this data",
            why=f"its fingerprint is {content['fingerprint']!r}, that of the cells found {found!r}",
            fix="labels have changed or the file was edited: make a new split",
        )
    return Split(train, validation, test, content["kind"], content["seed"], found)


def read_trained(path: Path) -> Trained:
    """Read what a split on disk says of its training and validation sides.

    Raises
    ------
    SplitError
        If the file is missing or damaged.
    """
    content = _read_content(path)
    entries = [entry for side in ("train", "validation") for entry in content[side]]
    return Trained(
        frozenset(entry["sha256"] for entry in entries), frozenset(entry["subject"] for entry in entries)
    )


def _read_content(path: Path) -> dict[str, Any]:
    """Return the JSON of a split after checking its shape."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
        is_whole = content["kind"] in get_args(SplitKind) and type(content["seed"]) is int
        entries = [entry for side in SIDES for entry in content[side]]
        texts = [content["fingerprint"], *(entry[key] for entry in entries for key in ("id", "sha256"))]
        is_whole = is_whole and all(isinstance(text, str) for text in texts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, repr(error)) from error
    if not is_whole:
        raise _damaged(path, "a value has the wrong type or the kind is unknown")
    return content


def _damaged(path: Path, why: str) -> SplitError:
    return SplitError(
        f"cannot read the split {str(path)!r}", why=why, fix="name a file that `write_split` has written"
    )
