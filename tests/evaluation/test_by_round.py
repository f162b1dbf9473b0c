"""AUROC within rounds beside the pooled one, which offsets between models spoil."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from leuknet.evaluation.by_round import by_round, mean_within
from leuknet.types import Evaluation, IntervalMethod
from tests.evaluation.pilots import pilot_evaluation

DISTANCE = np.sqrt(2) * norm.ppf(0.898)  # of two normal classes whose AUROC is 0.898


def rounds_of(offsets: tuple[float, ...], *, seed: int = 0, people: int = 16) -> list[Evaluation]:
    """One evaluation a round, of other people and cells, whose model adds an offset to all log odds."""
    found = []
    for number, offset in enumerate(offsets):
        one = pilot_evaluation(people=people, between=0.5 + 0.1 * number + 0.05 * seed)
        stated = expit(logit(np.array(one.probabilities)) + offset)
        found.append(
            replace(
                one,
                seed=seed,
                round=f"fold_{number}",
                protocol="folds",
                paths=tuple(f"{number}/{path}" for path in one.paths),
                subject_ids=tuple(f"{number}/{name}" for name in one.subject_ids),
                probabilities=tuple(stated.tolist()),
            )
        )
    return found


def test_offsets_of_one_standard_deviation_turn_0_898_into_0_83_when_pooled() -> None:
    generator = np.random.default_rng(0)
    each = 20_000
    labels = np.tile(np.repeat([0, 1], each), 3)
    rounds = np.repeat([0, 1, 2], 2 * each)
    scores = generator.normal(labels * DISTANCE + (rounds - 1.0), 1.0)
    # A third of all pairs are of one round; of the others, two thirds are one offset apart, one third two.
    by_hand = np.mean(
        [norm.cdf((DISTANCE + first - second) / np.sqrt(2)) for first in range(3) for second in range(3)]
    )

    pooled = roc_auc_score(labels, scores)
    within = mean_within(labels, expit(scores), rounds)

    assert by_hand == pytest.approx(0.8345, abs=1e-3)
    assert pooled == pytest.approx(by_hand, abs=0.004)
    assert within == pytest.approx(0.898, abs=0.004)


def test_each_round_has_its_own_auroc_and_the_mean_is_theirs() -> None:
    rounds = rounds_of((-2.0, 0.0, 2.0))
    found = by_round(rounds)

    assert found is not None
    areas = [roc_auc_score(one.labels, one.probabilities) for one in rounds]
    assert list(found.rounds) == ["fold_0", "fold_1", "fold_2"]
    assert [one.estimate for one in found.rounds.values()] == pytest.approx(areas)
    assert found.within.estimate == pytest.approx(np.mean(areas))
    labels, stated = (
        np.concatenate([getattr(one, name) for one in rounds]) for name in ("labels", "probabilities")
    )
    assert found.pooled.estimate == pytest.approx(roc_auc_score(labels, stated))
    assert found.pooled.estimate < found.within.estimate - 0.1
    assert (found.within.subjects, found.within.method) == (48, IntervalMethod.JACKKNIFE_SUBJECTS)
    assert found.within.low < found.within.estimate < found.within.high


def test_without_offsets_the_two_agree() -> None:
    found = by_round(rounds_of((0.0, 0.0, 0.0)))

    assert found is not None
    assert found.pooled.estimate == pytest.approx(found.within.estimate, abs=0.01)


def test_the_interval_leaves_out_one_person_from_their_round() -> None:
    rounds = rounds_of((-1.0, 1.0), people=10)
    found = by_round(rounds)
    labels, stated, whose = (
        np.concatenate([np.array(getattr(one, name)) for one in rounds])
        for name in ("labels", "probabilities", "subject_ids")
    )
    places = np.repeat([0, 1], [one.cells for one in rounds])
    left_out = [
        np.mean(
            [
                roc_auc_score(labels[kept & (places == place)], stated[kept & (places == place)])
                for place in (0, 1)
            ]
        )
        for kept in (whose != name for name in sorted(set(whose)))
    ]
    error = np.sqrt(19 / 20 * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))

    assert found is not None
    estimate = found.within.estimate
    reach = (logit(found.within.high) - logit(estimate)) * estimate * (1 - estimate) / error
    assert 1.96 < reach < 2.7  # Student's t of at most 19 degrees of freedom


def test_several_seeds_are_means() -> None:
    both = [*rounds_of((0.0, 1.0)), *rounds_of((0.0, 1.0), seed=1)]
    first, second, together = by_round(both[:2]), by_round(both[2:]), by_round(both)

    assert first is not None
    assert second is not None
    assert together is not None
    for name in together.rounds:
        parts = [one.rounds[name].estimate for one in (first, second)]
        assert together.rounds[name].estimate == pytest.approx(np.mean(parts))
    assert together.within.estimate == pytest.approx(np.mean([first.within.estimate, second.within.estimate]))
    assert "seeds" in together.within.method.resampled


def test_one_round_has_nothing_to_compare() -> None:
    assert by_round(rounds_of((0.0,))) is None
