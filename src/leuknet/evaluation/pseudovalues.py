"""The test of a reader study by pseudovalues (Dorfman, Berbaum & Metz): a check on `leuknet.evaluation.mrmc`.

Each case gets, for each reader and treatment, the score that it would have to have so that the mean over
cases is the score: n times the score less n - 1 times the score without it. These pseudovalues go through an
analysis of variance of three factors. With Hillis' degrees of freedom the test is that of Obuchowski and
Rockette with jackknifed covariances, reached on another way: what two programs should agree on.

References
----------
Dorfman, Berbaum & Metz (1992), Invest. Radiol. 27(9), 723-731. Hillis, Berbaum & Metz (2008), Acad. Radiol.
15(5), 647-661.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from leuknet.errors import SettingError
from leuknet.evaluation.reader_scores import Figure, score_readers, unit_of_case
from leuknet.evaluation.readings import Readings


@dataclass(frozen=True)
class PseudovalueTest:
    """F of readers and cases that are random.

    Attributes
    ----------
    mean_squares
        By factors: `T` treatment, `R` reader, `C` case or person, `TR`, `TC`, `RC` and `TRC`.
    f_value, freedom, p_value
        With the degrees of freedom above and below.
    """

    mean_squares: dict[str, float]
    f_value: float
    freedom: tuple[float, float]
    p_value: float


def pseudovalue_test(
    readings: Readings, figure: Figure = "auroc", *, threshold: float | None = None
) -> PseudovalueTest:
    """Test whether treatments differ, for other readers and other cases.

    All readers must have read all cases; where cases are nested in people, people are left out whole.

    Raises
    ------
    SettingError
        If a reading lacks, there are fewer than two treatments, readers or cases, or a score is undefined.
    """
    if np.isnan(readings.ratings).any() or min(readings.ratings.shape) < 2:
        raise SettingError(
            "no analysis by pseudovalues",
            why="every reader must have read every case under every treatment, two or more of each",
            fix="use leuknet.evaluation.mrmc",
        )
    values = _pseudovalues(readings, figure, threshold)
    squares = _mean_squares(values)
    t, r, _ = values.shape
    below = squares["TR"] + max(squares["TC"] - squares["TRC"], 0.0)
    freedom = (t - 1) * (r - 1) * (below / squares["TR"]) ** 2
    f_value = squares["T"] / below
    return PseudovalueTest(
        squares, f_value, (t - 1, freedom), float(f_distribution.sf(f_value, t - 1, freedom))
    )


def _pseudovalues(readings: Readings, figure: Figure, threshold: float | None) -> NDArray[np.float64]:
    """Return pseudovalues (T, R, U) of cases, or of people."""
    unit = unit_of_case(readings)
    count = int(unit.max()) + 1
    all_of = {"treatments": range(len(readings.treatments)), "readers": range(len(readings.readers))}
    whole = score_readers(readings, figure, threshold=threshold)
    without = [
        score_readers(
            readings.take(**all_of, cases=np.flatnonzero(unit != number)), figure, threshold=threshold
        )
        for number in range(count)
    ]
    return np.stack([count * whole - (count - 1) * one for one in without], axis=-1)


def _mean_squares(values: NDArray[np.float64]) -> dict[str, float]:
    """Return the mean squares of an array (T, R, C) by its factors and their interactions."""
    names = "TRC"
    effects: dict[tuple[int, ...], NDArray[np.float64]] = {(): np.asarray(values.mean(keepdims=True))}
    found: dict[str, float] = {}
    for size in (1, 2, 3):
        for axes in itertools.combinations(range(3), size):
            others = tuple(axis for axis in range(3) if axis not in axes)
            lower = sum(effect for own, effect in effects.items() if set(own) < set(axes))
            effect = values.mean(axis=others, keepdims=True) - lower
            effects[axes] = np.asarray(effect)
            freedom = np.prod([values.shape[axis] - 1 for axis in axes])
            total = (np.broadcast_to(effect, values.shape) ** 2).sum()
            found["".join(names[axis] for axis in axes)] = float(total / freedom)
    return found
