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
from leuknet.evaluation.abstention import conformal_sets, risk_band
from leuknet.evaluation.calibrate import (
    TEMPERATURES,
    calibrate,
    cell_losses,
    choose_threshold,
    fit_temperature,
    subject_loss,
    weights_of_people,
)
from leuknet.evaluation.formulas import ece
from leuknet.evaluation.operating_points import choose_thresholds
from leuknet.types import Labels, Probabilities


def draw_calibrated(n: int, *, seed: int = 0) -> tuple[Labels, Probabilities]:
    """Cells whose stated probability is their true one."""
    generator = np.random.default_rng(seed)
    probabilities = generator.uniform(0.02, 0.98, n)
    return (generator.random(n) < probabilities).astype(np.int64), probabilities


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_log_odds_multiplied_by_a_factor_are_divided_by_it_again(factor: float) -> None:
    labels, probabilities = draw_calibrated(20_000)

    assert fit_temperature(labels, factor * logit(probabilities), [None]) == pytest.approx(factor, rel=0.03)


def test_the_temperature_has_the_least_loss_and_agrees_with_scikit_learn() -> None:
    labels, probabilities = draw_calibrated(4_000, seed=1)
    log_odds = 2.5 * logit(probabilities)
    found = fit_temperature(labels, log_odds, [None])

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

    assert fit_temperature(labels, np.where(labels == 1, 4.0, -4.0), [None]) == pytest.approx(
        4 / np.log(11), rel=1e-4
    )


def test_people_count_alike_however_many_cells_there_are_of_them() -> None:
    # Two people of each class: all cells of the first right, of the second a quarter wrong, at log odds +-2.
    # Counted by people, an eighth is wrong, whatever the numbers of cells; by cells, far less.
    cells = {"H1": (0, 400, 0), "H2": (0, 3, 1), "1": (1, 400, 0), "2": (1, 3, 1)}
    labels, log_odds, names = [], [], []
    for name, (label, right, wrong) in cells.items():
        labels += [label] * (right + wrong)
        log_odds += [4.0 * label - 2.0] * right + [2.0 - 4.0 * label] * wrong
        names += [name] * (right + wrong)
    # Platt's targets of 404 cells of each class are 405/406 and 1/406; the mean target of what is called 1:
    share = (7 / 8 * 405 + 1 / 8 * 1) / 406

    found = fit_temperature(np.array(labels), np.array(log_odds), names)

    assert found == pytest.approx(2 / np.log(share / (1 - share)), rel=1e-3)
    assert fit_temperature(np.array(labels), np.array(log_odds), [None] * 808) < 0.6 * found


def test_log_odds_that_say_nothing_get_the_highest_temperature() -> None:
    labels = np.tile([0, 1], 50)

    assert fit_temperature(labels, np.where(np.arange(100) < 50, 3.0, -3.0), [None]) > 0.9 * TEMPERATURES[1]


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


def test_of_many_odd_sets_of_cells_no_threshold_is_better_than_the_one_chosen() -> None:
    # Few cells, many ties, and P = 0 and P = 1 among them; every threshold that tells any two apart is tried.
    generator = np.random.default_rng(8)
    ends = 0
    for _ in range(300):
        n = int(generator.integers(2, 12))
        labels = generator.permutation(np.append([0, 1], generator.integers(0, 2, n - 2)))
        probabilities = np.round(generator.random(n), int(generator.integers(0, 3)))
        cut = choose_threshold(labels, probabilities, "youden")
        known = np.unique(probabilities)
        every = np.concatenate([[0.0, 1.0], known, (known[1:] + known[:-1]) / 2, np.nextafter(known, 2.0)])

        assert 0 <= cut <= 1
        called = probabilities >= np.append(every, cut)[:, None]
        index = called[:, labels == 1].mean(axis=1) - called[:, labels == 0].mean(axis=1)
        assert index[-1] == pytest.approx(index.max())
        ends += probabilities.max() == 1
    assert ends > 50


def test_a_threshold_that_calls_nothing_is_not_one_that_calls_the_surest_cell() -> None:
    # A cell of P = 1 is normal: calling it is worse than calling all or none, and only all can be said.
    labels, probabilities = np.array([1, 1, 0]), np.array([0.2, 0.4, 1.0])

    assert choose_threshold(labels, probabilities, "youden") == pytest.approx(0.1)


def test_probabilities_next_to_each_other_are_told_apart() -> None:
    low = 0.7
    high = float(np.nextafter(low, 1))

    cut = choose_threshold(np.array([0, 1]), np.array([low, high]), "youden")
    assert low < cut <= high


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(SettingError, match="best"):
        choose_threshold(*draw_calibrated(10), "best")  # type: ignore[arg-type]


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
    assert (found.cells, found.subjects, found.coverage, found.bound) == (100, 7, 0.9, None)


def test_a_risk_that_is_asked_for_decides_which_cells_are_undecided() -> None:
    labels, probabilities = draw_calibrated(2_000, seed=3)
    subjects = [f"S{i % 25}" for i in range(len(labels))]
    _, found = calibrate(labels, logit(probabilities), rule="half", subjects=subjects, risk=0.2)
    scaled = expit(logit(probabilities) / found.temperature)

    assert (found.undecided, found.bound) == risk_band(
        labels, scaled, threshold=0.5, subjects=subjects, risk=0.2
    )
    assert found.bound is not None
    assert found.quantile is not None
    with pytest.raises(SettingError, match="at least 19 are needed"):
        calibrate(labels, logit(probabilities), rule="half", subjects=["a", "b"] * 1000, risk=0.05)


