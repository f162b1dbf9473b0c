"""Curves against values by hand and scikit-learn, their bands against what they must hold."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve, roc_curve

from leuknet.errors import ShapeError
from leuknet.evaluation.curves import Curve, net_benefit, precision_recall, risk_coverage, roc
from leuknet.evaluation.jackknife import basis_of
from leuknet.evaluation.limits import student
from leuknet.evaluation.metrics import METRICS, metric_intervals
from leuknet.evaluation.reliability import decided, reliability, shares, uncalibrated
from leuknet.evaluation.resampling import clusters_of
from leuknet.types import Calibration, Evaluation, SplitKind

LABELS = np.array([1, 0, 1, 0])
PROBABILITIES = np.array([0.9, 0.7, 0.4, 0.2])

CURVES: dict[str, Callable[..., Curve]] = {
    "roc": roc,
    "precision_recall": precision_recall,
    "net_benefit": net_benefit,
    "risk_coverage": lambda *arrays, **options: risk_coverage(*arrays, threshold=0.5, **options).curve,
}


def draw_scores(n: int, *, subjects: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Subjects of one class each, whose cells look alike; probabilities in steps of 0.01, many tied."""
    generator = np.random.default_rng(seed)
    subject = np.arange(n) % subjects
    labels = subject % 2
    score = 1.5 * (2 * labels - 1) + generator.normal(0, 1, subjects)[subject] + generator.normal(0, 1.5, n)
    return labels, np.round(expit(score), 2), subject


def make_evaluation(
    probabilities: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    subjects: tuple[str | None, ...] | None = None,
    split_kind: SplitKind = "subject-level",
    calibration: Calibration | None = None,
) -> Evaluation:
    n = probabilities.size
    labels = np.arange(n) % 2 if labels is None else labels
    (kept, alarms), (missed, found) = np.bincount(2 * labels + (probabilities >= 0.5), minlength=4).reshape(
        2, 2
    )
    names = subjects or tuple(f"S{number}" for number in range(n))
    return Evaluation(
        model_id="0" * 12, recipe="paper", seed=0, dataset="cells", part="test side", protocol="", round="",
        simulated=False, split_kind=split_kind, split_fingerprint="f" * 64, class_names=("HEM", "ALL"),
        threshold=0.5, threshold_rule="half", calibration=calibration, cells=n, subjects=len(set(names)),
        metrics={}, confusion=((int(kept), int(alarms)), (int(missed), int(found))),
        paths=tuple(f"{number}.bmp" for number in range(n)), labels=tuple(labels.tolist()),
        probabilities=tuple(probabilities.tolist()), subject_ids=names,
    )  # fmt: skip


def make_calibration(temperature: float, undecided: tuple[float, float]) -> Calibration:
    return Calibration(temperature, undecided, 0.9, 100, 9, 0.1, 0.02)


def value_at(curve: Curve, x: float) -> float:
    return float(curve.y[np.searchsorted(curve.x, x - 1e-9)])


def test_roc_is_that_of_scikit_learn_and_its_trapezoids_are_the_auroc() -> None:
    labels, probabilities, _ = draw_scores(300, subjects=30)
    x, y, _ = roc_curve(labels, probabilities)

    curve = roc(labels, probabilities, band=False)

    assert (curve.x.tolist(), curve.y.tolist()) == (x.tolist(), y.tolist())
    auroc = METRICS["auroc"].compute(labels, probabilities, 0.5, None)
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(auroc)


def test_precision_recall_is_that_of_scikit_learn_and_its_steps_are_the_auprc() -> None:
    labels, probabilities, _ = draw_scores(300, subjects=30)
    precision, recall, _ = precision_recall_curve(labels, probabilities)

    curve = precision_recall(labels, probabilities, band=False)

    assert curve.x[1:].tolist() == recall[-2::-1].tolist()
    assert curve.y[1:].tolist() == precision[-2::-1].tolist()
    area = float((np.diff(curve.x) * curve.y[1:]).sum())
    assert area == pytest.approx(METRICS["auprc"].compute(labels, probabilities, 0.5, None))


def test_precision_recall_has_the_steps_worked_out_by_hand() -> None:
    curve = precision_recall(LABELS, PROBABILITIES, band=False)

    # Calling 1, 2, 3, 4 cells finds 1, 1, 2, 2 of 2 ALL; no point (0, 1) that nobody called for.
    assert curve.x.tolist() == [0, 0.5, 0.5, 1, 1]
    assert curve.y == pytest.approx([1, 1, 1 / 2, 2 / 3, 2 / 4])


