"""Agreement of raters: published values, values by hand, and intervals that know about cases."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import get_args

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import t
from sklearn.metrics import cohen_kappa_score

from leuknet.errors import SettingError, ShapeError
from leuknet.evaluation.agreement import Agreement, Measure, agreement_of, change_of

# 14 raters, 10 subjects, 5 categories, kappa 0.210: the worked example of Wikipedia's "Fleiss' kappa", and of
# R's irr and Python's statsmodels.
FOURTEEN_RATERS = (
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
)  # fmt: skip


def of(ratings: Sequence[tuple[int, ...]], measure: Measure, cases: list[int] | None = None) -> Agreement:
    """Each cell is a case of its own, unless they are given."""
    whose = np.arange(len(ratings)) if cases is None else np.array(cases)
    return agreement_of(np.array(ratings).reshape(len(ratings), -1), measure=measure, cases=whose)


def table(*counts: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return two raters' ratings from their confusion table."""
    return [(i, j) for i, row in enumerate(counts) for j, number in enumerate(row) for _ in range(number)]


def test_fleiss_kappa_of_the_published_example() -> None:
    rows = [tuple(np.repeat(np.arange(5), counts).tolist()) for counts in FOURTEEN_RATERS]

    found = of(rows, "fleiss")

    assert found.estimate == pytest.approx(0.20993, abs=5e-6)
    # The mean over pairs of raters, as there.
    assert of(rows, "agreement").estimate == pytest.approx(0.37802, abs=5e-6)
    assert (found.cells, found.cases, found.left_out, found.resampled) == (10, 10, 0, "cases")


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


def test_a_category_that_one_case_holds_gives_no_interval() -> None:
    found = of([(0, 0)] * 9 + [(1, 1)], "cohen")

    assert (found.estimate, found.low, found.high) == (1.0, None, None)
    assert found.reason == "without one of the cases, all ratings are of one category"


def test_cells_that_somebody_did_not_rate_are_left_out_and_counted() -> None:
    rows = table((20, 5), (10, 15))

    found = of([*rows, (-1, 0), (1, -1)], "cohen", cases=[0] * 50 + [1, 2])

    assert found.estimate == pytest.approx(0.4)
    assert (found.cells, found.cases, found.left_out) == (50, 1, 2)
    nothing = of([(-1, 0), (1, -1)], "cohen")
    assert (nothing.estimate, nothing.cells, nothing.reason) == (None, 0, "no cell was rated by all of them")


@pytest.mark.parametrize(("cases", "told"), [(1, "1 case say"), (4, "4 cases say")])
def test_few_cases_have_an_estimate_without_an_interval(cases: int, told: str) -> None:
    found = of([(0, 0), (0, 1)] * 20, "agreement", cases=[n % cases for n in range(40)])

    assert (found.estimate, found.low, found.high) == (0.5, None, None)
    assert told in found.reason
    assert "needs 5" in found.reason


def test_whole_cases_are_left_out() -> None:
    # Every second case is agreed on throughout, the others never: 100 cells, but 10 pieces of knowledge.
    rows = [(0, 0) if case % 2 else (0, 1) for case in range(10) for _ in range(10)]
    by_cases = of(rows, "agreement", cases=[case for case in range(10) for _ in range(10)])
    by_cells = of(rows, "agreement")

    assert by_cases.estimate == by_cells.estimate == 0.5
    assert (by_cases.resampled, by_cases.cases, by_cells.cases) == ("cases", 10, 100)
    # Standard errors 0.5 / sqrt(9) and 0.5 / sqrt(99), over 0.25 on the scale of log odds, times t.
    for found, n in ((by_cases, 10), (by_cells, 100)):
        reach = t.ppf(0.975, n - 1) * 0.5 / np.sqrt(n - 1) / 0.25
        assert (found.low, found.high) == pytest.approx((expit(-reach), expit(reach)))


