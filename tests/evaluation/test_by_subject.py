"""Rows of subjects and the coverage of a conformal band, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from leuknet.errors import DataError
from leuknet.evaluation.by_subject import coverage, subject_rows
from leuknet.evaluation.resampling import wilson
from leuknet.types import Calibration, Label
from simulated_people import evaluation_of

BAND = Calibration(
    temperature=1.0,
    undecided=(0.4, 0.6),
    coverage=0.75,
    cells=100,
    subjects=10,
    ece_before=0.1,
    ece_after=0.05,
)

# a: four ALL cells, 0.4 is wrong but uncertain. H1: three HEM cells, one wrong. b: one ALL cell, 0.5, right
# and uncertain, and one HEM cell, 0.6, wrong and just not uncertain. c: two ALL cells, one right.
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
    assert [row.covered for row in rows] == [0, 1 / 2, 2 / 3, 1, 1]
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
    with pytest.raises(DataError, match="0123456789ab was saved without a calibration"):
        coverage(plain)


def test_coverage_counts_right_and_uncertain_cells_and_names_the_lowest_subject() -> None:
    found = coverage(EVALUATION)

    # Not covered are one cell each of H1, b and c: 8 of 11 are.
    assert found.asked == 0.75
    assert found.found.estimate == pytest.approx(8 / 11)
    # Of 4^4 resamples, 16 hold b and c alone: 1/2. The best are a alone (1 of 256), a three times with H1
    # (4 of 256), and a three times with b or c (8 of 256), which give 13/14 and hold the 97.5% quantile.
    assert (found.found.low, found.found.high) == pytest.approx((1 / 2, 13 / 14))
    assert (found.found.method, found.found.subjects) == ("bootstrap over subjects", 4)
    assert (found.lowest, found.lowest_subject) == (0.0, "b")
    # Of five rows, a and the ALL cell of b are at or above 0.75; 0.4 and 0.5 are uncertain.
    assert found.subjects_reached == 2 / 5
    assert found.uncertain == 2 / 11


def test_cells_that_name_nobody_are_refused_with_a_way_out() -> None:
    unnamed = replace(EVALUATION, subject_ids=(None, None, *EVALUATION.subject_ids[2:]))

    for judge in (subject_rows, coverage):
        with pytest.raises(DataError) as caught:
            judge(unnamed)
        assert caught.value.why == "2 of 11 cells name no subject"
        assert "manifest.csv" in caught.value.fix
