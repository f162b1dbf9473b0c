"""What holds of every split, whatever the sizes of people and classes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from leuknet.data.published_counts import TRAINING_SUBJECTS
from leuknet.data.split import by_image, by_subject
from leuknet.types import Label
from tests.data.test_split import (
    PAPER,
    UNLABELLED,
    assert_is_partition,
    cells_of,
    labels,
    sides,
    subjects,
)


@given(
    normal=st.integers(10, 60),
    leukaemic=st.integers(10, 60),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=40, deadline=None)
def test_image_split_is_a_stratified_partition(normal: int, leukaemic: int, seed: int) -> None:
    cells = cells_of({"H1": (normal, 0), "1": (0, leukaemic)})

    split = by_image([UNLABELLED, *cells], fractions=PAPER, seed=seed)

    assert_is_partition(split, cells)
    for label, number in ((Label.NORMAL, normal), (Label.LEUKAEMIC, leukaemic)):
        for side, share in zip(sides(split), PAPER, strict=True):
            assert abs(labels(side)[label] - share * number) <= 1
    assert split == by_image([UNLABELLED, *cells], fractions=PAPER, seed=seed)


SUBJECT_SIZES = st.lists(st.integers(1, 40), min_size=3, max_size=12)


@given(
    normal=SUBJECT_SIZES,
    leukaemic=SUBJECT_SIZES,
    mixed=st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), max_size=6),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=150, deadline=None)
def test_subject_split_keeps_everyone_on_one_side(
    normal: list[int], leukaemic: list[int], mixed: list[tuple[int, int]], seed: int
) -> None:
    counts = {f"H{n}": (size, 0) for n, size in enumerate(normal)}
    counts |= {str(n): (0, size) for n, size in enumerate(leukaemic)}
    counts |= {f"M{n}": sizes for n, sizes in enumerate(mixed)}
    cells = [UNLABELLED, *cells_of(counts)]

    split = by_subject(cells, fractions=PAPER, seed=seed)

    assert_is_partition(split, cells)
    assert not subjects(split.train) & subjects(split.validation)
    assert not subjects(split.train) & subjects(split.test)
    assert not subjects(split.validation) & subjects(split.test)
    assert all(set(labels(side)) == set(Label) for side in sides(split))
    assert split.kind == "subject-level"
    assert split == by_subject(cells, fractions=PAPER, seed=seed)


@given(sizes=st.lists(st.integers(1, 40), min_size=15, max_size=40), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_subject_split_misses_a_share_by_at_most_a_large_subject(sizes: list[int], seed: int) -> None:
    cells = cells_of({f"H{n}": (size, size) for n, size in enumerate(sizes)})

    split = by_subject(cells, fractions=PAPER, seed=seed)

    # A side gets a subject only while it lacks cells, so it ends with less than one subject too much. What
    # one side lacks, the two others have too much.
    for side, share in zip(sides(split), PAPER, strict=True):
        excess = labels(side)[Label.NORMAL] - share * sum(sizes)
        assert -2 * max(sizes) < excess < max(sizes)


def test_real_subjects_of_fold_0_are_divided_near_the_shares() -> None:
    counts = {
        subject: (number, 0) if subject.startswith("H") else (0, number)
        for subject, number in TRAINING_SUBJECTS["fold_0"].items()
    }
    cells = cells_of(counts)

    for seed in range(5):
        split = by_subject(cells, fractions=PAPER, seed=seed)
        assert all(labels(side)[Label.NORMAL] > 0 for side in sides(split))
        # 2,397 ALL cells, 402 of the largest subject.
        assert abs(labels(split.train)[Label.LEUKAEMIC] - 0.7 * 2397) <= 402
        assert not subjects(split.train) & subjects(split.test)