def test_kappa_has_its_large_sample_error_on_fishers_scale() -> None:
    counts = np.array([[80, 15], [10, 45]])
    found = of(table((80, 15), (10, 45)), "cohen")

    # Fleiss, Cohen & Everitt (1969), Psychological Bulletin 72, 323-327, formula 13.
    share = counts / 150
    first, second = share.sum(axis=1), share.sum(axis=0)
    by_chance = first @ second
    kappa = (np.trace(share) - by_chance) / (1 - by_chance)
    agreed = sum(share[i, i] * (1 - (first[i] + second[i]) * (1 - kappa)) ** 2 for i in range(2))
    differed = sum(share[i, 1 - i] * (second[i] + first[1 - i]) ** 2 for i in range(2)) * (1 - kappa) ** 2
    variance = agreed + differed - (kappa - by_chance * (1 - kappa)) ** 2
    error = np.sqrt(variance / 150) / (1 - by_chance)
    reach = t.ppf(0.975, 149) * error / (1 - kappa**2)
    assert found.estimate == pytest.approx(kappa)
    # The jackknife agrees with it but for terms of 1 / n.
    expected = np.tanh(np.arctanh(kappa) + np.array([-reach, reach]))
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.005)


def test_full_agreement_is_bounded_by_the_number_of_cases() -> None:
    found = of([(0, 0), (1, 1)] * 10, "agreement", cases=[n // 2 for n in range(20)])

    assert (found.estimate, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.025 ** (1 / 10))


def test_intervals_hold_the_true_kappa_as_often_as_they_say() -> None:
    # Two raters who each call a fair coin's side right in 9 of 10 cells: kappa = 2 * (0.81 + 0.01) - 1. One
    # side is likelier in each case, and errors of either rater come more often in some cases.
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        cases = np.repeat(np.arange(8), 15)
        truth = (generator.random(120) < np.where(cases % 2, 0.3, 0.7)).astype(np.int64)
        often = 0.1 + 0.08 * np.where(generator.random(8) < 0.5, 1, -1)[cases]
        ratings = np.stack([truth ^ (generator.random(120) < often) for _ in range(2)], axis=1)
        one = agreement_of(ratings, measure="cohen", cases=cases)
        assert one.low is not None
        assert one.high is not None
        # Errors go together within a case: both right or both wrong in 0.82 + 2 * 0.08^2 of all cells.
        hits += one.low <= 2 * (0.82 + 2 * 0.08**2) - 1 <= one.high
    # 95% of 400 is 380; three standard deviations of chance are 13.
    assert 367 <= hits <= 396


def test_a_change_is_paired() -> None:
    generator = np.random.default_rng(0)
    before = generator.integers(2, size=(200, 2))
    after = before.copy()
    after[:10, 1] = after[:10, 0]
    nothing = change_of(before, before, measure="cohen", cases=np.arange(200))
    something = change_of(before, after, measure="agreement", cases=np.arange(200))

    # The same ratings twice: in at most 1 - 0.025^(1 / 200) of all cases anything changed, by 2 at most.
    assert nothing.estimate == 0.0
    assert nothing.low is not None
    assert nothing.high is not None
    assert (nothing.low, nothing.high) == pytest.approx(
        (2 * 0.025 ** (1 / 200) - 2, 2 - 2 * 0.025 ** (1 / 200))
    )
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


@pytest.mark.parametrize("n_cases", [1, 1000])
def test_ten_thousand_cells_take_a_second_or_so(n_cases: int) -> None:
    ratings = np.random.default_rng(0).integers(4, size=(10_000, 5))
    began = time.perf_counter()
    for measure in get_args(Measure):
        raters = ratings[:, :2] if measure == "cohen" else ratings
        agreement_of(raters, measure=measure, cases=np.arange(10_000) % n_cases)
    assert time.perf_counter() - began < 10  # 0.5 s on a quiet machine
