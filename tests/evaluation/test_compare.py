"""Paired comparisons against values by hand, scipy, and every swap written out.

Of the two tests of `compare`, swapping is the one here; what leaving out people gives is in `test_paired`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.stats import permutation_test, rankdata
from sklearn.metrics import roc_auc_score

from leuknet.errors import DataError, SettingError, ShapeError
from leuknet.evaluation.compare import compare
from leuknet.evaluation.crossed import Answers
from leuknet.evaluation.metrics import METRICS, metric_intervals
from leuknet.evaluation.paired import paired_difference
from leuknet.types import Evaluation


def evaluation(
    labels: list[int], probabilities: list[float], subjects: list[str] | None, *, seed: int = 0
) -> Evaluation:
    """A model's answers on cells 0, 1, ...; what `compare` does not read is left empty."""
    return Evaluation(
        model_id=f"{seed:012x}",
        recipe="leuknet-paper",
        seed=seed,
        dataset="c-nmc-2019",
        part="prelim",
        protocol="official",
        round="",
        simulated=False,
        split_kind="subject-level",
        split_fingerprint=f"{seed}",
        class_names=("HEM", "ALL"),
        threshold=0.5,
        threshold_rule="half",
        calibration=None,
        cells=len(labels),
        subjects=None if subjects is None else len(set(subjects)),
        metrics={},
        confusion=((0, 0), (0, 0)),
        paths=tuple(f"{number}.bmp" for number in range(len(labels))),
        labels=tuple(labels),
        probabilities=tuple(probabilities),
        subject_ids=tuple(subjects or [None] * len(labels)),
    )


def draw_pair(people: int, seed: int = 0) -> tuple[Evaluation, Evaluation]:
    """Two models on people of 3 to 11 cells, the second less noisy."""
    generator = np.random.default_rng(seed)
    owner = np.repeat(np.arange(people), generator.integers(3, 12, people))
    labels = owner % 2
    middle = 0.35 + 0.3 * labels + generator.normal(0, 0.1, people)[owner]
    first, second = (
        np.clip(middle + generator.normal(0, noise, owner.size), 0, 1).round(2) for noise in (0.3, 0.15)
    )
    subjects = [f"S{number:02}" for number in owner]
    return (
        evaluation(labels.tolist(), first.tolist(), subjects),
        evaluation(labels.tolist(), second.tolist(), subjects, seed=1),
    )


def subject_shares(one: Evaluation) -> np.ndarray:
    right = (np.array(one.probabilities) >= one.threshold) == np.array(one.labels)
    owner = np.array(one.subject_ids)
    return np.array([right[owner == name].mean() for name in np.unique(owner)])


def test_every_swap_of_three_subjects_counted_by_hand() -> None:
    # Cells called right by the first: 1, 1, 1 of 2 each; by the second: 2, 2, 1. Swaps give (+-1 +-1 +-0)
    # of 6; of their eight, the four with equal signs are as far from 0 as what was seen.
    labels, subjects = [1, 1, 0, 0, 1, 0], ["a", "a", "b", "b", "c", "c"]
    first = evaluation(labels, [0.9, 0.1, 0.1, 0.9, 0.9, 0.9], subjects)
    second = evaluation(labels, [0.9, 0.9, 0.1, 0.1, 0.1, 0.1], subjects, seed=1)

    found = compare(first, second, metric="accuracy")

    assert found.difference.estimate == pytest.approx(2 / 6)
    assert (found.difference.cells, found.difference.subjects) == (6, 3)
    assert (found.p_value, found.smallest_p) == (4 / 8, 2 / 8)
    assert (found.first, found.second) == ("leuknet-paper (seed 0)", "leuknet-paper (seed 1)")
    assert found.verdict is None
    assert found.warning == (
        "accuracy cannot tell leuknet-paper (seed 1) from leuknet-paper (seed 0): "
        "no p value below 0.05 can come of so few subjects (3), 0.25 is the least."
    )


