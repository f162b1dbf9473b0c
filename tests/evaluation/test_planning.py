"""Plans of studies: drawn people vary as the pilot's, studies are judged as real ones, and grow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from leuknet.errors import DataError, LeakError, SettingError
from leuknet.evaluation.crossed import Answers
from leuknet.evaluation.metrics import metric_intervals
from leuknet.evaluation.paired import paired_difference
from leuknet.evaluation.pilot import Pilot, draw_study, fit_pilot
from leuknet.evaluation.plan_text import plan_notes, plan_rows, plan_title
from leuknet.evaluation.planned_tests import auroc_left_out, interval_of_study, p_value_of
from leuknet.evaluation.planning import plan_interval, plan_power
from leuknet.evaluation.rivals import population_auroc, with_gap, with_rival
from leuknet.evaluation.study_plan import StudySizes
from tests.evaluation.pilots import pilot_evaluation

FEW = StudySizes(people=(10, 20, 40, 80), cells_each=(20,), studies=40)


@pytest.fixture(scope="module")
def pilot() -> Pilot:
    return fit_pilot(pilot_evaluation(people=400, between=0.6, within=0.9))


def test_variances_between_and_within_people_are_those_that_drew_the_pilot(pilot: Pilot) -> None:
    assert pilot.between[:, 0, 0] == pytest.approx([0.36, 0.36], abs=0.11)  # 3 standard errors of 200 people
    assert [np.var(own) for own in pilot.own] == pytest.approx([0.81, 0.81], abs=0.03)
    assert pilot.means[:, 0] == pytest.approx([-1.0, 1.0], abs=0.17)
    assert pilot.people == (200, 200)
    assert pilot.between_share == pytest.approx(0.36 / 1.17, abs=0.03)


def test_the_population_has_the_auroc_of_two_normal_classes(pilot: Pilot) -> None:
    distance = (pilot.means[1, 0] - pilot.means[0, 0]) / np.sqrt(
        pilot.between[:, 0, 0].sum() + sum(np.var(own) for own in pilot.own)
    )

    assert population_auroc(pilot)[0] == pytest.approx(norm.cdf(distance), abs=0.005)


def test_a_drawn_study_varies_as_its_pilot(pilot: Pilot) -> None:
    study = draw_study(pilot, (300, 300), None, np.random.default_rng(1))
    again = fit_pilot(pilot_evaluation(study=study))

    assert again.between == pytest.approx(pilot.between, abs=0.1)
    assert [np.var(own) for own in again.own] == pytest.approx([np.var(own) for own in pilot.own], abs=0.05)
    assert set(np.bincount(study.people)) <= set(np.concatenate(pilot.cells_each))
    assert np.bincount(draw_study(pilot, (3, 4), 5, np.random.default_rng(1)).people).tolist() == [5] * 7


def test_two_models_meet_the_same_hard_people_and_cells() -> None:
    first, second = pilot_evaluation(people=300), pilot_evaluation(people=300, alike=0.7)
    both = fit_pilot(first, second)
    covariance = both.between[1]

    assert covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]) == pytest.approx(0.7, abs=0.12)
    own = np.asarray(np.corrcoef(both.own[1].T))
    assert own[0, 1] == pytest.approx(0.7, abs=0.05)
    rival = np.asarray(np.corrcoef(with_rival(fit_pilot(first), 0.4).own[0].T))
    assert rival[0, 1] == pytest.approx(0.4, abs=0.05)


def test_the_second_model_is_better_by_the_gap(pilot: Pilot) -> None:
    apart = population_auroc(with_gap(with_rival(pilot, 0.5), -0.04))

    assert apart[1] - apart[0] == pytest.approx(-0.04, abs=1e-4)
    with pytest.raises(SettingError, match="an AUROC of 1"):
        with_gap(with_rival(pilot, 0.5), 0.2)


def test_aurocs_without_each_person_are_those_of_scikit_learn(pilot: Pilot) -> None:
    labels, people, stated = draw_study(pilot, (4, 5), None, np.random.default_rng(2))
    rounded = stated[0].round(1)  # with ties

    estimate, left_out = auroc_left_out(labels, rounded, people)

    assert estimate == pytest.approx(roc_auc_score(labels, rounded))
    assert left_out == pytest.approx(
        [roc_auc_score(labels[people != n], rounded[people != n]) for n in range(9)]
    )


@pytest.mark.parametrize("metric", ["auroc", "sensitivity", "weighted_f1", "subject_accuracy", "mcc"])
def test_a_study_has_the_interval_that_a_real_one_would_have(pilot: Pilot, metric: str) -> None:
    study = draw_study(pilot, (9, 8), 12, np.random.default_rng(3))
    found = interval_of_study(study, metric, threshold=0.5)

    real = metric_intervals(
        study.labels, study.stated[0], threshold=0.5, clusters=study.people, metrics=[metric]
    )[metric]
    assert (found.low, found.high) == pytest.approx((real.low, real.high))
    assert found.method == real.method


@pytest.mark.parametrize("people", [(2, 6), (7, 6), (1, 5), (30, 20)])
def test_a_study_has_the_p_value_that_compare_would_give(pilot: Pilot, people: tuple[int, int]) -> None:
    study = draw_study(with_gap(with_rival(pilot, 0.6), 0.02), people, 7, np.random.default_rng(4))
    names = np.char.mod("%d", study.people)
    ids = np.char.mod("%d", np.arange(study.labels.size))
    answers = [
        [Answers(ids, study.labels, stated, np.full(stated.size, 0.5), names)] for stated in study.stated
    ]

    real = paired_difference(*answers, unit="subjects", metric="auroc")

    assert p_value_of(study) == pytest.approx((real.p_value, real.difference.estimate))


def test_intervals_are_held_against_the_truth_of_the_study_that_is_drawn() -> None:
    truths = []
    for share in (0.15, 0.85):
        tried = StudySizes(people=(60,), cells_each=(5,), studies=60, leukaemic_share=share)
        plan = plan_interval(pilot_evaluation(people=40), width=0.9, metric="auprc", tried=tried)
        truths.append(plan.truths[0])
        assert min(point.held or 0.0 for point in plan.points) > 0.85

    # Average precision rises with the share of leukaemic cells; the pilot's is one half.
    assert truths[0] + 0.1 < truths[1]


def test_more_people_make_narrower_intervals_and_the_first_that_is_enough_is_named() -> None:
    plan = plan_interval(pilot_evaluation(people=40), width=0.12, tried=FEW)

    widths = [point.mean_width for point in plan.points if point.people in FEW.people]
    assert widths == sorted(widths, key=lambda width: -(width or 0))
    needed = plan.needed["20 cells each"]
    assert needed is not None
    reached = {point.people: point.reached for point in plan.points}
    assert reached[needed] >= 0.8
    assert all(share < 0.8 for people, share in reached.items() if people < needed)
    assert np.mean([point.held for point in plan.points if point.held is not None]) > 0.9


def test_more_cells_of_the_same_people_help_less_than_more_people() -> None:
    # Of the variance 80% lies between people: ten times the cells are not worth twice the people.
    evaluation = pilot_evaluation(people=60, between=1.0, within=0.5)
    tried = StudySizes(people=(30, 60), cells_each=(20, 200), studies=60)
    width = {
        (point.people, point.cells_each): point.mean_width or 0.0
        for point in plan_interval(evaluation, width=0.01, tried=tried).points
    }

    assert width[30, 200] > 0.9 * width[30, 20]
    assert width[60, 20] < 0.8 * width[30, 200]


def test_equal_models_are_seldom_told_apart_and_different_ones_more_often_with_more_people() -> None:
    evaluation = pilot_evaluation(people=60)
    least = plan_power(evaluation, gap=1e-6, correlation=0.7, tried=StudySizes((30,), (20,), studies=300))
    plan = plan_power(evaluation, gap=0.05, correlation=0.7, tried=FEW)

    # In the right direction: half of the 5% of false alarms.
    assert least.points[0].reached < 0.05
    assert least.needed == {"20 cells each": None}
    assert plan.points[0].reached < plan.points[-1].reached
    assert plan.points[-1].reached > 0.8
    assert plan.truths[1] - plan.truths[0] == pytest.approx(0.05, abs=1e-3)


def test_models_that_err_alike_need_fewer_people() -> None:
    evaluation = pilot_evaluation(people=60)
    tried = StudySizes((40,), (20,), studies=100)
    little, much = (
        plan_power(evaluation, gap=0.03, correlation=r, tried=tried).points[0].reached for r in (0.2, 0.9)
    )

    assert much > little + 0.2


def test_the_same_seed_gives_the_same_plan_and_words_say_what_it_rests_on() -> None:
    evaluation = pilot_evaluation(people=40)
    tried = StudySizes((20, 40), (None,), studies=20, seed=3)
    plan = plan_interval(evaluation, width=0.02, metric="sensitivity", tried=tried)

    assert plan == plan_interval(evaluation, width=0.02, metric="sensitivity", tried=tried)
    assert plan_title(plan) == "95% interval of sensitivity no wider than 0.02, in 80% of studies"
    heads, ((cells, people, *_),) = plan_rows(plan)
    assert heads[1] == "people needed"
    assert (cells, people) == ("cells as in the pilot", "more than 40")
    # 1 / sqrt(2 * 38) is 11%; 1.96 sqrt(0.8 * 0.2 / 20) is 18 points.
    assert "within about 11%; of 20 studies a share is known to within 18 points" in plan_notes(plan)[1]
    assert plan_notes(plan)[2].startswith("seed 3")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"width": 0.0}, "a width of 0"),
        ({"width": 1.5}, "a width of 1.5"),
        ({"metric": "luck"}, "no metric 'luck'"),
        ({"share": 1.0}, "a share of 1"),
        ({"tried": StudySizes(people=(2,))}, "studies of 2 to 2 people"),
        ({"tried": StudySizes(people=())}, "studies of 0 to 0 people"),
        ({"tried": StudySizes(cells_each=(0,))}, "0 cells each"),
        ({"tried": StudySizes(cells_each=())}, "0 cells each"),
        ({"tried": StudySizes(people=(9000,), cells_each=(500,))}, "a study of 4,500,000 cells"),
        ({"tried": StudySizes(studies=3)}, "3 studies of each size"),
        ({"tried": StudySizes(leukaemic_share=1.0)}, "a leukaemic share of 1"),
    ],
)
def test_what_cannot_be_planned_is_refused(changes: dict[str, object], why: str) -> None:
    with pytest.raises(SettingError) as caught:
        plan_interval(pilot_evaluation(people=12), **{"width": 0.1, **changes})  # type: ignore[arg-type]

    assert why in caught.value.why


def test_a_comparison_needs_to_know_once_how_alike_the_models_err() -> None:
    one = pilot_evaluation(people=12)

    for arguments in ({"correlation": None}, {"second": one, "correlation": 0.5}):
        with pytest.raises(SettingError, match="how alike the two models err"):
            plan_power(one, gap=0.03, **arguments)
    with pytest.raises(SettingError, match="a gap of 0"):
        plan_power(one, gap=0.0, correlation=0.5)
    with pytest.raises(SettingError, match="a correlation of 1"):
        plan_power(one, gap=0.03, correlation=1.0)


def test_a_pilot_must_know_people_that_the_model_does_not() -> None:
    with pytest.raises(LeakError, match="its split is image-level"):
        fit_pilot(pilot_evaluation(people=12, kind="image-level"))
    with pytest.raises(DataError, match="name no subject"):
        fit_pilot(pilot_evaluation(people=12, named=False))
    with pytest.raises(DataError, match="a mean with 3 other tested cells"):
        fit_pilot(replace(pilot_evaluation(people=12), neighbours=3))
    with pytest.raises(DataError, match="HEM cells of 2 people"):
        fit_pilot(pilot_evaluation(people=4))
    with pytest.raises(DataError, match="did not score the same cells"):
        fit_pilot(pilot_evaluation(people=12), pilot_evaluation(people=14))
