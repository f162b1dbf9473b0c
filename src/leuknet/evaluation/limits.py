"""Limits of an interval, from a standard error or from counts alone.

Start at `student_limits`. What the error is and who counts, `leuknet.evaluation.jackknife` says.

References
----------
Miller (1974), "The jackknife - a review", Biometrika 61(1), 1-15: a transform, then Student's t. Clopper &
Pearson (1934), Biometrika 26, 404-413. Satterthwaite (1946), Biometrics Bulletin 2(6), 110-114.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, expit, logit, stdtrit

LEVEL = 0.95
"""Share of intervals that should hold the truth, unless a caller asks for another."""

UNIT = (0.0, 1.0)

Bounds = tuple[float, float]
"""Least and largest possible value of a score."""


class Variance(NamedTuple):
    """A variance of an estimate, and the degrees of freedom that it was found with."""

    value: float
    freedom: float

    def plus(self, other: Variance) -> Variance:
        """Return the sum of two independent variances, its degrees of freedom those of Satterthwaite."""
        total = self.value + other.value
        parts = self.value**2 / self.freedom + other.value**2 / other.freedom
        return Variance(total, total**2 / parts if parts > 0 else min(self.freedom, other.freedom))


def student(freedom: float, *, level: float = LEVEL) -> float:
    """Return how many standard errors Student's t allows on either side; below 1, `freedom` counts as 1."""
    return float(stdtrit(max(freedom, 1.0), (1 + level) / 2))


def student_limits(
    estimate: float,
    variance: Variance,
    *,
    bounds: Bounds = UNIT,
    linear: bool = False,
    level: float = LEVEL,
) -> Bounds | None:
    """Return limits from a variance and Student's t, None where there is no variance to go by.

    They are symmetric on the scale on which the score is free to move: log odds between two finite bounds,
    the logarithm above one, as it is without. `linear` takes it as it is, and cuts the limits at the bounds.
    Fewer than one degree of freedom counts as one.
    """
    lowest, highest = bounds
    # Sums in another order leave a spread of rounding errors where there is none.
    error = math.sqrt(variance.value)
    if error < 1e-12 or not (linear or lowest < estimate < highest):
        return None
    reach = student(variance.freedom, level=level) * error
    if linear:
        return max(lowest, estimate - reach), min(highest, estimate + reach)
    if math.isfinite(highest):
        width = highest - lowest
        share = (estimate - lowest) / width
        reach /= width * share * (1 - share)
        ends = expit(logit(share) + np.array([-reach, reach]))
        low, high = lowest + width * ends
    elif math.isfinite(lowest):
        low, high = lowest + (estimate - lowest) * np.exp(np.array([-reach, reach]) / (estimate - lowest))
    else:
        low, high = estimate - reach, estimate + reach
    return float(low), float(high)


def exact_limits(
    estimate: float, count: int, *, bounds: Bounds = UNIT, level: float = LEVEL
) -> Bounds | None:
    """Return the limits of Clopper and Pearson for a share of so many units, None where bounds are infinite.

    At the highest value the lower limit is ((1 - level) / 2)^(1 / count) of the way to it.
    """
    lowest, highest = bounds
    if not math.isfinite(highest - lowest):
        return None
    right = count * (estimate - lowest) / (highest - lowest)
    tail = (1 - level) / 2
    low = 0.0 if right <= 0 else float(betaincinv(right, count - right + 1, tail))
    high = 1.0 if right >= count else float(betaincinv(right + 1, count - right, 1 - tail))
    return lowest + (highest - lowest) * low, lowest + (highest - lowest) * high


def equal_limits(count: int, *, bounds: Bounds, level: float = LEVEL) -> Bounds:
    """Return the limits of a difference that is 0 in each of so many units.

    None of them differs, so that of all at most 1 - ((1 - level) / 2)^(1 / count) do (Clopper & Pearson), and
    these by no more than the bounds allow.
    """
    share = 1 - ((1 - level) / 2) ** (1 / count)
    return share * bounds[0], share * bounds[1]


def no_narrower_than_perfect(
    limits: Bounds, left_out: NDArray[np.float64], count: int, *, bounds: Bounds, level: float = LEVEL
) -> Bounds:
    """Return limits that reach at least as far as those of no error where one unit makes all errors.

    Else a single wrong cell would give a narrower interval than none at all. `left_out` (G,) are the values
    without each unit, `count` is how many units there are.
    """
    low, high = limits
    lowest, highest = (np.isclose(left_out, bound, rtol=0, atol=1e-12).any() for bound in bounds)
    if highest and (perfect := exact_limits(bounds[1], count, bounds=bounds, level=level)):
        low = min(low, perfect[0])
    if lowest and (worst := exact_limits(bounds[0], count, bounds=bounds, level=level)):
        high = max(high, worst[1])
    return low, high
