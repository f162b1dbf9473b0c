"""Measures what the search for near-duplicates finds and misses, on real cells: the figures of decision 0006.

    python studies/copies.py ROOT              # C-NMC 2019, as much of it as is there; minutes on one core
    python studies/copies.py ROOT --every 100  # copies of fewer cells

Two cells of different people are two cells; two of one person may be one cell that was photographed twice, for
fields overlap and some were taken again. So the pairs of different people show how often other cells are taken
for one, and copies that are made here how many true ones are found. Pairs of one person show both.

Start at `measure_pairs` and `measure_copies`.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from leuknet.data import open_dataset
from leuknet.images.near_duplicates import (
    LIMITS,
    NEAR_BITS,
    fine_structure,
    is_one_cell,
    likeness,
    perceptual_hash,
)
from leuknet.images.reading import read_pixels
from leuknet.images.survey import cached_survey
from leuknet.images.transform import place_on_canvas
from leuknet.types import CellImage, Dataset, Pixels

BEYOND = 64
"""Bits up to which pairs of one person are compared, to see what the sieve keeps back."""

STEP = 4
ALIKE = (0.5, LIMITS[0][1], LIMITS[1][1])
"""Likeness at which the table of pairs is divided."""

EVERY = 10


class Pair(NamedTuple):
    """Two cells whose hashes are near, by their places, with how near they are and whether one person's."""

    first: int
    second: int
    bits: int
    one_person: bool
    alike: float

    @property
    def is_found(self) -> bool:
        """Whether they are taken for one cell."""
        return is_one_cell(self.bits, self.alike)


def measure_pairs(dataset: Dataset, *, progress: bool = False) -> list[Pair]:
    """Compare all cells with each other: all pairs up to `NEAR_BITS`, those of one person up to `BEYOND`.

    Of contents that are there twice one is taken.
    """
    cells = list({cell.sha256: cell for cell in dataset.cells if cell.subject is not None}.values())
    hashes = cached_survey(cells, dataset, progress=progress).hashes
    people = np.array([cell.subject for cell in cells])

    @cache
    def structure(place: int) -> NDArray[np.float32]:
        return fine_structure(_pixels(cells[place], dataset))

    return [
        Pair(first, second, bits, one_person, likeness(structure(first), structure(second)))
        for first, second, bits in _near(hashes)
        for one_person in [bool(people[first] == people[second])]
        if one_person or bits <= NEAR_BITS
    ]


def pair_lines(pairs: Sequence[Pair], cells: int) -> list[str]:
    """Return the table of pairs in Markdown."""
    low, middle, high = ALIKE
    kinds = (f"< {low:g}", f"{low:g} to {middle:g}", f"{middle:g} to {high:g}", f">= {high:g}")
    lines = [
        f"{cells:,} cells. Pairs by bits that differ and by likeness; bold ones are taken for one cell.",
        "",
        f"| bits | different people, likeness {' / '.join(kinds)} | one person, likeness {' / '.join(kinds)} |",
        "|---|---|---|",
    ]
    for low_bits in range(0, BEYOND, STEP):
        some = [pair for pair in pairs if low_bits <= pair.bits < low_bits + STEP]
        texts = []
        for one_person in (False, True):
            counts: Counter[int] = Counter()
            found: Counter[int] = Counter()
            for pair in some:
                if pair.one_person == one_person:
                    place = int(np.searchsorted(ALIKE, pair.alike, side="right"))
                    counts[place] += 1
                    found[place] += pair.is_found
            words = (f"**{counts[k]:,}**" if found[k] else f"{counts[k]:,}" for k in range(len(kinds)))
            texts.append(" / ".join(words) if one_person or low_bits < NEAR_BITS else "not compared")
        lines.append(f"| {low_bits} to {low_bits + STEP - 2} | {' | '.join(texts)} |")
    others = [pair for pair in pairs if not pair.one_person]
    wrong = sum(pair.is_found for pair in others)
    nearest = {most: max((p.alike for p in others if p.bits <= most), default=0.0) for most, _ in LIMITS}
    beyond = [pair for pair in pairs if pair.one_person and pair.bits > NEAR_BITS and pair.alike >= high]
    own = [pair for pair in pairs if pair.one_person and pair.is_found]
    weakest = {
        most: min((pair.alike for pair in own if pair.bits <= most), default=0.0) for most, _ in LIMITS[:1]
    }
    return [
        *lines,
        "",
        f"Of different people {wrong} of {len(others):,} pairs within {NEAR_BITS} bits are taken for one cell; "
        + ", ".join(
            f"their largest likeness within {most} bits is {found:.3f}" for most, found in nearest.items()
        )
        + ".",
        f"Of one person {len(own):,} pairs are; the weakest of them within {LIMITS[0][0]} bits has "
        f"{weakest[LIMITS[0][0]]:.3f}. {len(beyond)} more with a likeness of {high:g} or more differ in "
        f"{NEAR_BITS + 2} to {BEYOND} bits, and are missed.",
    ]


