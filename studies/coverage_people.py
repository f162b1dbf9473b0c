"""Simulated people, raters and seeds with known truth, and the intervals that were candidates: for `coverage.py`.

People have one class each and 9 to 757 cells, evenly on a logarithmic scale, as in C-NMC. A cell's score is normal; of its
variance 0.3 lies between people (the intra-class correlation). All truths follow from the normal distribution.

Start at `draw_people`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import multivariate_normal, norm

from leuknet.evaluation.crossed import Answers
from leuknet.evaluation.jackknife import basis_of, jackknife_interval, jackknife_variance
from leuknet.evaluation.limits import Variance, student, student_limits

Array = NDArray[np.float64]

ICC = 0.3
FEWEST, MOST = 9, 757
"""Cells of a person, as in C-NMC 2019."""

RESAMPLES = 400
"""Of each bootstrap interval that was a candidate."""

SCORES = ("AUROC", "weighted F1", "balanced accuracy", "subject mean")


class People(NamedTuple):
    """Cells of simulated people: arrays of one length, and the class of each person (G,)."""

    labels: NDArray[np.int64]
    probabilities: Array
    whose: NDArray[np.intp]
    class_of: NDArray[np.int64]


def separation(auroc: float) -> float:
    """Return how far apart the means of two normal classes of variance 1 lie for this area under the curve."""
    return float(np.sqrt(2) * norm.ppf(auroc))


def draw_people(
    people: int, auroc: float, *, seed: tuple[int, ...], normal: float = 0.5, sharpness: float = 1.0
) -> People:
    """Draw people, a share of them `normal`; at sharpness 1 their probabilities come true, above they are too sure."""
    generator = np.random.default_rng(seed)
    apart = separation(auroc)
    class_of = (np.arange(people) >= round(people * normal)).astype(np.int64)
    sizes = np.exp(generator.uniform(np.log(FEWEST), np.log(MOST + 1), people)).astype(int)
    whose = np.repeat(np.arange(people), sizes)
    labels = class_of[whose]
    own = generator.normal(0, np.sqrt(ICC), people)[whose]
    score = apart * labels + own + generator.normal(0, np.sqrt(1 - ICC), whose.size)
    return People(labels, expit(sharpness * (apart * score - apart**2 / 2)), whose, class_of)


def truths(auroc: float) -> Array:
    """Return the true value of each of `SCORES`: at the middle threshold, either class is right alike."""
    right = norm.cdf(separation(auroc) / 2)
    return np.array([auroc, right, right, right])


def true_ece(auroc: float, sharpness: float) -> float:
    """Return the expected calibration error of ten bins, by adding up densities."""
    apart, step = separation(auroc), 1e-4
    score = np.arange(-9, 12, step)
    classes = norm.pdf(score) / 2, norm.pdf(score - apart) / 2
    stated = expit(sharpness * (apart * score - apart**2 / 2))
    gap = (stated * sum(classes) - classes[1]) * step
    return float(np.abs(np.bincount(np.minimum(10 * stated, 9).astype(int), gap, 10)).sum())


class Sums(NamedTuple):
    """What each person adds: pairs won (G, G) of leukaemic cells (row) over normal ones, and calls (G, 2, 2)."""

    won: Array
    calls: Array

    def scores(self, times: Array) -> Array:
        """Return each of `SCORES` (4, B) where people count so many times (B, G); NaN where undefined."""
        normal, leukaemic = (times @ self.calls[:, label].sum(axis=1) for label in (0, 1))
        calls = np.einsum("bg,gtc->tcb", times, self.calls)
        own = (self.calls[:, 0, 0] + self.calls[:, 1, 1]) / self.calls.sum(axis=(1, 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            auroc = np.einsum("bg,bg->b", times @ self.won, times) / (normal * leukaemic)
            each = [2 * calls[n, n] / (calls[n].sum(axis=0) + calls[:, n].sum(axis=0)) for n in (0, 1)]
            f1 = (np.nan_to_num(each[0]) * normal + np.nan_to_num(each[1]) * leukaemic) / (normal + leukaemic)
            balanced = (calls[0, 0] / normal + calls[1, 1] / leukaemic) / 2
        return np.stack([auroc, f1, balanced, times @ own / times.sum(axis=1)])


def sums_of(drawn: People) -> Sums:
    """Return what each person adds to the scores. No two probabilities are equal."""
    count = drawn.class_of.size
    order = np.argsort(drawn.probabilities)
    whose, is_normal = drawn.whose[order], drawn.labels[order] == 0
    won = np.zeros((count, count))
    for person in np.flatnonzero(drawn.class_of == 0):
        below = np.cumsum(is_normal & (whose == person))
        won[:, person] = np.bincount(whose[~is_normal], below[~is_normal], count)
    calls = np.bincount(
        4 * drawn.whose + 2 * drawn.labels + (drawn.probabilities >= 0.5), minlength=4 * count
    )
    return Sums(won, calls.reshape(count, 2, 2).astype(np.float64))


def score_limits(drawn: People, *, seed: tuple[int, ...]) -> dict[str, Array]:
    """Return the limits (4, 2) of each of `SCORES` by each method, NaN where it gives none."""
    sums, count = sums_of(drawn), drawn.class_of.size
    found = sums.scores(np.ones((1, count)))[:, 0]
    left_out = sums.scores(1 - np.eye(count))
    drawn_times = np.random.default_rng(seed).multinomial(count, np.ones(count) / count, size=RESAMPLES)
    resampled = sums.scores(drawn_times.astype(np.float64))
    low, high = np.nan_to_num(resampled, nan=0.0), np.nan_to_num(resampled, nan=1.0)
    level = expanded_level(count)
    classes = (drawn.labels, drawn.labels, drawn.labels, None)
    chosen = []
    for row, (estimate, without) in enumerate(zip(found, left_out, strict=True)):
        basis = basis_of(drawn.whose, cells=drawn.labels.size, classes=classes[row])
        one = jackknife_interval(float(estimate), without, basis, subjects_alike=row == 3)
        chosen.append((one.low, one.high) if one.is_known else (np.nan, np.nan))
    return {
        "percentile bootstrap": percentiles(low, high, 0.95),
        "expanded percentiles": percentiles(low, high, level),
        "BCa bootstrap": np.array([bca(*row) for row in zip(found, left_out, resampled, strict=True)]),
        "jackknife, t by people": np.array(
            [plain_jackknife(*row) for row in zip(found, left_out, strict=True)]
        ),
        "chosen": np.array(chosen),
    }


def expanded_level(count: int) -> float:
    """Return the share of resamples between whose limits 95% intervals lie, further out the fewer units there are.

    Percentiles leave out Student's t, and that the spread of n units drawn with replacement is too small by (n - 1) / n; for a
    mean this makes up for both (Hesterberg 2015, The American Statistician 69(4), 371-386).
    """
    return float(2 * norm.cdf(np.sqrt(count / (count - 1)) * student(count - 1)) - 1)


def percentiles(low: Array, high: Array, level: float) -> Array:
    """Return the limits (..., 2) of resampled values (..., B) that could have been so low or so high."""
    limits: Array = np.stack(
        [np.quantile(low, (1 - level) / 2, axis=-1), np.quantile(high, (1 + level) / 2, axis=-1)], axis=-1
    )
    return limits


def plain_jackknife(estimate: float, left_out: Array) -> tuple[float, float]:
    """Return limits on the scale of log odds with as many degrees of freedom as there are people, less one."""
    if not np.isfinite(left_out).all():
        return 0.0, 1.0
    variance = Variance(jackknife_variance(left_out), left_out.size - 1)
    return student_limits(float(estimate), variance) or (float(estimate), float(estimate))


def bca(estimate: float, left_out: Array, resampled: Array) -> tuple[float, float]:
    """Return the limits of the bias-corrected and accelerated bootstrap (Efron 1987); undefined resamples are left out."""
    values = resampled[np.isfinite(resampled)]
    below = np.mean(values < estimate)
    if not 0 < below < 1 or not np.isfinite(left_out).all():
        return float(values.min()), float(values.max())
    bias, away = norm.ppf(below), left_out.mean() - left_out
    speed = (away**3).sum() / (6 * ((away**2).sum() ** 1.5 + 1e-300))
    ends = bias + norm.ppf([0.025, 0.975])
    low, high = np.quantile(values, norm.cdf(bias + ends / (1 - speed * ends)))
    return float(low), float(high)


def ece_limits(
    drawn: People, *, seed: tuple[int, ...], chosen: Callable[..., Any]
) -> dict[str, tuple[float, float]]:
    """Return the limits of the calibration error by each method; `chosen` takes labels, probabilities and basis."""
    count, bins = drawn.class_of.size, np.minimum(10 * drawn.probabilities, 9).astype(int)
    gaps = np.bincount(10 * drawn.whose + bins, drawn.probabilities - drawn.labels, 10 * count).reshape(
        count, 10
    )
    cells = np.bincount(drawn.whose).astype(np.float64)
    times = (
        np.random.default_rng(seed)
        .multinomial(count, np.ones(count) / count, size=RESAMPLES)
        .astype(np.float64)
    )

    def plain(times: Array) -> Array:
        error: Array = np.abs(times @ gaps).sum(axis=-1) / (times @ cells)
        return error

    estimate, values = float(plain(np.ones(count))), plain(times)
    moved = np.clip(values - (values.mean() - estimate), 0, 1)
    variance = Variance(jackknife_variance(plain(1 - np.eye(count))), count - 1)
    basis = basis_of(drawn.whose, cells=drawn.labels.size)
    one = chosen(drawn.labels, drawn.probabilities, basis)
    rows = {
        name: percentiles(each, each, 0.95)
        for name, each in (("percentile bootstrap", values), ("moved back", moved))
    }
    return {name: (float(row[0]), float(row[1])) for name, row in rows.items()} | {
        "jackknife, log odds": student_limits(estimate, variance) or (estimate, estimate),
        "chosen": (one.low, one.high),
    }


class Rated(NamedTuple):
    """Ratings of two raters (N, 2), the case of each cell, and the true kappa."""

    ratings: NDArray[np.int64]
    cases: NDArray[np.intp]
    kappa: float


def draw_ratings(cases: int, likeness: float, *, rare: bool, seed: tuple[int, ...]) -> Rated:
    """Draw two raters who see the same blurred cells of 5 to 60 a case; `likeness` correlates what they see."""
    generator = np.random.default_rng(seed)
    sizes = np.exp(generator.uniform(np.log(5), np.log(61), cases)).astype(int)
    whose = np.repeat(np.arange(cases), sizes)

    def seen(variance: float) -> Array:
        own = generator.normal(0, np.sqrt(ICC * variance), cases)[whose]
        seen: Array = own + generator.normal(0, np.sqrt((1 - ICC) * variance), whose.size)
        return seen

    cell, cut = seen(likeness), norm.ppf(0.2) if rare else 0.0
    ratings = np.stack([cell + seen(1 - likeness) < cut for _ in range(2)], axis=1).astype(np.int64)
    both = multivariate_normal([0, 0], [[1, likeness], [likeness, 1]]).cdf([cut, cut])
    one = norm.cdf(cut)
    by_chance = one**2 + (1 - one) ** 2
    return Rated(ratings, whose, float((1 - 2 * one + 2 * both - by_chance) / (1 - by_chance)))


def kappa_of_sums(counts: Array) -> Array:
    """Return Cohen's kappa (...,) of counts (..., 4): both no, the second, the first, both yes."""
    total = counts.sum(axis=-1)
    first, second = counts[..., 2] + counts[..., 3], counts[..., 1] + counts[..., 3]
    by_chance = (first * second + (total - first) * (total - second)) / total**2
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa: Array = ((counts[..., 0] + counts[..., 3]) / total - by_chance) / (1 - by_chance)
    return kappa


