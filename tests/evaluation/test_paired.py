"""The paired test against values by hand, scipy, and a jackknife written out with scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import t as student
from scipy.stats import ttest_rel
from sklearn.metrics import roc_auc_score

from leuknet.errors import ShapeError
from leuknet.evaluation.crossed import Answers
from leuknet.evaluation.paired import MOST_LEFT_OUT, paired_difference


def answers(labels: Sequence[int], said: Sequence[float], whose: Sequence[str] | None = None) -> Answers:
    """Of cells 00000, 00001, ..., called leukaemic from 0.5 on."""
    ids = np.array([f"{number:05}" for number in range(len(labels))])
    who = ids if whose is None else np.array(whose)
    return Answers(ids, np.array(labels), np.array(said, dtype=np.float64), np.full(len(labels), 0.5), who)


def draw(people: int, *, gain: float, seed: int = 0) -> tuple[Answers, Answers]:
    """Two models on people of 3 to 11 cells, odd ones leukaemic; the second is better by `gain`."""
    generator = np.random.default_rng(seed)
    owner = np.repeat(np.arange(people), generator.integers(3, 12, people))
    labels = owner % 2
    own = generator.normal(0, 0.1, people)[owner]
    said = [
        np.clip(0.5 + (shift * 2 * (labels - 0.5)) + own + generator.normal(0, 0.2, owner.size), 0, 1).round(
            2
        )
        for shift in (0.15, 0.15 + gain)
    ]
    names = [f"S{number:03}" for number in owner]
    first, second = (answers(labels.tolist(), one.tolist(), names) for one in said)
    return first, second


def test_three_subjects_worked_out_by_hand() -> None:
    # Cells called right by the first: 1, 1, 1 of 2 each; by the second: 2, 2, 1. Of 6 cells, log odds of
    # (6 x + 1/2) / 7: those of 3/6 are 0, of 5/6 ln(11/3). Without a or b: 0 and ln(5/2), without c ln(13).
    labels, names = [1, 1, 0, 0, 1, 0], ["a", "a", "b", "b", "c", "c"]
    first = answers(labels, [0.9, 0.1, 0.1, 0.9, 0.9, 0.9], names)
    second = answers(labels, [0.9, 0.9, 0.1, 0.1, 0.1, 0.1], names)
    shift, a, c = np.log(11 / 3), np.log(5 / 2), np.log(13)
    # Squares about the mean of a, a, c come to 2 (a - c)^2 / 3, times 2 / 3; and one who shows nothing.
    error = np.sqrt((a - c) ** 2 * 4 / 9 + (shift / 3) ** 2)

    found = paired_difference([first], [second], unit="subjects", metric="accuracy")

    assert found.difference.estimate == pytest.approx(1 / 3)
    assert found.freedom == 2
    assert found.error == pytest.approx(error / shift / 3)
    assert found.p_value == pytest.approx(2 * student.sf(shift / error, 2))
    assert found.p_value > found.smallest_p == 2 / 8
    reach = student.ppf(0.975, 2) * found.error
    assert (found.difference.low, found.difference.high) == pytest.approx((max(1 / 3 - reach, -1), 1))
    assert found.p_above(0) == pytest.approx(student.sf(1 / 3 / found.error, 2))
    assert found.p_below(0.5) == pytest.approx(student.sf((0.5 - 1 / 3) / found.error, 2))


def test_seeds_add_their_spread_and_their_degree_of_freedom() -> None:
    # Both answer alike with seed 0. With seed 1 the second has 4 of 8 right where the first has 6; each of
    # four people loses alike, so that only seeds differ: log odds of (8 x + 1/2) / 9.
    labels, names = [0, 1] * 4, list("aabbccdd")
    six = answers(labels, [0.1, 0.9, 0.1, 0.9, 0.1, 0.1, 0.9, 0.9], names)
    right = answers(labels, [0.1, 0.9] * 4, names)
    half = answers(labels, [0.1, 0.1] * 4, names)
    gaps = np.array([0, logit(4.5 / 9) - logit(8.5 / 9)])
    without = np.array([0, logit((8 / 2 + 0.5) / 9) - logit(8.5 / 9)])

    found = paired_difference([six, right], [six, half], unit="subjects", metric="accuracy")

    assert np.allclose(without, gaps)  # so leaving out anybody does nothing
    assert found.difference.estimate == pytest.approx(-0.25)
    assert found.freedom == pytest.approx(1)
    error = np.sqrt(gaps.var(ddof=1) / 2 + (gaps.mean() / 4) ** 2)
    assert found.p_value == pytest.approx(max(2 * student.sf(abs(gaps.mean()) / error, 1), 2**-3))
    assert found.error == pytest.approx(error * -0.25 / gaps.mean())
    assert found.difference.method == "paired jackknife over subjects, spread over seeds"


def test_a_p_value_is_never_below_that_of_counting_signs() -> None:
    labels, names = [0, 1] * 15, [f"S{number:02}" for number in range(30)]
    wrong = answers(labels, [1.0 - label for label in labels], names)
    right = answers(labels, [float(label) for label in labels], names)

    found = paired_difference([wrong], [right], unit="subjects", metric="accuracy")

    # All of 30 people speak for the second. Nobody differs from anybody, and the interval has a width.
    assert found.p_value == found.smallest_p == 2**-29
    assert found.difference.low < 1 == found.difference.high


def test_a_mean_over_many_subjects_agrees_with_the_paired_t_test_of_scipy() -> None:
    pair = draw(400, gain=0.012)
    shares = []
    for one in pair:
        right = (one.probabilities >= 0.5) == one.labels
        shares.append(np.array([right[one.whose == name].mean() for name in np.unique(one.whose)]))
    theirs = ttest_rel(shares[1], shares[0])
    limits = theirs.confidence_interval(0.95)

    found = paired_difference(pair[:1], pair[1:], unit="subjects", metric="subject_accuracy")

    assert 0.01 < theirs.pvalue < 0.5
    assert found.p_value == pytest.approx(theirs.pvalue, rel=0.1)
    assert (found.difference.low, found.difference.high) == pytest.approx((limits.low, limits.high), abs=5e-4)


def test_auroc_agrees_with_a_jackknife_written_out_for_two_samples_of_people() -> None:
    first, second = draw(9, gain=0.05, seed=2)
    labels = first.labels

    def shift(kept: np.ndarray) -> float:
        areas = [roc_auc_score(labels[kept], one.probabilities[kept]) for one in (first, second)]
        before, after = (logit((labels.size * area + 0.5) / (labels.size + 1)) for area in areas)
        return float(after - before)

    whole = shift(np.ones(labels.size, dtype=bool))
    without = np.array([shift(first.whose != name) for name in np.unique(first.whose)])
    pulls = (without - without.mean()) ** 2 * 8 / 9
    # Even people are normal, odd ones leukaemic: five and four, each a sample of its own.
    normal, leukaemic = pulls[::2].sum(), pulls[1::2].sum()
    freedom = (normal + leukaemic) ** 2 / (normal**2 / 4 + leukaemic**2 / 3)
    error = np.sqrt(normal + leukaemic + (whole / 9) ** 2)

    found = paired_difference([first], [second], unit="subjects", metric="auroc")

    assert found.p_value == pytest.approx(2 * student.sf(abs(whole) / error, freedom))
    assert 2**-8 < found.p_value < 1
    reach = student.ppf(0.975, freedom) * error * found.difference.estimate / whole
    assert found.difference.low == pytest.approx(found.difference.estimate - reach)


def test_the_interval_holds_zero_exactly_where_the_p_value_is_not_small() -> None:
    for seed in range(30):
        pair = draw(14, gain=0.05, seed=seed)
        found = paired_difference(pair[:1], pair[1:], unit="subjects", metric="auroc")

        assert (found.difference.low <= 0 <= found.difference.high) == (found.p_value >= 0.05)


def test_very_many_cells_are_left_out_in_groups_with_the_error_of_a_paired_share() -> None:
    cells = 4 * MOST_LEFT_OUT
    generator = np.random.default_rng(4)
    labels = np.arange(cells) % 2
    said = [np.clip(0.3 + 0.4 * labels + generator.normal(0, 0.3, cells), 0, 1) for _ in range(2)]
    gaps = ((said[1] >= 0.5) == labels).astype(int) - ((said[0] >= 0.5) == labels)
    first, second = (answers(labels.tolist(), one.tolist()) for one in said)

    found = paired_difference([first], [second], unit="cells", metric="accuracy")

    assert found.error == pytest.approx(gaps.std() / np.sqrt(cells), rel=0.1)
    assert (found.difference.cells, found.difference.subjects) == (cells, None)


def test_two_models_without_an_error_are_not_known_to_be_alike() -> None:
    labels, names = [0, 1] * 7, [f"S{number:02}" for number in range(14)]
    first, second = (answers(labels, [high * label for label in labels], names) for high in (0.9, 0.8))

    found = paired_difference([first], [second], unit="subjects", metric="accuracy")
    itself = paired_difference([first], [first], unit="subjects", metric="accuracy")

    # In 14 people nobody showed a difference: so a share of 1 - 0.05 ** (1 / 14) = 0.193 may.
    assert (found.difference.low, found.difference.high) == pytest.approx((-0.193, 0.193), abs=5e-4)
    assert found.p_value == 1
    assert (itself.difference.low, itself.difference.high, itself.p_value) == (0, 0, 1)


def test_one_person_with_all_cells_of_a_class_leaves_nothing_to_test() -> None:
    labels, names = [1] * 8 + [0] * 2, [*(f"S{number}" for number in range(8)), "H", "H"]
    first = answers(labels, [0.9] * 4 + [0.2] * 4 + [0.1, 0.3], names)
    second = answers(labels, [0.9] * 8 + [0.1, 0.2], names)

    found = paired_difference([first], [second], unit="subjects", metric="auroc")

    assert found.gap == "all cells of a class are of one subject"
    assert (found.p_value, found.difference.low, found.difference.high) == (1.0, -1.0, 1.0)
    assert (found.p_above(-0.9), found.p_below(0.9)) == (1.0, 1.0)
    one_class, one_person = answers([1, 1], [0.5, 0.9]), answers([0, 1], [0.5, 0.9], ["a", "a"])
    with pytest.raises(ShapeError, match="undefined for one class"):
        paired_difference([one_class], [one_class], unit="cells", metric="auroc")
    with pytest.raises(ShapeError, match="one cluster has no spread"):
        paired_difference([one_person], [one_person], unit="subjects", metric="auroc")
