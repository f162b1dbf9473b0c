"""Metrics against values by hand and scikit-learn, intervals against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

from leuknet import metrics
from leuknet.errors import SettingError, ShapeError
from leuknet.metrics import METRICS, bootstrap, wilson

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
        ("sensitivity", 2 / 3),
        ("specificity", 1 / 2),
        # F1 of ALL 2*2/(3+3), of HEM 2*1/(2+2); weights 3 and 2.
        ("weighted_f1", (3 * 2 / 3 + 2 * 1 / 2) / 5),
        # Pairs won: 0.9 beats 2, 0.5 beats 1 and ties 1, 0.2 beats 1: 4.5 of 6.
        ("auroc", 4.5 / 6),
    ],
)
def test_metric_has_the_value_worked_out_by_hand(name: str, by_hand: float) -> None:
    assert METRICS[name](LABELS, PROBABILITIES, 0.5, None) == pytest.approx(by_hand)


def test_metrics_agree_with_scikit_learn_where_scores_are_tied() -> None:
    labels, probabilities = draw_scores(500)
    called = (probabilities >= 0.5).astype(int)
    theirs = {
        "accuracy": accuracy_score(labels, called),
        "sensitivity": recall_score(labels, called),
        "specificity": recall_score(labels, called, pos_label=0),
        "weighted_f1": f1_score(labels, called, average="weighted"),
        "auroc": roc_auc_score(labels, probabilities),
    }

    ours = {name: metric(labels, probabilities, 0.5, None) for name, metric in METRICS.items()}

    assert ours == pytest.approx(theirs)


@pytest.mark.parametrize("name", METRICS)
def test_weights_count_a_cell_as_often_as_they_say(name: str) -> None:
    times = np.array([[2, 0, 1, 3, 1], [1, 1, 1, 1, 1]])
    repeated = METRICS[name](np.repeat(LABELS, times[0]), np.repeat(PROBABILITIES, times[0]), 0.5, None)

    weighted = METRICS[name](LABELS, PROBABILITIES, 0.5, times.astype(float))

    assert weighted == pytest.approx([repeated, METRICS[name](LABELS, PROBABILITIES, 0.5, None)])


def test_a_metric_without_its_class_is_undefined_and_not_zero() -> None:
    ones, probabilities = np.array([1, 1]), np.array([0.9, 0.1])

    undefined = [name for name in METRICS if np.isnan(METRICS[name](ones, probabilities, 0.5, None))]

    assert undefined == ["specificity", "auroc"]


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
        METRICS[name](np.array(labels), np.array(probabilities), 0.5, None)

    assert why in caught.value.why


def test_weights_of_another_number_of_cells_are_refused() -> None:
    with pytest.raises(ShapeError, match="weights"):
        metrics.accuracy(LABELS, PROBABILITIES, 0.5, np.ones((3, 4)))


def test_a_threshold_in_percent_is_refused() -> None:
    with pytest.raises(SettingError, match="threshold 50"):
        metrics.accuracy(LABELS, PROBABILITIES, 50, None)


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


def test_bootstrap_over_cells_agrees_with_scipy() -> None:
    labels, probabilities = draw_scores(150)

    ours = bootstrap(labels, probabilities, threshold=0.5, resamples=4000)

    for name, metric in METRICS.items():
        theirs = scipy_bootstrap(
            (labels, probabilities),
            lambda y, p, metric=metric: float(metric(y, p, 0.5, None)),
            paired=True,
            vectorized=False,
            n_resamples=1500,
            method="percentile",
            rng=np.random.default_rng(1),
        ).confidence_interval
        assert (ours[name].low, ours[name].high) == pytest.approx((theirs.low, theirs.high), abs=0.015)
        assert ours[name].method == "bootstrap over cells"


def test_agreeing_cells_of_a_subject_make_the_interval_wider() -> None:
    # Ten subjects of 40 cells, each subject all right or all wrong: 10 observations, not 400.
    right = np.repeat([1, 1, 0, 1, 1, 1, 0, 1, 1, 1], 40).astype(bool)
    labels = np.tile([0, 1], 200)
    probabilities = np.where(right == (labels == 1), 0.8, 0.2)
    subjects = np.repeat([f"H{n}" for n in range(10)], 40)

    cells = bootstrap(labels, probabilities, threshold=0.5)["accuracy"]
    people = bootstrap(labels, probabilities, threshold=0.5, clusters=subjects)["accuracy"]

    # Standard errors sqrt(0.8 * 0.2 / n): 0.126 with n = 10 and 0.02 with n = 400.
    assert people.high - people.low == pytest.approx(2 * 1.96 * 0.126, rel=0.15)
    assert cells.high - cells.low == pytest.approx(2 * 1.96 * 0.02, rel=0.15)
    assert (people.method, people.subjects) == ("bootstrap over subjects", 10)
    assert (cells.method, cells.subjects) == ("bootstrap over cells", None)


def test_bootstrap_draws_subjects_of_unequal_size_whole() -> None:
    # Two subjects: resamples are both of one, both of the other, or one of each, so accuracy is 1, 0 or 3/4.
    labels, subjects = np.array([1, 0, 1, 1]), np.array(["a", "a", "a", "b"])
    probabilities = np.array([1.0, 0.0, 1.0, 0.0])

    found = bootstrap(
        labels, probabilities, threshold=0.5, clusters=subjects, metrics=["accuracy"], level=0.6
    )

    # A quarter of the resamples gives 0, so the 20% quantile is 0 and the 80% quantile 1.
    assert (found["accuracy"].low, found["accuracy"].high) == (0.0, 1.0)
    narrow = bootstrap(
        labels, probabilities, threshold=0.5, clusters=subjects, metrics=["accuracy"], level=0.4
    )
    assert (narrow["accuracy"].low, narrow["accuracy"].high) == (0.75, 0.75)


def test_undefined_resamples_widen_the_interval_to_both_ends() -> None:
    # One of five subjects is HEM: (4/5)^5 = 33% of the resamples have no HEM cell, the others all agree.
    labels = np.array([1, 1, 1, 1, 0])
    right, wrong = np.array([0.9, 0.9, 0.9, 0.9, 0.1]), np.full(5, 0.9)

    found = bootstrap(labels, right, threshold=0.5, clusters=np.arange(5))
    worst = bootstrap(labels, wrong, threshold=0.5, clusters=np.arange(5))

    assert (found["specificity"].low, found["specificity"].high) == (0.0, 1.0)
    assert (worst["specificity"].low, worst["specificity"].high) == (0.0, 1.0)
    assert (found["specificity"].cells, found["specificity"].subjects) == (1, 1)
    assert (found["sensitivity"].cells, found["sensitivity"].subjects) == (4, 4)


def test_bootstrap_repeats_with_its_seed_whatever_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, probabilities = draw_scores(40)
    whole = bootstrap(labels, probabilities, threshold=0.5, resamples=100, seed=3)
    other = bootstrap(labels, probabilities, threshold=0.5, resamples=100, seed=4)

    monkeypatch.setattr(metrics, "_BLOCK", 7 * 40)
    in_blocks = bootstrap(labels, probabilities, threshold=0.5, resamples=100, seed=3)

    assert in_blocks == whole
    assert other != whole


def test_bootstrap_of_one_class_says_what_is_undefined() -> None:
    with pytest.raises(ShapeError, match="specificity, auroc: undefined"):
        bootstrap(np.array([1, 1]), np.array([0.9, 0.1]), threshold=0.5)


def test_bootstrap_of_one_subject_is_refused() -> None:
    with pytest.raises(ShapeError, match="one cluster"):
        bootstrap(LABELS, PROBABILITIES, threshold=0.5, clusters=np.zeros(5))


def test_subjects_of_another_number_of_cells_are_refused() -> None:
    with pytest.raises(ShapeError, match="subjects"):
        bootstrap(LABELS, PROBABILITIES, threshold=0.5, clusters=np.arange(4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics": ["acuracy"]}, "use accuracy"),
        ({"resamples": 0}, "0 resamples"),
        ({"level": 95}, "level 95"),
    ],
)
def test_bootstrap_refuses_settings_out_of_range(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        bootstrap(LABELS, PROBABILITIES, threshold=0.5, **settings)  # type: ignore[arg-type]
