"""Means over seeds: both the people and the seeds could have been others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import t

from leuknet.evaluation.crossed import (
    Answers,
    OverSeeds,
    Whose,
    interval_of_means,
    mean_over_seeds,
    means_of,
    people_of,
)
from leuknet.evaluation.metrics import METRICS, metric_intervals
from leuknet.types import Interval


def answers(right: list[bool], *, n_people: int = 8, threshold: float = 0.5) -> Answers:
    """Cells in turn of both classes and of each person, called right or wrong as listed."""
    n = len(right)
    labels = np.arange(n) % 2
    called = np.where(right, labels, 1 - labels)
    return Answers(
        ids=np.array([f"cell {n}" for n in range(n)]),
        labels=labels.astype(np.int64),
        probabilities=np.where(called == 1, 0.9, 0.1),
        threshold=np.full(n, threshold),
        whose=np.array([f"person {place // 2 % n_people}" for place in range(n)]),
    )


def accuracy(*seeds: Answers, unit: Whose = "subjects") -> OverSeeds:
    return mean_over_seeds(seeds, unit=unit, metrics=["accuracy"])["accuracy"]


def draw(seed: int, *, people: int = 12) -> Answers:
    """Answers that are right in four of five cells, more often for some people."""
    generator = np.random.default_rng(seed)
    ease = np.random.default_rng(99).uniform(0.6, 1.0, people)
    whose = np.arange(240) // 2 % people
    return answers(list(generator.random(240) < ease[whose]), n_people=people)


def limits(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def test_the_estimate_is_the_mean_over_seeds_and_each_seed_is_told() -> None:
    found = accuracy(answers([True] * 16), answers([True] * 12 + [False] * 4))

    assert found.values == pytest.approx((1.0, 0.75))
    assert found.interval.estimate == pytest.approx(0.875)


def test_variances_of_people_and_seeds_are_added_with_the_freedom_of_both() -> None:
    seeds = [draw(n) for n in range(3)]
    found = accuracy(*seeds)

    right = np.array([(each.probabilities >= 0.5) == (each.labels == 1) for each in seeds])
    whose = seeds[0].whose
    without = [right[:, whose != name].mean() for name in np.unique(whose)]
    of_people = 11 / 12 * np.sum((np.array(without) - np.mean(without)) ** 2)
    of_seeds = right.mean(axis=1).var(ddof=1) / 3
    total = of_people + of_seeds
    freedom = total**2 / (of_people**2 / 11 + of_seeds**2 / 2)
    estimate = right.mean()
    reach = t.ppf(0.975, freedom) * np.sqrt(total) / (estimate * (1 - estimate))
    assert limits(found.interval) == pytest.approx(expit(logit(estimate) + np.array([-reach, reach])))
    assert found.interval.method == "jackknife over subjects, spread over seeds"


def test_seeds_that_differ_make_the_interval_wide() -> None:
    # Each person has one cell right, or both: only seeds vary, and two of them leave one degree of freedom.
    found = accuracy(answers([True, False] * 16), answers([True] * 32)).interval

    reach = t.ppf(0.975, 1) * np.sqrt(0.125 / 2) / (0.75 * 0.25)
    assert limits(found) == pytest.approx(expit(logit(0.75) + np.array([-reach, reach])))


@pytest.mark.parametrize("name", [*METRICS])
def test_one_seed_has_the_interval_of_its_model(name: str) -> None:
    one = draw(0)
    found = mean_over_seeds([one], unit="subjects", metrics=[name])[name].interval
    plain = metric_intervals(one.labels, one.probabilities, threshold=0.5, clusters=one.whose)[name]

    assert found.estimate == pytest.approx(plain.estimate)
    if name == "ece":  # its own limits are those of one test side
        assert found.low <= found.estimate <= found.high
    else:
        assert limits(found) == pytest.approx(limits(plain))
        assert found.method == plain.method


def test_equal_seeds_leave_the_spread_of_people() -> None:
    one = draw(0)
    alone, twice = accuracy(one).interval, accuracy(one, one).interval

    # Nothing is known of how seeds differ from two that do not; the degrees of freedom stay those of people.
    assert limits(twice) == pytest.approx(limits(alone))


def test_people_are_left_out_of_all_seeds_at_once() -> None:
    # Opposite seeds: what one has right, the other has wrong, so that the mean is a half whoever is left out.
    right = [True] * 8 + [False] * 8
    one, other = answers(right), answers([not one for one in right])
    found = accuracy(one, other)

    assert found.values == (0.5, 0.5)
    assert found.interval.method == "Clopper-Pearson, subjects counted"
    assert accuracy(one).interval.method == "jackknife over subjects"


def test_a_difference_of_means_is_paired_by_people_and_seeds() -> None:
    first = [draw(n) for n in range(3)]
    # Better by the same cells of each person in each seed.
    second = []
    for each in first:
        called = np.where(np.arange(240) < 48, each.labels == 1, each.probabilities >= 0.5)
        second.append(each._replace(probabilities=np.where(called, 0.9, 0.1)))
    people, metric = people_of(first, second), METRICS["accuracy"]
    before, after = (means_of(side, metric, people=people, unit="subjects") for side in (first, second))

    found = interval_of_means(after.minus(before), [*first, *second], metric, unit="subjects", paired=True)
    none = interval_of_means(before.minus(before), first, metric, unit="subjects", paired=True)

    means = [accuracy(*side) for side in (first, second)]
    assert found.estimate == pytest.approx(means[1].interval.estimate - means[0].interval.estimate)
    assert found.high - found.low < means[0].interval.high - means[0].interval.low
    assert found.method == "paired jackknife over subjects, spread over seeds"
    assert limits(none) == pytest.approx((0.025 ** (1 / 12) - 1, 1 - 0.025 ** (1 / 12)))
    one = interval_of_means(
        after.minus(before)._replace(values=np.array([0.1])), first, metric, unit="subjects", paired=True
    )
    assert one.method == "paired jackknife over subjects"


def test_each_cell_keeps_its_own_threshold() -> None:
    # At 0.95 nothing is called leukaemic: the normal cells are right.
    assert accuracy(answers([True] * 16, threshold=0.95)).interval.estimate == pytest.approx(0.5)


def test_few_people_have_no_interval() -> None:
    found = mean_over_seeds([draw(0, people=4)], unit="subjects", metrics=["auroc", "ece"])

    assert {one.interval.method for one in found.values()} == {"no interval: too few subjects"}
    assert limits(found["auroc"].interval) == (0.0, 1.0)


def test_cells_and_people_of_all_seeds_are_counted_once() -> None:
    found = accuracy(answers([True] * 16), answers([True] * 24)).interval

    assert (found.cells, found.subjects) == (24, 8)
    cells = accuracy(draw(0), draw(1), unit="cells").interval
    assert (cells.subjects, cells.method) == (None, "jackknife over cells, spread over seeds")
