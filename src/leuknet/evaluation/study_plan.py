"""What a plan of a study says, and which studies are drawn to find it.

Start at `Plan`; `leuknet.evaluation.planning` makes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

PEOPLE = (10, 15, 20, 30, 45, 70, 100, 150, 220)
"""Sizes of studies that are tried, in people of both classes."""

CELLS_EACH = (20, 100, None)
"""Cells of each person that are tried; None takes their numbers from the pilot."""

STUDIES = 200
"""Drawn for each size: a share of 80% is then known to within 6 points."""

MOST_PEOPLE = 20_000
MOST_CELLS = 2_000_000
"""Of one drawn study: more do not fit into the memory of a small machine."""


@dataclass(frozen=True)
class PlanPoint:
    """What became of the studies of one size.

    Attributes
    ----------
    people, leukaemic, normal
        In each study, and those of each class.
    cells_each
        Cells of each person; None where their numbers were drawn from the pilot's.
    reached
        Share of the studies that got what is wanted: an interval that is no wider, or a difference that is
        told from chance in the right direction.
    mean_width
        Of the studies' intervals, undefined ones as wide as can be; None for a plan of power.
    held
        Share of the studies' intervals that hold the truth: that of the method, for people who vary so; None
        for a plan of power.
    """

    people: int
    leukaemic: int
    normal: int
    cells_each: int | None
    reached: float
    mean_width: float | None
    held: float | None

    @property
    def cells(self) -> str:
        """The number of cells of each person in words: a key of `Plan.needed`."""
        return cells_text(self.cells_each)


@dataclass(frozen=True)
class Plan:
    """What a study needs, and how that was found.

    Attributes
    ----------
    question
        `width` of an interval, or `power` to tell two models apart.
    metric
        A key of `METRICS`.
    wanted
        The width, or the difference in AUROC that should be found.
    share
        Share of the studies that should reach it.
    models
        The pilot's, in words.
    truths
        The metric in the population that is drawn from, of each model.
    pilot_leukaemic, pilot_normal
        People of each class in the pilot, from whom the variance between people is known.
    between_share
        Share of the variance of the first model's log odds, within a class, that lies between people.
    simulated
        Whether the pilot's cells were drawn by a program.
    studies, seed
        Drawn for each size; the same seed draws the same ones.
    points
        By cells each, then people.
    needed
        For each `cells_each`, as a text, the fewest people that were found to be enough; None if no size that
        was tried is.
    """

    question: Literal["width", "power"]
    metric: str
    wanted: float
    share: float
    models: tuple[str, ...]
    truths: tuple[float, ...]
    pilot_leukaemic: int
    pilot_normal: int
    between_share: float
    simulated: bool
    studies: int
    seed: int
    points: tuple[PlanPoint, ...]
    needed: Mapping[str, int | None]


@dataclass(frozen=True)
class StudySizes:
    """Which studies are drawn.

    Attributes
    ----------
    people, cells_each
        Sizes, as in `PEOPLE` and `CELLS_EACH`.
    studies, seed
        Drawn for each size.
    leukaemic_share
        Share of people who are leukaemic, in (0, 1); None takes the pilot's.
    """

    people: Sequence[int] = PEOPLE
    cells_each: Sequence[int | None] = CELLS_EACH
    studies: int = STUDIES
    seed: int = 0
    leukaemic_share: float | None = None


def cells_text(cells_each: int | None) -> str:
    """Return the number of cells of each person in words."""
    return "cells as in the pilot" if cells_each is None else f"{cells_each} cells each"
