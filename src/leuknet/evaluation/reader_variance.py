"""The variance of readers' mean scores, from mean squares and covariances (Obuchowski & Rockette, Hillis).

Start at `Study`. `leuknet.evaluation.mrmc` says what it is for, and where it comes from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

from leuknet.evaluation.margins import Margin, check_margin
from leuknet.evaluation.reader_scores import Scores

Random = Literal["readers and cases", "cases", "readers"]
"""What a result is meant to hold for others of; what is not named is fixed."""

Covariances = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """Mean error variance of the scores and their mean covariances.

    Attributes
    ----------
    variance
        Of a score, over other cases.
    cov1
        Of one reader's scores under two treatments.
    cov2
        Of two readers' scores under one treatment.
    cov3
        Of two readers' scores under two treatments.
    """

    variance: float
    cov1: float
    cov2: float
    cov3: float


@dataclass(frozen=True)
class Mean:
    """A treatment's score, averaged over readers, or the difference of two: the second minus the first.

    Attributes
    ----------
    names
        One treatment, or two.
    estimate, error, low, high
        The mean score or difference, its standard error and the limits of its interval.
    freedom
        Degrees of freedom of Student's t; None for a normal distribution.
    p_value
        Two-sided, of a difference; None for a treatment's own mean.
    """

    names: tuple[str, ...]
    estimate: float
    error: float
    freedom: float | None
    low: float
    high: float
    p_value: float | None

    def within(self, margin: float) -> Margin:
        """Return whether the second treatment is as good as the first but for a margin named beforehand.

        A SettingError if it is no margin.
        """
        check_margin(margin)
        worse, better = ((self.estimate + sign * margin) / self.error for sign in (1, -1))
        freedom = math.inf if self.freedom is None else self.freedom
        not_worse = float(t_distribution.sf(worse, freedom))
        return Margin(margin, not_worse, max(not_worse, float(t_distribution.cdf(better, freedom))))


def mean_square(scores: Scores, group: NDArray[np.intp]) -> tuple[float, float]:
    """Return the mean square over treatments and readers within groups, and its degrees of freedom.

    `scores` are (T, R), `group` (R,) says who is in which. Of one treatment it is the one over readers.
    """
    rest = scores - scores.mean(axis=0) if len(scores) > 1 else scores
    for one in np.unique(group):
        own = group == one
        rest = rest - own * rest[:, own].mean(axis=1, keepdims=True)
    freedom = max(1, len(scores) - 1) * (group.size - np.unique(group).size)
    return (float((rest**2).sum() / freedom), float(freedom)) if freedom else (math.nan, 0.0)


class Study(NamedTuple):
    """Scores (T, R), their covariances, which group each reader (R,) is in, and what is random."""

    scores: Scores
    covariances: Covariances
    group: NDArray[np.intp]
    random: Random

    @property
    def components(self) -> Components:
        """Return means over treatments and readers; of two readers, over those who read the same cases."""
        t, r = self.scores.shape
        same_t, same_r = np.eye(t, dtype=bool), np.eye(r, dtype=bool)
        together = (self.group[:, None] == self.group) & ~same_r

        def mean(treatments: NDArray[np.bool_], readers: NDArray[np.bool_]) -> float:
            chosen = treatments[:, None, :, None] & readers[None, :, None, :]
            return float(self.covariances[chosen].mean()) if chosen.any() else 0.0

        return Components(
            mean(same_t, same_r), mean(~same_t, same_r), mean(same_t, together), mean(~same_t, together)
        )

    @property
    def shared(self) -> float:
        """How many readers read the same cases; of unequal groups, as their sum of squares weighs them."""
        return float((np.bincount(self.group) ** 2).sum() / self.group.size)

    @property
    def between_treatments(self) -> float:
        """Mean square over treatments."""
        t, r = self.scores.shape
        return float(r * np.var(self.scores.mean(axis=1), ddof=1)) if t > 1 else math.nan

    def error(self) -> tuple[float, float]:
        """Return what the mean square over treatments is compared with, and its degrees of freedom."""
        parts = self.components
        share = parts.cov2 - parts.cov3
        if self.random == "cases":  # exact, and never negative: nothing is cut off
            return parts.variance - parts.cov1 + (self.shared - 1) * share, math.inf
        return self._error(mean_square(self.scores, self.group), max(share, 0.0))

    def _error(self, within: tuple[float, float], share: float) -> tuple[float, float]:
        square, freedom = within
        if self.random == "readers":
            return square, freedom
        total = square + self.shared * share
        return total, freedom * (total / square) ** 2 if square else math.inf

    def difference(self, pair: tuple[int, int], names: tuple[str, ...], level: float) -> Mean:
        """Return the second treatment's mean minus the first one's."""
        error, freedom = self.error()
        means = self.scores.mean(axis=1)
        estimate = float(means[pair[1]] - means[pair[0]])
        return _mean(names, estimate, math.sqrt(2 * error / self.group.size), freedom, level, tested=True)

    def mean_of(self, number: int, name: str, level: float) -> Mean:
        """Return a treatment's mean, from what was read under it alone."""
        own = self._replace(
            scores=self.scores[[number]], covariances=self.covariances[[number]][:, :, [number]]
        )
        parts = own.components
        if self.random == "cases":
            error, freedom = parts.variance + (self.shared - 1) * parts.cov2, math.inf
        else:
            error, freedom = self._error(mean_square(own.scores, self.group), max(parts.cov2, 0.0))
        n = self.group.size
        return _mean((name,), float(own.scores.mean()), math.sqrt(error / n), freedom, level, tested=False)


def _mean(
    names: tuple[str, ...], estimate: float, error: float, freedom: float, level: float, *, tested: bool
) -> Mean:
    reach = float(t_distribution.ppf((1 + level) / 2, freedom)) * error
    p_value = None
    if tested:
        p_value = (
            2 * float(t_distribution.sf(abs(estimate) / error, freedom)) if error else float(estimate == 0)
        )
    known = None if math.isinf(freedom) else freedom
    return Mean(names, estimate, error, known, estimate - reach, estimate + reach, p_value)