def test_net_benefit_has_the_values_worked_out_by_hand() -> None:
    curve = net_benefit(LABELS, PROBABILITIES, band=False)

    # At 0.2, all four are called: 2/4 - 2/4 * 0.25. At 0.5, one ALL and one HEM: 1/4 - 1/4 * 1. At 0.8, one
    # ALL. At 0.95, none.
    assert [value_at(curve, t) for t in (0.2, 0.5, 0.8, 0.95)] == pytest.approx([0.375, 0, 0.25, 0])
    assert (curve.x[0], curve.x[-1], curve.x.size) == (0.01, 0.99, 99)


def test_probabilities_of_one_give_the_net_benefit_of_acting_on_every_cell() -> None:
    curve = net_benefit(np.array([1, 1, 1, 0]), np.ones(4), band=False)

    assert value_at(curve, 0.75) == pytest.approx(0.75 - 0.25 * 3)
    assert value_at(curve, 0.5) == pytest.approx(0.75 - 0.25 * 1)


def test_risk_coverage_has_the_values_worked_out_by_hand() -> None:
    # By |P - 0.5|: 0.95 right, 0.1 wrong, 0.2 right, then 0.6 (wrong) and 0.4 (right) together.
    labels = np.array([1, 1, 0, 0, 0])
    found = risk_coverage(labels, np.array([0.95, 0.1, 0.2, 0.6, 0.4]), threshold=0.5)

    assert found.curve.x == pytest.approx([0, 1 / 5, 2 / 5, 3 / 5, 1])
    assert found.curve.y == pytest.approx([0, 0, 1 / 2, 1 / 3, 2 / 5])
    assert found.area.estimate == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 5 + 2 / 5) / 5)
    assert (found.area.cells, found.area.method) == (5, "jackknife over cells, taken as independent")


def test_certainty_is_a_share_of_the_way_on_the_own_side_of_the_threshold() -> None:
    # From threshold 0.8, 0.92 (wrong) has gone 3/5 of its way, and 0.4 (right) half of its own, though 0.4
    # lies further off; 0.79 (wrong) is the least certain.
    found = risk_coverage(np.array([0, 0, 1]), np.array([0.92, 0.4, 0.79]), threshold=0.8)

    assert found.curve.y == pytest.approx([1, 1, 1 / 2, 2 / 3])


def test_a_threshold_of_one_leaves_the_cells_at_one_least_certain() -> None:
    found = risk_coverage(np.array([0, 1, 0]), np.array([1.0, 0.5, 0.2]), threshold=1.0)

    # 0.2 right, 0.5 wrong, 1.0 wrong.
    assert found.curve.y == pytest.approx([0, 0, 1 / 2, 2 / 3])


def test_tied_cells_make_one_step_whatever_their_order() -> None:
    tied = np.full(4, 0.7)

    assert roc(LABELS, tied, band=False).x.tolist() == [0, 1]
    assert precision_recall(LABELS, tied, band=False).y.tolist() == [0.5, 0.5]
    assert risk_coverage(LABELS, tied, threshold=0.5).curve.x.tolist() == [0, 1]


@pytest.mark.parametrize("name", CURVES)
def test_a_band_holds_its_curve_and_widens_with_fewer_subjects(name: str) -> None:
    many, few = (CURVES[name](*draw_scores(400, subjects=subjects)) for subjects in (100, 8))
    widths = {}
    for label, curve in (("many", many), ("few", few)):
        assert curve.band is not None
        inside = curve.band.x[5:-5]
        middle = np.array([value_at(curve, x) for x in inside])
        assert np.all(curve.band.low[5:-5] <= middle + 0.02)
        assert np.all(middle - 0.02 <= curve.band.high[5:-5])
        widths[label] = (curve.band.high - curve.band.low).mean()
    assert widths["few"] > 1.25 * widths["many"]


@pytest.mark.parametrize("name", CURVES)
def test_a_band_is_that_of_curves_without_each_subject(name: str) -> None:
    labels, probabilities, subjects = draw_scores(120, subjects=12)

    x = 0.2 if name == "roc" else 0.5

    def read(kept: np.ndarray) -> float:
        curve = CURVES[name](labels[kept], probabilities[kept], band=False)
        return float(np.interp(x, curve.x, curve.y)) if name == "roc" else value_at(curve, x)

    value = read(np.ones(120, dtype=bool))
    without = np.array([read(subjects != one) for one in np.unique(subjects)])
    error = np.sqrt((without.size - 1) / without.size * ((without - without.mean()) ** 2).sum())
    classes = None if name == "risk_coverage" else labels
    reach = student(basis_of(subjects, cells=120, classes=classes).effective() - 1) * error

    band = CURVES[name](labels, probabilities, subjects).band

    assert band is not None
    place = np.flatnonzero(np.isclose(band.x, x))[0]
    if name == "net_benefit":
        expected = [value - reach, value + reach]
    else:
        expected = expit(logit(value) + np.array([-reach, reach]) / (value * (1 - value))).tolist()
    assert [band.low[place], band.high[place]] == pytest.approx(expected)


