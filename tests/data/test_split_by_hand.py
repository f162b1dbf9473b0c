"""Splits against their rules in plain loops: a seed gives the same split in every version."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from leuknet.data.split import balance, by_image, by_subject, fingerprint
from leuknet.errors import SettingError
from leuknet.types import Label
from tests.data.test_split import CELLS, UNLABELLED, cells_of, sides, subjects

Counts = dict[str, tuple[int, int]]
"""Of each subject, its normal and leukaemic cells."""

# People of both classes among them, and of many sizes.
UNEVEN: Counts = {
    "M1": (2, 5),
    "H1": (9, 0),
    "H2": (1, 0),
    "1": (0, 8),
    "M2": (3, 1),
    "2": (0, 2),
    "H3": (4, 0),
    "3": (0, 2),
    "4": (0, 3),
    "H4": (4, 0),
}


def drawn(members: list[int], generator: np.random.Generator) -> list[int]:
    return [members[place] for place in generator.permutation(len(members))]


def placed_by_hand(counts: Counts, shares: tuple[float, float, float], seed: int) -> list[set[str]]:
    """Place one subject after the other: where most is lacking, or where a class would else never come."""
    names = sorted(counts)
    order = [names[place] for place in np.random.default_rng((seed, 2)).permutation(len(names))]
    both = [name for name in order if all(counts[name])]
    normal, leukaemic = ([name for name in order if counts[name][1 - label] == 0] for label in Label)
    order = [*both, *normal, *leukaemic]
    total = [sum(numbers[label] for numbers in counts.values()) for label in Label]
    lacking = [[share * number for number in total] for share in shares]
    placed: list[set[str]] = [set(), set(), set()]
    for number, name in enumerate(order):
        own = [label for label in Label if counts[name][label]]
        allowed = [side for side in range(3) if shares[side] > 0]
        for label in own:
            n_left = sum(counts[other][label] > 0 for other in order[number:])
            without = [
                side
                for side in range(3)
                if shares[side] > 0 and not any(counts[other][label] for other in placed[side])
            ]
            if n_left == len(without):
                allowed = [side for side in allowed if side in without]
        side = max(allowed, key=lambda side: sum(lacking[side][label] for label in own))
        placed[side].add(name)
        for label in own:
            lacking[side][label] -= counts[name][label]
    return placed


@pytest.mark.parametrize("shares", [(0.5, 0.3, 0.2), (0.25, 0.25, 0.5), (0.6, 0.0, 0.4)])
def test_subjects_go_one_by_one_where_the_rule_sends_them(shares: tuple[float, float, float]) -> None:
    # The smaller one has as many people of a class as there are sides.
    for counts in (UNEVEN, {name: UNEVEN[name] for name in ("M1", "H1", "H3", "M2", "1")}):
        for seed in range(20):
            split = by_subject(cells_of(counts), fractions=shares, seed=seed)

            assert [subjects(side) for side in sides(split)] == placed_by_hand(counts, shares, seed)
            assert split.seed == seed


@pytest.mark.parametrize("tenths", [(7, 2, 1), (5, 0, 5), (1, 8, 1)])
def test_cells_are_cut_at_rounded_cumulative_shares(tenths: tuple[int, int, int]) -> None:
    cells = cells_of({"H": (15, 0), "M": (10, 9), "1": (0, 16)})
    first, second, third = tenths
    for seed in range(3):
        generator = np.random.default_rng((seed, 1))
        expected: list[list[int]] = [[], [], []]
        for label in Label:
            members = drawn([place for place, cell in enumerate(cells) if cell.label is label], generator)
            # A half is rounded up, in whole numbers: floor(x / 10 + 1 / 2).
            low, high = ((cut * len(members) + 5) // 10 for cut in (first, first + second))
            for side, part in enumerate((members[:low], members[low:high], members[high:])):
                expected[side] += part

        split = by_image(cells, fractions=(first / 10, second / 10, third / 10), seed=seed)

        assert [[cell.id for cell in side] for side in sides(split)] == [
            [cells[place].id for place in sorted(side)] for side in expected
        ]
        assert split.seed == seed


def test_the_cells_that_balancing_keeps_are_the_first_drawn_of_each_class() -> None:
    cells = cells_of({"H": (9, 0), "1": (0, 5), "M": (4, 1)})
    for seed in range(3):
        generator = np.random.default_rng((seed, 0))
        kept: list[int] = []
        for label in Label:
            kept += drawn([place for place, cell in enumerate(cells) if cell.label is label], generator)[:6]

        assert balance([UNLABELLED, *cells], seed=seed) == tuple(cells[place] for place in sorted(kept))


def test_a_fingerprint_is_the_hash_of_a_text_that_can_be_written_by_hand() -> None:
    normal, other, leukaemic = CELLS[0], CELLS[1], CELLS[-1]
    text = (
        f'[[["{normal.id}", "{normal.sha256}", 0], ["{other.id}", "{other.sha256}", 0]],'
        f' [["unlabelled", "{UNLABELLED.sha256}", -1]], [["{leukaemic.id}", "{leukaemic.sha256}", 1]]]'
    )

    found = fingerprint([other, normal], [UNLABELLED], [leukaemic])

    assert found == hashlib.sha256(text.encode()).hexdigest()


def test_shares_may_miss_1_by_what_floating_point_rounds_and_no_more() -> None:
    assert len(by_image(CELLS, fractions=(0.7, 0.2, 0.1 + 1e-10), seed=0).train) == 22
    for wrong in (0.1 + 1e-8, 0.1 - 1e-8):
        with pytest.raises(SettingError, match="the fractions are"):
            by_image(CELLS, fractions=(0.7, 0.2, wrong), seed=0)
