"""Thresholds from validation cells, judged on tested ones: by hand, by scikit-learn and by a search."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import class_likelihood_ratios, roc_curve

from leuknet.errors import SettingError, ShapeError
from leuknet.evaluation.operating_points import (
    TARGETS,
    choose_thresholds,
    operating_point,
    predictive_values,
    ratio_of,
)
from leuknet.evaluation.resampling import wilson
from leuknet.types import Interval, IntervalMethod

LABELS = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
STATED = np.array([0.1, 0.2, 0.3, 0.5, 0.8, 0.2, 0.4, 0.6, 0.8, 0.9])


def share(estimate: float, low: float, high: float) -> Interval:
    return Interval(estimate, low, high, 0.95, IntervalMethod.WILSON, 50, None, 0)


def test_thresholds_are_those_worked_out_by_hand() -> None:
    found = {
        (one.purpose, one.target): one for one in choose_thresholds(LABELS, STATED, targets=(0.6, 0.8, 0.99))
    }

    # Three of five normal cells lie below 0.4, the least that parts them from the fourth at 0.5.
    assert found["specificity", 0.6].threshold == pytest.approx(0.35)
    assert found["specificity", 0.8].threshold == pytest.approx(0.55)
    # The normal cell at 0.8 is cleared only above 0.8.
    assert found["specificity", 0.99].threshold == pytest.approx(0.85)
    assert found["specificity", 0.99].reached == 1.0
    # Three of five leukaemic cells lie above 0.5, four above 0.3, all above 0.15.
    assert found["sensitivity", 0.6].threshold == pytest.approx(0.55)
    assert found["sensitivity", 0.8].threshold == pytest.approx(0.35)
    assert found["sensitivity", 0.99].threshold == pytest.approx(0.15)
    assert {one.cells for one in found.values()} == {5}


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_does_better_for_the_other_class(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, 200)
    stated = np.clip(generator.normal(0.4 + 0.2 * labels, 0.2), 0, 1).round(2)
    false_alarms, found, _ = roc_curve(labels, stated, drop_intermediate=False)

    for one in choose_thresholds(labels, stated):
        calls = stated >= one.threshold
        sensitivity, specificity = calls[labels == 1].mean(), 1 - calls[labels == 0].mean()
        if one.purpose == "specificity":
            assert specificity == pytest.approx(one.reached)
            assert one.reached >= one.target
            assert sensitivity == found[1 - false_alarms >= one.target].max()
        else:
            assert sensitivity == pytest.approx(one.reached)
            assert one.reached >= one.target
            assert specificity == pytest.approx((1 - false_alarms)[found >= one.target].max())


def test_a_specificity_that_no_threshold_reaches_is_left_out() -> None:
    # One of two normal cells has probability 1: no threshold up to 1 clears it.
    found = choose_thresholds(np.array([0, 0, 1, 1]), np.array([0.2, 1.0, 0.9, 1.0]))

    assert [one.target for one in found if one.purpose == "specificity"] == []
    assert [one.target for one in found if one.purpose == "sensitivity"] == list(TARGETS)


def test_ratios_have_no_limits_where_a_share_has_no_interval() -> None:
    """Three normal people are too few for an interval of specificity, and so for any ratio with it."""
    people = [f"L{number}" for number in range(10)] + [f"H{number}" for number in range(3)]
    labels = np.repeat([1] * 10 + [0] * 3, 10)
    called = np.where(np.arange(130) % 10 < 9, labels, 1 - labels)
    found = operating_point(labels, called * 0.8 + 0.1, 0.5, clusters=np.repeat(people, 10))

    assert found.sensitivity.is_known
    assert not found.specificity.is_known
    for ratio in (found.positive_ratio, found.negative_ratio):
        assert (ratio.low, ratio.high) == (0.0, None)
    assert found.positive_ratio.estimate == pytest.approx(9)


@pytest.mark.parametrize("target", [0.0, 1.0, 95.0])
def test_a_target_that_is_no_share_is_refused(target: float) -> None:
    with pytest.raises(SettingError, match=f"of {target}"):
        choose_thresholds(LABELS, STATED, targets=[target])


def test_one_class_is_refused() -> None:
    with pytest.raises(ShapeError, match="one class"):
        choose_thresholds(np.ones(3, dtype=np.int64), np.array([0.1, 0.2, 0.3]))


def test_ratios_and_predictive_values_are_those_of_scikit_learn_and_of_bayes() -> None:
    found = operating_point(LABELS, STATED, 0.5, prevalences=(0.5, 0.1))
    positive, negative = class_likelihood_ratios(LABELS, STATED >= 0.5)

    assert (found.sensitivity.estimate, found.specificity.estimate) == (0.6, 0.6)
    assert found.positive_ratio.estimate == pytest.approx(positive)
    assert found.negative_ratio.estimate == pytest.approx(negative)
    # Of 1,000 cells 100 are leukaemic: 60 are found, and 360 of 900 are false alarms; 540 are cleared.
    rare, even = found.predictive
    assert (rare.prevalence, even.prevalence) == (0.1, 0.5)
    assert rare.positive is not None
    assert rare.negative is not None
    assert rare.positive.estimate == pytest.approx(60 / 420)
    assert rare.negative.estimate == pytest.approx(540 / 580)
    assert even.positive is not None
    assert even.positive.estimate == pytest.approx(0.6)
    assert (rare.positive.cells, rare.positive.subjects, rare.positive.method) == (
        10,
        None,
        "MOVER-R of sensitivity and specificity",
    )


def test_limits_of_a_ratio_are_those_worked_out_by_hand() -> None:
    # B = 0.8 * 0.2 = 0.16. Low: C = 0.7 * (1.6 - 0.7) = 0.63, A = 0.3 * (0.4 - 0.3) = 0.03:
    # 0.63 / (0.16 + sqrt(0.0256 - 0.0189)). High: A = 0.1 * 0.3 = 0.03, C = 0.9 * 0.7 = 0.63.
    found = ratio_of(share(0.8, 0.7, 0.9), share(0.2, 0.1, 0.3))

    assert found.estimate == pytest.approx(4.0)
    assert found.low == pytest.approx(0.63 / (0.16 + np.sqrt(0.0067)))
    assert found.high == pytest.approx((0.16 + np.sqrt(0.0067)) / 0.03)


def test_a_ratio_is_the_inverse_of_the_inverse_ratio() -> None:
    first, second = share(0.8, 0.62, 0.91), share(0.15, 0.05, 0.31)
    found, inverse = ratio_of(first, second), ratio_of(second, first)

    assert inverse.high is not None
    assert found.high is not None
    assert (found.low, found.high) == pytest.approx((1 / inverse.high, 1 / inverse.low))


def test_no_false_alarm_leaves_a_ratio_unbounded_above_and_a_predictive_value_bounded_below() -> None:
    perfect, found = wilson(20, 20), wilson(18, 20)
    # The upper limit of the false alarms is 1 - perfect.low; the ratio's lower one sqrt(l (2 e - l)) / u.
    low = np.sqrt(found.low * (1.8 - found.low)) / (1 - perfect.low)

    ratio = ratio_of(found, share(0.0, 0.0, 1 - perfect.low))
    values = predictive_values(found, perfect, prevalence=0.01)

    assert (ratio.estimate, ratio.high) == (None, None)
    assert ratio.low == pytest.approx(low)
    assert values.positive is not None
    assert (values.positive.estimate, values.positive.high) == (1.0, 1.0)
    assert values.positive.low == pytest.approx(1 / (1 + 99 / low))
    assert values.positive.low < 0.06


def test_a_call_that_is_never_made_has_no_predictive_value() -> None:
    nothing = operating_point(LABELS, STATED, 0.95)

    assert nothing.positive_ratio.estimate is None
    assert nothing.predictive[0].positive is None
    assert nothing.predictive[0].negative is not None
    assert nothing.predictive[0].negative.estimate == pytest.approx(0.99)


def test_limits_of_ratios_hold_the_truth_as_often_as_they_say() -> None:
    # 40 leukaemic and 60 normal independent cells, sensitivity 0.85, specificity 0.9: LR+ 8.5, LR- 1/6.
    generator = np.random.default_rng(0)
    held = np.zeros(4)
    for found, cleared in zip(
        generator.binomial(40, 0.85, 2000), generator.binomial(60, 0.9, 2000), strict=True
    ):
        sensitivity, specificity = wilson(found, 40), wilson(cleared, 60)
        alarms = share(1 - specificity.estimate, 1 - specificity.high, 1 - specificity.low)
        missed = share(1 - sensitivity.estimate, 1 - sensitivity.high, 1 - sensitivity.low)
        values = predictive_values(sensitivity, specificity, prevalence=0.05)
        assert values.positive is not None
        assert values.negative is not None
        for place, (low, high, truth) in enumerate(
            [
                (ratio_of(sensitivity, alarms).low, ratio_of(sensitivity, alarms).high, 8.5),
                (ratio_of(missed, specificity).low, ratio_of(missed, specificity).high, 0.15 / 0.9),
                (values.positive.low, values.positive.high, 0.05 * 0.85 / (0.05 * 0.85 + 0.95 * 0.1)),
                (values.negative.low, values.negative.high, 0.95 * 0.9 / (0.95 * 0.9 + 0.05 * 0.15)),
            ]
        ):
            held[place] += low <= truth <= (np.inf if high is None else high)

    assert np.all((held / 2000 > 0.93) & (held / 2000 < 0.975)), held / 2000


def test_with_subjects_intervals_leave_out_people() -> None:
    generator = np.random.default_rng(1)
    people = np.repeat(np.arange(16), 12)
    labels = people % 2
    off = generator.normal(0, 1.0, 16)[people]
    stated = 1 / (1 + np.exp(-(3.0 * labels - 1.5 + off + generator.normal(0, 1, 192))))

    alone, by_people = operating_point(labels, stated, 0.5), operating_point(labels, stated, 0.5, people)

    assert by_people.sensitivity.method is IntervalMethod.JACKKNIFE_SUBJECTS
    assert by_people.sensitivity.subjects == 8
    assert by_people.predictive[0].positive is not None
    assert by_people.predictive[0].positive.subjects == 16
    assert alone.sensitivity.method is IntervalMethod.WILSON
    width = by_people.sensitivity.high - by_people.sensitivity.low
    assert width > 1.3 * (alone.sensitivity.high - alone.sensitivity.low)


def test_too_few_people_make_no_interval_of_predictive_values_either() -> None:
    people = np.array(["a", "a", "b", "b", "b", "c", "c", "d", "d", "d"])
    found = operating_point(LABELS, STATED, 0.5, people)

    assert not found.sensitivity.is_known
    assert found.predictive[0].positive is not None
    assert not found.predictive[0].positive.is_known
    assert (found.predictive[0].positive.low, found.predictive[0].positive.high) == (0.0, 1.0)
