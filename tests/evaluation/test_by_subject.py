"""Rows of subjects, the coverage of their conformal sets and the risk of their called cells, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import t

from leuknet.errors import DataError
from leuknet.evaluation.by_subject import called_risk, coverage, subject_rows
from leuknet.evaluation.resampling import wilson
from leuknet.types import Calibration, Label, RiskBound
from simulated_people import evaluation_of

BAND = Calibration(
    temperature=1.0,
    undecided=(0.4, 0.6),
    coverage=0.75,
    cells=100,
    subjects=10,
    ece_before=0.1,
    ece_after=0.05,
    quantile=0.55,
)

# a: four ALL cells, 0.4 is wrong but uncertain. H1: three HEM cells, one wrong. b: one ALL cell, 0.5, right
# and uncertain, and one HEM cell, 0.6, wrong and just not uncertain. c: two ALL cells, one right. Sets name
# HEM up to 0.55 and ALL from 0.45 on.
EVALUATION = replace(
    evaluation_of(
        np.array((1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1)),
        np.array((0.9, 0.1, 0.8, 0.2, 0.7, 0.9, 0.4, 0.5, 0.6, 0.9, 0.3)),
        ("a", "H1", "a", "H1", "a", "H1", "a", "b", "b", "c", "c"),
    ),
    calibration=BAND,
)


def test_each_subject_has_a_row_in_each_of_its_classes_the_worst_first() -> None:
    rows = subject_rows(EVALUATION)

    assert [(row.subject, row.label, row.right, row.cells) for row in rows] == [
        ("b", Label.NORMAL, 0, 1),
        ("c", Label.LEUKAEMIC, 1, 2),
        ("H1", Label.NORMAL, 2, 3),
        ("a", Label.LEUKAEMIC, 3, 4),
        ("b", Label.LEUKAEMIC, 1, 1),
    ]
    assert [row.vote_is_right for row in rows] == [False, None, True, True, True]
    assert [row.covered for row in rows] == [0, 1 / 2, 2 / 3, 3 / 4, 1]
    assert [row.uncertain for row in rows] == [0, 0, 0, 1, 1]
    assert rows[2].mean_probability == pytest.approx((0.1 + 0.2 + 0.9) / 3)
    assert rows[3].accuracy == wilson(3, 4)


def test_of_equal_accuracies_the_one_of_more_cells_is_worse_then_the_name_decides() -> None:
    rows = subject_rows(
        replace(
            EVALUATION,
            cells=6,
            labels=(1,) * 6,
            probabilities=(0.9,) * 6,
            paths=EVALUATION.paths[:6],
            subject_ids=("z", "y", "x", "x", "b", "z"),
        )
    )

    assert [(row.subject, row.cells) for row in rows] == [("x", 2), ("z", 2), ("b", 1), ("y", 1)]


def test_the_rows_stand_at_the_threshold_of_the_model() -> None:
    rows = subject_rows(replace(EVALUATION, threshold=0.35))

    # 0.4 is called ALL by now, so that all four cells of a are right.
    assert [row.right for row in rows if row.subject == "a"] == [4]


def test_without_calibration_nothing_is_uncertain_and_no_coverage_is_stated() -> None:
    plain = replace(EVALUATION, calibration=None)

    assert {(row.covered, row.uncertain) for row in subject_rows(plain)} == {(None, 0)}
    with pytest.raises(DataError, match="0123456789ab was saved without its conformal sets"):
        coverage(plain)
    saved_before = replace(EVALUATION, calibration=replace(BAND, quantile=None))
    assert {row.covered for row in subject_rows(saved_before)} == {None}
    with pytest.raises(DataError, match="0123456789ab was saved without its conformal sets"):
        coverage(saved_before)
    with pytest.raises(DataError, match="each probability is a mean with other cells"):
        coverage(replace(EVALUATION, neighbours=3))


def test_coverage_is_the_share_of_sets_that_hold_the_class_and_names_the_lowest_subject() -> None:
    found = coverage(EVALUATION)

    # The set of 0.5 names both classes. Not held: 0.9 of H1, 0.4 of a, 0.6 of b, 0.3 of c.
    assert found.asked == 0.75
    assert found.found.estimate == pytest.approx(7 / 11)
    assert (found.found.method, found.found.subjects) == ("no interval: too few subjects", 4)
    assert found.mean.estimate == pytest.approx((0 + 1 / 2 + 2 / 3 + 3 / 4 + 1) / 5)
    assert (found.mean.cells, found.mean.subjects) == (11, 4)
    assert (found.lowest, found.lowest_subject) == (0.0, "b")
    # Of five rows, a and the ALL cell of b are at or above 0.75.
    assert found.subjects_reached == 2 / 5
    assert (found.one, found.both, found.none) == pytest.approx((10 / 11, 1 / 11, 0))


def test_a_set_that_names_no_class_covers_nothing_though_its_cell_is_uncertain() -> None:
    # From 0.35 to 0.65 sets name no class: 0.4, 0.5 and 0.6 are uncertain, and none of them is covered.
    found = coverage(replace(EVALUATION, calibration=replace(BAND, undecided=(0.35, 0.65), quantile=0.35)))

    assert found.found.estimate == pytest.approx(6 / 11)
    assert (found.one, found.both, found.none) == pytest.approx((8 / 11, 0, 3 / 11))


def test_the_risk_of_called_cells_is_a_mean_over_subjects() -> None:
    found = called_risk(EVALUATION)

    # a: 3 called, all right; H1: 1 of 3 wrong; b: 0.5 is left undecided, 0.6 is wrong; c: 1 of 2 wrong.
    assert found.mean is not None
    assert found.mean.estimate == pytest.approx((0 + 1 / 3 + 1 + 1 / 2) / 4)
    assert found.called.estimate == pytest.approx((3 / 4 + 1 + 1 / 2 + 1) / 4)
    # Four people are too few for an interval.
    assert (found.mean.cells, found.mean.subjects, found.mean.is_known) == (9, 4, False)
    assert (found.subjects, found.silent, found.highest, found.highest_subject) == (4, 0, 1.0, "b")
    assert found.asked is None


def test_subjects_of_whom_no_cell_is_called_are_counted_and_have_no_risk() -> None:
    bound = RiskBound(0.05, 20, 0, 0.9, 0.01)
    silent = replace(BAND, undecided=(0.25, 0.85), bound=bound)
    found = called_risk(replace(EVALUATION, calibration=silent))

    # b has 0.5 and 0.6: none is called. c and a: 0.9, right. H1: 0.1 and 0.2, right, and 0.9, wrong.
    assert (found.asked, found.subjects, found.silent) == (0.05, 4, 1)
    assert found.mean is not None
    assert found.mean.estimate == pytest.approx((0 + 1 / 3 + 0) / 3)
    assert found.highest == pytest.approx(1 / 3)
    assert found.highest_subject == "H1"

    nothing = called_risk(replace(EVALUATION, calibration=replace(BAND, undecided=(0.0, 1.1))))
    assert (nothing.mean, nothing.called.estimate, nothing.silent) == (None, 0.0, 4)
    assert (nothing.highest, nothing.highest_subject) == (None, "")


def test_the_mean_over_subjects_has_the_interval_of_a_t_test_on_log_odds() -> None:
    # Twelve people of four cells, of whom 0 to 3 are wrong: mean 0.2708, by hand from their variance.
    wrong = np.array([0, 1, 1, 2, 0, 1, 3, 1, 0, 2, 1, 1])
    right = (np.arange(4) >= wrong[:, None]).ravel()
    probabilities = np.where(right, 0.9, 0.1)
    people = np.repeat([f"p{number:02}" for number in range(12)], 4)
    found = called_risk(evaluation_of(np.ones(48, dtype=np.int64), probabilities, people)).mean

    own = wrong / 4
    assert found is not None
    error = own.std(ddof=1) / np.sqrt(12) / (own.mean() * (1 - own.mean()))
    limits = expit(logit(own.mean()) + t(11).ppf([0.025, 0.975]) * error)
    assert found.estimate == pytest.approx(own.mean())
    assert (found.low, found.high) == pytest.approx(limits)
    assert (found.method, found.cells, found.subjects) == ("jackknife over subjects", 48, 12)


def test_cells_that_name_nobody_are_refused_with_a_way_out() -> None:
    unnamed = replace(EVALUATION, subject_ids=(None, None, *EVALUATION.subject_ids[2:]))

    for judge in (subject_rows, coverage, called_risk):
        with pytest.raises(DataError) as caught:
            judge(unnamed)
        assert caught.value.why == "2 of 11 cells name no subject"
        assert "manifest.csv" in caught.value.fix
