"""The one place of resampling: draws, limits and p values, each against values by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leuknet.errors import DataError, SettingError, ShapeError
from leuknet.evaluation import resampling
from leuknet.evaluation.resampling import (
    BOOTSTRAP,
    Resampled,
    blocks,
    bootstrap_interval,
    bounded,
    clusters_for,
    clusters_of,
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
from simulated_people import evaluation_of

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


def test_subjects_are_drawn_whole_only_where_they_were_kept_apart_and_all_are_named() -> None:
    named = clusters_for("subject-level", ["b", "a", "b"])

    assert named is not None
    assert named.tolist() == ["b", "a", "b"]
    assert clusters_for("image-level", ["b", "a", "b"]) is None
    assert clusters_for("subject-level", ["b", None, "b"]) is None
    assert clusters_for("unknown", ["a"]) is not None
    evaluation = evaluation_of(np.array([0, 1, 1]), np.full(3, 0.5), ["b", "a", "b"])
    of_evaluation = clusters_of(evaluation)
    assert of_evaluation is not None
    assert of_evaluation.tolist() == ["b", "a", "b"]
    assert clusters_of(replace(evaluation, split_kind="image-level")) is None


def test_units_fit_the_cells_and_are_as_many_as_asked_for() -> None:
    alone = units_of(None, cells=3)

    assert (alone.kind, alone.count, alone.of_cell.tolist()) == ("cells", 3, [0, 1, 2])
    assert units_of(np.zeros(3), cells=3, least=1).count == 1
    assert units_of(np.array([0, 1]), cells=2).count == 2
    with pytest.raises(ShapeError, match="one cluster has no spread"):
        units_of(np.zeros(3), cells=3)
    with pytest.raises(ShapeError, match=r"labels have shape \(3,\), subjects \(2,\)"):
        units_of(np.array([0, 1]), cells=3)


def test_draws_are_those_of_their_seed_and_differ_from_row_to_row(monkeypatch: pytest.MonkeyPatch) -> None:
    units = units_of(np.array([0, 1, 2, 2]), cells=4)

    def drawn(seed: int) -> np.ndarray:
        return np.concatenate(list(draw_weights(units, resamples=6, seed=seed)))

    chosen = np.random.default_rng(7).integers(3, size=(6, 3))
    by_hand = np.array([[(row == unit).sum() for unit in (0, 1, 2, 2)] for row in chosen])
    assert drawn(7).tolist() == by_hand.tolist()
    assert drawn(7).dtype == np.float64
    assert drawn(7).tolist() != drawn(8).tolist()
    monkeypatch.setattr(resampling, "_BLOCK", 8)
    # Two rows of four cells at a time.
    assert [block.shape for block in draw_weights(units, resamples=5, seed=0)] == [(2, 4), (2, 4), (1, 4)]


def test_blocks_cover_all_rows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(blocks(5, width=1)) == [slice(0, 5)]
    monkeypatch.setattr(resampling, "_BLOCK", 10)

    assert list(blocks(7, width=3)) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert list(blocks(2, width=10)) == [slice(0, 1), slice(1, 2)]
    assert list(blocks(2, width=11)) == [slice(0, 1), slice(1, 2)]
    assert list(blocks(0, width=1)) == []


def test_a_statistic_may_be_one_number_for_each_row_or_several() -> None:
    weights = [np.ones((2, 3)), np.ones((1, 3))]

    assert resample(lambda block: block.sum(axis=-1), weights).tolist() == [3, 3, 3]
    assert resample(lambda block: np.float64(block.sum()), weights).tolist() == [6, 3]
    assert resample(lambda block: np.stack([block[:, 0], 2 * block[:, 0]]), weights).shape == (2, 3)


def test_limits_leave_the_same_share_out_at_either_end() -> None:
    values = np.stack([np.linspace(0, 1, 1001), np.linspace(2, 4, 1001)])

    usual, half = percentile_limits(bounded(values)), percentile_limits(bounded(values), level=0.5)

    assert np.array(usual) == pytest.approx(np.array([[0.025, 2.05], [0.975, 3.95]]))
    assert np.array(half) == pytest.approx(np.array([[0.25, 2.5], [0.75, 3.5]]))


def test_undefined_values_reach_no_further_than_they_may() -> None:
    low, high = bounded(np.array([0.5, np.nan]))
    lower, higher = bounded(np.array([0.5, np.nan]), (-1.0, 3.0))

    assert (low.tolist(), high.tolist()) == ([0.5, 0.0], [0.5, 1.0])
    assert (lower.tolist(), higher.tolist()) == ([0.5, -1.0], [0.5, 3.0])


def test_a_bootstrap_of_another_level_or_over_cells_says_so() -> None:
    values = Resampled(np.linspace(0, 1, 41), np.linspace(0, 1, 41))
    found = bootstrap_interval(0.5, values, units_of(None, cells=4), level=0.5)
    whole = bootstrap_interval(0.5, values, units_of(np.array(["a", "a", "b", "c"]), cells=4))

    assert (found.low, found.high, found.level, found.estimate) == (0.25, 0.75, 0.5, 0.5)
    assert (found.cells, found.subjects, found.method) == (4, None, BOOTSTRAP["cells"])
    assert (whole.cells, whole.subjects, whole.level) == (4, 3, 0.95)
    crossed = interval_of(1, values, method=IntervalMethod.CROSSED_SUBJECTS, cells=9, subjects=5)
    assert (crossed.cells, crossed.subjects, crossed.method) == (9, 5, IntervalMethod.CROSSED_SUBJECTS)
    assert (crossed.estimate, crossed.level, crossed.resamples) == (1.0, 0.95, 41)


def test_wilson_takes_all_and_none_and_another_level() -> None:
    # z^2 / (n + z^2) with z = 1.644854 and n = 1: a single success of 90%.
    square = 1.6448536**2
    none, one = wilson(0, 1, level=0.9), wilson(1, 1, level=0.9)

    assert (none.low, none.high) == pytest.approx((0, square / (1 + square)))
    assert (one.low, one.high) == pytest.approx((1 / (1 + square), 1))
    assert (one.level, one.cells, one.subjects, one.resamples) == (0.9, 1, None, 0)
    assert wilson(1, 2).level == 0.95
    for level in (0.0, 1.0, 95):
        with pytest.raises(SettingError, match=f"level {level}"):
            wilson(1, 2, level=level)


def test_ways_are_drawn_where_there_are_more_than_resamples_and_by_their_seed() -> None:
    gaps = np.array([1.0, 2.0, 3.0])
    blocks_seen: list[np.ndarray] = []

    def distance(swapped: np.ndarray) -> np.ndarray:
        blocks_seen.append(swapped)
        return np.asarray(np.abs(((1 - 2 * swapped) * gaps).sum(axis=1)))

    # Eight ways: all of them with eight resamples, drawn ones with seven.
    assert permutation_test(distance, 3, width=3, resamples=8, seed=0) == (2 / 8, 2 / 8)
    assert blocks_seen[0].tolist() == [[0, 0, 0]]
    assert blocks_seen[1].tolist() == [[n & 1, n >> 1 & 1, n >> 2 & 1] for n in range(8)]
    blocks_seen.clear()
    p_value, least = permutation_test(distance, 3, width=3, resamples=7, seed=4)
    drawn = np.random.default_rng((4, 1)).integers(2, size=(7, 3))
    assert blocks_seen[1].tolist() == drawn.tolist()
    as_far = sum(set(row) in ({0}, {1}) for row in drawn.tolist())
    assert (p_value, least) == ((1 + as_far) / 8, 1 / 8)


def test_ways_that_differ_by_rounding_are_as_far(monkeypatch: pytest.MonkeyPatch) -> None:
    # The observed way is a hair further than its like, and clearly nearer than none.
    def distance(swapped: np.ndarray) -> np.ndarray:
        return 1 - 1e-12 * swapped[:, 0] - 1e-6 * swapped[:, 1]

    monkeypatch.setattr(resampling, "_BLOCK", 2)  # one way at a time

    assert permutation_test(distance, 2, width=2, resamples=100, seed=0) == (2 / 4, 2 / 4)
