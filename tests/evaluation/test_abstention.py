"""Conformal sets and the bound on the risk of called cells: by hand, by MAPIE, by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from mapie.risk_control.methods import get_r_hat_plus
from scipy.special import expit

from leuknet.errors import NoSubjectsError, SettingError
from leuknet.evaluation.abstention import (
    NOTHING_CALLED,
    certainty,
    check_bound,
    conformal_sets,
    people_needed,
    risk_band,
    sets_of,
)
from leuknet.types import Labels, Probabilities
from tests.evaluation.test_calibrate import draw_calibrated

# Sets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [11, 50, 400])
def test_the_band_is_that_of_the_conformal_quantile_worked_out_apart(n: int) -> None:
    labels, probabilities = draw_calibrated(n, seed=n)
    scores = np.sort(np.where(labels == 1, 1 - probabilities, probabilities))
    quantile = scores[int(np.ceil((n + 1) * 0.9)) - 1]
    found, (low, high) = conformal_sets(labels, probabilities)
    sets = sets_of(np.linspace(0, 1, 1001), found)

    assert found == pytest.approx(quantile, abs=1e-7)
    # A class is in the set if its score, 1 - p, is at most the quantile.
    for place, p in enumerate(np.linspace(0, 1, 1001)):
        in_set = int(1 - p <= quantile) + int(p <= quantile)
        assert (low <= p < high) == (in_set != 1), p
        assert sets.named[place] == in_set, p


def test_too_few_cells_for_the_coverage_decide_nothing() -> None:
    quantile, (low, high) = conformal_sets(*draw_calibrated(10))

    assert (quantile, low) == (1.0, 0.0)
    assert high > 1.0


def test_new_cells_of_the_same_kind_are_covered_as_often_as_asked() -> None:
    wrong = []
    for seed in range(20):
        _, (low, high) = conformal_sets(*draw_calibrated(200, seed=seed))
        labels, probabilities = draw_calibrated(2_000, seed=1000 + seed)
        decided = (probabilities < low) | (probabilities >= high)
        wrong.append(np.mean(decided & ((probabilities >= high) != labels)))

    # 20 bands, each of 200 cells: the mean is known to about 0.006.
    assert 0.07 < np.mean(wrong) < 0.11


def test_a_set_that_names_no_class_does_not_hold_the_true_one() -> None:
    # At quantile 0.3, 0.5 is in no set; at 0.6 it is in both. 0.65 and above then name leukaemic alone.
    labels, probabilities = np.array([1, 0, 1, 0]), np.array([0.5, 0.5, 0.9, 0.9])

    empty, both = sets_of(probabilities, 0.3), sets_of(probabilities, 0.6)
    assert empty.named.tolist() == [0, 0, 1, 1]
    assert empty.hold(labels).tolist() == [False, False, True, False]
    assert both.named.tolist() == [2, 2, 1, 1]
    assert both.hold(labels).tolist() == [True, True, True, False]


def test_sets_of_an_accurate_model_are_often_empty_and_cover_no_more_than_asked() -> None:
    # 99% right: 90% are reached by singletons alone, so that the least certain cells name no class at all.
    generator = np.random.default_rng(4)
    labels = generator.integers(0, 2, 4_000)
    probabilities = expit(np.where(labels == 1, 1, -1) * generator.normal(5, 2.1, 4_000))
    quantile, _ = conformal_sets(labels[:2_000], probabilities[:2_000])
    sets = sets_of(probabilities[2_000:], quantile)

    assert quantile < 0.1
    assert float(np.mean(sets.named == 0)) == pytest.approx(0.1, abs=0.02)
    assert float(sets.hold(labels[2_000:]).mean()) == pytest.approx(0.9, abs=0.02)
    assert not np.any(sets.named == 2)


# The bound -----------------------------------------------------------------------------------------------

# Four people. At threshold 0.5 the certainty of P is |2 P - 1|: a has 0.8, 0.4 (wrong); b 0.6, 0.2 (wrong);
# c 0.8; d 0.9.
LABELS = np.array([1, 0, 0, 1, 1, 0])
PROBABILITIES = np.array([0.9, 0.7, 0.2, 0.4, 0.9, 0.05])
SUBJECTS = ["a", "a", "b", "b", "c", "d"]


@pytest.mark.parametrize(
    ("risk", "certain", "called", "silent", "error"),
    [
        # All called: a and b have risk 1/2 each: (1 + 1) / 5 = 0.4.
        (0.40, 0.0, 1.0, 0, 0.25),
        # From 0.4 on, b's wrong cell is left undecided: (1/2 + 1) / 5 = 0.3.
        (0.39, 0.3, (1 + 0.5 + 1 + 1) / 4, 0, 0.125),
        # From 0.6 on, both are: 1 / 5 = 0.2.
        (0.29, 0.5, (0.5 + 0.5 + 1 + 1) / 4, 0, 0.0),
        # Above 0.6 b is silent, and 1 / 4 is more: nothing is gained.
        (0.20, 0.5, (0.5 + 0.5 + 1 + 1) / 4, 0, 0.0),
    ],
)
def test_the_band_is_the_narrowest_whose_bound_is_small_enough(
    risk: float, certain: float, called: float, silent: int, error: float
) -> None:
    (low, high), bound = risk_band(LABELS, PROBABILITIES, threshold=0.5, subjects=SUBJECTS, risk=risk)

    assert (low, high) == pytest.approx((0.5 - certain / 2, 0.5 + certain / 2))
    assert (bound.asked, bound.people, bound.silent) == (risk, 4, silent)
    assert (bound.called, bound.risk) == pytest.approx((called, error))


def test_calls_that_are_as_wrong_however_certain_leave_every_cell_undecided() -> None:
    generator = np.random.default_rng(2)
    labels, probabilities = generator.integers(0, 2, 900), generator.random(900)
    subjects = [f"S{number % 30}" for number in range(900)]

    band, bound = risk_band(labels, probabilities, threshold=0.5, subjects=subjects, risk=0.1)
    assert band == NOTHING_CALLED
    assert (bound.silent, bound.called, bound.risk) == (30, 0.0, None)


def test_a_risk_that_rises_again_above_a_cut_counts_at_its_largest() -> None:
    # Of ten people each, the surest call of five is wrong: alone it would be all that they have.
    labels = np.tile([1, 1, 1, 0], 10)
    surest = np.where(np.arange(10) < 5, 0.9375, 0.0625)
    probabilities = np.column_stack([np.full(10, 0.6), np.full(10, 0.7), np.full(10, 0.8), surest]).ravel()
    subjects = np.repeat([f"S{number}" for number in range(10)], 4).tolist()

    # Called throughout, five people have a risk of 1/4: (5/4 + 1) / 11 = 0.20. By their surest call, of 1.
    band, _ = risk_band(labels, probabilities, threshold=0.5, subjects=subjects, risk=0.3)
    assert band == NOTHING_CALLED
    band, bound = risk_band(labels, probabilities, threshold=0.5, subjects=subjects, risk=0.55)
    assert band == (0.5, 0.5)
    assert bound.risk == pytest.approx(1 / 8)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_where_all_people_are_called_the_cut_is_that_of_mapies_risk_control(threshold: float) -> None:
    labels, probabilities, subjects = draw_people(40, seed=6)
    certain, names = certainty(probabilities, threshold), np.array(subjects)
    wrong = (probabilities >= threshold) != (labels == 1)
    cuts = np.unique(certain)
    risks = np.array(
        [
            [wrong[mine & (certain >= cut)].mean() if (mine & (certain >= cut)).any() else 0 for cut in cuts]
            for mine in (names == name for name in np.unique(names))
        ]
    )
    largest = np.array([[row[place:].max() for place in range(len(cuts))] for row in risks])
    _, theirs = get_r_hat_plus(largest, cuts, "crc", None, None, None)
    risk = 0.25
    cut = cuts[np.flatnonzero(theirs <= risk)[0]]
    (low, high), bound = risk_band(labels, probabilities, threshold=threshold, subjects=subjects, risk=risk)

    assert bound.silent == 0
    ours = (probabilities < low) | (probabilities >= high)
    assert ours.tolist() == (certain >= cut).tolist()


def draw_people(
    people: int, *, seed: int, cells: int = 30, tau: float = 1.0
) -> tuple[Labels, Probabilities, list[str]]:
    """People with cells of one class each, by whom the model's log odds are off by a normal shift."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people) % 2, cells)
    shift = np.repeat(generator.normal(0, tau, people), cells)
    log_odds = np.where(labels == 1, 1.5, -1.5) + shift + generator.normal(0, 1.5, labels.size)
    return labels, expit(log_odds), np.repeat([f"S{number}" for number in range(people)], cells).tolist()