def test_a_p_value_is_never_zero_however_large_the_difference() -> None:
    # Of 2^30 swaps only the one observed and its mirror image lie so far out; none of 100 drawn ones does.
    labels, subjects = [0, 1] * 15, [f"S{number:02}" for number in range(30)]
    wrong = evaluation(labels, [1.0 - label for label in labels], subjects)
    right = evaluation(labels, [float(label) for label in labels], subjects, seed=1)

    found = compare(wrong, right, metric="accuracy", resamples=100)

    assert (found.p_value, found.smallest_p) == (1 / 101, 1 / 101)


@pytest.mark.parametrize(("people", "tolerance"), [(10, 1e-12), (15, 0.015)])
def test_the_larger_p_value_of_both_tests_is_given_for_a_mean_over_subjects(
    people: int, tolerance: float
) -> None:
    # 2^10 swaps are fewer than 10,000 resamples, so that p is exact; 2^15 are more, and it is drawn.
    first, second = draw_pair(people)
    shares = subject_shares(first), subject_shares(second)
    exact = permutation_test(
        shares,
        lambda one, other, axis: np.mean(other - one, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    left_out = paired_difference(
        *([answers_of(one)] for one in (first, second)), unit="subjects", metric="subject_accuracy"
    )

    found = compare(first, second, metric="subject_accuracy")

    assert 0.01 < exact.pvalue < 0.5
    assert found.p_value == pytest.approx(max(exact.pvalue, left_out.p_value), abs=tolerance)
    assert found.difference == left_out.difference
    assert found.difference.estimate == pytest.approx(exact.statistic)
    assert found.difference.method == "paired jackknife over subjects"


def answers_of(one: Evaluation) -> Answers:
    threshold = np.full(one.cells, one.threshold)
    columns = (one.paths, one.labels, one.probabilities, threshold, one.subject_ids)
    return Answers(*map(np.array, columns))


def test_auroc_agrees_with_every_swap_of_ranks_written_out() -> None:
    first, second = draw_pair(6, seed=2)
    ranks = np.array([rankdata(first.probabilities), rankdata(second.probabilities)])
    owner = np.array([int(str(name)[1:]) for name in first.subject_ids])

    def difference(swapped: tuple[int, ...]) -> float:
        model, cells = np.array(swapped)[owner], np.arange(owner.size)
        areas = [roc_auc_score(first.labels, ranks[which, cells]) for which in (model, 1 - model)]
        return float(areas[1] - areas[0])

    seen = difference((0,) * 6)
    all_of_them = [abs(difference(swapped)) for swapped in product((0, 1), repeat=6)]

    found = compare(first, second, metric="auroc")

    assert found.difference.estimate == pytest.approx(seen)
    assert found.p_value >= np.mean(np.array(all_of_them) >= abs(seen) - 1e-9)
    assert 2 / 64 < found.p_value < 1


@pytest.mark.parametrize("metric", ["auroc", "auprc", "accuracy", "subject_accuracy"])
def test_a_model_on_another_scale_with_its_own_threshold_compares_the_same(metric: str) -> None:
    first, second = draw_pair(8, seed=3)
    probabilities = tuple(probability / 8 for probability in second.probabilities)
    rescaled = replace(second, probabilities=probabilities, threshold=second.threshold / 8)

    plain, scaled = (compare(first, one, metric=metric) for one in (second, rescaled))

    assert scaled.p_value == plain.p_value < 1
    assert scaled.difference == plain.difference


@pytest.mark.parametrize("metric", METRICS)
def test_difference_is_that_of_the_two_scores_and_turns_its_sign_with_the_order(metric: str) -> None:
    first, second = draw_pair(9)
    scores = [
        metric_intervals(
            np.array(one.labels),
            np.array(one.probabilities),
            threshold=0.5,
            clusters=np.array(one.subject_ids),
            metrics=[metric],
        )[metric]
        for one in (first, second)
    ]

    forth, back = (compare(*pair, metric=metric) for pair in [(first, second), (second, first)])

    if metric != "ece":  # of which a score has taken out what chance adds
        assert forth.difference.estimate == pytest.approx(scores[1].estimate - scores[0].estimate)
    assert (forth.difference.cells, forth.difference.subjects) == (scores[0].cells, scores[0].subjects)
    assert (back.difference.low, back.difference.high) == pytest.approx(
        (-forth.difference.high, -forth.difference.low)
    )
    assert back.p_value == pytest.approx(forth.p_value)


def test_cells_in_another_order_are_put_side_by_side() -> None:
    first, second = draw_pair(7)
    turned = replace(
        second,
        paths=second.paths[::-1],
        labels=second.labels[::-1],
        probabilities=second.probabilities[::-1],
        subject_ids=second.subject_ids[::-1],
    )

    assert compare(first, turned) == compare(first, second)


def eight_people() -> tuple[Evaluation, Evaluation]:
    """The second calls all of 24 cells right; of the first, one cell of each of 8 people is wrong."""
    labels = [1] * 12 + [0] * 12
    subjects = [f"S{number // 3}" for number in range(24)]
    sure = [0.9 if label else 0.1 for label in labels]
    first = [1 - one if number % 3 == 0 else one for number, one in enumerate(sure)]
    return evaluation(labels, first, subjects), evaluation(labels, sure, subjects, seed=1)


def test_verdict_says_which_is_better_and_by_how_much() -> None:
    first, second = eight_people()

    higher = compare(first, second, metric="accuracy")
    lower = compare(first, second, metric="brier")
    worse = compare(second, first, metric="accuracy")

    # Only the swap of all eight and of none are as far apart: 2 of 256. Wrong 1/3: squares 0.81 against 0.01.
    assert higher.warning is None
    assert higher.verdict == (
        "leuknet-paper (seed 1) is better than leuknet-paper (seed 0): "
        "accuracy higher by 33.3 points (23.1 to 43.5); p = 0.0078."
    )
    assert lower.verdict is not None
    assert "is better than" in lower.verdict
    assert "Brier score lower by 0.267 (" in lower.verdict
    assert worse.verdict is not None
    assert "(seed 0) is worse than leuknet-paper (seed 1): accuracy lower by 33.3 points" in worse.verdict


def test_subjects_without_a_part_in_the_metric_do_not_make_p_smaller() -> None:
    first, second = eight_people()

    found = compare(first, second, metric="sensitivity")

    # Four people have ALL cells: 2 of 2^4 swaps, not of 2^8.
    assert (found.p_value, found.smallest_p) == (2 / 16, 2 / 16)
    assert found.warning is not None
    assert "so few subjects (4), 0.12 is the least" in found.warning


def test_a_model_and_itself_differ_by_nothing() -> None:
    first, _ = draw_pair(12)

    found = compare(first, replace(first, model_id="other"), metric="accuracy", margin=0.01)

    assert (found.p_value, found.difference.low, found.difference.high, found.verdict) == (
        1.0,
        0.0,
        0.0,
        None,
    )
    assert found.warning is not None
    assert "p = 1; the 95% interval of the difference is +0.000 to +0.000" in found.warning
    assert found.within is not None
    assert found.within.verdict == "equivalent"
    # Two models of one recipe and seed are told apart by their ids.
    assert (found.first, found.second) == (
        "leuknet-paper (seed 0) 000000000000",
        "leuknet-paper (seed 0) other",
    )


def test_a_margin_says_equivalent_not_worse_or_not_shown() -> None:
    first, second = draw_pair(60)
    found = compare(first, second, metric="auroc", margin=0.3)
    low, high = found.difference.low, found.difference.high
    assert 0 < low < high < 0.3

    # The second is better: not worse by whatever margin, equivalent with one that the interval lies within.
    assert found.within is not None
    assert found.within.verdict == "equivalent"
    narrow = compare(first, second, metric="auroc", margin=(low + high) / 2)
    assert narrow.within is not None
    assert narrow.within.verdict == "not worse"
    assert narrow.within.equivalent_p == pytest.approx(0.5)
    assert narrow.margin_verdict is not None
    assert (
        "leuknet-paper (seed 1) is not worse than leuknet-paper (seed 0) by a margin of 0."
        in narrow.margin_verdict
    )
    back = compare(second, first, metric="auroc", margin=(low + high) / 2)
    assert back.within is not None
    assert back.within.verdict == "not shown"
    assert back.within.noninferior_p == pytest.approx(0.5)
    # Of a score that is better where it is lower, the other end counts.
    brier = compare(first, second, metric="brier", margin=0.001)
    assert brier.difference.high < 0
    assert brier.within is not None
    assert brier.within.verdict == "not worse"


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.0])
def test_a_margin_that_is_none_is_refused(margin: float) -> None:
    with pytest.raises(SettingError, match="is no margin"):
        compare(*draw_pair(8), margin=margin)


