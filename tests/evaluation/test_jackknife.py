"""The jackknife and its limits against values by hand, scipy, scikit-learn and a plain loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binomtest, t, ttest_ind
from sklearn.metrics import roc_auc_score

from leuknet.errors import SettingError, ShapeError
from leuknet.evaluation import formulas, jackknife
from leuknet.evaluation.formulas import Weights
from leuknet.evaluation.jackknife import (
    basis_of,
    jackknife_interval,
    jackknife_variance,
    leave_one_out,
    score_interval,
)
from leuknet.evaluation.limits import (
    Variance,
    equal_limits,
    exact_limits,
    no_narrower_than_perfect,
    student_limits,
)
from leuknet.evaluation.resampling import MIN_SUBJECTS
from leuknet.types import Interval, IntervalMethod

INFINITE = float("inf")


def mean_of(values: np.ndarray) -> Callable[[Weights], np.ndarray]:
    return lambda weights: np.asarray(weights @ values / weights.sum(axis=-1))


def limits(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def draw_people(sizes: tuple[int, ...] = (30, 9, 12, 80, 7, 25, 14, 40)) -> tuple[np.ndarray, ...]:
    """Return labels, probabilities and people of eight people, of one class each."""
    generator = np.random.default_rng(3)
    people = np.repeat(np.arange(len(sizes)), sizes)
    labels = people % 2
    shift = generator.normal(0, 0.7, len(sizes))[people]
    return labels, expit(generator.normal(2.0 * labels - 1 + shift, 1)).round(2), people


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.array([0.1, 0.5, 0.2, 0.8, 0.4, 0.9])
    left_out = leave_one_out(mean_of(values), basis_of(None, cells=6).units)

    assert left_out[0] == pytest.approx(values[1:].mean())
    assert jackknife_variance(left_out) == pytest.approx(values.var(ddof=1) / 6)


def test_a_mean_of_subjects_has_student_s_interval_on_the_scale_of_log_odds() -> None:
    shares = np.array([0.7, 0.9, 0.6, 0.8, 0.95, 0.85])

    found = score_interval(mean_of(shares), np.array(list("abcdef")), cells=6)

    mean, error = shares.mean(), shares.std(ddof=1) / np.sqrt(6)
    reach = t.ppf(0.975, 5) * error / (mean * (1 - mean))
    assert limits(found) == pytest.approx(expit(logit(mean) + np.array([-reach, reach])))
    assert (found.cells, found.subjects, found.resamples, found.level) == (6, 6, 0, 0.95)
    assert (found.method, found.method.resampled) == ("jackknife over subjects", ("subjects",))


def test_auroc_agrees_with_a_loop_of_scikit_learn_that_leaves_people_out() -> None:
    labels, probabilities, people = draw_people()
    without = [roc_auc_score(labels[people != n], probabilities[people != n]) for n in range(8)]

    found = score_interval(
        lambda weights: formulas.auroc(labels, probabilities, 0.5, weights),
        people,
        cells=labels.size,
        classes=labels,
    )

    estimate = roc_auc_score(labels, probabilities)
    error = np.sqrt(7 / 8 * np.sum((np.array(without) - np.mean(without)) ** 2))
    # Kish's number of people by their cells: the least of that of all and twice that of either class.
    kish = [
        np.sum(sizes) ** 2 / np.sum(np.square(sizes))
        for sizes in ([30, 9, 12, 80, 7, 25, 14, 40], [30, 12, 7, 14], [9, 80, 25, 40])
    ]
    freedom = min(kish[0], 2 * kish[1], 2 * kish[2]) - 1
    reach = t.ppf(0.975, freedom) * error / (estimate * (1 - estimate))
    assert found.estimate == pytest.approx(estimate)
    assert limits(found) == pytest.approx(expit(logit(estimate) + np.array([-reach, reach])))


def test_kish_s_number_is_that_of_equal_people_and_less_of_unequal_ones() -> None:
    alike = basis_of(np.repeat(np.arange(6), 4), cells=24)
    unlike = basis_of(np.repeat(np.arange(3), (8, 1, 1)), cells=10)

    assert (alike.effective(), alike.count) == (6, 6)
    assert unlike.effective() == pytest.approx(10**2 / (8**2 + 1 + 1))
    assert unlike.effective(alike=True) == 3


def test_a_class_of_few_people_decides() -> None:
    people, classes = np.arange(20), np.array([1] * 17 + [0] * 3)

    assert basis_of(people, cells=20, classes=classes).count == 6
    assert basis_of(people, cells=20, classes=classes).effective() == 6
    assert basis_of(people, cells=20).count == 20
    assert basis_of(people, cells=20, used=classes == 0, classes=classes).count == 3


def test_fifteen_of_fifteen_people_are_100_percent_of_78_to_100() -> None:
    found = score_interval(mean_of(np.ones(45)), np.repeat(np.arange(15), 3), cells=45)

    exact = binomtest(15, 15).proportion_ci(method="exact")
    assert limits(found) == pytest.approx((exact.low, exact.high))
    assert found.low == pytest.approx(0.025 ** (1 / 15))
    assert f"{found.low:.0%} to {found.high:.0%}" == "78% to 100%"
    assert found.method == "Clopper-Pearson, subjects counted"


def test_an_auroc_of_one_has_a_lower_bound() -> None:
    labels = np.arange(12) % 2
    stated: np.ndarray = np.where(labels == 1, 0.75, 0.25)

    found = score_interval(
        lambda weights: formulas.auroc(labels, stated, 0.5, weights),
        np.arange(12),
        cells=12,
        classes=labels,
    )

    assert limits(found) == pytest.approx((0.025 ** (1 / 12), 1.0))


def test_people_who_do_not_differ_give_no_interval_without_width() -> None:
    found = score_interval(mean_of(np.tile([1.0, 1.0, 1.0, 0.0], 8)), np.repeat(np.arange(8), 4), cells=32)

    exact = binomtest(6, 8).proportion_ci(method="exact")
    assert limits(found) == pytest.approx((exact.low, exact.high))


def test_one_wrong_cell_does_not_make_the_interval_narrower_than_none() -> None:
    people, right = np.repeat(np.arange(10), 100), np.ones(1000)
    none = score_interval(mean_of(right), people, cells=1000)
    right[0] = 0.0
    one = score_interval(mean_of(right), people, cells=1000)
    wrong = score_interval(mean_of(1 - right), people, cells=1000)

    assert one.low == pytest.approx(none.low)
    assert one.estimate < one.high < 1
    assert (wrong.low, wrong.high) == pytest.approx((1 - one.high, 1 - one.low))


def test_limits_reach_as_far_as_without_an_error_at_either_bound() -> None:
    reach = 2 * 0.05 ** (1 / 8) - 1  # of 90%: 0.375
    options: dict[str, Any] = {"bounds": (-1.0, 1.0), "level": 0.9}

    best = no_narrower_than_perfect((0.5, 0.9), np.array([0.7, 1.0]), 8, **options)
    worst = no_narrower_than_perfect((-0.9, -0.5), np.array([-0.7, -1.0]), 8, **options)
    neither = no_narrower_than_perfect((0.5, 0.9), np.array([0.7, 0.8]), 8, **options)

    assert best == pytest.approx((reach, 0.9))
    assert worst == pytest.approx((-0.9, -reach))
    assert neither == (0.5, 0.9)


@pytest.mark.parametrize("people", [1, 2, MIN_SUBJECTS - 1])
def test_of_few_people_there_is_no_interval(people: int) -> None:
    values = np.tile([0.0, 1.0, 1.0], people)

    found = score_interval(mean_of(values), np.repeat(np.arange(people), 3), cells=values.size)

    assert not found.is_known
    assert found.estimate == pytest.approx(2 / 3)
    assert limits(found) == (0.0, 1.0)
    assert found.method == "no interval: too few subjects"
    assert score_interval(mean_of(values), None, cells=3 * people).is_known == (3 * people >= MIN_SUBJECTS)


def test_a_class_that_rests_on_one_person_gives_no_interval() -> None:
    labels, stated = np.array([1] * 9 + [0]), np.arange(10) / 9

    found = score_interval(
        lambda weights: formulas.auroc(labels, stated, 0.5, weights),
        np.arange(10),
        cells=10,
        classes=labels,
    )

    assert (found.method, found.low, found.high) == (IntervalMethod.TOO_FEW_SUBJECTS, 0.0, 1.0)


@pytest.mark.parametrize(
    ("estimate", "bounds", "by_hand"),
    [
        # 0.2 * 2.228139 of ten degrees of freedom; halved to the unit interval, over 0.75 * 0.25.
        (0.5, (-1.0, 1.0), 2 * expit(logit(0.75) + np.array([-1, 1]) * 0.1 * 2.228139 / 0.1875) - 1),
        (4.0, (0.0, INFINITE), 4 * np.exp(np.array([-1, 1]) * 0.2 * 2.228139 / 4)),
        (4.0, (-INFINITE, INFINITE), 4 + np.array([-1, 1]) * 0.2 * 2.228139),
    ],
)
def test_limits_stay_within_what_is_possible(
    estimate: float, bounds: tuple[float, float], by_hand: np.ndarray
) -> None:
    assert student_limits(estimate, Variance(0.04, 10), bounds=bounds) == pytest.approx(by_hand, rel=1e-6)
    assert student_limits(estimate, Variance(0.0, 10), bounds=bounds) is None


def test_exact_limits_are_those_of_scipy() -> None:
    for right in (0, 3, 10):
        theirs = binomtest(right, 10).proportion_ci(confidence_level=0.9, method="exact")
        assert exact_limits(right / 10, 10, level=0.9) == pytest.approx((theirs.low, theirs.high))
    assert exact_limits(1.0, 10, bounds=(-1.0, 1.0)) == pytest.approx((2 * 0.025**0.1 - 1, 1.0))
    assert exact_limits(1.0, 10, bounds=(0.0, INFINITE)) is None


def test_an_infinite_bound_without_spread_gives_no_interval() -> None:
    basis = basis_of(np.arange(8), cells=8)

    found = jackknife_interval(3.0, np.full(8, 3.0), basis, bounds=(0.0, INFINITE))

    assert (found.is_known, found.low, found.high) == (False, 0.0, INFINITE)


def test_many_cells_are_left_out_in_groups_with_nearly_the_same_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = np.random.default_rng(1)
    values = generator.random(3000)
    in_groups = score_interval(mean_of(values), None, cells=3000)
    monkeypatch.setattr(jackknife, "MOST_GROUPS", 3000)

    one_by_one = score_interval(mean_of(values), None, cells=3000)

    assert limits(in_groups) == pytest.approx(
        limits(one_by_one), abs=0.1 * (one_by_one.high - one_by_one.low)
    )
    assert in_groups.low != one_by_one.low
    assert in_groups.method == "jackknife over cells, taken as independent"


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ShapeError, match="why: the score is undefined"):
        score_interval(lambda weights: weights[..., 0] * np.nan, None, cells=6)
    with pytest.raises(ShapeError, match="subjects"):
        score_interval(mean_of(np.ones(6)), np.arange(5), cells=6)
    with pytest.raises(SettingError, match="level 95"):
        score_interval(mean_of(np.ones(6)), np.arange(6), cells=6, level=95)


def test_two_variances_have_the_degrees_of_freedom_of_welch() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(0, 1, 7), generator.normal(0, 3, 12)

    both = Variance(first.var(ddof=1) / 7, 6).plus(Variance(second.var(ddof=1) / 12, 11))

    low, high = ttest_ind(first, second, equal_var=False).confidence_interval()
    found = student_limits(first.mean() - second.mean(), both, bounds=(-INFINITE, INFINITE))
    assert found == pytest.approx((low, high))
    assert Variance(0.0, 3).plus(Variance(0.0, 9)) == (0.0, 3)


def test_a_score_near_its_bound_may_be_cut_there() -> None:
    near, at = (student_limits(score, Variance(0.04, 10), linear=True) for score in (0.05, 0.0))

    assert near == pytest.approx((0.0, 0.05 + 0.2 * 2.228139))
    assert at == pytest.approx((0.0, 0.2 * 2.228139))


def test_models_that_agree_on_everybody_may_still_differ_on_others() -> None:
    basis = basis_of(np.arange(15), cells=15)
    nobody = jackknife_interval(0.0, np.zeros(15), basis, bounds=(-1.0, 1.0), paired=True)

    # Nobody of 15: at most 22% of all, as 15 of 15 are at least 78%.
    assert limits(nobody) == pytest.approx((-1 + 0.025 ** (1 / 15), 1 - 0.025 ** (1 / 15)))
    assert equal_limits(15, bounds=(-2.0, 2.0)) == pytest.approx((2 * nobody.low, 2 * nobody.high))


def test_what_a_score_rests_on_is_counted_by_class_and_by_person() -> None:
    people = np.array(["a", "a", "b", "b", "c", "d", "d", "d"])
    classes = np.array([0, 1, 0, 0, 1, 0, 1, 1])
    used = np.array([True] * 7 + [False])

    basis = basis_of(people, cells=8, used=used, classes=classes)

    # Of class 0: a 1, b 2, c 0, d 1; of class 1: a 1, b 0, c 1, d 1, its last cell not being used.
    assert [each.tolist() for each in basis.sizes] == [[1, 2, 0, 1], [1, 0, 1, 1]]
    assert basis.has_part.tolist() == [True] * 4
    assert basis.count == 4  # of at most twice the three of either class
    assert basis.effective() == pytest.approx(49 / 13)  # below 2 * 16 / 6 and 2 * 3
    assert basis.effective(alike=True) == 4
    found = basis.variance_of(np.array([1.0, 2.0, 3.0, 6.0]))
    assert found.value == pytest.approx(3 / 4 * (4 + 1 + 0 + 9))
    assert found.freedom == pytest.approx(49 / 13 - 1)
    assert basis.variance_of(np.ones(4), subjects_alike=True).freedom == 3
    assert basis_of(np.array([0, 1]), cells=2).variance_of(np.ones(2)).freedom == 1
    assert basis_of(np.array([0] * 9 + [1]), cells=10).variance_of(np.ones(2)).freedom == 1
    without = basis_of(people, cells=8, used=people != "c")
    assert without.has_part.tolist() == [True, True, False, True]
    assert without.count == 3


def test_units_without_a_cell_leave_all_in_place_when_they_are_left_out() -> None:
    values, units = np.array([1.0, 3.0, 8.0]), basis_of(np.array([0, 1, 1]), cells=3).units

    assert leave_one_out(mean_of(values), units) == pytest.approx([5.5, 1.0])
    assert leave_one_out(mean_of(values), units, count=4) == pytest.approx([5.5, 1.0, 4.0, 4.0])


def test_people_are_left_out_one_by_one_however_many_and_cells_up_to_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jackknife, "MOST_GROUPS", 4)
    values = np.arange(6.0)

    people = leave_one_out(mean_of(values), basis_of(np.arange(6), cells=6).units)
    four = leave_one_out(mean_of(values[:4]), basis_of(None, cells=4).units)
    six = leave_one_out(lambda weights: weights.sum(axis=-1), basis_of(None, cells=6).units)
    places = leave_one_out(lambda weights: np.asarray(weights @ 2.0**values), basis_of(None, cells=6).units)

    assert people == pytest.approx((15 - values) / 5)
    assert four == pytest.approx((6 - values[:4]) / 3)
    # Groups of 2, 2, 1 and 1 cells, each cell in one of them, by the same chance each time.
    assert six.tolist() == [4, 4, 5, 5]
    assert (63 - places).sum() == 63
    of_group = np.random.default_rng(0).permutation(6) % 4
    assert places == pytest.approx([(2.0**values)[of_group != one].sum() for one in range(4)])


def test_another_variance_is_added_and_the_method_may_have_its_own_name() -> None:
    shares = np.array([0.7, 0.9, 0.6, 0.8, 0.95, 0.85])
    basis = basis_of(np.arange(6), cells=6)
    left_out = leave_one_out(mean_of(shares), basis.units)
    mine, seeds = Variance(shares.var(ddof=1) / 6, 5), Variance(0.01, 2)

    found = jackknife_interval(
        0.8, left_out, basis, other=seeds, method=IntervalMethod.CROSSED_SUBJECTS, level=0.9
    )
    straight = jackknife_interval(0.8, left_out, basis, linear=True)

    assert limits(found) == pytest.approx(student_limits(0.8, mine.plus(seeds), level=0.9))
    assert (found.method, found.level) == (IntervalMethod.CROSSED_SUBJECTS, 0.9)
    reach = t.ppf(0.975, 5) * np.sqrt(mine.value)
    assert limits(straight) == pytest.approx((0.8 - reach, min(0.8 + reach, 1)))


def test_people_who_have_no_part_do_not_count() -> None:
    # Ten people, of whom six have a used cell; the values without the other four are the estimate.
    shares = np.array([0.7, 0.9, 0.6, 0.8, 0.95, 0.85, 0, 0, 0, 0])
    used = np.arange(10) < 6

    def score(weights: Weights) -> np.ndarray:
        return np.asarray((weights * used) @ shares / (weights * used).sum(axis=-1))

    found = score_interval(score, np.arange(10), cells=10, used=used, level=0.9)

    alone = score_interval(mean_of(shares[:6]), np.arange(6), cells=6, level=0.9)
    assert limits(found) == pytest.approx(limits(alone))
    assert (found.cells, found.subjects, found.level) == (6, 6, 0.9)
    basis = basis_of(np.arange(10), cells=10, used=used)
    moved = leave_one_out(score, basis.units)[:6]
    assert limits(jackknife_interval(0.8, moved, basis, level=0.9)) == pytest.approx(limits(alone))


def test_subjects_that_count_alike_have_one_degree_of_freedom_less_than_there_are() -> None:
    people, values = np.repeat(np.arange(6), (1, 2, 3, 4, 5, 60)), np.linspace(0, 1, 75) ** 2
    basis = basis_of(people, cells=75)
    variance = jackknife_variance(leave_one_out(mean_of(values), basis.units))

    alike = score_interval(mean_of(values), people, cells=75, subjects_alike=True)
    by_cells = score_interval(mean_of(values), people, cells=75)

    assert limits(alike) == pytest.approx(student_limits(values.mean(), Variance(variance, 5)))
    assert limits(by_cells) == pytest.approx(student_limits(values.mean(), Variance(variance, 1)))


def test_exact_and_equal_limits_and_those_of_a_perfect_score_know_the_level_and_the_bounds() -> None:
    basis, tail = basis_of(np.arange(8), cells=8), 0.05 ** (1 / 8)
    bounds = {"bounds": (-1.0, 1.0), "level": 0.9}

    best = jackknife_interval(1.0, np.ones(8), basis, **bounds)  # type: ignore[arg-type]
    same = jackknife_interval(0.0, np.zeros(8), basis, paired=True, **bounds)  # type: ignore[arg-type]
    differ = jackknife_interval(0.0, np.zeros(8), basis, **bounds)  # type: ignore[arg-type]
    # One person makes all errors: without it the score is 1.
    one = jackknife_interval(0.96, np.append(np.full(7, 0.955), 1.0), basis, **bounds)  # type: ignore[arg-type]

    assert limits(best) == pytest.approx((2 * tail - 1, 1))
    assert limits(same) == pytest.approx((tail - 1, 1 - tail))
    assert limits(differ) == pytest.approx(
        tuple(2 * one - 1 for one in exact_limits(0.5, 8, level=0.9) or ())
    )
    assert one.low == pytest.approx(2 * tail - 1)
    assert {best.method, same.method, differ.method} == {IntervalMethod.EXACT_SUBJECTS}
    assert {best.level, same.level, differ.level} == {0.9}
    undefined = jackknife_interval(0.5, np.append(np.full(7, 0.4), np.nan), basis, **bounds)  # type: ignore[arg-type]
    assert (undefined.is_known, limits(undefined), undefined.level) == (False, (-1.0, 1.0), 0.9)


def test_a_level_of_zero_or_one_is_refused() -> None:
    for level in (0.0, 1.0):
        with pytest.raises(SettingError, match=f"level {level}"):
            score_interval(mean_of(np.ones(6)), np.arange(6), cells=6, level=level)


def test_a_class_of_few_people_and_the_bounds_of_the_score_decide_how_wide_it_is() -> None:
    values = np.linspace(0.1, 0.9, 12) ** 2
    classes = np.array([0] * 3 + [1] * 9)
    variance = values.var(ddof=1) / 12

    pooled = score_interval(mean_of(values), np.arange(12), cells=12, bounds=(-1.0, 1.0))
    compared = score_interval(mean_of(values), np.arange(12), cells=12, classes=classes)
    basis = basis_of(np.arange(12), cells=12)
    straight = jackknife_interval(
        values.mean(), leave_one_out(mean_of(values), basis.units), basis, bounds=(-1.0, 1.0)
    )

    # 11 degrees of freedom of all, 2 * 3 - 1 where the classes are compared.
    assert limits(pooled) == pytest.approx(
        student_limits(values.mean(), Variance(variance, 11), bounds=(-1.0, 1.0))
    )
    assert limits(straight) == pytest.approx(limits(pooled))
    assert limits(compared) == pytest.approx(student_limits(values.mean(), Variance(variance, 5)))


def test_the_fewest_subjects_of_an_interval_and_the_fewest_cells_have_one() -> None:
    values = np.linspace(0.2, 0.7, MIN_SUBJECTS)

    people = score_interval(mean_of(values), np.arange(MIN_SUBJECTS), cells=MIN_SUBJECTS)
    cells = score_interval(mean_of(values), None, cells=MIN_SUBJECTS)

    assert (people.is_known, people.subjects, people.cells) == (True, MIN_SUBJECTS, MIN_SUBJECTS)
    assert (cells.is_known, cells.subjects, cells.cells) == (True, None, MIN_SUBJECTS)


def test_subjects_count_by_their_cells_unless_it_is_said_that_they_count_alike() -> None:
    sizes = np.array([1, 2, 3, 4, 5, 60])
    basis, left_out = basis_of(np.repeat(np.arange(6), sizes), cells=75), np.linspace(0.4, 0.6, 6)
    variance = jackknife_variance(left_out)

    by_cells = jackknife_interval(0.5, left_out, basis)
    alike = jackknife_interval(0.5, left_out, basis, subjects_alike=True)

    assert limits(by_cells) == pytest.approx(student_limits(0.5, Variance(variance, 1)))
    assert limits(alike) == pytest.approx(student_limits(0.5, Variance(variance, 5)))
