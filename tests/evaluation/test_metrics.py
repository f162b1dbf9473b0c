"""Metrics against values by hand and scikit-learn, intervals against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import t, ttest_1samp
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    matthews_corrcoef,
    recall_score,
    roc_auc_score,
)

from leuknet.errors import SettingError, ShapeError
from leuknet.evaluation import formulas
from leuknet.evaluation.calibration_error import gaps_of
from leuknet.evaluation.metrics import METRICS, estimate_of, leave_out, metric_intervals
from leuknet.evaluation.resampling import units_of, wilson
from leuknet.evaluation.summary import score_text

LABELS = np.array([1, 1, 1, 0, 0])
PROBABILITIES = np.array([0.9, 0.5, 0.2, 0.5, 0.1])


def draw_scores(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping classes, probabilities in steps of 0.1 so that many are tied."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, n)
    probabilities = np.round(np.clip(generator.normal(0.4 + 0.2 * labels, 0.2), 0, 1), 1)
    return labels, probabilities


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        # At 0.5, the first two ALL and the first HEM are called ALL.
        ("accuracy", 3 / 5),
        ("balanced_accuracy", (2 / 3 + 1 / 2) / 2),
        ("sensitivity", 2 / 3),
        ("specificity", 1 / 2),
        # F1 of ALL 2*2/(3+3), of HEM 2*1/(2+2); weights 3 and 2.
        ("weighted_f1", (3 * 2 / 3 + 2 * 1 / 2) / 5),
        # TP 2, TN 1, FP 1, FN 1: (2 - 1) / sqrt(3 * 3 * 2 * 2).
        ("mcc", 1 / 6),
        # Pairs won: 0.9 beats 2, 0.5 beats 1 and ties 1, 0.2 beats 1: 4.5 of 6.
        ("auroc", 4.5 / 6),
        # Precision at 0.9 is 1 of 1, at 0.5 it is 2 of 3, at 0.2 it is 3 of 4; one ALL cell at each.
        ("auprc", (1 + 2 / 3 + 3 / 4) / 3),
        ("brier", (0.01 + 0.25 + 0.64 + 0.25 + 0.01) / 5),
        # Bins of 0.9 and of 0.1: gap 0.1 each. Both cells of 0.5: none, half are ALL. Of 0.2: gap 0.8.
        ("ece", (0.1 + 0.1 + 2 * 0.0 + 0.8) / 5),
        # Taken as shares of five subjects' cells: right are 0.9, 0.5, 0.2 of ALL, 0.5 and 0.9 of HEM.
        ("subject_accuracy", 3.0 / 5),
        # Two votes won, two tied, one lost.
        ("subject_vote", (1 + 0.5 + 0 + 0.5 + 1) / 5),
    ],
)
def test_metric_has_the_value_worked_out_by_hand(name: str, by_hand: float) -> None:
    assert METRICS[name].compute(LABELS, PROBABILITIES, 0.5, None) == pytest.approx(by_hand)


def test_every_metric_has_a_value_worked_out_by_hand() -> None:
    marks = test_metric_has_the_value_worked_out_by_hand.pytestmark  # type: ignore[attr-defined]

    assert [name for name, _ in marks[0].args[1]] == list(METRICS)


@pytest.mark.parametrize("times", [np.ones(300, dtype=int), np.random.default_rng(1).integers(0, 4, 300)])
def test_metrics_agree_with_scikit_learn_where_scores_are_tied(times: np.ndarray) -> None:
    labels, probabilities = draw_scores(300)
    called = (probabilities >= 0.5).astype(int)
    theirs = {
        "accuracy": accuracy_score(labels, called, sample_weight=times),
        "balanced_accuracy": balanced_accuracy_score(labels, called, sample_weight=times),
        "sensitivity": recall_score(labels, called, sample_weight=times),
        "specificity": recall_score(labels, called, pos_label=0, sample_weight=times),
        "weighted_f1": f1_score(labels, called, average="weighted", sample_weight=times),
        "mcc": matthews_corrcoef(labels, called, sample_weight=times),
        "auroc": roc_auc_score(labels, probabilities, sample_weight=times),
        "auprc": average_precision_score(labels, probabilities, sample_weight=times),
        "brier": brier_score_loss(labels, probabilities, sample_weight=times),
    }

    ours = {name: METRICS[name].compute(labels, probabilities, 0.5, times.astype(float)) for name in theirs}

    assert ours == pytest.approx(theirs)


def test_ranking_metrics_agree_with_scikit_learn_without_ties() -> None:
    labels, _ = draw_scores(200)
    probabilities = np.random.default_rng(2).permutation(np.linspace(0, 1, 200))

    ours = formulas.auroc(labels, probabilities, 0.5), formulas.auprc(labels, probabilities, 0.5)

    theirs = roc_auc_score(labels, probabilities), average_precision_score(labels, probabilities)
    assert ours == pytest.approx(theirs)


def test_calibration_error_agrees_with_the_curve_of_scikit_learn() -> None:
    generator = np.random.default_rng(3)
    labels, probabilities = generator.integers(0, 2, 400), generator.random(400)
    observed, stated = calibration_curve(labels, probabilities, n_bins=formulas.ECE_BINS)
    share = np.histogram(probabilities, bins=np.linspace(0, 1, formulas.ECE_BINS + 1))[0] / 400

    theirs = np.sum(share * np.abs(observed - stated))

    assert formulas.ece(labels, probabilities, 0.5) == pytest.approx(theirs)


def test_bins_are_tenths() -> None:
    stated = np.array([0.0, 0.05, 0.1, 0.3, 0.55, 0.79, 0.8, 0.85, 0.9, 0.95, 1.0])

    assert formulas.bin_of(stated).tolist() == [0, 0, 1, 3, 5, 7, 8, 8, 9, 9, 9]


def test_probability_one_shares_the_last_bin_and_an_edge_belongs_to_the_upper() -> None:
    # Pooled: stated 0.95, observed 0.5. In a bin of its own, 1.0 would make the answer 0.55.
    assert formulas.ece(np.array([0, 1]), np.array([1.0, 0.9]), 0.5) == pytest.approx(0.45)
    # 0.3 and 0.35 share a bin: stated 0.325, observed 0.5. Apart, the answer would be (0.7 + 0.35) / 2.
    assert formulas.ece(np.array([1, 0]), np.array([0.3, 0.35]), 0.5) == pytest.approx(0.175)


@pytest.mark.parametrize("name", METRICS)
def test_weights_count_a_cell_as_often_as_they_say(name: str) -> None:
    compute = METRICS[name].compute
    times = np.array([[2, 0, 1, 3, 1], [1, 1, 1, 1, 1]])
    repeated = compute(np.repeat(LABELS, times[0]), np.repeat(PROBABILITIES, times[0]), 0.5, None)

    weighted = compute(LABELS, PROBABILITIES, 0.5, times.astype(float))

    assert weighted == pytest.approx([repeated, compute(LABELS, PROBABILITIES, 0.5, None)])


def test_a_resample_may_leave_out_the_highest_scores_or_a_class() -> None:
    # Nobody with 0.9, then nobody of HEM, then one cell of each class: 0.9 of ALL, 0.1 of HEM.
    times = np.array([[0, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 1]])

    precision = formulas.auprc(LABELS, PROBABILITIES, 0.5, times.astype(float))
    correlation = formulas.mcc(LABELS, PROBABILITIES, 0.5, times.astype(float))

    # Of 0.5, 0.2, 0.5, 0.1: precision 1 of 2, then 2 of 3.
    assert precision == pytest.approx([(1 / 2 + 2 / 3) / 2, 1.0, 1.0])
    # TP 1, TN 1, FP 1, FN 1 is no correlation.
    assert correlation == pytest.approx([0.0, np.nan, 1.0], nan_ok=True)


def test_a_metric_without_its_class_is_undefined_and_not_zero() -> None:
    probabilities = np.array([0.9, 0.1])
    undefined = {
        label: [
            name
            for name, metric in METRICS.items()
            if np.isnan(metric.compute(np.array([label, label]), probabilities, 0.5, None))
        ]
        for label in (0, 1)
    }

    assert undefined[1] == ["balanced_accuracy", "specificity", "mcc", "auroc"]
    assert undefined[0] == ["balanced_accuracy", "sensitivity", "mcc", "auroc", "auprc"]


def test_calls_that_are_all_alike_have_no_correlation_with_the_labels_and_wrong_ones_minus_one() -> None:
    assert formulas.mcc(LABELS, PROBABILITIES, 0.0) == matthews_corrcoef(LABELS, np.ones(5)) == 0
    assert formulas.mcc(LABELS, 1.0 - LABELS, 0.5) == pytest.approx(-1)
    # Two people, one of each class: a resample of one of them leaves MCC with any value.
    found = metric_intervals(
        np.array([0, 1]), np.array([0.1, 0.9]), threshold=0.5, clusters=np.array(["a", "b"]), metrics=["mcc"]
    )
    assert (found["mcc"].low, found["mcc"].high) == (-1.0, 1.0)


def test_each_cell_may_have_a_threshold_of_its_own() -> None:
    # Cells called ALL: 0.9 at 0.95 no, 0.5 yes, 0.2 at 0.2 yes, 0.5 at 0.6 no, 0.1 no: four right.
    thresholds = np.array([0.95, 0.5, 0.2, 0.6, 0.5])

    assert formulas.accuracy(LABELS, PROBABILITIES, thresholds) == pytest.approx(4 / 5)
    with pytest.raises(ShapeError, match="thresholds have shape"):
        formulas.accuracy(LABELS, PROBABILITIES, thresholds[:4])


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    ("labels", "probabilities", "why"),
    [
        ([], [], "shapes (0,), (0,)"),
        ([0, 1], [0.5], "shapes (2,), (1,)"),
        ([[0, 1]], [[0.5, 0.5]], "shapes (1, 2), (1, 2)"),
        ([0, 2], [0.5, 0.5], "labels [0 2]"),
        ([0, 1], [0.5, 1.5], "probabilities from 0.5 to 1.5"),
        ([0, 1], [-0.5, 0.5], "probabilities from -0.5 to 0.5"),
        ([0, 1], [0.5, float("nan")], "probabilities from nan to nan"),
    ],
)
def test_misfit_arrays_are_refused(
    name: str, labels: list[int], probabilities: list[float], why: str
) -> None:
    with pytest.raises(ShapeError) as caught:
        METRICS[name].compute(np.array(labels), np.array(probabilities), 0.5, None)

    assert why in caught.value.why


def test_weights_of_another_number_of_cells_are_refused() -> None:
    with pytest.raises(ShapeError, match="weights"):
        formulas.accuracy(LABELS, PROBABILITIES, 0.5, np.ones((3, 4)))


def test_a_threshold_in_percent_is_refused() -> None:
    with pytest.raises(SettingError, match="threshold 50"):
        formulas.accuracy(LABELS, PROBABILITIES, 50, None)


def test_what_is_checked_ends_exactly_at_its_bounds() -> None:
    # A threshold of 1 calls what is certain; one score for all is half right whichever it is.
    assert formulas.accuracy(np.array([1, 0]), np.array([1.0, 0.5]), 1.0) == 1
    for one in (0.0, 0.5, 1.0):
        assert formulas.auroc(np.array([1, 0]), np.full(2, one), 0.5) == 0.5
    with pytest.raises(SettingError, match=r"threshold 1\.5"):
        formulas.accuracy(LABELS, PROBABILITIES, 1.5)
    with pytest.raises(ShapeError, match=r"thresholds have shape \(4,\)"):
        formulas.accuracy(LABELS, PROBABILITIES, np.full(4, 0.5))
    with pytest.raises(ShapeError, match=r"shapes \(2,\), \(5,\), \(5,\)"):
        formulas.accuracy(LABELS[:2], PROBABILITIES, 0.5, np.ones(5))


def test_wilson_interval_of_the_paper_runs_from_81_7_to_90_5() -> None:
    paper = wilson(196, 226)

    # By hand: centre (0.867257 + 3.8415 / 452) / 1.016998 = 0.861119, half-width
    # 1.95996 * sqrt(0.867257 * 0.132743 / 226 + 3.8415 / (4 * 226^2)) / 1.016998 = 0.044292.
    # SPEC.md states 90.6%; the upper limit is 90.541%.
    assert (paper.low, paper.high) == pytest.approx((0.816827, 0.905411), abs=2e-6)
    assert paper.estimate == pytest.approx(0.86726, abs=1e-5)
    assert (paper.method, paper.cells, paper.resamples) == ("wilson", 226, 0)


@pytest.mark.parametrize(("successes", "total"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_counts_that_are_no_share(successes: int, total: int) -> None:
    with pytest.raises(ShapeError, match=f"{successes} of {total}"):
        wilson(successes, total)


def test_auroc_over_cells_has_the_error_of_delong() -> None:
    labels, probabilities = draw_scores(300)
    positive, negative = probabilities[labels == 1], probabilities[labels == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    # DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44, 837: from the placements of either class.
    error = np.sqrt(
        wins.mean(axis=1).var(ddof=1) / positive.size + wins.mean(axis=0).var(ddof=1) / negative.size
    )

    found = metric_intervals(labels, probabilities, threshold=0.5, metrics=["auroc"])["auroc"]

    estimate = wins.mean()
    reach = 1.968 * error / (estimate * (1 - estimate))  # t of 299 degrees of freedom, the classes alike
    assert found.estimate == pytest.approx(estimate)
    assert (found.low, found.high) == pytest.approx(
        expit(logit(estimate) + np.array([-reach, reach])), abs=1e-3
    )
    assert found.method == "jackknife over cells, taken as independent"


def test_scores_over_cells_are_as_wide_as_scipy_s_metric_intervals() -> None:
    labels, probabilities = draw_scores(400)

    ours = metric_intervals(labels, probabilities, threshold=0.5)

    assert list(ours) == [name for name, metric in METRICS.items() if metric.unit == "cell"]
    for name, found in ours.items():
        if name == "ece":  # is no plain jackknife, and has tests of its own
            continue
        theirs = scipy_bootstrap(
            (labels, probabilities),
            lambda y, p, compute=METRICS[name].compute: float(compute(y, p, 0.5, None)),
            paired=True,
            vectorized=False,
            n_resamples=800,
            method="percentile",
            rng=np.random.default_rng(1),
        ).confidence_interval
        assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def draw_subjects() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Twelve people of 3 to 25 cells, six of each class, some harder than others."""
    generator = np.random.default_rng(5)
    sizes = np.array([3, 25, 8, 14, 5, 20, 9, 4, 16, 7, 11, 22])
    subjects = np.repeat(np.arange(12), sizes)
    labels = np.repeat(np.arange(12) % 2, sizes)
    ease = np.repeat(generator.normal(0.2, 0.2, 12), sizes)
    shift = np.where(labels == 1, ease, -ease)
    return labels, np.clip(0.5 + shift + generator.normal(0, 0.2, labels.size), 0, 1), subjects


