"""How well each reader does under each treatment, and how these scores vary together over other cases.

Cases that are easy for a reader under one treatment are easy under the other, and easy for other readers too:
the covariances of scores say how much. They are estimated by leaving out each case in turn (jackknife), by
DeLong's formula for the AUROC, or by resampling cases (bootstrap). Where cases are nested in people, people
are left out or drawn whole, and DeLong's estimator is that of Obuchowski for clustered data.

Start at `score_readers` and `covariance`.

References
----------
DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44(3), 837-845. Obuchowski (1997), Biometrics 53(2),
567-578: clustered ROC curves. Cohen (1968), Psychological Bulletin 70(4), 213-220: weighted kappa.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import SettingError
from leuknet.evaluation import formulas
from leuknet.evaluation.formulas import Weights
from leuknet.evaluation.readings import Readings
from leuknet.evaluation.resampling import blocks

Figure = Literal["auroc", "sensitivity", "specificity", "kappa"]
"""What is scored; `kappa` is quadratically weighted agreement of the rating with the truth's category."""

Estimator = Literal["jackknife", "delong", "bootstrap"]

Scores = NDArray[np.float64]

RESAMPLES = 2000


def score_readers(readings: Readings, figure: Figure = "auroc", *, threshold: float | None = None) -> Scores:
    """Return the score (T, R) of each reader under each treatment.

    Parameters
    ----------
    readings
        Of which every reader read every case under every treatment.
    figure
        Its scores lie in [0, 1], those of kappa in [-1, 1].
    threshold
        Ratings at or above it call a case positive; `sensitivity` and `specificity` alone take one.

    Raises
    ------
    SettingError
        If figure and threshold do not go together, or the score is undefined: both classes are needed.
    """
    scores: Scores = _statistic(readings, figure, threshold)(np.ones((1, len(readings.cases))))[0]
    if np.isnan(scores).any():
        raise SettingError(
            f"{figure} is undefined",
            why="it needs positive and negative cases, and for kappa more than one category",
            fix="check the truth of the cases",
        )
    return scores