def test_calibrating_overconfident_cells_lowers_their_calibration_error() -> None:
    labels, probabilities = draw_calibrated(1_500, seed=2)
    _, found = calibrate(labels, 3 * logit(probabilities), rule="half", subjects=[None])

    assert found.ece_before > 0.1
    assert found.ece_after < 0.04


@pytest.mark.parametrize(
    ("labels", "log_odds"),
    [([0, 1], [0.0]), ([1, 1], [0.0, 1.0]), ([[0, 1]], [[0.0, 1.0]])],
    ids=["misfit", "one class", "two dimensions"],
)
def test_cells_that_cannot_calibrate_are_refused(labels: object, log_odds: object) -> None:
    with pytest.raises(ShapeError, match="calibrate"):
        calibrate(np.array(labels), np.array(log_odds), rule="half", subjects=[None])


def test_a_calibration_holds_all_that_follows_from_its_cells() -> None:
    labels, probabilities = draw_calibrated(400, seed=4)
    log_odds, subjects = 2 * logit(probabilities), [f"S{i % 25}" for i in range(400)]

    threshold, found = calibrate(labels, log_odds, rule="youden", subjects=subjects)

    scaled = expit(log_odds / found.temperature)
    quantile, (low, high) = conformal_sets(labels, scaled)
    assert found.temperature == fit_temperature(labels, log_odds, subjects)
    assert threshold == choose_threshold(labels, scaled, "youden")
    assert found.thresholds == choose_thresholds(labels, scaled)
    assert (found.quantile, found.undecided) == (quantile, (min(low, threshold), max(high, threshold)))
    assert (found.ece_before, found.ece_after) == pytest.approx(
        (ece(labels, expit(log_odds), 0.5), ece(labels, scaled, 0.5))
    )
    assert found.ece_before > found.ece_after
    # People alike within a class, and both classes alike.
    losses = np.array([-np.log(p if label else 1 - p) for label, p in zip(labels, scaled, strict=True)])
    whose = np.array(subjects)
    by_class = [
        np.mean([losses[(labels == label) & (whose == one)].mean() for one in set(whose[labels == label])])
        for label in (0, 1)
    ]
    assert found.subject_loss == pytest.approx(np.mean(by_class))
    assert (found.subjects, found.cells, found.coverage, found.bound) == (25, 400, 0.9, None)
    assert calibrate(labels, log_odds, rule="half", subjects=[None, *subjects[1:]])[1].subjects is None


def test_people_weigh_alike_within_their_class() -> None:
    labels = np.array([0, 0, 0, 1, 1])

    # Of half a class each: H1 with two cells, H2 with one; 1 and 2 with one each.
    assert weights_of_people(labels, ["H1", "H1", "H2", "1", "2"]) == pytest.approx(
        [1 / 8, 1 / 8, 1 / 4, 1 / 4, 1 / 4]
    )
    # One cell without a name: all cells of a class alike.
    assert weights_of_people(labels, ["H1", "H1", None, "1", "2"]) == pytest.approx(
        [1 / 6, 1 / 6, 1 / 6, 1 / 4, 1 / 4]
    )
    # One person with cells of both classes is one in each.
    assert weights_of_people(labels, ["a", "a", "b", "a", "a"]) == pytest.approx(
        [1 / 8, 1 / 8, 1 / 4, 1 / 4, 1 / 4]
    )


def test_the_loss_of_a_cell_is_its_cross_entropy() -> None:
    labels, log_odds = np.array([0, 0, 0, 1, 1]), np.log([1 / 4, 1 / 4, 1 / 4, 1 / 4, 3])

    assert cell_losses(labels, log_odds) == pytest.approx([np.log(5 / 4)] * 3 + [np.log(5), np.log(4 / 3)])
    assert subject_loss(labels, log_odds, ["H1", "H1", "H2", "1", "2"]) == pytest.approx(
        (np.log(5 / 4) + (np.log(5) + np.log(4 / 3)) / 2) / 2
    )


def test_the_targets_of_either_class_are_platt_s() -> None:
    # Of 3 normal and 12 leukaemic cells: 1/5 and 13/14, which count half each.
    labels, log_odds = np.repeat([0, 1], [3, 12]), np.repeat([-2.0, 2.0], [3, 12])
    share = (4 / 5 + 13 / 14) / 2

    assert fit_temperature(labels, log_odds, [None] * 15) == pytest.approx(
        2 / np.log(share / (1 - share)), rel=1e-4
    )
    assert TEMPERATURES[0] <= fit_temperature(labels, log_odds / 1000, [None] * 15) < 1.01 * TEMPERATURES[0]


def test_of_equally_good_thresholds_the_nearest_to_a_half_is_taken() -> None:
    labels, probabilities = np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.6, 0.8])

    # Above 0.15: both found, one of two spared. Above 0.7: one of two found, both spared.
    assert choose_threshold(labels, probabilities, "youden") == pytest.approx(0.7)
    # All alike: call all, at half-way to 0.
    assert choose_threshold(np.array([0, 1]), np.array([0.8, 0.8]), "youden") == pytest.approx(0.4)
