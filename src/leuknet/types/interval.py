"""Estimates that never travel alone.

Start at `Interval`, then `IntervalMethod`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

Unit = Literal["cells", "subjects", "seeds"]
"""What may be left out or drawn."""


class IntervalMethod(StrEnum):
    """How an interval was made. Its text is what files, tables and pages hold; nothing needs to parse it.

    Attributes
    ----------
    resampled
        What was left out in turn or drawn with replacement; nothing for an interval that rests on a formula
        or a model.
    """

    resampled: tuple[Unit, ...]

    WILSON = "wilson"
    JACKKNIFE_CELLS = "jackknife over cells, taken as independent", "cells"
    JACKKNIFE_SUBJECTS = "jackknife over subjects", "subjects"
    JACKKNIFE_CELLS_SEEDS = "jackknife over cells, spread over seeds", "cells", "seeds"
    JACKKNIFE_SUBJECTS_SEEDS = "jackknife over subjects, spread over seeds", "subjects", "seeds"
    PAIRED_JACKKNIFE_CELLS = "paired jackknife over cells", "cells"
    PAIRED_JACKKNIFE_SUBJECTS = "paired jackknife over subjects", "subjects"
    PAIRED_JACKKNIFE_CELLS_SEEDS = "paired jackknife over cells, spread over seeds", "cells", "seeds"
    PAIRED_JACKKNIFE_SUBJECTS_SEEDS = "paired jackknife over subjects, spread over seeds", "subjects", "seeds"
    DEBIASED_CELLS = "debiased, multiplier bootstrap and jackknife over cells", "cells"
    DEBIASED_SUBJECTS = "debiased, multiplier bootstrap and jackknife over subjects", "subjects"
    EXACT_CELLS = "Clopper-Pearson, cells counted"
    EXACT_SUBJECTS = "Clopper-Pearson, subjects counted"
    TOO_FEW_CELLS = "no interval: too few cells"
    TOO_FEW_SUBJECTS = "no interval: too few subjects"
    BOOTSTRAP_CELLS = "bootstrap over cells", "cells"
    BOOTSTRAP_SUBJECTS = "bootstrap over subjects", "subjects"
    CROSSED_CELLS = "crossed bootstrap over cells and seeds", "cells", "seeds"
    CROSSED_SUBJECTS = "crossed bootstrap over subjects and seeds", "subjects", "seeds"
    PAIRED_CELLS = "crossed bootstrap over cells and seeds, paired", "cells", "seeds"
    PAIRED_SUBJECTS = "crossed bootstrap over subjects and seeds, paired", "subjects", "seeds"
    MOVER = "MOVER-R of sensitivity and specificity"
    PROFILE_LIKELIHOOD = "profile likelihood"
    MONTE_CARLO_CELLS = "Monte Carlo over cells alone"
    MONTE_CARLO_PEOPLE = "Monte Carlo over cells and people"

    def __new__(cls, text: str, *resampled: Unit) -> Self:
        """Make a member of its text and what it leaves out or draws."""
        method = str.__new__(cls, text)
        method._value_ = text
        method.resampled = resampled
        return method

    @property
    def label(self) -> str:
        """As a key or caption names it: Wilson is a person, and takes cells as independent."""
        return "Wilson, cells as independent" if self is IntervalMethod.WILSON else self.value


@dataclass(frozen=True)
class Interval:
    """An estimate that never travels alone.

    Attributes
    ----------
    level
        Share of such intervals that hold the truth, such as 0.95, if the method keeps its word.
    method
        How the limits were found; `leuknet.evaluation.jackknife` and `resampling` hold the ways.
    cells, subjects
        What the estimate rests on; subjects is None where the data do not name them.
    resamples
        0 for the jackknife, for formulas, and for the ECE, whose bootstrap only finds its bias.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: IntervalMethod
    cells: int
    subjects: int | None
    resamples: int

    @property
    def is_known(self) -> bool:
        """Whether there is an interval; if not, the limits are the least and the largest possible value."""
        return self.method not in (IntervalMethod.TOO_FEW_CELLS, IntervalMethod.TOO_FEW_SUBJECTS)
