"""The fit of the spread on few people: plain integrals, curves whose limits are known, what is passed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from scipy.stats import chi2, norm

from leuknet.errors import DataError, LeakError
from leuknet.evaluation.spread import (
    _LIKELIHOOD_DROP,
    MOST_TAU,
    NEAREST,
    _log_likelihood,
    _maximise,
    _modes,
    fit_spread,
)
from leuknet.types import Evaluation, SplitKind
from simulated_people import evaluation_of

REACH = float(np.sqrt(_LIKELIHOOD_DROP))
FIX = "evaluate the model on people that it was not trained on, who have cells of both classes"


def draw_cells(people: int = 6, cells: int = 9, *, tau: float = 1.5, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Return signs, log odds and whose each cell is; of the last person, all cells are leukaemic."""
    generator = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), cells)
    log_odds = generator.normal(0, 1.5, person.size)
    truth = log_odds + tau * generator.standard_normal(people)[person]
    signs = np.where((generator.random(person.size) < expit(truth)) | (person == people - 1), 1.0, -1.0)
    return signs, log_odds, person


def evaluated(people: int = 6) -> Evaluation:
    signs, log_odds, person = draw_cells(people)
    return evaluation_of((signs > 0).astype(int), expit(log_odds), [f"P{one}" for one in person])


def integral(tau: float, signs: np.ndarray, log_odds: np.ndarray, person: np.ndarray) -> float:
    """Return the log likelihood by the trapezoidal rule, person by person."""
    deltas, found = np.linspace(-12 * tau, 12 * tau, 4001), 0.0
    for one in np.unique(person):
        own = person == one
        each = expit(signs[own, None] * (log_odds[own, None] + deltas))
        found += np.log(trapezoid(each.prod(axis=0) * norm.pdf(deltas, scale=tau), deltas))
    return found


@pytest.mark.parametrize("tau", [0.01, 0.5, 2.0, 6.0])
def test_the_likelihood_is_the_plain_integral(tau: float) -> None:
    cells = draw_cells()

    assert _log_likelihood(tau, *cells) == pytest.approx(integral(tau, *cells), abs=2e-5)


def test_without_a_spread_the_likelihood_is_that_of_the_cells() -> None:
    signs, log_odds, person = draw_cells()
    cells = np.log(expit(signs * log_odds)).sum()

    assert _log_likelihood(0.0, signs, log_odds, person) == pytest.approx(cells, rel=1e-12)
    # Below one in a thousand tau counts as none; from there on it is a tau like any other.
    assert _log_likelihood(9.99e-4, signs, log_odds, person) == _log_likelihood(0.0, signs, log_odds, person)
    assert _log_likelihood(1e-3, signs, log_odds, person) != _log_likelihood(0.0, signs, log_odds, person)


@pytest.mark.parametrize("shift", [0.0, 30.0, -30.0])
@pytest.mark.parametrize("tau", [0.3, 1.0, 9.0])
def test_modes_are_where_each_person_s_likelihood_is_largest(tau: float, shift: float) -> None:
    signs, log_odds, person = draw_cells()
    log_odds = log_odds + shift

    delta, curvature = _modes(tau, signs, log_odds, person)

    for one in range(6):
        own = person == one

        def loss(at: float, own: np.ndarray = own) -> float:
            return float(np.logaddexp(0, -signs[own] * (log_odds[own] + at)).sum() + (at / tau) ** 2 / 2)

        best = minimize_scalar(loss, bounds=(-90, 90), method="bounded", options={"xatol": 1e-9}).x
        assert delta[one] == pytest.approx(best, abs=2e-5)
        right = expit(log_odds[own] + delta[one])
        assert curvature[one] == pytest.approx((right * (1 - right)).sum() + 1 / tau**2, rel=1e-6)


@pytest.mark.parametrize(
    ("curve", "limits"),
    [
        (lambda tau: -((tau - 2) ** 2), (2.0, 2 - REACH, 2 + REACH)),
        (lambda tau: -((tau - 0.2) ** 2) * 400, (0.2, 0.2 - REACH / 20, 0.2 + REACH / 20)),
        # Has not dropped far enough at 0, or at the largest tau that is tried.
        (lambda tau: -((tau - 1) ** 2), (1.0, 0.0, 1 + REACH)),
        (lambda tau: -((tau - 7.5) ** 2) / 4, (7.5, 7.5 - 2 * REACH, MOST_TAU)),
        (lambda tau: -((tau - 7.5) ** 2), (7.5, 7.5 - REACH, 7.5 + REACH)),
        # Falls from the start.
        (lambda tau: -(tau**2), (0.0, 0.0, REACH)),
        (lambda tau: -tau, (0.0, 0.0, REACH**2)),
        # The same wherever on its scale the curve lies.
        (lambda tau: -812.5 - (tau - 2) ** 2, (2.0, 2 - REACH, 2 + REACH)),
    ],
)
def test_limits_are_where_the_curve_has_dropped_by_half_a_chi_squared(
    curve: Callable[[float], float], limits: tuple[float, float, float]
) -> None:
    assert pytest.approx(chi2.ppf(0.95, 1) / 2, abs=1e-4) == _LIKELIHOOD_DROP
    assert _maximise(curve) == pytest.approx(limits, abs=2e-3)