def test_few_subjects_or_few_of_a_class_have_no_band_and_no_interval() -> None:
    labels, probabilities, subjects = draw_scores(60, subjects=4)
    assert all(curve(labels, probabilities, subjects).band is None for curve in CURVES.values())
    assert not risk_coverage(labels, probabilities, subjects, threshold=0.5).area.is_known

    alone = np.where(labels == 1, np.arange(60) % 10, 10)
    assert roc(labels, probabilities, alone).band is None


def test_a_band_without_width_at_the_edge_reaches_as_far_as_the_number_of_subjects_allows() -> None:
    labels = np.tile([0, 1], 24)

    curve = roc(labels, labels * 0.8 + 0.1, np.arange(48) // 4)

    assert curve.band is not None
    assert curve.band.low[[1, 50]] == pytest.approx([0.025 ** (1 / 12)] * 2)
    assert curve.band.low[-1] == 1.0


@pytest.mark.parametrize("name", CURVES)
def test_a_band_of_two_thousand_cells_takes_less_than_two_seconds(name: str) -> None:
    scores = draw_scores(2000, subjects=28)
    started = time.process_time()

    CURVES[name](*scores)

    assert time.process_time() - started < 2


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize(
    ("labels", "probabilities", "why"),
    [
        ([1, 1], [0.2, 0.3], "one class"),
        ([0, 1], [0.2], "shapes (2,), (1,)"),
        ([0, 1], [0.2, 1.5], "probabilities from 0.2 to 1.5"),
    ],
)
def test_curves_refuse_what_they_cannot_be_drawn_for(
    name: str, labels: list[int], probabilities: list[float], why: str
) -> None:
    with pytest.raises(ShapeError) as caught:
        CURVES[name](np.array(labels), np.array(probabilities))

    assert why in caught.value.why


def test_reliability_agrees_with_scikit_learn_and_with_the_ece() -> None:
    labels, probabilities, subjects = draw_scores(500, subjects=20)
    probabilities = np.clip(probabilities - 0.003, 0.001, 1)  # off the edges, which fall to other sides
    observed, stated = calibration_curve(labels, probabilities, n_bins=10, strategy="uniform")

    bins = reliability(labels, probabilities, subjects)

    assert [one.stated for one in bins] == pytest.approx(stated)
    assert [one.observed.estimate for one in bins] == pytest.approx(observed)
    gaps = [one.observed.cells * abs(one.stated - one.observed.estimate) for one in bins]
    assert sum(gaps) / 500 == pytest.approx(METRICS["ece"].compute(labels, probabilities, 0.5, None))
    assert sum(one.observed.cells for one in bins) == 500


def test_a_reliability_bin_holds_its_lower_edge_and_the_last_one_both() -> None:
    bins = reliability(np.array([0, 1, 1, 1]), np.array([0.29, 0.3, 0.95, 1.0]))

    assert [(one.low, one.high, one.observed.cells) for one in bins] == [
        (0.2, 0.3, 1),
        (0.3, 0.4, 1),
        (0.9, 1.0, 2),
    ]
    assert bins[2].stated == pytest.approx(0.975)


def test_shares_of_independent_cells_have_wilsons_interval() -> None:
    found = shares(np.array([True, False, True, True]), np.array([3, 3, 5, 5]))

    assert list(found) == [3, 5]
    assert (found[3].estimate, found[5].estimate) == (0.5, 1.0)
    # Of 2 of 2, Wilson: low = 1 / (1 + 3.8415 / 2).
    assert found[5].low == pytest.approx(1 / (1 + 3.8415 / 2), abs=1e-4)
    assert found[5].method == "wilson"


def test_shares_of_subjects_agree_with_the_interval_of_accuracy() -> None:
    labels, probabilities, subjects = draw_scores(200, subjects=10)
    right = (probabilities >= 0.5) == (labels == 1)

    found = shares(right, np.zeros(200, dtype=np.intp), subjects)[0]

    expected = metric_intervals(
        labels, probabilities, threshold=0.5, clusters=subjects, metrics=["accuracy"]
    )["accuracy"]
    assert replace(found, low=0.0, high=0.0) == replace(expected, low=0.0, high=0.0)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_group_of_one_subject_among_many_could_show_any_share() -> None:
    # Subject 0 alone is in group 1: nobody knows how others would do there.
    subjects = np.repeat(np.arange(10), 5)

    found = shares(subjects >= 0, (subjects == 0).astype(np.intp), subjects)

    assert (found[1].estimate, found[1].low, found[1].high) == (1.0, 0.0, 1.0)
    assert found[1].method == "no interval: too few subjects"
    assert (found[1].cells, found[1].subjects) == (5, 1)
    assert found[0].subjects == 9


def test_the_own_rule_decides_outside_its_band_which_holds_its_lower_edge() -> None:
    probabilities = np.array([0.1, 0.9, 0.3, 0.6, 0.7, 0.8])  # labels 0 1 0 1 0 1
    evaluation = make_evaluation(probabilities, calibration=make_calibration(1.0, (0.3, 0.7)))

    rule = decided(evaluation)

    # 0.3 and 0.6 are undecided; of 0.1, 0.9, 0.7 and 0.8, 0.7 is wrong.
    assert rule is not None
    assert rule.risk is not None
    assert [rule.coverage.estimate, rule.risk.estimate] == pytest.approx([4 / 6, 1 / 4])
    assert (rule.coverage.cells, rule.risk.cells, rule.risk.subjects) == (6, 4, 4)


def test_a_model_that_decides_nothing_has_no_risk_and_one_without_a_rule_no_answer() -> None:
    probabilities = np.full(6, 0.5)
    shy = make_evaluation(probabilities, calibration=make_calibration(1.0, (0.0, 1.0)))

    rule = decided(shy)

    assert rule is not None
    assert (rule.coverage.estimate, rule.risk) == (0, None)
    assert decided(make_evaluation(probabilities)) is None


@pytest.mark.parametrize(
    ("split_kind", "subjects", "resampled"),
    [
        ("subject-level", ("a", "b", "c", "d", "e"), True),
        ("external", ("a", "b", "c", "d", "e"), True),
        ("image-level", ("a", "b", "c", "d", "e"), False),
        ("subject-level", ("a", "b", "c", "d", "d"), True),
        ("external", ("a", "a", "a", "a", "a"), True),
        ("subject-level", ("a", "b", "c", "d", "e", None), False),
    ],
)
def test_intervals_rest_on_subjects_only_where_whole_ones_were_held_out(
    split_kind: SplitKind, subjects: tuple[str | None, ...], resampled: bool
) -> None:
    evaluation = make_evaluation(np.full(len(subjects), 0.5), subjects=subjects, split_kind=split_kind)

    clusters = clusters_of(evaluation)

    assert (clusters is not None) == resampled
    assert clusters is None or clusters.tolist() == list(subjects)


def test_uncalibrated_takes_the_temperature_back() -> None:
    log_odds = np.array([-30.0, -2.0, 0.0, 0.4, 3.0])
    stated = make_evaluation(expit(log_odds / 1.7), calibration=make_calibration(1.7, (0.3, 0.7)))

    assert uncalibrated(stated) == pytest.approx(expit(log_odds), rel=1e-9)
    # By hand: 0.8 has odds 4, squared 16.
    squared = make_evaluation(np.array([0.8, 0.2]), calibration=make_calibration(2.0, (0.3, 0.7)))
    assert uncalibrated(squared) == pytest.approx([16 / 17, 1 / 17])


def test_a_stated_certainty_stays_a_number_without_the_temperature() -> None:
    certain = make_evaluation(np.array([0.0, 1.0]), calibration=make_calibration(0.5, (0.3, 0.7)))

    # The nearest number below 1 is 1 - 2^-53, of odds 2^53; their root is 9.5e7.
    assert uncalibrated(certain) == pytest.approx([1 / (1 + 2**26.5), 1 - 1 / (1 + 2**26.5)], rel=1e-6)
    bare = replace(certain, calibration=None)
    assert uncalibrated(bare) == pytest.approx([0, 1])


def test_what_was_said_before_the_temperature_is_not_known_of_cells_that_voted() -> None:
    stated = make_evaluation(np.array([0.8, 0.2]), calibration=make_calibration(2.0, (0.3, 0.7)))

    assert uncalibrated(replace(stated, neighbours=5)) is None