def test_mean_over_subjects_has_the_interval_of_student() -> None:
    labels, probabilities, subjects = draw_subjects()
    right = (probabilities >= 0.5) == (labels == 1)
    shares = np.array([right[subjects == n].mean() for n in range(12)])

    ours = metric_intervals(labels, probabilities, threshold=0.5, clusters=subjects)

    mean, estimate = ours["subject_accuracy"], shares.mean()
    plain = ttest_1samp(shares, 0).confidence_interval()
    reach = (plain.high - plain.low) / 2 / (estimate * (1 - estimate))
    assert mean.estimate == pytest.approx(estimate)
    assert (mean.low, mean.high) == pytest.approx(expit(logit(estimate) + np.array([-reach, reach])))
    assert (mean.cells, mean.subjects, mean.method) == (144, 12, "jackknife over subjects")
    votes = np.where(shares == 0.5, 0.5, shares > 0.5)
    assert ours["subject_vote"].estimate == pytest.approx(votes.mean())


def test_scores_over_subjects_agree_with_a_loop_that_leaves_people_out() -> None:
    labels, probabilities, subjects = draw_subjects()
    names = [name for name, metric in METRICS.items() if metric.unit == "cell" and name != "ece"]
    without = np.array(
        [
            [
                METRICS[name].compute(labels[kept], probabilities[kept], 0.5, None)
                for kept in (subjects != n for n in range(12))
            ]
            for name in names
        ]
    )

    ours = metric_intervals(labels, probabilities, threshold=0.5, clusters=subjects, metrics=names)

    sizes = np.bincount(subjects)
    halves = [sizes.sum() ** 2 / (sizes**2).sum()] + [
        2 * sizes[n::2].sum() ** 2 / (sizes[n::2] ** 2).sum() for n in range(2)
    ]
    for name, values in zip(names, without, strict=True):
        found, metric = ours[name], METRICS[name]
        # Of one class, or of classes that are not compared, all people that have a part count.
        used = [n for n in range(12) if n % 2 in metric.rests_on]
        of_used = sizes[used]
        kish = min(halves) if metric.compares else of_used.sum() ** 2 / (of_used**2).sum()
        moved = values[used]
        error = np.sqrt((moved.size - 1) / moved.size * ((moved - moved.mean()) ** 2).sum())
        width = 1 - metric.least
        share = (found.estimate - metric.least) / width
        reach = t.ppf(0.975, kish - 1) * error / width / (share * (1 - share))
        expected = metric.least + width * expit(logit(share) + np.array([-reach, reach]))
        assert (found.low, found.high) == pytest.approx(tuple(expected)), name


