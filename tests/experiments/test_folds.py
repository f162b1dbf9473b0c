"""The fold that stands for the paper's is fold_0 if complete, else the most complete one; errors help."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from leuknet.errors import SettingError
from leuknet.experiments.folds import choose_fold
from leuknet.recipes import get_recipe
from leuknet.types import CellImage, Dataset, Label

PAPER = get_recipe("leuknet-paper")


def dataset_of(counts: Mapping[str, tuple[int, int]]) -> Dataset:
    """Real cells by part: so many leukaemic, so many normal."""
    cells = tuple(
        CellImage(f"{part}/{label.short}_{number}", Path("x"), "0" * 64, label, "1", part)
        for part, numbers in counts.items()
        for label, n in zip((Label.LEUKAEMIC, Label.NORMAL), numbers, strict=True)
        for number in range(n)
    )
    return Dataset("c-nmc-2019", "2019", "free", "https://doi.org/x", Path(), cells)


FOLD_0 = (2397, 1130)  # as published: 3,527
FOLD_1 = (2418, 1163)
AT_HAND = {"fold_0": (170, 10), "fold_1": (2418, 1158), "fold_2": (123, 23)}


def test_the_papers_own_fold_is_taken_where_it_is_complete() -> None:
    fold = choose_fold(dataset_of({"fold_0": FOLD_0, "fold_1": FOLD_1}), PAPER)

    assert (fold.part, fold.share) == ("fold_0", 1)
    assert fold.why == "fold_0, the paper's own by its counts: all 3,527 images are here."


def test_else_the_most_complete_fold_is_taken_and_explained() -> None:
    fold = choose_fold(dataset_of(AT_HAND), PAPER)

    assert (fold.part, fold.leukaemic, fold.normal, fold.stated) == ("fold_1", 2418, 1158, 3581)
    assert fold.why.startswith(
        "fold_1, the most complete fold: 3,576 of 3,581 images are here. By their counts the paper's own "
        "cells are those of fold_0; that is not complete: 180 of 3,527 images are here."
    )


def test_the_share_counts_and_not_the_number_of_images() -> None:
    # 3,500 of 3,527 is a smaller share than 3,540 of 3,553.
    counts = {"fold_0": (2397, 1103), "fold_2": (2457, 1083)}

    assert choose_fold(dataset_of(counts), PAPER).part == "fold_2"


def test_a_fold_that_is_asked_for_is_taken_and_said_so() -> None:
    fold = choose_fold(dataset_of({"fold_0": FOLD_0, "fold_1": FOLD_1}), PAPER, part="fold_1")

    assert fold.part == "fold_1"
    assert "all 3,581 images are here. It was asked for with --part." in fold.why
    assert "that is complete too" in fold.why
    assert "most complete" not in fold.why


@pytest.mark.parametrize(
    ("counts", "part", "what", "fix"),
    [
        (AT_HAND, "fold_0", "too few cells of fold_0", "use --part fold_1"),
        (AT_HAND, "fold_7", "no part 'fold_7'", "use --part fold_1"),
        ({"fold_0": (170, 10)}, None, "too few cells of fold_0", "leuknet reproduce paper --demo"),
        ({"prelim": (900, 500)}, None, "cannot run the paper's experiment", "use --part prelim"),
        ({}, None, "cannot run the paper's experiment", "leuknet reproduce paper --demo"),
    ],
)
def test_too_few_cells_are_refused_with_what_the_command_can_do(
    counts: Mapping[str, tuple[int, int]], part: str | None, what: str, fix: str
) -> None:
    with pytest.raises(SettingError) as caught:
        choose_fold(dataset_of(counts), PAPER, part=part)

    assert what in caught.value.what
    assert fix in caught.value.fix
    assert "--set" not in caught.value.fix


def test_the_smallest_fold_that_trains_is_one_whole_batch() -> None:
    # 0.7 of twice 91 is 127.4, one cell short of a batch of 128; 0.7 of twice 92 is 128.8.
    with pytest.raises(SettingError) as caught:
        choose_fold(dataset_of({"fold_0": (2397, 91)}), PAPER)
    assert "127 would train, and one batch has 128" in caught.value.why

    assert choose_fold(dataset_of({"fold_0": (2397, 92)}), PAPER).part == "fold_0"