def bootstrap_kappa(rated: Rated, *, by_case: bool, seed: tuple[int, ...]) -> tuple[float, float]:
    """Return percentiles of kappa from drawing whole cases, or single cells."""
    generator = np.random.default_rng(seed)
    kind = 2 * rated.ratings[:, 0] + rated.ratings[:, 1]
    if by_case:
        cases = rated.cases.max() + 1
        counts = np.bincount(4 * rated.cases + kind, minlength=4 * cases).reshape(cases, 4).astype(np.float64)
        counts = generator.multinomial(cases, np.ones(cases) / cases, size=RESAMPLES) @ counts
    else:
        shares = np.bincount(kind, minlength=4) / kind.size
        counts = generator.multinomial(kind.size, shares, size=RESAMPLES).astype(np.float64)
    values = kappa_of_sums(counts)
    limits = percentiles(np.nan_to_num(values, nan=-1.0), np.nan_to_num(values, nan=1.0), 0.95)
    return float(limits[0]), float(limits[1])


SEED_SPREAD = 0.12
"""Standard deviation over seeds of the separation of classes: 0.02 of AUROC at 0.80."""

ENTANGLED = 0.1
"""Of a cell's variance, what a person has in one seed alone; the rest of `ICC` is the same for all seeds."""


def draw_seeds(people: int, seeds: int, auroc: float, *, seed: tuple[int, ...]) -> list[Answers]:
    """Draw the answers of several seeds to the same cells: each seed is better or worse, and odd in some people."""
    generator = np.random.default_rng(seed)
    drawn = draw_people(people, auroc, seed=(*seed, 1))
    count = drawn.labels.size
    own = generator.normal(0, np.sqrt(ICC - ENTANGLED), people)[drawn.whose]
    names = np.array([f"P{person:03}" for person in drawn.whose])
    said = []
    for _ in range(seeds):
        apart = separation(auroc) + generator.normal(0, SEED_SPREAD)
        odd = generator.normal(0, np.sqrt(ENTANGLED), people)[drawn.whose]
        score = (drawn.labels - 0.5) * apart + own + odd + generator.normal(0, np.sqrt(1 - ICC), count)
        ids = np.arange(count).astype(np.str_)
        said.append(Answers(ids, drawn.labels, expit(2 * score), np.full(count, 0.5), names))
    return said