def test_each_subject_counts_once_and_in_each_of_its_classes() -> None:
    # a: 3 of 4 ALL right. b: 1 of 2 HEM right, a tie. c: its ALL cell wrong, its three HEM cells right.
    subjects = np.array(["a"] * 4 + ["b"] * 2 + ["c"] * 4)
    labels = np.array([1, 1, 1, 1, 0, 0, 1, 0, 0, 0])
    probabilities = np.array([0.9, 0.8, 0.7, 0.1, 0.2, 0.6, 0.3, 0.1, 0.1, 0.2])

    found = metric_intervals(labels, probabilities, threshold=0.5, clusters=subjects)

    assert found["accuracy"].estimate == pytest.approx(7 / 10)
    assert found["subject_accuracy"].estimate == pytest.approx((3 / 4 + 1 / 2 + 0 + 1) / 4)
    assert found["subject_vote"].estimate == pytest.approx((1 + 0.5 + 0 + 1) / 4)
    # Three people say too little of how people differ.
    assert {(one.low, one.high, one.method) for name, one in found.items() if name != "mcc"} == {
        (0.0, 1.0, "no interval: too few subjects")
    }
    # The share of a subject's weight that each of its cells carries makes it an accuracy over cells.
    weights = 1 / np.array([4, 4, 4, 4, 2, 2, 1, 3, 3, 3])
    assert formulas.accuracy(labels, probabilities, 0.5, weights) == found["subject_accuracy"].estimate


