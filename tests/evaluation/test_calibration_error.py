"""The debiased calibration error against scipy's folded normal, a plain loop and known truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest, foldnorm

from leuknet.evaluation import formulas
from leuknet.evaluation.calibration_error import ece_interval, gaps_of
from leuknet.evaluation.jackknife import basis_of, jackknife_variance, leave_one_out
from leuknet.evaluation.limits import student
from leuknet.evaluation.resampling import MIN_SUBJECTS

# Two bins: 0.2 states too little for b and c, 0.8 is right on average.
LABELS = np.array([0, 0, 1, 1, 0, 1, 1, 1, 0, 1])
STATED = np.array([0.2, 0.2, 0.2, 0.2, 0.2, 0.8, 0.8, 0.8, 0.8, 0.8])
PEOPLE = np.array(["a", "a", "b", "c", "a", "a", "b", "b", "c", "c"])


def draw(people: int, sharpness: float, seed: int, *, spread: float = 0.5) -> tuple[np.ndarray, ...]:
    """Draw labels, stated probabilities and people; sharpness 1 states what comes true."""
    generator = np.random.default_rng(seed)
    whose = np.repeat(np.arange(people), 20)
    log_odds = generator.normal(0, 1.5, whose.size) + generator.normal(0, spread, people)[whose]
    labels = (generator.random(whose.size) < expit(log_odds)).astype(np.int64)
    return labels, expit(sharpness * log_odds), whose


def test_gaps_add_up_to_the_plain_error() -> None:
    gaps = gaps_of(LABELS, STATED, basis_of(PEOPLE, cells=10).units)

    # Of 0.2: (5 * 0.2 - 2) / 10; of 0.8: (5 * 0.8 - 4) / 10.
    assert gaps.found[[2, 8]] == pytest.approx([-0.1, 0.0])
    assert gaps.plain == pytest.approx(0.1)
    assert gaps.plain == pytest.approx(formulas.ece(LABELS, STATED, 0.5, None))


def test_what_chance_does_to_a_gap_comes_from_how_people_differ() -> None:
    gaps = gaps_of(LABELS, STATED, basis_of(PEOPLE, cells=10).units)

    # Sums of P - label: a (0.6, -0.2), b (-0.8, -0.4), c (-0.8, 0.6); by cells, 4, 3 and 3 times (-0.1, 0).
    beyond = np.array([[0.6 + 0.4, -0.2], [-0.8 + 0.3, -0.4], [-0.8 + 0.3, 0.6]]) / 10
    assert gaps.covariance[np.ix_([2, 8], [2, 8])] == pytest.approx(3 / 2 * beyond.T @ beyond)


def test_the_debiased_error_takes_out_the_mean_of_a_folded_normal() -> None:
    labels, stated, whose = draw(12, 1.6, seed=1)
    gaps = gaps_of(labels, stated, basis_of(whose, cells=labels.size).units)

    error = np.sqrt(np.diagonal(gaps.covariance))
    by_chance = foldnorm(np.abs(gaps.found) / error, scale=error).mean()
    assert gaps.debiased == pytest.approx(2 * gaps.plain - by_chance.sum())
    assert 0 < gaps.debiased < gaps.plain


def test_most_of_the_bias_is_gone() -> None:
    truth_labels, truth_stated, _ = draw(20_000, 1.6, seed=9)
    truth = float(formulas.ece(truth_labels, truth_stated, 0.5, None))
    plain, debiased = [], []
    for seed in range(150):
        labels, stated, whose = draw(10, 1.6, seed=seed)
        gaps = gaps_of(labels, stated, basis_of(whose, cells=labels.size).units)
        plain.append(gaps.plain)
        debiased.append(gaps.debiased)

    assert np.mean(plain) - truth > 0.02
    assert abs(np.mean(debiased) - truth) < 0.4 * (np.mean(plain) - truth)


def test_the_interval_ends_at_the_jackknife_above_and_at_chance_below() -> None:
    labels, stated, whose = draw(12, 3.0, seed=2)
    basis = basis_of(whose, cells=labels.size)

    found = ece_interval(labels, stated, basis)

    gaps = gaps_of(labels, stated, basis.units)
    left_out = leave_one_out(lambda weights: formulas.ece(labels, stated, 0.5, weights), basis.units)
    assert found.estimate == pytest.approx(gaps.debiased)
    assert found.high == pytest.approx(gaps.plain + student(11) * np.sqrt(jackknife_variance(left_out)))
    generator = np.random.default_rng(5)
    noise = np.abs(generator.multivariate_normal(np.zeros(10), gaps.covariance, 20_000)).sum(axis=1)
    expected = gaps.plain - np.quantile(noise, 0.975) * student(11) / 1.959964
    assert found.low == pytest.approx(expected, abs=0.004)
    assert found.low > 0
    assert (found.method, found.cells, found.subjects) == (
        "debiased, multiplier bootstrap and jackknife over subjects", 240, 12,
    )  # fmt: skip


def test_probabilities_that_come_true_may_have_no_error_at_all() -> None:
    labels, stated, whose = draw(20, 1.0, seed=4)
    found = ece_interval(labels, stated, basis_of(whose, cells=labels.size))
    alone = ece_interval(labels[:56], stated[:56], basis_of(None, cells=56))

    assert (found.low, alone.low) == (0.0, 0.0)
    assert found.estimate < formulas.ece(labels, stated, 0.5, None)
    assert found.estimate < found.high < 0.25


def test_exact_answers_have_an_upper_limit_by_the_number_of_people() -> None:
    labels = np.tile([0, 1], 12)

    found = ece_interval(labels, labels.astype(np.float64), basis_of(np.arange(24) // 2, cells=24))

    assert (found.estimate, found.low, found.high) == pytest.approx((0.0, 0.0, 1 - 0.025 ** (1 / 12)))


def test_a_gap_that_is_the_same_in_everybody_is_bounded_by_the_number_of_people() -> None:
    labels, stated = np.tile([0, 1], 40), np.tile([0.1, 0.9], 40)

    found = ece_interval(labels, stated, basis_of(np.arange(80) // 8, cells=80))

    exact = binomtest(1, 10).proportion_ci(method="exact")
    assert (found.estimate, found.low, found.high) == pytest.approx((0.1, exact.low, exact.high))
    assert found.method == "Clopper-Pearson, subjects counted"


def test_few_people_have_no_interval() -> None:
    found = ece_interval(LABELS, STATED, basis_of(PEOPLE, cells=10))

    assert (found.is_known, found.low, found.high) == (False, 0.0, 1.0)


def test_another_level_holds_for_both_ends_and_for_exact_answers() -> None:
    labels, stated, whose = draw(12, 3.0, seed=2)
    basis = basis_of(whose, cells=labels.size)
    found, usual = ece_interval(labels, stated, basis, level=0.8), ece_interval(labels, stated, basis)

    left_out = leave_one_out(lambda weights: formulas.ece(labels, stated, 0.5, weights), basis.units)
    reach = student(11, level=0.8) * np.sqrt(jackknife_variance(left_out))
    assert found.high == pytest.approx(formulas.ece(labels, stated, 0.5) + reach)
    assert found.level == 0.8
    assert usual.low < found.low < found.high < usual.high

    right = np.tile([0, 1], 12)
    exact = ece_interval(right, right.astype(float), basis_of(np.arange(24) // 2, cells=24), level=0.9)
    assert (exact.low, exact.high, exact.level) == pytest.approx((0.0, 1 - 0.05 ** (1 / 12), 0.9))


def test_the_fewest_people_of_an_interval_have_one() -> None:
    labels, stated, whose = draw(MIN_SUBJECTS, 1.6, seed=3)

    assert ece_interval(labels, stated, basis_of(whose, cells=labels.size)).is_known


def test_an_upper_end_stays_at_one() -> None:
    # Half of the people are called with certainty, and wrong: the error of 1/2 may be anything.
    labels = np.zeros(6, dtype=int)

    found = ece_interval(labels, np.array([1.0, 1.0, 1.0, 0.0, 0.0, 1.0]), basis_of(np.arange(6), cells=6))

    assert found.high == 1.0
    assert 0 < found.low < found.estimate < 1
