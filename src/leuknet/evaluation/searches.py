"""Keeps the ledger of searches: on whose labels the settings of a recipe were chosen.

Whoever searches settings in one round of a protocol sees labels of people who are tested in another round.
Scored there, the settings look better than new people will find them. So a search leaves a line beside the
ledger of looks: the settings that won, and a short hash of every cell whose label had a part in it. A model
that is trained with these settings carries the same on its card, and every evaluation of it says how many of
the tested people had a part in the choice.

Start at `record_search`; `seen_by_search` is what an evaluation asks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from leuknet.errors import DataError, LeakError
from leuknet.evaluation.looks import VARIABLE, join_contents, ledger_path, short_hash, split_contents
from leuknet.types import CellImage, Recipe, Searched, Split

_NOT_SETTINGS = ("name", "source", "claim", "seed", "draw")
"""Fields of a recipe by which two recipes may differ and yet have the same settings."""


def searches_path() -> Path:
    """Return where searches are kept: beside the ledger of looks."""
    return ledger_path().with_suffix(".searches.jsonl")


def record_search(recipe: Recipe, cells: Sequence[CellImage], *, protocol: str, round_name: str) -> Searched:
    """Write down that these settings won a search in which the labels of these cells had a part.

    Parameters
    ----------
    recipe
        With the settings that won.
    cells
        All that were trained on or judged with in the search.
    protocol, round_name
        Whose development cells they are; empty for a recipe's own split.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    found = Searched(recipe.name, protocol, round_name, join_contents(short_hash(cell) for cell in cells))
    line = json.dumps({"settings": _digest(recipe), **asdict(found)})
    path = searches_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if line not in _lines(path):
            with path.open("ab", buffering=0) as ledger:
                ledger.write(f"{line}\n".encode())
    except OSError as error:
        raise _cannot_keep(path, error) from error
    return found


def find_search(recipe: Recipe) -> Searched | None:
    """Return the search that found a recipe's settings, None if none is known on this machine.

    Of several searches, the cells are put together. Seed, draw and name make no difference.
    """
    path, wanted = searches_path(), _digest(recipe)
    try:
        entries = [json.loads(line) for line in _lines(path)]
        found = [
            Searched(**{name: value for name, value in entry.items() if name != "settings"})
            for entry in entries
            if entry["settings"] == wanted
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _cannot_keep(path, error) from error
    return joined(found)


def joined(searches: Iterable[Searched | None]) -> Searched | None:
    """Return several searches as one: that of an ensemble's members, or of settings that won twice."""
    found = [search for search in searches if search is not None]
    if not found:
        return None
    contents = join_contents(part for search in found for part in split_contents(search.contents))
    recipe, protocol, round_name = (
        " and ".join(dict.fromkeys(getattr(search, name) for search in found))
        for name in ("recipe", "protocol", "round")
    )
    return Searched(recipe, protocol, round_name, contents)


def seen_by_search(search: Searched | None, cells: Sequence[CellImage]) -> tuple[int, int]:
    """Return how many of these cells, and how many people, had a part in the choice of settings.

    A person of whom one cell was seen was seen: all of their cells count. A cell that names nobody counts by
    its content, and as nobody.
    """
    known = split_contents(search.contents) if search is not None else frozenset()
    seen = [cell for cell in cells if short_hash(cell) in known]
    people = {cell.subject for cell in seen} - {None}
    counted = sum(cell.subject in people for cell in cells if cell.subject is not None)
    return counted + sum(cell.subject is None for cell in seen), len(people)


def check_settings(recipe: Recipe, split: Split) -> None:
    """Refuse to judge settings on people whose labels chose them.

    Raises
    ------
    LeakError
        If a search is known on this machine that saw labels of the split's tested people.
    """
    search = find_search(recipe)
    cells, people = seen_by_search(search, split.test)
    if search is None or not cells:
        return
    where = f"round {search.round} of the protocol {search.protocol}" if search.round else "another split"
    tested = split.round or "this split"
    raise LeakError(
        f"the settings of {recipe.name!r} were chosen on people who are tested in {tested}",
        why=f"`leuknet tune`, in {where}, saw the labels of {people} tested people ({cells} of "
        f"{len(split.test)} cells)",
        fix="train in the round of the search alone: `leuknet train --protocol NAME --round NAME --set ...`; "
        "or judge by a protocol whose test people had no part in the search, such as official",
    )


def _digest(recipe: Recipe) -> str:
    values = {name: value for name, value in asdict(recipe).items() if name not in _NOT_SETTINGS}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _cannot_keep(path: Path, error: Exception) -> DataError:
    return DataError(
        f"cannot keep the ledger of searches {path}",
        why=str(error),
        fix=f"mend or move the file away, or name another place with the variable {VARIABLE}",
    )
