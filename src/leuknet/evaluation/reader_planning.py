"""How many readers and cases a reader study needs, from the variance of a pilot's scores.

A pilot's error variance and covariances shrink as cases grow; how readers differ does not. From both follows
the noncentral F of a larger study. Where cases are nested in people, people are what grows.

Start at `plan_readers`.

References
----------
Hillis, Obuchowski & Berbaum (2011), Acad. Radiol. 18(2), 129-142: sizing by Obuchowski and Rockette's model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, f, ncf, nct, ncx2, norm
from scipy.stats import t as t_distribution

from leuknet.errors import SettingError
from leuknet.evaluation.margins import SIGNIFICANT, check_margin
from leuknet.evaluation.mrmc import Mrmc
from leuknet.evaluation.reader_variance import Components, Random, mean_square

READERS = (3, 4, 5, 6, 8, 10, 15, 20)
MOST_CASES = 20_000


@dataclass(frozen=True)
class ReaderPilot:
    """What is known of how scores vary.

    Attributes
    ----------
    components
        Of one score and of pairs of them, over as many cases as the pilot has.
    treatment_reader
        Variance of a reader's preference for a treatment, beyond what cases make of it; >= 0.
    units
        The pilot's cases; its people where cases are nested in people.
    nested
        Whether units are people.
    """

    components: Components
    treatment_reader: float
    units: int
    nested: bool


@dataclass(frozen=True)
class ReaderPlanRow:
    """The fewest cases, or people, for a number of readers.

    Attributes
    ----------
    units
        None where `MOST_CASES` are not enough: then readers are too few.
    power
        Of such a study; without units, of one with `MOST_CASES`.
    """

    readers: int
    units: int | None
    power: float


@dataclass(frozen=True)
class ReaderPlan:
    """What a reader study of two treatments needs.

    Attributes
    ----------
    gap, margin, wanted, random
        As they were asked for; without a margin the study is to find the difference, with one to show that
        the second treatment is not worse.
    rows
        In the order of the numbers of readers.
    """

    pilot: ReaderPilot
    gap: float
    margin: float | None
    wanted: float
    random: Random
    rows: tuple[ReaderPlanRow, ...]


def pilot_of(found: Mrmc) -> ReaderPilot:
    """Return what a finished study says of how scores vary.

    A SettingError if it has another design than that all readers read all cases, or a single reader.
    """
    if found.design != "crossed" or len(found.readers) < 2:
        raise SettingError(
            "this study is no pilot",
            why=f"its design is {found.design}, with {len(found.readers)} readers",
            fix="take one in which two readers or more read all cases under all treatments",
        )
    parts = found.components
    share = max(parts.cov2 - parts.cov3, 0.0)
    together = np.zeros(len(found.readers), dtype=np.intp)
    square, _ = mean_square(np.array(found.scores), together)
    excess = square - parts.variance + parts.cov1 + share
    units = found.cases if found.people is None else found.people
    return ReaderPilot(parts, max(excess, 0.0), units, found.people is not None)


def power_of(
    pilot: ReaderPilot,
    *,
    readers: int,
    units: int,
    gap: float,
    margin: float | None = None,
    random: Random = "readers and cases",
) -> float:
    """Return the share of studies of this size that show what is asked, at two-sided 5%.

    Parameters
    ----------
    pilot
        How scores vary.
    readers, units
        Of the study; units are cases, or people where cases are nested in them.
    gap
        The true difference of two treatments.
    margin
        With one, the share that shows that the second is not worse by so much, where it is better by `gap`.
    random
        As for `leuknet.evaluation.mrmc.analyse_readers`.
    """
    error, freedom = _error(pilot, readers, units, random)
    if margin is None:
        away = readers * gap**2 / (2 * error)
        if math.isinf(freedom):
            return float(ncx2.sf(chi2.isf(SIGNIFICANT, 1), 1, away))
        return float(ncf.sf(f.isf(SIGNIFICANT, 1, freedom), 1, freedom, away))
    away = (gap + margin) / math.sqrt(2 * error / readers)
    if math.isinf(freedom):
        return float(norm.sf(norm.isf(SIGNIFICANT / 2) - away))
    return float(nct.sf(t_distribution.isf(SIGNIFICANT / 2, freedom), freedom, away))


def _error(pilot: ReaderPilot, readers: int, units: int, random: Random) -> tuple[float, float]:
    """Return what half of the squared difference is compared with, a reader, and its degrees of freedom."""
    parts, less = pilot.components, pilot.units / units
    share = max(parts.cov2 - parts.cov3, 0.0)
    own = less * (parts.variance - parts.cov1 - share)
    if random == "cases":
        return own + less * readers * share, math.inf
    square = pilot.treatment_reader + own
    if random == "readers":
        return square, readers - 1
    total = square + less * readers * share
    return total, (readers - 1) * (total / square) ** 2


def plan_readers(
    pilot: ReaderPilot,
    *,
    gap: float,
    margin: float | None = None,
    power: float = 0.8,
    readers: Sequence[int] = READERS,
    random: Random = "readers and cases",
) -> ReaderPlan:
    """Find the fewest cases, or people, for each number of readers.

    Parameters
    ----------
    pilot
        From `pilot_of`, or from published components.
    gap
        The least difference of two treatments that would matter; with a margin the true one, such as 0.
    margin
        Of non-inferiority, in the score's own unit.
    power
        The share of studies that shall succeed, between 0.05 and 1.
    readers
        Numbers to try, 2 or more each; 1 or more where cases alone are random.
    random
        As for `power_of`.

    Raises
    ------
    SettingError
        If a value lies outside these limits.
    """
    check_margin(margin)
    least = 1 if random == "cases" else 2
    if not (margin is not None or gap) or not SIGNIFICANT < power < 1 or min(readers, default=0) < least:
        raise SettingError(
            "cannot plan a reader study",
            why=f"gap {gap:g}, power {power:g}, readers {', '.join(map(str, readers)) or 'none'}",
            fix=f"a gap without margin is not 0, power lies between {SIGNIFICANT:g} and 1, readers are "
            f"{least} or more",
        )

    def reached(n_readers: int, units: int) -> float:
        return power_of(pilot, readers=n_readers, units=units, gap=gap, margin=margin, random=random)

    rows = []
    for n_readers in readers:
        at_most = reached(n_readers, MOST_CASES)
        if at_most < power:
            rows.append(ReaderPlanRow(n_readers, None, at_most))
            continue
        low, high = 1, MOST_CASES
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if reached(n_readers, middle) >= power else (middle + 1, high)
        rows.append(ReaderPlanRow(n_readers, low, reached(n_readers, low)))
    return ReaderPlan(pilot, gap, margin, power, random, tuple(rows))


def reader_plan_rows(plan: ReaderPlan) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return heads and rows of a plan as a table: readers, cases or people, power."""
    units = "people" if plan.pilot.nested else "cases"
    rows = [
        [str(row.readers), "-" if row.units is None else f"{row.units:,}", f"{row.power:.1%}"]
        for row in plan.rows
    ]
    return ("readers", f"{units} (-: {MOST_CASES:,} are not enough)", "power"), rows
