"""Temperature, threshold and undecided band, against values by hand and independent computations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss

from leuknet.errors import SettingError, ShapeError
from leuknet.evaluation.calibrate import (
    TEMPERATURES,
    calibrate,
    choose_threshold,
    conformal_band,
    fit_temperature,
)
from leuknet.types import Labels, Probabilities


def draw_calibrated(n: int, *, seed: int = 0) -> tuple[Labels, Probabilities]:
    """Cells whose stated probability is their true one."""
    generator = np.random.default_rng(seed)
    probabilities = generator.uniform(0.02, 0.98, n)
    return (generator.random(n) < probabilities).astype(np.int64), probabilities


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_log_odds_multiplied_by_a_factor_are_divided_by_it_again(factor: float) -> None:
    labels, probabilities = draw_calibrated(20_000)

    assert fit_temperature(labels, factor * logit(probabilities)) == pytest.approx(factor, rel=0.03)


def test_the_temperature_has_the_least_loss_and_agrees_with_scikit_learn() -> None:
    labels, probabilities = draw_calibrated(4_000, seed=1)
    log_odds = 2.5 * logit(probabilities)
    found = fit_temperature(labels, log_odds)

    losses = [log_loss(labels, expit(log_odds / t)) for t in (0.9 * found, found, 1.1 * found)]
    assert losses[1] == min(losses)
    # A logistic regression that passes the log odds on as they are, calibrated by scikit-learn.
    plain = LogisticRegression().fit(np.array([[-1.0], [1.0]]), [0, 1])
    plain.coef_, plain.intercept_ = np.array([[1.0]]), np.array([0.0])
    theirs = CalibratedClassifierCV(FrozenEstimator(plain), method="temperature")
    theirs.fit(log_odds[:, None], labels)
    at_one = theirs.predict_proba(np.array([[1.0]]))[0, 1]
    assert float(expit(1 / found)) == pytest.approx(at_one, abs=2e-3)


def test_classes_told_apart_without_an_error_do_not_make_probabilities_certain() -> None:
    # Platt's targets are 11/12 and 1/12, and the log odds are +-4: T = 4 / log(11).
    labels = np.repeat([0, 1], 10)

    assert fit_temperature(labels, np.where(labels == 1, 4.0, -4.0)) == pytest.approx(
        4 / np.log(11), rel=1e-4
    )


def test_log_odds_that_say_nothing_get_the_highest_temperature() -> None:
    labels = np.tile([0, 1], 50)

    assert fit_temperature(labels, np.where(np.arange(100) < 50, 3.0, -3.0)) > 0.9 * TEMPERATURES[1]


def test_half_is_a_half_whatever_the_cells() -> None:
    assert choose_threshold(*draw_calibrated(50), "half") == 0.5


def test_youdens_threshold_lies_between_the_cells_that_it_parts() -> None:
    # Cut between 0.30 and 0.40: 4 of 4 found, 2 of 3 spared. Next best, above 0.60: 2 of 4 and 3 of 3.
    labels = np.array([0, 0, 1, 1, 0, 1, 1])
    probabilities = np.array([0.10, 0.30, 0.40, 0.50, 0.60, 0.70, 0.90])

    assert choose_threshold(labels, probabilities, "youden") == pytest.approx(0.35)


def test_no_other_threshold_has_a_higher_balanced_accuracy() -> None:
    labels, probabilities = draw_calibrated(300, seed=5)
    cut = choose_threshold(labels, probabilities, "youden")

    found = balanced_accuracy_score(labels, probabilities >= cut)
    others = [balanced_accuracy_score(labels, probabilities >= one) for one in np.linspace(0, 1, 500)]
    assert found >= max(others) - 1e-12


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(SettingError, match="best"):
        choose_threshold(*draw_calibrated(10), "best")  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [11, 50, 400])
def test_the_band_is_that_of_the_conformal_quantile_worked_out_apart(n: int) -> None:
    labels, probabilities = draw_calibrated(n, seed=n)
    scores = np.sort(np.where(labels == 1, 1 - probabilities, probabilities))
    quantile = scores[int(np.ceil((n + 1) * 0.9)) - 1]
    low, high = conformal_band(labels, probabilities)

    # A class is in the set if its score, 1 - p, is at most the quantile.
    for p in np.linspace(0, 1, 1001):
        in_set = int(1 - p <= quantile) + int(p <= quantile)
        assert (low <= p < high) == (in_set != 1), p


def test_too_few_cells_for_the_coverage_decide_nothing() -> None:
    low, high = conformal_band(*draw_calibrated(10))

    assert low == 0.0
    assert high > 1.0


def test_new_cells_of_the_same_kind_are_covered_as_often_as_asked() -> None:
    wrong = []
    for seed in range(20):
        low, high = conformal_band(*draw_calibrated(200, seed=seed))
        labels, probabilities = draw_calibrated(2_000, seed=1000 + seed)
        decided = (probabilities < low) | (probabilities >= high)
        wrong.append(np.mean(decided & ((probabilities >= high) != labels)))

    # 20 bands, each of 200 cells: the mean is known to about 0.006.
    assert 0.07 < np.mean(wrong) < 0.11


def test_the_band_holds_the_threshold() -> None:
    # Certain of everything, so that sets name one class; but the threshold lies far from a half.
    labels = np.repeat([0, 1], 50)
    log_odds = np.where(labels == 1, np.linspace(-5, 6, 100), -6.0)
    threshold, found = calibrate(
        labels, log_odds, rule="youden", subjects=[f"S{i % 7}" for i in range(len(labels))]
    )

    assert threshold < 0.4
    low, high = found.undecided
    assert low <= threshold <= high
    assert (found.cells, found.subjects, found.coverage) == (100, 7, 0.9)


def test_calibrating_overconfident_cells_lowers_their_calibration_error() -> None:
    labels, probabilities = draw_calibrated(5_000, seed=2)
    _, found = calibrate(labels, 3 * logit(probabilities), rule="half", subjects=[None])

    assert found.ece_before > 0.1
    assert found.ece_after < 0.03


@pytest.mark.parametrize(
    ("labels", "log_odds"),
    [([0, 1], [0.0]), ([1, 1], [0.0, 1.0]), ([[0, 1]], [[0.0, 1.0]])],
    ids=["misfit", "one class", "two dimensions"],
)
def test_cells_that_cannot_calibrate_are_refused(labels: object, log_odds: object) -> None:
    with pytest.raises(ShapeError, match="calibrate"):
        calibrate(np.array(labels), np.array(log_odds), rule="half", subjects=[None])
