"""Logistic recalibration against scikit-learn without a penalty, by hand and in simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from leuknet.errors import ShapeError
from leuknet.evaluation.weak_calibration import intercepts, slopes, weak_calibration
from leuknet.types import IntervalMethod


def draw(seed: int = 0, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, n)
    return labels, expit(generator.normal(2.0 * labels - 0.7, 2.0))


def people_of(n: int, each: int) -> np.ndarray:
    return np.repeat(np.arange(n // each), each)


@pytest.mark.parametrize("seed", range(4))
def test_the_slope_is_that_of_scikit_learn_without_a_penalty(seed: int) -> None:
    labels, stated = draw(seed)
    times = np.random.default_rng(seed + 9).integers(0, 3, labels.size)
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(stated)[:, None], labels, sample_weight=times)

    ours = slopes(labels, logit(stated), np.vstack([times, np.ones(labels.size)]).astype(float))

    assert ours[0] == pytest.approx(theirs.coef_[0, 0], rel=1e-5)  # type: ignore[index]
    found = weak_calibration(labels, stated).slope
    assert found is not None
    assert ours[1] == pytest.approx(found.estimate)  # type: ignore[index]


def test_the_intercept_makes_the_mean_probability_that_of_the_labels() -> None:
    labels, stated = draw(1)
    wanted = brentq(lambda shift: expit(logit(stated) + shift).mean() - labels.mean(), -10, 10)

    found = weak_calibration(labels, stated).intercept

    assert found is not None
    assert found.estimate == pytest.approx(wanted, abs=1e-8)
    assert expit(logit(stated) + found.estimate).mean() == pytest.approx(labels.mean())


def test_both_are_right_by_hand_where_there_are_two_probabilities() -> None:
    # States 90% or 10%; right are 80% of either. Right log odds are logit(0.8) = log 4, stated log 9.
    labels = np.tile([1, 1, 1, 1, 0, 0, 0, 0, 0, 1], 30)
    stated = np.tile([0.9] * 5 + [0.1] * 5, 30)

    once = np.ones(300)
    assert slopes(labels, logit(stated), once) == pytest.approx(np.log(4) / np.log(9))
    assert intercepts(labels, logit(stated), once) == pytest.approx(0.0, abs=1e-9)
    # Thirty people who are alike to the cell show no spread that an interval could rest on.
    found = weak_calibration(labels, stated, people_of(300, 10))
    assert (found.slope, found.doubt) == (None, "no interval: too few subjects, or none that differ")


def test_log_odds_that_are_twice_too_extreme_have_slope_one_half() -> None:
    generator = np.random.default_rng(3)
    truth = generator.normal(0, 1.5, 12_000)
    labels = (generator.random(truth.size) < expit(truth)).astype(np.int64)

    doubled = weak_calibration(labels, expit(2 * truth), people_of(truth.size, 200))
    shifted = weak_calibration(labels, expit(truth - 1), people_of(truth.size, 200))

    assert doubled.slope is not None
    assert 0.46 < doubled.slope.low < 0.5 < doubled.slope.high < 0.54
    assert shifted.intercept is not None
    assert shifted.intercept.low < 1.0 < shifted.intercept.high
    assert shifted.slope is not None
    assert shifted.slope.low < 1.0 < shifted.slope.high


def test_intervals_leave_out_people_and_are_wider_where_these_differ() -> None:
    generator = np.random.default_rng(4)
    people = people_of(600, 20)
    off = generator.normal(0, 1.0, 30)[people]
    truth = generator.normal(0, 1.5, 600)
    labels = (generator.random(600) < expit(truth)).astype(np.int64)

    alone, by_people = (weak_calibration(labels, expit(truth + off), whose) for whose in (None, people))

    assert alone.intercept is not None
    assert by_people.intercept is not None
    assert by_people.intercept.method is IntervalMethod.JACKKNIFE_SUBJECTS
    assert by_people.intercept.subjects == 30
    width = by_people.intercept.high - by_people.intercept.low
    assert width > 1.3 * (alone.intercept.high - alone.intercept.low)


def test_classes_that_are_apart_have_no_slope_and_it_says_so() -> None:
    found = weak_calibration(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]))

    assert found.slope is None
    assert found.doubt == "one probability parts the classes without an error"


def test_too_few_people_have_no_interval() -> None:
    labels, stated = draw(5, 40)
    found = weak_calibration(labels, stated, people_of(40, 20))

    assert (found.slope, found.intercept) == (None, None)
    assert found.doubt == "no interval: too few subjects, or none that differ"


def test_certain_probabilities_are_taken_as_nearly_certain() -> None:
    found = weak_calibration(np.array([0, 1, 0, 1] * 10), np.array([0.0, 1.0, 1.0, 0.0] * 10))

    assert found.slope is not None
    assert found.slope.estimate == pytest.approx(0.0, abs=1e-9)


def test_one_class_is_refused() -> None:
    with pytest.raises(ShapeError):
        weak_calibration(np.ones(4, dtype=np.int64), np.full(4, 0.5))
    assert np.isnan(intercepts(np.ones(2, dtype=np.int64), np.zeros(2), np.ones(2)))