def copies() -> dict[str, Callable[[Pixels], Pixels]]:
    """Return kinds of copies, by name."""

    def again(kind: str, **options: int) -> Callable[[Pixels], Pixels]:
        def save(pixels: Pixels) -> Pixels:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, kind, **options)
            return np.asarray(Image.open(file).convert("RGB"))

        return save

    def scaled(side: int) -> Callable[[Pixels], Pixels]:
        def resize(pixels: Pixels) -> Pixels:
            small = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)
            return np.asarray(small.resize(pixels.shape[1::-1], Image.Resampling.BILINEAR))

        return resize

    def brighter(factor: float) -> Callable[[Pixels], Pixels]:
        return lambda pixels: np.clip(np.round(pixels * factor), 0, 255).astype(np.uint8)

    def turned(degrees: float) -> Callable[[Pixels], Pixels]:
        return lambda pixels: np.asarray(Image.fromarray(pixels).rotate(degrees, Image.Resampling.BILINEAR))

    def noisy(pixels: Pixels) -> Pixels:
        noise = np.random.default_rng(0).normal(0, 5, pixels.shape)
        return np.clip(np.round(pixels + noise * (pixels > 0)), 0, 255).astype(np.uint8)

    return {
        "PNG": again("PNG"),
        "JPEG, quality 90": again("JPEG", quality=90),
        "JPEG, quality 50": again("JPEG", quality=50),
        "5% brighter": brighter(1.05),
        "20% darker": brighter(0.8),
        "resized to 400 px and back": scaled(400),
        "resized to 225 px and back": scaled(225),
        "blurred by 1 px": lambda p: np.asarray(Image.fromarray(p).filter(ImageFilter.GaussianBlur(1))),
        "noise of 5 grey levels": noisy,
        "turned by 1 degree": turned(1),
        "turned by 3 degrees": turned(3),
        **{
            f"moved by {n} px along both axes": (lambda p, n=n: np.roll(p, (n, n), (0, 1)))  # type: ignore[misc]
            for n in (1, 2, 3, 4)
        },
        "mirrored": lambda pixels: pixels[:, ::-1].copy(),
        "turned by 90 degrees": lambda pixels: np.rot90(pixels).copy(),
    }


def measure_copies(
    dataset: Dataset, cells: Sequence[CellImage], kinds: Sequence[str] | None = None
) -> dict[str, list[tuple[int, float]]]:
    """Return for each kind of copy the bits and the likeness of each cell and its copy."""
    made = {name: make for name, make in copies().items() if kinds is None or name in kinds}
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in made}
    for cell in cells:
        pixels = _pixels(cell, dataset)
        own, own_structure = int(perceptual_hash(pixels), 16), fine_structure(pixels)
        for name, make in made.items():
            copy = make(pixels)
            bits = (own ^ int(perceptual_hash(copy), 16)).bit_count()
            found[name].append((bits, likeness(own_structure, fine_structure(copy))))
    return found


def copy_lines(found: dict[str, list[tuple[int, float]]]) -> list[str]:
    """Return the table of copies in Markdown."""
    number = max(map(len, found.values()))
    lines = [
        f"{number:,} cells and their copies.",
        "",
        "| copy | bits, median and largest | least likeness | found |",
        "|---|---|---|---|",
    ]
    for name, pairs in found.items():
        bits = [one for one, _ in pairs]
        share = np.mean([is_one_cell(*pair) for pair in pairs])
        least = min(alike for _, alike in pairs)
        lines.append(f"| {name} | {np.median(bits):.0f}, {max(bits)} | {least:.3f} | {share:.1%} |")
    return lines


def _near(hashes: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8).reshape(len(hashes), -1)
    bits = np.unpackbits(packed, axis=1).astype(np.float32)
    ones = bits.sum(axis=1)
    for place, row in enumerate(bits[:-1]):
        apart = row.sum() + ones[place + 1 :] - 2 * (bits[place + 1 :] @ row)
        for other in np.flatnonzero(apart <= BEYOND).tolist():
            yield place, place + 1 + other, int(apart[other])


def _pixels(cell: CellImage, dataset: Dataset) -> Pixels:
    pixels = read_pixels(cell.path, root=dataset.root).pixels
    return pixels if dataset.canvas_px is None else place_on_canvas(pixels, dataset.canvas_px)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("root", type=Path, help="C-NMC 2019, as published")
    parser.add_argument("--every", type=int, default=EVERY, help="take copies of every so many-th cell")
    given = parser.parse_args(arguments)
    dataset = open_dataset(given.root)
    lines = pair_lines(measure_pairs(dataset, progress=True), len(dataset.cells))
    lines += ["", *copy_lines(measure_copies(dataset, dataset.cells[:: given.every]))]
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
