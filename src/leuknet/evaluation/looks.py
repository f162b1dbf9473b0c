"""Keeps the ledger of looks: each time test cells are scored, a line is added that nothing removes.

A test side that is scored again and again, with a change to the model in between, becomes a second training
side: the best of twenty tries is good by luck. Nobody is stopped from looking twice, but the second look is
written down and every report shows it. The ledger is one file per user, outside of any run, so that deleting
a run does not delete its look.

Looks are compared cell by cell, by content: ninety-nine of a hundred cells seen before are no new test side.
A short hash of each content is written with the first look at a set of cells.

Start at `record_look`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import platformdirs

from leuknet.data.split import fingerprint
from leuknet.errors import DataError
from leuknet.types import CellImage, Look

VARIABLE = "LEUKNET_LEDGER"
"""Names another file for the ledger, such as one that a whole group shares."""

_DIGITS = 12
"""Hex digits of a content in the ledger: of a million images two agree by accident once in 600 times."""


def ledger_path() -> Path:
    """Return where the ledger lies: what `LEUKNET_LEDGER` says, or the user's folder for such files."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_state_path("leuknet") / "looks.jsonl"


class Looked(NamedTuple):
    """What the ledger knows of some cells; fields as in `leuknet.types.Evaluation`."""

    looks: tuple[Look, ...] = ()
    seen: tuple[tuple[int, int], ...] | None = None
    unresolved_looks: int = 0


NOT_LOOKED = Looked()
"""What is known where no ledger was asked."""


def record_look(cells: Sequence[CellImage], *, recipe: str, seed: int, model_id: str) -> Looked:
    """Write down that a model is about to be scored on these cells; return all earlier looks at any of them.

    Written before the first cell is scored: a look that was broken off has shown something too.

    Parameters
    ----------
    cells
        The cells, in any order. Another order, split, run, name or label does not make them new.
    recipe, seed, model_id
        Which model looks.

    Returns
    -------
    Looked
        Looks by any model at any of these contents, oldest first; the present one is not among them.

    Raises
    ------
    DataError
        If the ledger cannot be read or written: without it, no test side is scored.
    """
    path = ledger_path()
    look = Look(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        test_fingerprint=fingerprint((), (), cells),
        recipe=recipe,
        seed=seed,
        model_id=model_id,
    )
    own = Counter(short_hash(cell) for cell in cells)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One write to a file opened for appending, unbuffered: lines of several processes do not mix.
        with path.open("a+b", buffering=0) as ledger:
            ledger.seek(0)
            earlier, contents = _read(ledger.readall())
            line = {name: value for name, value in asdict(look).items() if name != "shared"}
            if look.test_fingerprint not in contents:
                line["contents"] = join_contents(own)
                contents[look.test_fingerprint] = frozenset(own)
            ledger.write(f"{json.dumps(line)}\n".encode())
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"cannot keep the ledger of looks {path}",
            why=str(error),
            fix=f"mend or move the file away, or name another with the variable {VARIABLE}",
        ) from error
    return _find(own, earlier, contents)


def short_hash(cell: CellImage) -> str:
    """Return the hash by which a ledger knows the content of a cell."""
    return hashlib.sha256(cell.sha256.encode()).hexdigest()[:_DIGITS]


def join_contents(contents: Iterable[str]) -> str:
    """Return different short hashes as one text."""
    return "".join(sorted(set(contents)))


def split_contents(joined: str) -> frozenset[str]:
    """Return the short hashes that a text holds."""
    return frozenset(joined[start : start + _DIGITS] for start in range(0, len(joined), _DIGITS))


def _read(text: bytes) -> tuple[list[Look], dict[str, frozenset[str]]]:
    """Return all looks of a ledger, and the contents that each set of cells has, by its fingerprint."""
    looks, contents = [], {}
    for line in text.decode().splitlines():
        entry = json.loads(line)
        joined = entry.pop("contents", None) if isinstance(entry, dict) else None
        look = Look(**entry)
        looks.append(look)
        if joined is not None:
            contents[look.test_fingerprint] = split_contents(joined)
    return looks, contents


def _find(own: Counter[str], earlier: Sequence[Look], contents: Mapping[str, frozenset[str]]) -> Looked:
    """Return which earlier looks met any of these contents, each of which so many of the cells have."""
    found, times, unresolved = [], dict.fromkeys(own, 0), 0
    for look in earlier:
        if look.test_fingerprint not in contents:
            unresolved += 1
            continue
        met = own.keys() & contents[look.test_fingerprint]
        for content in met:
            times[content] += 1
        if met:
            found.append(replace(look, shared=sum(own[content] for content in met)))
    often: Counter[int] = Counter()
    for content, number in times.items():
        often[number] += own[content]
    return Looked(tuple(found), tuple(sorted(often.items())), unresolved)
