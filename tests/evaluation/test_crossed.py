"""Means over seeds: people and seeds are resampled together."""

from __future__ import annotations

import numpy as np
import pytest

from leuknet.evaluation.crossed import (
    Answers,
    Crossed,
    Whose,
    crossed_bootstrap,
    draw_people_and_seeds,
    resample_means,
)
from leuknet.evaluation.metrics import bootstrap
from leuknet.evaluation.resampling import RESAMPLES


def answers(right: list[bool], *, n_people: int = 4, threshold: float = 0.5) -> Answers:
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


def accuracy(*seeds: Answers, unit: Whose = "subjects") -> Crossed:
    return crossed_bootstrap(seeds, unit=unit, metrics=["accuracy"])["accuracy"]


def test_the_estimate_is_the_mean_over_seeds_and_each_seed_is_told() -> None:
    found = accuracy(answers([True] * 8), answers([True] * 6 + [False] * 2))

    assert found.values == pytest.approx((1.0, 0.75))
    assert found.interval.estimate == pytest.approx(0.875)


def test_where_people_are_alike_only_seeds_vary() -> None:
    # Each person has one cell right, or both: 0.5 or 1 in each resample. Means: 0.5, 0.75 (half the time), 1.
    found = accuracy(answers([True, False] * 4), answers([True] * 8)).interval

    assert (found.low, found.high) == pytest.approx((0.5, 1.0))
    assert found.method == "crossed bootstrap over subjects and seeds"


def test_equal_seeds_leave_the_interval_of_one() -> None:
    one = answers([True] * 10 + [False] * 6)
    alone, twice = accuracy(one).interval, accuracy(one, one).interval

    assert (alone.low, alone.high) == (twice.low, twice.high)
    assert alone.high - alone.low > 0.2
    assert alone.method == "bootstrap over subjects"


def test_one_seed_gives_the_interval_of_the_plain_cluster_bootstrap() -> None:
    generator = np.random.default_rng(0)
    one = answers(list(generator.random(200) < 0.8), n_people=20)
    found = crossed_bootstrap([one], unit="subjects", metrics=["auroc", "accuracy", "subject_accuracy"])
    plain = bootstrap(one.labels, one.probabilities, threshold=0.5, clusters=one.whose)

    for name, crossed in found.items():
        assert crossed.interval.estimate == pytest.approx(plain[name].estimate)
        assert crossed.interval.low == pytest.approx(plain[name].low, abs=0.012)  # 2,000 resamples each
        assert crossed.interval.high == pytest.approx(plain[name].high, abs=0.012)


def test_people_are_drawn_once_for_all_seeds() -> None:
    # Opposite seeds: what one has right, the other has wrong. Drawn together, the mean is always a half.
    right = [True] * 8 + [False] * 8
    one, other = answers(right, n_people=8), answers([not one for one in right], n_people=8)
    draws = draw_people_and_seeds([one, other], seed=0)
    even = draws._replace(shares=np.full_like(draws.shares, 0.5))

    means = resample_means([one, other], "accuracy", draws=even)
    assert means.resampled.low == pytest.approx(np.full(RESAMPLES, 0.5))
    alone = resample_means([one], "accuracy", draws=draws._replace(shares=np.ones((RESAMPLES, 1))))
    assert alone.resampled.low.std() > 0.1


def test_each_cell_keeps_its_own_threshold() -> None:
    # At 0.95 nothing is called leukaemic: the four normal cells are right.
    assert accuracy(answers([True] * 8, threshold=0.95)).interval.estimate == pytest.approx(0.5)


def test_a_resample_without_a_class_widens_the_interval() -> None:
    # Two people of one class each: half of the resamples lack a class.
    one = Answers(
        np.array(["a", "b"]),
        np.array([0, 1]),
        np.array([0.2, 0.8]),
        np.array([0.5, 0.5]),
        np.array(["A", "B"]),
    )
    found = crossed_bootstrap([one], unit="subjects", metrics=["auroc"])["auroc"].interval

    assert (found.low, found.high) == (0.0, 1.0)


def test_cells_and_people_of_all_seeds_are_counted_once() -> None:
    found = accuracy(answers([True] * 8), answers([True] * 12)).interval

    assert (found.cells, found.subjects) == (12, 4)
    assert accuracy(answers([True] * 8), unit="cells").interval.subjects is None