def true_means(auroc: float) -> Array:
    """Return the true mean over all seeds of AUROC and of accuracy."""
    apart = separation(auroc)
    areas = norm.cdf(apart / np.sqrt(2 + SEED_SPREAD**2))
    return np.array([areas, norm.cdf(apart / 2 / np.sqrt(1 + SEED_SPREAD**2 / 4))])


def crossed_percentiles(answers: list[Answers], *, seed: tuple[int, ...]) -> Array:
    """Return the limits (2, 2) of AUROC and accuracy by the bootstrap of people and seeds together (Owen 2007)."""
    generator = np.random.default_rng(seed)
    people = np.unique(answers[0].whose).size
    times = generator.multinomial(people, np.ones(people) / people, size=RESAMPLES).astype(np.float64)
    shares = generator.multinomial(len(answers), np.ones(len(answers)) / len(answers), size=RESAMPLES) / len(
        answers
    )
    mean = crossed_means(answers, times, shares)
    return percentiles(np.nan_to_num(mean, nan=0.0), np.nan_to_num(mean, nan=1.0), 0.95)


def crossed_means(answers: Sequence[Answers], times: Array, shares: Array) -> Array:
    """Return AUROC and accuracy (2, B), means over seeds that have such shares (B, S), people counting so often (B, G)."""
    whose = np.unique(answers[0].whose, return_inverse=True)[1]
    class_of = np.array([answers[0].labels[whose == person][0] for person in range(times.shape[1])])
    values = []
    for said in answers:
        sums = sums_of(People(said.labels, said.probabilities, whose, class_of))
        right = times @ (sums.calls[:, 0, 0] + sums.calls[:, 1, 1]) / (times @ sums.calls.sum(axis=(1, 2)))
        values.append(np.stack([sums.scores(times)[0], right]))
    mean: Array = np.einsum("smb,bs->mb", np.array(values), shares)
    return mean