def test_a_metric_over_subjects_needs_subjects() -> None:
    with pytest.raises(SettingError, match="subject_vote needs to know whose each cell is"):
        metric_intervals(LABELS, PROBABILITIES, threshold=0.5, metrics=["accuracy", "subject_vote"])


def test_agreeing_cells_of_a_subject_make_the_interval_wider() -> None:
    # Ten subjects of 40 cells, each subject all right or all wrong: 10 observations, not 400.
    right = np.repeat([1, 1, 0, 1, 1, 1, 0, 1, 1, 1], 40).astype(bool)
    labels = np.tile([0, 1], 200)
    probabilities = np.where(right == (labels == 1), 0.8, 0.2)
    subjects = np.repeat([f"H{n}" for n in range(10)], 40)

    cells = metric_intervals(labels, probabilities, threshold=0.5)["accuracy"]
    people = metric_intervals(labels, probabilities, threshold=0.5, clusters=subjects)["accuracy"]

    # Standard errors sqrt(0.8 * 0.2 / (n - 1)): 0.133 with n = 10 and 0.02 with n = 400; over 0.8 * 0.2.
    assert logit(people.high) - logit(people.low) == pytest.approx(2 * 2.262 * 0.4 / 3 / 0.16, rel=1e-3)
    assert logit(cells.high) - logit(cells.low) == pytest.approx(2 * 1.966 * 0.4 / 399**0.5 / 0.16, rel=1e-3)
    assert (people.method, people.subjects) == ("jackknife over subjects", 10)
    assert (cells.method, cells.subjects) == ("jackknife over cells, taken as independent", None)


