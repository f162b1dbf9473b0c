"""Agreement of raters: published values, values by hand, and intervals that know about cases."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import get_args

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from leuknet.errors import SettingError, ShapeError
from leuknet.evaluation.agreement import Agreement, Measure, agreement_of, change_of

# 14 raters, 10 subjects, 5 categories, kappa 0.210: the worked example of Wikipedia's "Fleiss' kappa", and of
# R's irr and Python's statsmodels.
FOURTEEN_RATERS = (
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
)  # fmt: skip


def of(
    ratings: Sequence[tuple[int, ...]], measure: Measure, cases: list[int] | None = None, seed: int = 0
) -> Agreement:
    whose = np.zeros(len(ratings)) if cases is None else np.array(cases)
    return agreement_of(np.array(ratings).reshape(len(ratings), -1), measure=measure, cases=whose, seed=seed)


def table(*counts: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return two raters' ratings from their confusion table."""
    return [(i, j) for i, row in enumerate(counts) for j, number in enumerate(row) for _ in range(number)]


def test_fleiss_kappa_of_the_published_example() -> None:
    rows = [tuple(np.repeat(np.arange(5), counts).tolist()) for counts in FOURTEEN_RATERS]

    found = of(rows, "fleiss")

    assert found.estimate == pytest.approx(0.20993, abs=5e-6)
    # The mean over pairs of raters, as there.
    assert of(rows, "agreement").estimate == pytest.approx(0.37802, abs=5e-6)
    assert (found.cells, found.cases, found.left_out, found.resampled) == (10, 1, 0, "cells")


def test_cohen_kappa_by_hand() -> None:
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: agreement 35/50; by chance 0.5*0.6 + 0.5*0.4 = 0.5.
    rows = table((20, 5), (10, 15))

    assert of(rows, "cohen").estimate == pytest.approx(0.4)
    assert of(rows, "agreement").estimate == pytest.approx(0.7)


def test_fleiss_of_two_raters_is_not_cohens() -> None:
    # Scott's pi: chance from pooled shares 0.55 and 0.45, so (0.7 - 0.505) / (1 - 0.505).
    assert of(table((20, 5), (10, 15)), "fleiss").estimate == pytest.approx(0.195 / 0.495)


def test_cohen_kappa_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(1)
    for categories in (2, 3, 4):
        ratings = generator.integers(categories, size=(200, 2))
        ratings[:120, 1] = ratings[:120, 0]
        found = agreement_of(ratings, measure="cohen", cases=np.arange(200))
        assert found.estimate == pytest.approx(cohen_kappa_score(ratings[:, 0], ratings[:, 1]))


def test_less_agreement_than_chance_is_below_zero() -> None:
    assert of(table((0, 5), (5, 0)), "cohen").estimate == pytest.approx(-1.0)


@pytest.mark.parametrize("measure", ["cohen", "fleiss"])
def test_kappa_of_one_category_is_undefined_and_says_why(measure: Measure) -> None:
    found = of([(1, 1)] * 8, measure)

    assert (found.estimate, found.low, found.high, found.cells) == (None, None, None, 8)
    assert "one category" in found.reason
    assert of([(1, 1)] * 8, "agreement").estimate == 1.0


def test_one_rater_with_one_category_makes_kappa_zero_not_undefined() -> None:
    found = of([(0, 0)] * 6 + [(0, 1)] * 3, "cohen")

    assert (found.estimate, found.reason) == (0.0, "")


def test_resamples_without_a_kappa_make_the_interval_wide() -> None:
    # A third of all resamples lacks the one pair in category 1: they could have had any value.
    found = of([(0, 0)] * 9 + [(1, 1)], "cohen")

    assert (found.estimate, found.low, found.high) == (1.0, -1.0, 1.0)


def test_cells_that_somebody_did_not_rate_are_left_out_and_counted() -> None:
    rows = table((20, 5), (10, 15))

    found = of([*rows, (-1, 0), (1, -1)], "cohen", cases=[0] * 50 + [1, 2])

    assert found.estimate == pytest.approx(0.4)
    assert (found.cells, found.cases, found.left_out) == (50, 1, 2)
    nothing = of([(-1, 0), (1, -1)], "cohen")
    assert (nothing.estimate, nothing.cells, nothing.reason) == (None, 0, "no cell was rated by all of them")


