"""The calibration error with most of its chance taken out, and its interval.

The expected calibration error adds up distances, and a distance is never negative: cells of few people leave
gaps in every bin even where each probability is right. How large a gap chance makes in a bin is known from
how its units differ. The estimate is the plain sum less what chance adds on average (Kumar, Liang & Ma 2019);
with people as units, for cells of one person err alike.

Its interval ends above at the plain sum plus what the jackknife allows. Below, it ends at the plain sum less
what chance alone adds in all but 2.5% of draws: the sum of true gaps cannot lie further below (triangle
inequality). It is therefore on the safe side, and reaches 0 where chance alone may have made all gaps.

Start at `ece_interval`.

References
----------
Kumar, Liang & Ma (2019), "Verified uncertainty calibration", NeurIPS 32: the debiased estimate, there with
cells as units. Leone, Nelson & Nottingham (1961), Technometrics 3(4), 543-550: the folded normal's mean.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from leuknet.evaluation import formulas
from leuknet.evaluation.jackknife import (
    EXACT,
    TOO_FEW,
    Basis,
    interval_on,
    leave_one_out,
)
from leuknet.evaluation.limits import LEVEL, UNIT, exact_limits, student
from leuknet.evaluation.resampling import MIN_SUBJECTS, Array, Units
from leuknet.types import Interval, IntervalMethod, Labels, Probabilities

_DRAWS = 2000
_DEBIASED = {"cells": IntervalMethod.DEBIASED_CELLS, "subjects": IntervalMethod.DEBIASED_SUBJECTS}


class Gaps(NamedTuple):
    """Mean of stated probability minus label in each bin, times the bin's share of the cells.

    Attributes
    ----------
    found : (ECE_BINS,)
        Their distances from 0 add up to the expected calibration error.
    covariance : (ECE_BINS, ECE_BINS)
        Of what was found, from how units differ.
    """

    found: Array
    covariance: Array

    @property
    def plain(self) -> float:
        """The expected calibration error, as `formulas.ece` has it."""
        return float(np.abs(self.found).sum())

    @property
    def debiased(self) -> float:
        """The expected calibration error less what chance adds to it on average, at least 0."""
        error = np.sqrt(np.diagonal(self.covariance))
        spread = np.maximum(error, 1e-15)
        # The mean distance from 0 of a normal number around the gap.
        by_chance = 2 * spread * norm.pdf(self.found / spread) + self.found * (
            1 - 2 * norm.cdf(-self.found / spread)
        )
        return max(0.0, 2 * self.plain - float(by_chance.sum()))

    def chance(self, level: float) -> float:
        """Return what chance alone adds at most, but for half of 1 - level of the draws."""
        generator = np.random.default_rng(0)
        drawn = generator.multivariate_normal(
            np.zeros(self.found.size), self.covariance, size=_DRAWS, method="eigh"
        )
        return float(np.quantile(np.abs(drawn).sum(axis=1), (1 + level) / 2))


def gaps_of(labels: Labels, probabilities: Probabilities, units: Units) -> Gaps:
    """Return the gap of each bin; arguments as for `formulas.ece`, and whose the cells are."""
    n_bins, count, cells = formulas.ECE_BINS, units.count, labels.size
    place = units.of_cell * n_bins + formulas.bin_of(probabilities)
    by_unit = np.bincount(place, probabilities - labels, count * n_bins).reshape(count, n_bins)
    found = by_unit.sum(axis=0) / cells
    # What each unit adds beyond its share of the cells (Taylor linearisation of a ratio).
    beyond = (by_unit - np.bincount(units.of_cell, minlength=count)[:, None] * found) / cells
    return Gaps(found, beyond.T @ beyond * count / max(count - 1, 1))


def ece_interval(
    labels: Labels, probabilities: Probabilities, basis: Basis, *, level: float = LEVEL
) -> Interval:
    """Return the debiased calibration error with its interval.

    Parameters
    ----------
    labels, probabilities
        As for `formulas.ece`; all cells have a part.
    basis
        Whose the cells are.
    level
        Share of such intervals that should hold the truth.
    """
    kind = basis.units.kind
    gaps = gaps_of(labels, probabilities, basis.units)
    estimate, limits, method = gaps.debiased, UNIT, TOO_FEW[kind]
    if basis.count >= MIN_SUBJECTS:
        left_out = leave_one_out(
            lambda weights: formulas.ece(labels, probabilities, 0.5, weights), basis.units
        )
        variance = basis.variance_of(left_out)
        reach, error = student(variance.freedom, level=level), float(np.sqrt(variance.value))
        low = gaps.plain - gaps.chance(level) * reach / float(norm.ppf((1 + level) / 2))
        limits, method = (max(0.0, min(low, estimate)), min(1.0, gaps.plain + reach * error)), _DEBIASED[kind]
        # Sums in another order leave a spread of rounding errors where there is none.
        if error < 1e-12 and (exact := exact_limits(estimate, basis.count, level=level)):
            limits, method = exact, EXACT[kind]
    return interval_on(basis, estimate, limits, method=method, level=level)