def test_image_level_splits_leave_out_cells_and_say_so() -> None:
    first, second = eight_people()
    leaky = replace(second, split_kind="image-level")

    found = compare(first, leaky, metric="accuracy")
    people = compare(first, leaky, metric="subject_accuracy")

    assert found.difference.method == "paired jackknife over cells"
    assert found.difference.subjects == 8
    # Eight cells of 24 differ: p can be as small as 2 / 2^8, and a drawn one about that.
    assert found.smallest_p == 1 / 10_001
    assert found.p_value == pytest.approx(2 / 256, abs=0.003)
    assert found.verdict is not None
    assert found.verdict.endswith("On an image-level split, which flatters both.")
    assert people.difference.method == "paired jackknife over subjects"


def test_cells_without_subjects_are_compared_one_by_one() -> None:
    labels, first = [1, 0, 1, 0], [0.9, 0.8, 0.9, 0.1]
    ours = evaluation(labels, first, None)
    baseline = replace(evaluation(labels, [0.9, 0.1, 0.9, 0.1], None), model_id="baseline:area")

    found = compare(ours, baseline, metric="accuracy")

    assert (found.difference.method, found.difference.subjects) == ("paired jackknife over cells", None)
    assert (found.p_value, found.smallest_p) == (1.0, 2 / 16)
    assert found.second == "baseline:area"
    assert found.warning is not None
    assert "so few cells (4)" in found.warning
    with pytest.raises(SettingError, match="subject_vote needs the subject of every cell"):
        compare(ours, baseline, metric="subject_vote")