def covariance(
    readings: Readings,
    figure: Figure = "auroc",
    *,
    estimator: Estimator = "jackknife",
    threshold: float | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return the covariances (T, R, T, R) of the scores over other cases, or other people, of the same kind.

    Parameters
    ----------
    readings, figure, threshold
        As for `score_readers`.
    estimator
        `delong` is for the AUROC alone. `bootstrap` draws positive and negative cases (of people: those with
        either alone, and with both) apart, `RESAMPLES` times.
    seed
        Random seed of the bootstrap.

    Raises
    ------
    SettingError
        If there is no such estimator of the figure, or a score is undefined without one of the cases.
    """
    if estimator not in get_args(Estimator) or (estimator == "delong" and figure != "auroc"):
        raise SettingError(
            f"no {estimator!r} covariance of {figure}",
            why="DeLong's is one of the AUROC" if estimator == "delong" else "there is no such estimator",
            fix="use jackknife or bootstrap",
        )
    if estimator == "delong":
        return _delong(readings)
    statistic = _statistic(readings, figure, threshold)
    unit = unit_of_case(readings)
    drawn = _left_out(unit) if estimator == "jackknife" else _drawn(readings, unit, seed)
    values = np.concatenate([statistic(block) for block in drawn])
    if np.isnan(values).any():
        raise SettingError(
            f"{figure} has no {estimator} covariance",
            why="without some of the cases it is undefined",
            fix="read more cases, or more people, of each class",
        )
    n = len(values)
    apart = values - values.mean(axis=0)
    scale = (n - 1) / n if estimator == "jackknife" else 1 / (n - 1)
    found: NDArray[np.float64] = scale * np.einsum("bij,bkl->ijkl", apart, apart)
    return found


def unit_of_case(readings: Readings) -> NDArray[np.intp]:
    """Return the number (N,) of each case's person; of each case where people are not known."""
    names = np.arange(len(readings.cases)) if readings.people is None else readings.people
    return np.unique(names, return_inverse=True)[1].reshape(-1)


def _statistic(
    readings: Readings, figure: Figure, threshold: float | None
) -> Callable[[Weights], NDArray[np.float64]]:
    """Return the scores (B, T, R) as a function of weights of cases (B, N)."""
    if (threshold is None) != (figure in ("auroc", "kappa")) or figure not in get_args(Figure):
        raise SettingError(
            f"cannot score readers by {figure}",
            why=f"the figures are {', '.join(get_args(Figure))}; the threshold is {threshold}",
            fix="give a threshold for sensitivity and specificity, and for them alone",
        )
    ratings, truth = readings.ratings, readings.truth
    if figure != "kappa" and not np.isin(truth, (0, 1)).all():
        raise SettingError(f"cannot compute {figure}", why="a truth is neither 0 nor 1", fix="use kappa")
    pairs = [_one(ratings[t, r], truth, figure, threshold) for t, r in np.ndindex(ratings.shape[:2])]

    def statistic(weights: Weights) -> NDArray[np.float64]:
        values = np.stack([one(weights) for one in pairs], axis=-1)
        return values.reshape(len(weights), *ratings.shape[:2])

    return statistic


def _one(
    rating: NDArray[np.float64], truth: NDArray[np.int64], figure: Figure, threshold: float | None
) -> Callable[[Weights], NDArray[np.float64]]:
    """Return the score (B,) of one reader under one treatment as a function of weights (B, N)."""
    if figure == "kappa":
        return _weighted_kappa(rating, truth)
    # An AUROC knows order alone, and LeukNet's formulas take probabilities.
    kinds, rank = np.unique(rating, return_inverse=True)
    given = rank.reshape(-1) / max(1, len(kinds) - 1) if threshold is None else (rating >= threshold) * 1.0
    formula = getattr(formulas, figure)
    return lambda weights: np.asarray(formula(truth, given, 0.5, weights), dtype=np.float64)


def _weighted_kappa(
    rating: NDArray[np.float64], truth: NDArray[np.int64]
) -> Callable[[Weights], NDArray[np.float64]]:
    """Return Cohen's kappa with quadratic weights: 1 - sum of w o / sum of w e, w the squared distance."""
    if not np.array_equal(rating, np.rint(rating)) or rating.min() < 0:
        raise SettingError("kappa needs categories", why="a rating is no whole number >= 0", fix="use auroc")
    k = int(max(rating.max(), truth.max())) + 1
    apart = (np.arange(k)[:, None] - np.arange(k)) ** 2
    pair = np.eye(k * k)[rating.astype(np.int64) * k + truth]

    def kappa(weights: Weights) -> NDArray[np.float64]:
        table = (weights @ pair).reshape(-1, k, k)
        total = table.sum(axis=(1, 2))
        by_chance = np.einsum("bi,bj,ij->b", table.sum(axis=2), table.sum(axis=1), apart) / total
        seen = (table * apart).sum(axis=(1, 2))
        undefined = np.full(len(weights), np.nan)
        return np.asarray(1 - np.divide(seen, by_chance, out=undefined, where=by_chance > 0))

    return kappa


def _left_out(unit: NDArray[np.intp]) -> Iterator[Weights]:
    """Yield weights that leave out each unit in turn."""
    for rows in blocks(unit.max() + 1, width=unit.size):
        yield (np.arange(rows.start, rows.stop)[:, None] != unit).astype(np.float64)


def _drawn(readings: Readings, unit: NDArray[np.intp], seed: int) -> Iterator[Weights]:
    """Yield weights of resampled units: those with positives, with negatives and with both drawn apart."""
    generator = np.random.default_rng(seed)
    count = unit.max() + 1
    kind = np.zeros(count, dtype=np.int64)
    for value in np.unique(readings.truth):
        kind = 2 * kind + (np.bincount(unit, readings.truth == value, count) > 0)
    for rows in blocks(RESAMPLES, width=unit.size):
        times = np.zeros((rows.stop - rows.start, count))
        for one in np.unique(kind):
            own = np.flatnonzero(kind == one)
            times[:, own] = generator.multinomial(own.size, np.full(own.size, 1 / own.size), len(times))
        yield times[:, unit]


def _delong(readings: Readings) -> NDArray[np.float64]:
    """Return DeLong's covariances; of cases in people Obuchowski's, DeLong's where each has one case.

    For each positive case the share of negatives that it beats, and for each negative the share of positives
    that beat it; summed by person, their covariances over people give those of the areas.
    """
    score_readers(readings)  # refuses what has no AUROC
    shape = readings.ratings.shape[:2]
    flat = readings.ratings.reshape(-1, len(readings.cases))
    positive, negative = readings.truth == 1, readings.truth == 0
    above = flat[:, positive, None] - flat[:, None, negative]
    wins = (above > 0) + 0.5 * (above == 0)
    area = wins.mean(axis=(1, 2))
    unit = unit_of_case(readings)
    count = unit.max() + 1
    sums = [
        _by_unit(share - area[:, None], unit[own], count)
        for share, own in ((wins.mean(axis=2), positive), (wins.mean(axis=1), negative))
    ]
    n = [np.count_nonzero(positive), np.count_nonzero(negative)]
    holds = [np.unique(unit[own]).size for own in (positive, negative)]
    if min(holds) < 2:
        raise SettingError(
            "AUROC has no covariance", why="one person has all cases of a class", fix="use more people"
        )
    found = sum(
        total.T @ total * (own / (own - 1)) / cells**2
        for total, own, cells in zip(sums, holds, n, strict=True)
    )
    if readings.people is not None:
        across = sums[0].T @ sums[1] * (count / (count - 1)) / (n[0] * n[1])
        found = found + across + across.T
    covariances: NDArray[np.float64] = np.asarray(found).reshape(*shape, *shape)
    return covariances


def _by_unit(values: NDArray[np.float64], unit: NDArray[np.intp], count: int) -> NDArray[np.float64]:
    """Return sums (U, K) over the cases of each unit of values (K, n)."""
    return np.stack([np.bincount(unit, row, count) for row in values], axis=1)
