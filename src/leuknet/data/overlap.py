"""Shows whether sides of a split have something in common: people, identical images, near-duplicates.

A score is worth what its test side is worth. Three things can spoil it, and each is looked for between
every two sides: a person with cells on both, a file on both under whatever name, and an image that is
nearly one on the other side, such as the same cell photographed twice.

Hashes say which pairs of pictures are worth a look; the pictures themselves, where they are at hand, say
whether they show one cell. Start at `find_overlap`; `overlap_rows` and `verdict` say the result in words.
Nothing here reads pixels: hashes and comparison come from `leuknet.images.near_duplicates`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leuknet.data.digests import natural_key, shorten
from leuknet.errors import DataError
from leuknet.images.near_duplicates import HASH_BITS, HASH_NAME, LIMITS, NEAR_BITS, SUSPECT_BITS
from leuknet.types import Overlap, SideOverlap

_NOTHING = "nothing in common"

BLOCK = 1024
"""Cells of the first side that are compared with the whole second side at a time: 42 MB for 10,661 cells."""


class HashedCell(NamedTuple):
    """What it takes to recognise a cell.

    Attributes
    ----------
    sha256
        Of the file's bytes.
    subject
        None if it names nobody.
    hash
        `leuknet.images.near_duplicates.perceptual_hash` of the image; None where none is known.
    """

    id: str
    sha256: str
    subject: str | None
    hash: str | None


SameCell = Callable[[str, str, int], bool | None]
"""Whether two contents, by sha256, show one cell, given the bits in which their hashes differ; None where a
picture is not at hand."""


class OverlapRow(NamedTuple):
    """One line of the proof, in words; a column each.

    `subjects`, `contents` and `near` are what two sides share: people, identical images, near-duplicates and
    what may be such.
    """

    pair: str
    subjects: str
    contents: str
    near: str
    verdict: str


def find_overlap(sides: Mapping[str, Sequence[HashedCell]], *, same: SameCell | None = None) -> Overlap:
    """Compare each side with each other, every cell with every cell.

    Parameters
    ----------
    sides
        Name to cells, such as `train`, `validation` and `test`; pairs come in this order.
    same
        Compares the pictures of cells whose hashes are near. Without it the nearest are suspected.

    Returns
    -------
    Overlap
        10,661 cells against 1,867 take about a second, and memory for `BLOCK` rows of distances.

    Raises
    ------
    DataError
        If a cell has no perceptual hash: near-duplicates could then not be ruled out.
    """
    for name, cells in sides.items():
        if n_lacking := sum(cell.hash is None for cell in cells):
            raise DataError(
                "cannot look for near-duplicates",
                why=f"{n_lacking:,} of {len(cells):,} cells of the {name} side have no perceptual hash",
                fix="hash their images anew (`leuknet data split` does), or train the model anew",
            )
    unpacked = [_Side(name, cells, _bits_of(cells)) for name, cells in sides.items()]
    compared = same or (lambda first, second, bits: None)
    pairs = (_compare(first, second, compared) for first, second in combinations(unpacked, 2))
    return Overlap(HASH_NAME, HASH_BITS, NEAR_BITS, tuple(pairs), limits=LIMITS)


def overlap_rows(overlap: Overlap) -> tuple[OverlapRow, ...]:
    """Say what each two sides share, with people by name as far as they are few."""
    return tuple(_row(pair) for pair in overlap.pairs)


def verdict(overlap: Overlap, *, side: str | None = None) -> str:
    """Say in a few words whether any two sides have something in common, or any other with one side."""
    pairs = [pair for pair in overlap.pairs if side in (None, pair.first, pair.second)]
    found = dict.fromkeys(part for pair in pairs for part in _verdict(pair).split("; "))
    telling = [part for part in found if part != _NOTHING]
    return "; ".join(telling) or _NOTHING


def _verdict(pair: SideOverlap) -> str:
    shared = {
        "people": pair.subjects,
        "identical images": pair.contents,
        "near-duplicates": pair.near,
    }
    names = ", ".join(name for name, found in shared.items() if found)
    found = f"in common: {names}" if names else _NOTHING
    if pair.unnamed and not pair.subjects:
        found += "; people cannot be ruled out"
    if pair.suspected and not pair.near:
        found += "; near-duplicates cannot be ruled out"
    return found


def _row(pair: SideOverlap) -> OverlapRow:
    subjects = f"{len(pair.subjects):,}"
    if pair.subjects:
        subjects += f" ({shorten(pair.subjects)})"
    if pair.unnamed:
        subjects += f", and {pair.unnamed:,} cells name nobody"
    near = f"{len(pair.near):,}"
    if pair.suspected:
        near += f", and {len(pair.suspected):,} suspected"
    return OverlapRow(
        pair=f"{pair.first} and {pair.second}",
        subjects=subjects,
        contents=f"{len(pair.contents):,}",
        near=near,
        verdict=_verdict(pair),
    )


class _Side(NamedTuple):
    name: str
    cells: Sequence[HashedCell]
    bits: NDArray[np.float32]  # (N, HASH_BITS) of 0 and 1


def _compare(first: _Side, second: _Side, same: SameCell) -> SideOverlap:
    known = [{cell.subject for cell in side.cells if cell.subject is not None} for side in (first, second)]
    by_content: dict[str, list[str]] = {}
    for cell in second.cells:
        by_content.setdefault(cell.sha256, []).append(cell.id)
    contents = ((cell.id, twin) for cell in first.cells for twin in by_content.get(cell.sha256, ()))
    found: dict[bool | None, list[tuple[str, str, int]]] = {True: [], False: [], None: []}
    for row, column, n_bits in _near_pairs(first.bits, second.bits):
        one, other = first.cells[row], second.cells[column]
        if one.sha256 != other.sha256:
            found[same(one.sha256, other.sha256, n_bits)].append((one.id, other.id, n_bits))
    return SideOverlap(
        first=first.name,
        second=second.name,
        first_cells=len(first.cells),
        second_cells=len(second.cells),
        subjects=tuple(sorted(known[0] & known[1], key=natural_key)),
        unnamed=sum(cell.subject is None for cell in (*first.cells, *second.cells)),
        contents=tuple(contents),
        near=tuple(found[True]),
        suspected=tuple(pair for pair in found[None] if pair[2] <= SUSPECT_BITS),
    )


def _bits_of(cells: Sequence[HashedCell]) -> NDArray[np.float32]:
    """(N, bits) of 0 and 1; float32 so that a matrix product counts common bits, and exactly."""
    content = bytes.fromhex("".join(str(cell.hash) for cell in cells))
    packed = np.frombuffer(content, dtype=np.uint8).reshape(len(cells), HASH_BITS // 8)
    return np.unpackbits(packed, axis=1).astype(np.float32)


def _near_pairs(first: NDArray[np.float32], second: NDArray[np.float32]) -> Iterator[tuple[int, int, int]]:
    """Yield places in both sides, and the distance in bits, of each pair that is near."""
    ones = second.sum(axis=1)
    for start in range(0, len(first), BLOCK):
        block = first[start : start + BLOCK]
        # Bits that differ: those set in one, plus those set in the other, less twice those set in both.
        distances = block.sum(axis=1)[:, None] + ones - 2 * (block @ second.T)
        for row, column in np.argwhere(distances <= NEAR_BITS).tolist():
            yield start + row, column, int(distances[row, column])