def test_other_cells_are_refused_and_what_differs_is_told() -> None:
    first, second = draw_pair(3)
    fewer = replace(
        second,
        paths=second.paths[2:],
        labels=second.labels[2:],
        probabilities=second.probabilities[2:],
        subject_ids=second.subject_ids[2:],
    )
    other_label = replace(second, labels=(1 - second.labels[0], *second.labels[1:]))
    other_subject = replace(second, subject_ids=("H9", *second.subject_ids[1:]))

    for other, why in [
        (fewer, "2 cells were scored by one of them alone, such as 0.bmp"),
        (other_label, "1 cells have another label or subject in the second, such as 0.bmp"),
        (other_subject, "1 cells have another label or subject in the second, such as 0.bmp"),
        (replace(second, dataset="all-idb"), "the data sets are c-nmc-2019 and all-idb"),
    ]:
        with pytest.raises(DataError) as caught:
            compare(first, other)
        assert caught.value.why == why


def test_settings_out_of_range_and_a_single_class_are_refused() -> None:
    first, second = draw_pair(4)
    one_class = evaluation([1, 1], [0.9, 0.1], ["a", "b"])

    with pytest.raises(SettingError, match="no metric 'auc'"):
        compare(first, second, metric="auc")
    with pytest.raises(SettingError, match="99 resamples"):
        compare(first, second, resamples=99)
    with pytest.raises(ShapeError, match="auroc: undefined"):
        compare(one_class, one_class)