def test_a_curve_that_falls_from_the_start_is_largest_at_exactly_zero() -> None:
    assert (_maximise(lambda tau: -tau) or ())[:2] == (0.0, 0.0)


def test_a_curve_that_rises_to_the_end_has_no_maximum() -> None:
    assert _maximise(lambda tau: tau) is None
    assert _maximise(lambda tau: -((tau - 9.9) ** 2)) is None


def test_limits_are_those_of_the_plain_integral() -> None:
    signs, log_odds, person = draw_cells(12, 20, seed=1)
    found = fit_spread(evaluation_of((signs > 0).astype(int), expit(log_odds), person)).tau

    at = {tau: integral(tau, signs, log_odds, person) for tau in (found.estimate, found.low, found.high)}

    assert 0 < found.low < found.estimate < found.high < MOST_TAU
    for limit in (found.low, found.high):
        assert 2 * (at[found.estimate] - at[limit]) == pytest.approx(chi2.ppf(0.95, 1), abs=0.02)
    for near in (0.97, 1.03):
        assert integral(near * found.estimate, signs, log_odds, person) < at[found.estimate]


def test_a_spread_says_what_it_rests_on() -> None:
    evaluation = replace(evaluated(), model_id="m", dataset="d", simulated=True)

    found = fit_spread(evaluation)

    assert (found.model_id, found.dataset, found.split_kind, found.simulated) == (
        "m", "d", "subject-level", True,
    )  # fmt: skip
    assert not fit_spread(evaluated()).simulated
    assert found.one_class == 1  # the last person's cells are all leukaemic
    tau = found.tau
    assert (tau.level, tau.method, tau.cells, tau.subjects, tau.resamples) == (
        0.95, "profile likelihood", 54, 6, 0,
    )  # fmt: skip


def test_certain_probabilities_count_as_the_nearest_that_single_precision_tells() -> None:
    evaluation = evaluated()
    stated = np.array(evaluation.probabilities)
    signs = 2.0 * np.array(evaluation.labels) - 1
    stated[:4] = (signs[:4] < 0).astype(float)  # certain, and wrong
    stated[9:13] = (signs[9:13] > 0).astype(float)  # certain, and right
    person = np.array([int(str(one)[1:]) for one in evaluation.subject_ids])
    log_odds = logit(np.clip(stated, 1e-7, 1 - 1e-7))

    found = fit_spread(replace(evaluation, probabilities=tuple(stated))).tau.estimate

    assert NEAREST == 1e-7
    at = _log_likelihood(found, signs, log_odds, person)
    assert np.isfinite(at)
    assert at >= max(_log_likelihood(near * found, signs, log_odds, person) for near in (0.97, 1.03))


@pytest.mark.parametrize(
    ("split_kind", "error", "why"),
    [
        ("image-level", LeakError, "its split is image-level: the model was trained on cells of the same"),
        ("unknown", DataError, "whether the model was trained on cells of the same people cannot be told"),
    ],
)
def test_a_split_that_says_nothing_of_new_people_is_refused(
    split_kind: SplitKind, error: type[Exception], why: str
) -> None:
    with pytest.raises(error) as caught:
        fit_spread(replace(evaluated(), split_kind=split_kind))

    assert caught.value.why.startswith(why)  # type: ignore[attr-defined]
    assert caught.value.fix == FIX  # type: ignore[attr-defined]
    assert evaluated().model_id in str(caught.value)


def test_each_reason_is_told() -> None:
    whole = evaluated(2)  # one of them has both classes
    with pytest.raises(DataError, match="1 of 18 cells name no subject"):
        fit_spread(replace(whole, subject_ids=(None, *whole.subject_ids[1:])))
    with pytest.raises(DataError, match="a mean with 1 other cells"):
        fit_spread(replace(whole, neighbours=1))
    with pytest.raises(DataError, match="why: all cells are one person's"):
        fit_spread(replace(whole, subject_ids=("a",) * 18))
    with pytest.raises(DataError, match="each of its 2 people has cells of one class only"):
        fit_spread(replace(whole, labels=(0,) * 9 + (1,) * 9))
    # One person has 100 leukaemic cells and a normal one, one has normal cells only, and all score the same.
    labels, whose = np.repeat([1, 0], [100, 101]), np.repeat([1, 2, 1], [100, 100, 1])
    with pytest.raises(DataError) as caught:
        fit_spread(evaluation_of(labels, np.full(201, 0.5), whose))
    assert caught.value.why == "no tau up to 10 is the likeliest; 1 of 2 people have both classes"
    assert caught.value.fix == FIX
