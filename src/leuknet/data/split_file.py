"""Keeps a split on disk, as JSON: which cell was on which side, with the hash of its content.

A model folder carries its split, so that the cells which trained the model are recognised wherever it is
tested: by id, by bytes and, through a perceptual hash, where they are shown by other bytes.

Start at `write_split` and `read_manifest`; `Manifest.find_in` finds the cells again in a data set.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from leuknet.data.digests import natural_key
from leuknet.data.overlap import HashedCell
from leuknet.data.split import SIDES, fingerprint
from leuknet.errors import SplitError
from leuknet.images.near_duplicates import HASH_BITS, HASH_NAME
from leuknet.records import write_whole
from leuknet.types import CellImage, Dataset, Label, Split, SplitKind

_OWN_DATA = "use the data it was made from, or make a new split"

_HASH = re.compile(f"[0-9a-f]{{{HASH_BITS // 4}}}")


@dataclass(frozen=True)
class ManifestSide:
    """What a split on disk says of one side.

    Attributes
    ----------
    cells, leukaemic, normal
        Numbers of cells.
    subjects
        Ids of people, 2 before 10.
    unnamed
        Cells that name nobody.
    hashed
        The cells themselves.
    """

    cells: int
    leukaemic: int
    normal: int
    subjects: tuple[str, ...]
    unnamed: int
    hashed: tuple[HashedCell, ...]


@dataclass(frozen=True)
class Manifest:
    """What a split on disk says, for someone who has no images.

    Attributes
    ----------
    path
        Where it was read.
    protocol, round
        `""` for a split that no protocol made.
    sides
        `train`, `validation` and `test`.
    excluded
        Number of development cells that were left out because their person is on the test side.
    earlier
        Cells that developed a model whose weights this one began with, or whose weights are part of it.
    """

    path: Path
    kind: SplitKind
    seed: int
    fingerprint: str
    protocol: str
    round: str
    sides: Mapping[str, ManifestSide]
    excluded: int
    earlier: tuple[HashedCell, ...] = ()

    @property
    def developed_on(self) -> tuple[HashedCell, ...]:
        """The cells that trained a model or chose its settings; in a split of 0.1.0 without hashes."""
        return (*self.sides["train"].hashed, *self.sides["validation"].hashed, *self.earlier)

    def find_in(self, dataset: Dataset, *, fix: str = _OWN_DATA) -> Split:
        """Find the cells again in a data set, by id and content.

        `fix` is what the caller can try where they are not there.

        Raises
        ------
        SplitError
            If a cell is missing from the data set, has other bytes or another label.
        """
        by_id = {cell.id: cell for cell in dataset.cells}
        wanted = [cell for side in SIDES for cell in self.sides[side].hashed]
        missing = [cell.id for cell in wanted if cell.id not in by_id]
        changed = [cell.id for cell in wanted if cell.id in by_id and by_id[cell.id].sha256 != cell.sha256]
        if missing or changed:
            raise SplitError(
                f"cannot use the split {str(self.path)!r} with this data",
                why=f"of its {len(wanted)} cells {len(missing)} are missing and {len(changed)} have other "
                f"bytes, the first of them {(missing + changed)[0]!r}"
                + _elsewhere([cell for cell in wanted if cell.id not in by_id], dataset),
                fix=fix,
            )
        train, validation, test = (
            tuple(by_id[cell.id] for cell in self.sides[side].hashed) for side in SIDES
        )
        found = fingerprint(train, validation, test)
        if found != self.fingerprint:
            raise SplitError(
                f"cannot use the split {str(self.path)!r} with this data",
                why=f"its fingerprint is {self.fingerprint!r}, that of the cells found {found!r}",
                fix="labels have changed or the file was edited: make a new split",
            )
        return Split(
            train,
            validation,
            test,
            self.kind,
            self.seed,
            found,
            protocol=self.protocol,
            round=self.round,
        )


def _elsewhere(missing: Sequence[HashedCell], dataset: Dataset) -> str:
    """Say of cells whose content lies there under another name where the first is."""
    by_content = {cell.sha256: cell.id for cell in dataset.cells}
    found = [(cell.id, by_content[cell.sha256]) for cell in missing if cell.sha256 in by_content]
    if not found:
        return ""
    then, now = found[0]
    return (
        f"; {len(found)} of the missing ones lie in {dataset.root} under other names, such as {now!r} for "
        f"{then!r}: was the split made from a folder above or below?"
    )


def write_split(
    split: Split,
    path: Path,
    *,
    hashes: Mapping[str, str] | None = None,
    excluded: Sequence[CellImage] = (),
    earlier: Sequence[HashedCell] = (),
) -> None:
    """Write a split as JSON: what it is, and id, sha256, label, subject and hash of each cell.

    The file appears whole or not at all.

    Parameters
    ----------
    hashes
        The cells' `leuknet.images.near_duplicates.perceptual_hash` by the sha256 of their bytes; cells that
        are not there are written without.
    excluded
        Development cells on no side, because their person is on the test side; their ids are listed.
    earlier
        Cells that developed the models whose weights are in the model of this split.

    Raises
    ------
    SplitError
        If the file cannot be written.
    """
    content: dict[str, Any] = {
        "kind": split.kind,
        "seed": split.seed,
        "fingerprint": split.fingerprint,
        "protocol": split.protocol,
        "round": split.round,
        "hash_name": HASH_NAME,
        "excluded": [cell.id for cell in excluded],
    }
    for side in SIDES:
        content[side] = [
            {
                "id": cell.id,
                "sha256": cell.sha256,
                "label": cell.label,
                "subject": cell.subject,
                "hash": (hashes or {}).get(cell.sha256),
            }
            for cell in getattr(split, side)
        ]
    if earlier:
        content["earlier"] = [cell._asdict() for cell in earlier]
    try:
        write_whole(path, f"{json.dumps(content, indent=1)}\n".encode("ascii"))
    except OSError as error:
        raise SplitError(
            f"cannot write the split to {str(path)!r}",
            why=error.strerror or repr(error),
            fix="check the folder, its permissions and the space left",
        ) from error


def read_manifest(path: Path) -> Manifest:
    """Read what a split on disk says of itself and of each side.

    Raises
    ------
    SplitError
        If the file is missing or damaged.
    """
    content = _read_content(path)
    return Manifest(
        path=path,
        kind=content["kind"],
        seed=content["seed"],
        fingerprint=content["fingerprint"],
        protocol=content["protocol"],
        round=content["round"],
        sides={side: _summarise(content[side]) for side in SIDES},
        excluded=len(content["excluded"]),
        earlier=_hashed(content["earlier"]),
    )


def _summarise(entries: Sequence[Mapping[str, Any]]) -> ManifestSide:
    labels = [entry["label"] for entry in entries]
    subjects = [entry["subject"] for entry in entries]
    return ManifestSide(
        cells=len(entries),
        leukaemic=labels.count(Label.LEUKAEMIC),
        normal=labels.count(Label.NORMAL),
        subjects=tuple(sorted({subject for subject in subjects if subject is not None}, key=natural_key)),
        unnamed=subjects.count(None),
        hashed=_hashed(entries),
    )


def _hashed(entries: Sequence[Mapping[str, Any]]) -> tuple[HashedCell, ...]:
    return tuple(HashedCell(*(entry[key] for key in HashedCell._fields)) for entry in entries)


def _read_content(path: Path) -> dict[str, Any]:
    """Return the JSON of a split after checking its shape."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
        # Hashes of another kind cannot be compared with ours: such cells count as not hashed.
        is_ours = content["hash_name"] == HASH_NAME
        content.setdefault("earlier", [])  # of most models there are none
        for side in (*SIDES, "earlier"):
            content[side] = [{**entry, "hash": entry["hash"] if is_ours else None} for entry in content[side]]
        is_whole = _is_whole(content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, repr(error)) from error
    if not is_whole:
        raise _damaged(path, "a value has the wrong type or the kind is unknown")
    return content


def _is_whole(content: Mapping[str, Any]) -> bool:
    labelled = [entry for side in SIDES for entry in content[side]]
    entries = [*labelled, *content["earlier"]]
    texts = [content[key] for key in ("fingerprint", "protocol", "round")]
    texts += [*content["excluded"], *(entry[key] for entry in entries for key in ("id", "sha256"))]
    optional = [entry[key] for entry in entries for key in ("subject", "hash")]
    return (
        content["kind"] in get_args(SplitKind)
        and type(content["seed"]) is int
        and all(isinstance(text, str) for text in texts)
        and all(text is None or isinstance(text, str) for text in optional)
        and all(_HASH.fullmatch(entry["hash"]) for entry in entries if entry["hash"] is not None)
        and all(entry["label"] in (*Label, None) for entry in labelled)
    )


def _damaged(path: Path, why: str) -> SplitError:
    return SplitError(
        f"cannot read the split {str(path)!r}", why=why, fix="name a file that `write_split` has written"
    )