def test_new_people_have_no_more_risk_than_asked_for() -> None:
    found, calling = [], []
    for seed in range(150):
        (low, high), _ = risk_band(
            *draw_people(30, seed=seed)[:2],
            threshold=0.5,
            subjects=draw_people(30, seed=seed)[2],
            risk=0.15,
        )
        labels, probabilities, subjects = draw_people(60, seed=10_000 + seed)
        called = (probabilities < low) | (probabilities >= high)
        wrong = called & ((probabilities >= 0.5) != (labels == 1))
        person = np.unique(subjects, return_inverse=True)[1]
        mine, missed = np.bincount(person, called), np.bincount(person, wrong)
        found.append(missed[mine > 0].sum() and (missed[mine > 0] / mine[mine > 0]).mean())
        calling.append(called.mean())

    # Not far below it either: the mean over 9,000 people is known to about 0.005.
    assert 0.06 < np.mean(found) <= 0.15
    assert np.mean(calling) > 0.3


@pytest.mark.parametrize(("risk", "people"), [(0.05, 19), (0.1, 9), (0.2, 4), (0.5, 1), (0.07, 14)])
def test_the_fewest_people_are_those_whose_bound_without_an_error_is_the_risk(
    risk: float, people: int
) -> None:
    assert people_needed(risk) == people
    assert 1 / (people + 1) <= risk + 1e-12 < 1 / people
    subjects = [f"S{number}" for number in range(people)]
    check_bound(risk, subjects, "subject-level")
    band, bound = risk_band(
        np.arange(people) % 2,
        np.where(np.arange(people) % 2 == 1, 0.9, 0.1),
        threshold=0.5,
        subjects=subjects,
        risk=risk,
    )
    assert (band, bound.called) == ((0.5, 0.5), 1.0)


def test_a_bound_that_people_cannot_give_is_refused_with_a_way_out() -> None:
    check_bound(0.0, [None], "image-level")
    with pytest.raises(SettingError) as caught:
        check_bound(0.05, ["a", "b", "b"] * 5, "subject-level")
    assert caught.value.why == "there are 2 validation people, and at least 19 are needed"
    assert "a risk of 0.334 or more" in caught.value.fix
    check_bound(0.334, ["a", "b", "b"] * 5, "subject-level")

    with pytest.raises(SettingError, match="validation people are trained on"):
        check_bound(0.5, ["a", "b"], "image-level")
    with pytest.raises(NoSubjectsError, match="1 of 2 validation cells name nobody"):
        check_bound(0.5, ["a", None], "subject-level")
