"""Cells, data sets, and the sides that cells are divided into.

Start at `CellImage`, then `Dataset`, then `Split`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from leuknet.types.added import added

Pixels = NDArray[np.uint8]
"""One image (H, W, 3) or several of one size (N, H, W, 3); sRGB."""

Labels = NDArray[np.int64]
"""(N,) class of each cell: 1 leukaemic, 0 normal."""

SplitKind = Literal["image-level", "subject-level", "external", "unknown"]
"""Whether one subject's cells may sit on two sides (`image-level`), may not (`subject-level`), or the
tested cells come from another source than the trained ones and from other people (`external`). `unknown`:
from another source, but with nothing that names the people, so that it cannot be told whether any of them
trained the model."""

Severity = Literal["error", "warning", "info"]


class Label(IntEnum):
    """The two classes. The values are those of the publisher's label file."""

    NORMAL = 0
    LEUKAEMIC = 1

    @property
    def short(self) -> str:
        """The publisher's name of the class: `ALL` or `HEM`."""
        return "ALL" if self is Label.LEUKAEMIC else "HEM"


CLASS_NAMES = (Label.NORMAL.short, Label.LEUKAEMIC.short)
"""What label 0 and label 1 are called unless a data set says otherwise."""


@dataclass(frozen=True)
class CellImage:
    """One cell on disk.

    Attributes
    ----------
    id
        Unique within its data set: the path below the root, with forward slashes.
    path
        Where the file lies.
    sha256
        Hex digest of the file's bytes.
    label
        None where no label is published.
    subject
        The person the cell came from, after merging ids that share an image; None if unpublished.
    part
        The publisher's part, such as `fold_0`, `prelim` or `final`; `""` where there are none.
    microns_per_pixel
        Scale in µm per pixel, None if unknown.
    """

    id: str
    path: Path
    sha256: str
    label: Label | None
    subject: str | None
    part: str = ""
    microns_per_pixel: float | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that a check noticed about the data.

    An `error` would make results wrong or stop a run, a `warning` deserves a look, `info` is a fact
    worth knowing. `path` is relative to the data set's root; `""` speaks of the whole.
    """

    severity: Severity
    kind: str
    path: str
    message: str


@dataclass(frozen=True)
class Dataset:
    """The cells of one data set, in a fixed order, and what the reader noticed on the way.

    Attributes
    ----------
    name
        The key in `leuknet.data.DATASETS`.
    simulated
        True if the cells were drawn by `leuknet data simulate`. Figures and reports then say so.
    canvas_px
        Side of the square canvas on which the publisher placed each cell at true scale; None where
        images have no common scale, and are resized whole.
    class_names
        What label 0 and label 1 mean here, in this order.
    """

    name: str
    version: str
    licence: str
    url: str
    root: Path
    cells: tuple[CellImage, ...]
    findings: tuple[Finding, ...] = ()
    simulated: bool = False
    canvas_px: int | None = None
    class_names: tuple[str, str] = CLASS_NAMES


@dataclass(frozen=True)
class Split:
    """A division of cells into training, validation and test sides.

    Attributes
    ----------
    train, validation, test
        The cells of each side, in the order in which they are used.
    kind
        `image-level` splits flatter a model: cells of one person sit on several sides.
    fingerprint
        sha256 over the ids, contents and labels of each side: two runs with one fingerprint used the
        same cells in the same roles.
    protocol, round
        The protocol of `leuknet.data.protocols` that made it, and which of its rounds; `""` for a split
        that a recipe made by itself.
    """

    train: tuple[CellImage, ...]
    validation: tuple[CellImage, ...]
    test: tuple[CellImage, ...]
    kind: SplitKind
    seed: int
    fingerprint: str
    protocol: str = ""
    round: str = ""

    @property
    def cells(self) -> tuple[CellImage, ...]:
        """The cells of all three sides."""
        return (*self.train, *self.validation, *self.test)


@dataclass(frozen=True)
class TestSide:
    """Labelled cells to judge a model on, and what such a judgement is worth.

    Attributes
    ----------
    fingerprint
        Of the split that the cells come from, or of the cells alone where they are no split's test side.
    part
        What they are, in words: `test side`, or the publisher's parts.
    trained_people
        Ids of tested people whose cells trained the model or chose its settings; None if it cannot be told,
        since cells name nobody.
    """

    cells: tuple[CellImage, ...]
    kind: SplitKind
    fingerprint: str
    part: str
    protocol: str = ""
    round: str = ""
    trained_people: tuple[str, ...] | None = ()

    __test__ = False  # the name is not meant for pytest


@dataclass(frozen=True)
class SideOverlap:
    """What two sets of cells have in common.

    Attributes
    ----------
    first, second
        Names of the two sets, such as `train` and `test`.
    first_cells, second_cells
        Numbers of cells; every pair of them was compared.
    subjects
        People with cells in both.
    unnamed
        Cells of either set that name nobody: with any, people in common cannot be ruled out.
    contents
        Pairs of ids with the same bytes, first set first.
    near
        Pairs of ids that show one cell by other bytes, and in how many bits their perceptual hashes differ:
        at most `Overlap.near_bits`. Their pictures were compared if `Overlap.limits` say how.
    suspected
        Pairs whose hashes are very near, and whose pictures were not at hand: whether they show one cell is
        open.
    """

    first: str
    second: str
    first_cells: int
    second_cells: int
    subjects: tuple[str, ...]
    unnamed: int
    contents: tuple[tuple[str, str], ...]
    near: tuple[tuple[str, str, int], ...]
    suspected: tuple[tuple[str, str, int], ...] = added(())

    @property
    def is_disjoint(self) -> bool:
        """Whether nothing is in common, and neither a cell that names nobody nor a picture leaves it open."""
        return not (self.subjects or self.unnamed or self.contents or self.near or self.suspected)


@dataclass(frozen=True)
class Overlap:
    """The proof that sides of a split have nothing in common, or what they have.

    Attributes
    ----------
    hash_name, hash_bits, near_bits
        The perceptual hash, its length, and the number of differing bits up to which two pictures are
        compared with each other.
    pairs
        One for each two sides.
    limits
        Bits up to which hashes differ, and the correlation from which two such pictures show one cell; empty
        where only hashes were compared, and all that are near counted.
    """

    hash_name: str
    hash_bits: int
    near_bits: int
    pairs: tuple[SideOverlap, ...]
    limits: tuple[tuple[int, float], ...] = added(())

    @property
    def is_disjoint(self) -> bool:
        """Whether no two sides have anything in common."""
        return all(pair.is_disjoint for pair in self.pairs)


@dataclass(frozen=True)
class PartSummary:
    """What is there of one part of a data set.

    Attributes
    ----------
    unlabelled
        Images without a label; `images` is the sum of the three classes.
    subjects
        People, after merging ids that share an image; None if a cell of the part names nobody.
    """

    part: str
    images: int
    leukaemic: int
    normal: int
    unlabelled: int
    subjects: int | None


@dataclass(frozen=True)
class DataCard:
    """What a data set says of itself and what was noticed about it; kept beside an evaluation."""

    name: str
    version: str
    licence: str
    url: str
    simulated: bool
    class_names: tuple[str, str]
    canvas_px: int | None
    parts: tuple[PartSummary, ...]
    findings: tuple[Finding, ...]
