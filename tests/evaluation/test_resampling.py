"""The one place of resampling: draws, limits and p values, each against values by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from leuknet.errors import DataError
from leuknet.evaluation.resampling import (
    BOOTSTRAP,
    Resampled,
    bootstrap_interval,
    bounded,
    draw_weights,
    interval_of,
    percentile_limits,
    permutation_test,
    resample,
    units_of,
    wilson,
)
from leuknet.records import read_record, write_record
from leuknet.types import Interval, IntervalMethod

WRITTEN_BEFORE = (
    "wilson",
    "bootstrap over cells",
    "bootstrap over subjects",
    "crossed bootstrap over cells and seeds",
    "crossed bootstrap over subjects and seeds",
    "crossed bootstrap over cells and seeds, paired",
    "crossed bootstrap over subjects and seeds, paired",
    "profile likelihood",
    "Monte Carlo over cells alone",
    "Monte Carlo over cells and people",
)
"""Methods of intervals in files of versions that made them by resampling."""


def test_cells_of_a_subject_come_along_together_and_as_many_subjects_as_there_are() -> None:
    units = units_of(np.array(["b", "a", "b", "c"]), cells=4)
    (weights,) = draw_weights(units, resamples=500, seed=0)

    assert (units.kind, units.count, units.of_cell.tolist()) == ("subjects", 3, [1, 0, 1, 2])
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(4), abs=0.15)


def test_a_statistic_is_the_same_in_blocks_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    units = units_of(None, cells=5)

    def total() -> np.ndarray:
        weights = draw_weights(units, resamples=50, seed=1)
        return resample(lambda block: np.stack([block[:, 0], block.sum(axis=1)]), weights)

    at_once = total()
    monkeypatch.setattr("leuknet.evaluation.resampling._BLOCK", 15)

    assert at_once.shape == (2, 50)
    assert np.array_equal(total(), at_once)


def test_undefined_resamples_count_at_the_worst_end_of_either_limit() -> None:
    # Of 101 values, 0.25 and 0.75 quantiles are the 26th and 76th; 40 undefined ones reach both.
    values = np.append(np.full(61, 0.5), np.full(40, np.nan))

    def limits(values: np.ndarray, bounds: tuple[float, float] = (0.0, 1.0)) -> list[float]:
        return [float(limit) for limit in percentile_limits(bounded(values, bounds), level=0.5)]

    assert limits(values) == [0.0, 1.0]
    assert limits(values, (-1.0, 2.0)) == [-1.0, 2.0]
    assert limits(values[:80]) == [0.5, 0.5]


def test_an_interval_says_what_it_rests_on() -> None:
    values = Resampled(np.linspace(0, 1, 41), np.linspace(0, 1, 41))
    units = units_of(np.array(["a", "a", "b", "c"]), cells=4)
    used = np.array([True, True, True, False])

    found = bootstrap_interval(0.5, values, units, used=used)

    assert (found.low, found.high) == pytest.approx((0.025, 0.975))
    assert (found.cells, found.subjects, found.resamples) == (3, 2, 41)
    assert (found.method, found.method.resampled) == (BOOTSTRAP["subjects"], ("subjects",))
    assert bootstrap_interval(0.5, values, units_of(None, cells=4)).subjects is None
    narrow = interval_of(0.5, values, method=IntervalMethod.CROSSED_CELLS, cells=4, subjects=None, level=0.5)
    assert (narrow.low, narrow.high, narrow.level) == (0.25, 0.75, 0.5)


def test_a_drawn_p_value_counts_what_was_observed_and_is_never_zero() -> None:
    # Of 2^40 ways only the one observed and its mirror image are so far from even; none of 200 is drawn.
    p_value = permutation_test(
        lambda swapped: np.abs(swapped.mean(axis=1) - 0.5), 40, width=40, resamples=200, seed=0
    )

    assert p_value == (1 / 201, 1 / 201)


def test_every_way_is_tried_where_there_are_few() -> None:
    # Differences 1, 2 and 3 of three subjects: of 8 signs only two give 6 or -6, and none is counted twice.
    gaps = np.array([1, 2, 3])

    p_value = permutation_test(
        lambda swapped: np.abs(((1 - 2 * swapped) * gaps).sum(axis=1)), 3, width=3, resamples=100, seed=0
    )

    assert p_value == (2 / 8, 2 / 8)


def test_methods_are_kept_as_the_text_that_was_written_before(tmp_path: Path) -> None:
    assert {*IntervalMethod} > {*WRITTEN_BEFORE}

    for method in IntervalMethod:
        interval = Interval(0.5, 0.25, 0.75, 0.95, method, 4, None, 0)
        path = tmp_path / "interval.json"
        write_record(interval, path)
        assert json.loads(path.read_text())["method"] == str(method)
        found = read_record(Interval, path, error=DataError, fix="")
        assert found == interval
        assert found.method.resampled == method.resampled


def test_a_method_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "interval.json"
    write_record(wilson(1, 2), path)
    path.write_text(path.read_text().replace("wilson", "guess"))

    with pytest.raises(DataError, match="field method is 'guess', not IntervalMethod"):
        read_record(Interval, path, error=DataError, fix="")


def test_texts_say_what_is_resampled() -> None:
    for method in IntervalMethod:
        is_resampled = "bootstrap" in method or "jackknife" in method
        told = [unit for unit in ("cells", "subjects", "seeds") if is_resampled and unit in method]
        assert list(method.resampled) == told
