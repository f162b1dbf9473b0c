"""How a score varies over seeds, on the same cells.

A seed decides which cells are deleted, how the others are divided, the first weights, order and dropout.
Seeds are independent of each other, so that Student's t holds for their mean even though their test sides
share cells: it says where the mean of ever more seeds on these very images would lie. It knows nothing of
other people, whose cells no seed can add; for that `leuknet.evaluation.crossed` leaves people out.

Start at `spread_over_seeds`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import t as student

from leuknet.evaluation.standings import MIN_SEEDS

LEVEL = 0.95


@dataclass(frozen=True)
class SeedSpread:
    """A score over seeds.

    Attributes
    ----------
    values
        Of each seed, in the order given.
    mean, low, high
        Mean, lowest and highest of them.
    deviation
        Sample standard deviation; None of one seed.
    of_mean
        95% interval of the mean over seeds; None with fewer than `MIN_SEEDS`.
    of_next
        Where one seed more would lie with 95%, if scores over seeds are about normal; None likewise.
    """

    values: tuple[float, ...]
    mean: float
    low: float
    high: float
    deviation: float | None
    of_mean: tuple[float, float] | None
    of_next: tuple[float, float] | None


def spread_over_seeds(values: Sequence[float]) -> SeedSpread:
    """Return mean and spread of a score, one value for each seed.

    Raises
    ------
    ValueError
        If there are no values.

    Examples
    --------
    >>> found = spread_over_seeds([0.8, 0.9, 1.0])
    >>> f"{found.mean:.2f}, {found.deviation:.2f}"
    '0.90, 0.10'
    """
    if not values:
        raise ValueError("there is no seed")
    mean, n = statistics.fmean(values), len(values)
    deviation = statistics.stdev(values) if n > 1 else None
    of_mean = of_next = None
    if deviation is not None and n >= MIN_SEEDS:
        reach = float(student.ppf((1 + LEVEL) / 2, n - 1)) * deviation
        of_mean = _around(mean, reach / math.sqrt(n))
        of_next = _around(mean, reach * math.sqrt(1 + 1 / n))
    return SeedSpread(tuple(values), mean, min(values), max(values), deviation, of_mean, of_next)


def _around(mean: float, reach: float) -> tuple[float, float]:
    """Return the limits, within the 0 to 1 that every score here keeps to."""
    return max(0.0, mean - reach), min(1.0, mean + reach)