def test_all_right_has_a_lower_limit_by_the_number_of_people() -> None:
    labels, subjects = np.tile([0, 1], 60), np.repeat(np.arange(15), 8)
    probabilities = np.where(labels == 1, 0.9, 0.1)

    found = metric_intervals(labels, probabilities, threshold=0.5, clusters=subjects)

    for name in ("accuracy", "sensitivity", "weighted_f1", "auroc", "subject_vote"):
        assert (found[name].low, found[name].high) == pytest.approx((0.025 ** (1 / 15), 1.0)), name
        assert score_text(name, found[name]) in ("100.0% (78.2 to 100.0)", "1.000 (0.782 to 1.000)")


def test_a_class_of_one_person_gives_no_interval() -> None:
    # One of nine subjects is HEM: nobody knows how such people differ.
    labels = np.array([1, 1, 1, 1, 1, 1, 1, 1, 0])
    probabilities = np.array([0.9, 0.9, 0.9, 0.9, 0.2, 0.9, 0.9, 0.9, 0.1])

    found = metric_intervals(labels, probabilities, threshold=0.5, clusters=np.arange(9))

    assert not any(found[name].is_known for name in ("specificity", "auroc", "balanced_accuracy"))
    assert (found["specificity"].low, found["specificity"].high) == (0.0, 1.0)
    assert (found["mcc"].low, found["mcc"].high) == (-1.0, 1.0)
    assert (found["specificity"].cells, found["specificity"].subjects) == (1, 1)
    assert (found["sensitivity"].cells, found["sensitivity"].subjects) == (8, 8)
    assert found["sensitivity"].is_known
    assert found["accuracy"].is_known


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.unit == "cell"])
def test_another_level_makes_every_interval_narrower(name: str) -> None:
    labels, probabilities, subjects = draw_subjects()
    narrow, usual = (
        metric_intervals(
            labels, probabilities, threshold=0.5, clusters=subjects, metrics=[name], level=level
        )[name]
        for level in (0.8, 0.95)
    )

    assert (narrow.level, usual.level) == (0.8, 0.95)
    assert usual.low <= narrow.low < narrow.high < usual.high
    assert usual.low < narrow.low or name == "ece"  # which both may be without