def test_one_cell_has_an_estimate_without_an_interval() -> None:
    found = of([(0, 1)], "agreement")

    assert (found.estimate, found.low, found.high) == (0.0, None, None)
    assert found.reason == "one cell has no spread"


def test_from_ten_cases_on_whole_cases_are_resampled() -> None:
    # Every second case is agreed on throughout, the others never: 100 cells, but 10 pieces of knowledge.
    rows = [(0, 0) if case % 2 else (0, 1) for case in range(10) for _ in range(10)]
    by_cases = of(rows, "agreement", cases=[case for case in range(10) for _ in range(10)])
    by_cells = of(rows, "agreement", cases=[case % 9 for case in range(10) for _ in range(10)])

    assert (by_cases.resampled, by_cases.cases) == ("cases", 10)
    assert (by_cells.resampled, by_cells.cases) == ("cells", 9)
    assert by_cases.estimate == by_cells.estimate == 0.5
    # Binomial quantiles of 10 cases: 0.2 and 0.8; of 100 cells: 0.40 and 0.60.
    assert (by_cases.low, by_cases.high) == pytest.approx((0.2, 0.8))
    assert (by_cells.low, by_cells.high) == pytest.approx((0.4, 0.6), abs=0.011)


def test_the_seed_decides() -> None:
    rows = table((13, 5), (4, 8))

    assert of(rows, "cohen", seed=3) == of(rows, "cohen", seed=3)
    assert of(rows, "cohen", seed=3) != of(rows, "cohen", seed=4)


def test_intervals_hold_the_true_kappa_as_often_as_they_say() -> None:
    # Two raters who each call a fair coin's side right in 9 of 10 cells: kappa = 2 * (0.81 + 0.01) - 1.
    generator = np.random.default_rng(0)
    hits = 0
    for seed in range(300):
        truth = generator.integers(2, size=120)
        ratings = np.stack([truth ^ (generator.random(120) < 0.1) for _ in range(2)], axis=1).astype(np.int64)
        one = agreement_of(ratings, measure="cohen", cases=np.zeros(120), resamples=400, seed=seed)
        assert one.low is not None
        assert one.high is not None
        hits += one.low <= 0.64 <= one.high
    # 95% of 300 is 285; three standard deviations of chance are 11.
    assert 270 <= hits <= 297


def test_a_change_is_paired() -> None:
    generator = np.random.default_rng(0)
    before = generator.integers(2, size=(200, 2))
    after = before.copy()
    after[:10, 1] = after[:10, 0]
    nothing = change_of(before, before, measure="cohen", cases=np.zeros(200))
    something = change_of(before, after, measure="agreement", cases=np.zeros(200))

    # The same ratings twice: no doubt that nothing changed.
    assert (nothing.estimate, nothing.low, nothing.high) == (0.0, 0.0, 0.0)
    gained = int((before[:10, 0] != before[:10, 1]).sum())
    assert something.estimate == pytest.approx(gained / 200)
    assert something.low is not None
    assert something.high is not None
    # Unpaired, the interval would be about 0.2 wide.
    assert something.high - something.low < 0.08


def test_a_change_rests_on_cells_rated_both_times() -> None:
    before, after = np.array([[0, 0], [1, 0], [1, 1]]), np.array([[0, 0], [1, -1], [1, 0]])

    found = change_of(before, after, measure="agreement", cases=np.zeros(3))

    assert (found.estimate, found.cells, found.left_out) == (-0.5, 2, 1)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="two raters"):
        of([(0, 1, 1)], "cohen")
    with pytest.raises(ShapeError, match="two raters"):
        of([(0,)], "fleiss")
    with pytest.raises(ShapeError, match="case of each row"):
        of([(0, 1)], "cohen", cases=[1, 2])
    with pytest.raises(SettingError, match="agreement, cohen, fleiss"):
        of([(0, 1)], "gwet")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="0 resamples"):
        agreement_of(np.zeros((3, 2), np.int64), measure="cohen", cases=np.zeros(3), resamples=0)


@pytest.mark.parametrize("n_cases", [1, 1000])
def test_ten_thousand_cells_take_a_second_or_so(n_cases: int) -> None:
    ratings = np.random.default_rng(0).integers(4, size=(10_000, 5))
    began = time.perf_counter()
    for measure in get_args(Measure):
        raters = ratings[:, :2] if measure == "cohen" else ratings
        agreement_of(raters, measure=measure, cases=np.arange(10_000) % n_cases)
    assert time.perf_counter() - began < 10  # 0.5 s on a quiet machine
