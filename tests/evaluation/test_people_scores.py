"""People as units: AUROC of their means, and the intra-class correlation by hand and by a simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import f_oneway
from sklearn.metrics import roc_auc_score

from leuknet.errors import ShapeError
from leuknet.evaluation.people_scores import entries_of, intraclass, people_scores
from leuknet.types import IntervalMethod


def draw(people: int, correlation: float, *, seed: int, gap: float = 2.0) -> tuple[np.ndarray, ...]:
    """People of 3 to 40 cells, half of each class, whose log odds have this correlation."""
    generator = np.random.default_rng(seed)
    whose = np.repeat(np.arange(people), generator.integers(3, 41, people))
    labels = whose % 2
    off = generator.normal(0, np.sqrt(correlation), people)[whose]
    odds = gap * labels - gap / 2 + off + generator.normal(0, np.sqrt(1 - correlation), whose.size)
    return labels, expit(odds), whose


def test_auroc_over_people_is_that_of_their_mean_probabilities() -> None:
    labels, stated, whose = draw(14, 0.4, seed=1, gap=0.8)
    means = [stated[whose == person].mean() for person in range(14)]
    classes = np.arange(14) % 2

    found = people_scores(labels, stated, whose)

    assert found.auroc is not None
    assert found.auroc.estimate == pytest.approx(roc_auc_score(classes, means))
    assert (found.auroc.cells, found.auroc.subjects) == (labels.size, 14)
    assert (found.leukaemic, found.normal) == (7, 7)
    without = [roc_auc_score(np.delete(classes, n), np.delete(means, n)) for n in range(14)]
    spread = np.sqrt(13 / 14 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert found.auroc.low < found.auroc.estimate - spread
    assert found.auroc.method is IntervalMethod.JACKKNIFE_SUBJECTS


def test_people_who_are_all_told_apart_have_a_lower_bound() -> None:
    found = people_scores(*draw(12, 0.05, seed=2, gap=6.0))

    assert found.auroc is not None
    assert found.auroc.estimate == 1.0
    assert 0.5 < found.auroc.low < 0.9


def test_a_person_with_cells_of_both_classes_is_an_entry_in_each() -> None:
    labels = np.array([1, 1, 0, 0, 0])
    found = people_scores(labels, np.array([0.9, 0.7, 0.2, 0.1, 0.3]), np.array(["a", "a", "a", "b", "b"]))

    assert (found.leukaemic, found.normal) == (1, 2)
    assert found.auroc is not None
    assert found.auroc.subjects == 2


def test_the_correlation_has_the_value_worked_out_by_hand() -> None:
    # Log odds of three normal people: (0, 2), (4, 6, 8), (1). Means 1, 6, 1; total 21 / 6 = 3.5.
    odds = np.array([0.0, 2.0, 4.0, 6.0, 8.0, 1.0])
    whose = np.array([0, 0, 1, 1, 1, 2])
    labels = np.zeros(6, dtype=np.int64)
    # Between: 2 * 2.5^2 + 3 * 2.5^2 + 2.5^2 = 37.5, of 2 degrees of freedom; within: 2 + 8 = 10, of 3.
    # n0 = (6 - (4 + 9 + 1) / 6) / 2 = 11 / 6.
    between, within, each = 37.5 / 2, 10 / 3, 11 / 6

    entries = entries_of(labels, expit(odds), whose)
    found = intraclass(entries, np.ones(3))

    assert found == pytest.approx((between - within) / (between + (each - 1) * within))
    ratio = f_oneway(odds[:2], odds[2:5], odds[5:]).statistic
    assert found == pytest.approx((ratio - 1) / (ratio + each - 1))


def test_classes_have_means_of_their_own() -> None:
    labels, stated, whose = draw(20, 0.3, seed=3)
    near, far = (expit(np.log(stated / (1 - stated)) + shift * labels) for shift in (0.0, 5.0))

    first, second = (people_scores(labels, each, whose).intraclass for each in (near, far))

    assert first is not None
    assert second is not None
    assert first.estimate == pytest.approx(second.estimate)


def test_a_person_twice_counts_as_two() -> None:
    labels, stated, whose = draw(9, 0.3, seed=4)
    twice = np.concatenate([labels, labels[whose == 2]]), np.concatenate([stated, stated[whose == 2]])
    entries = entries_of(*twice, np.concatenate([whose, np.full(np.sum(whose == 2), 99)]))

    weights = np.ones(9)
    weights[2] = 2

    assert intraclass(entries_of(labels, stated, whose), weights) == pytest.approx(
        intraclass(entries, np.ones(10))
    )


@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_the_correlation_and_its_interval_find_the_truth(correlation: float) -> None:
    found = [people_scores(*draw(24, correlation, seed=seed)).intraclass for seed in range(150)]

    estimates = [one.estimate for one in found if one is not None]
    held = [one.low <= correlation <= one.high for one in found if one is not None]
    assert len(held) == 150
    assert np.mean(estimates) == pytest.approx(correlation, abs=0.025)
    assert np.mean(held) > 0.87


def test_the_design_effect_is_how_much_more_a_mean_over_cells_varies() -> None:
    sizes, correlation = np.array([3, 10, 30, 80, 5, 40]), 0.3
    generator = np.random.default_rng(5)
    whose = np.repeat(np.arange(6), sizes)
    off = generator.normal(0, np.sqrt(correlation), (20_000, 6))
    cells = generator.normal(0, np.sqrt(1 - correlation), (20_000, 6)) / np.sqrt(sizes)
    means = ((off + cells) * sizes).sum(axis=1) / sizes.sum()

    effect = means.var() * sizes.sum()

    assert effect == pytest.approx(1 + ((sizes**2).sum() / sizes.sum() - 1) * correlation, rel=0.03)
    labels, stated = whose % 2, expit(generator.normal(size=whose.size))
    found = people_scores(labels, stated, whose)
    assert found.intraclass is not None
    wanted = 1 + ((sizes**2).sum() / sizes.sum() - 1) * found.intraclass.estimate
    assert found.design_effect == pytest.approx(max(1.0, wanted))


def test_one_cell_each_has_no_correlation() -> None:
    found = people_scores(np.array([0, 1, 0, 1]), np.array([0.1, 0.9, 0.4, 0.6]), np.arange(4))

    assert (found.intraclass, found.design_effect) == (None, None)
    assert found.auroc is not None


def test_subjects_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="subjects have shape"):
        people_scores(np.array([0, 1]), np.array([0.1, 0.9]), np.arange(3))