def test_levels_are_shares_between_zero_and_one() -> None:
    for level in (0.0, 1.0):
        with pytest.raises(SettingError, match=f"level {level}"):
            metric_intervals(LABELS, PROBABILITIES, threshold=0.5, level=level)


def test_leaving_out_people_is_as_without_their_cells() -> None:
    labels, probabilities, subjects = draw_subjects()
    metric, units = METRICS["subject_accuracy"], units_of(subjects, cells=labels.size)
    right = (probabilities >= 0.4) == (labels == 1)
    shares = np.array([right[subjects == n].mean() for n in range(12)])

    found = leave_out(metric, labels, probabilities, 0.4, units=units, count=14)

    # The last two of 14 have no cell here: without them all is as it was.
    assert found == pytest.approx([*((shares.sum() - shares) / 11), shares.mean(), shares.mean()])
    assert estimate_of(metric, labels, probabilities, 0.4, units=units) == pytest.approx(shares.mean())
    plain = estimate_of(METRICS["accuracy"], labels, probabilities, 0.4, units=units)
    assert plain == pytest.approx(right.mean())
    biased = estimate_of(METRICS["ece"], labels, probabilities, 0.4, units=units)
    assert biased == gaps_of(labels, probabilities, units).debiased


def test_what_a_metric_rests_on() -> None:
    labels, people = np.array([0, 1, 1, 0]), np.array(["a", "b", "c", "a"])

    assert METRICS["mcc"].bounds == (-1.0, 1.0)
    assert METRICS["auroc"].bounds == (0.0, 1.0)
    assert METRICS["specificity"].rests_on_cells(labels).tolist() == [True, False, False, True]
    one, both, pooled = (METRICS[name].basis(labels, people) for name in ("sensitivity", "auroc", "accuracy"))
    assert (one.used.tolist(), one.count, one.classes.tolist()) == ([False, True, True, False], 2, [0] * 4)
    assert (both.count, both.classes.tolist()) == (2, [0, 1, 1, 0])
    assert (pooled.count, pooled.classes.tolist()) == (3, [0] * 4)


def test_a_misspelt_metric_is_told_the_nearest_and_a_strange_one_all() -> None:
    with pytest.raises(SettingError, match="no metric 'aurocc'") as near:
        metric_intervals(LABELS, PROBABILITIES, threshold=0.5, metrics=["aurocc"])
    with pytest.raises(SettingError, match="no metric 'xyz'") as far:
        metric_intervals(LABELS, PROBABILITIES, threshold=0.5, metrics=["accuracy", "xyz"])

    assert near.value.fix == "use auroc"
    assert far.value.fix == f"use {', '.join(METRICS)}"
    found = metric_intervals(LABELS, PROBABILITIES, threshold=0.5, metrics=iter(["brier", "accuracy"]))
    assert list(found) == ["brier", "accuracy"]


def test_one_class_is_refused_with_what_is_undefined() -> None:
    with pytest.raises(ShapeError, match="balanced_accuracy, specificity, mcc, auroc: undefined"):
        metric_intervals(np.array([1, 1]), np.array([0.9, 0.1]), threshold=0.5)


def test_one_subject_gives_no_interval() -> None:
    found = metric_intervals(LABELS, PROBABILITIES, threshold=0.5, clusters=np.zeros(5))

    assert {one.is_known for one in found.values()} == {False}
    assert score_text("auroc", found["auroc"]) == "0.750 (no interval)"


def test_subjects_of_another_number_of_cells_are_refused() -> None:
    with pytest.raises(ShapeError, match="subjects"):
        metric_intervals(LABELS, PROBABILITIES, threshold=0.5, clusters=np.arange(4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics": ["acuracy"]}, "use accuracy"),
        ({"level": 95}, "level 95"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        metric_intervals(LABELS, PROBABILITIES, threshold=0.5, **settings)  # type: ignore[arg-type]
