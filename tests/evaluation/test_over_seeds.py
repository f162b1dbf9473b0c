"""Mean and spread over seeds, against values worked out by hand."""

from __future__ import annotations

import pytest

from leuknet.evaluation.over_seeds import spread_over_seeds


def test_mean_spread_and_both_intervals_are_those_of_students_t() -> None:
    found = spread_over_seeds([0.50, 0.54, 0.58, 0.46])

    # Deviations -0.02, 0.02, 0.06 and -0.06: squares sum to 0.008, by 3 is 0.0026667. t of 3 degrees of
    # freedom is 3.182446.
    assert found.mean == pytest.approx(0.52)
    assert (found.low, found.high) == (0.46, 0.58)
    assert found.deviation == pytest.approx(0.0516398, abs=1e-7)
    assert found.of_mean == pytest.approx((0.52 - 0.0821704, 0.52 + 0.0821704), abs=1e-6)
    assert found.of_next == pytest.approx((0.52 - 0.1837386, 0.52 + 0.1837386), abs=1e-6)


def test_limits_stay_between_0_and_1() -> None:
    found = spread_over_seeds([0.9, 0.99, 1.0])

    assert found.of_mean is not None
    assert found.of_next is not None
    assert found.of_mean[1] == found.of_next[1] == 1


def test_few_seeds_have_no_interval_and_one_has_no_spread() -> None:
    two, one = spread_over_seeds([0.8, 0.9]), spread_over_seeds([0.8])

    assert two.deviation == pytest.approx(0.0707107)
    assert (two.of_mean, two.of_next) == (None, None)
    assert (one.mean, one.deviation, one.of_mean) == (0.8, None, None)
    with pytest.raises(ValueError, match="no seed"):
        spread_over_seeds([])
