"""Baselines against votes counted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from leuknet.errors import DataError, UnreadableImageError
from leuknet.evaluation.baselines import BASELINES, judge_baselines, score_baselines
from leuknet.images.measures import Measures
from leuknet.images.survey import THUMBNAIL_PX, Survey
from leuknet.images.texture import TEXTURES
from leuknet.types import CellImage, Dataset, Label, TestSide

# Of the five training cells nearest to grey level 50, three are normal and two leukaemic.
LEVELS = [50, 51, 52, 53, 54, 200, 201, 202, 203, 204, 205, 206]
CLASSES = [0, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 1]


def make_survey(
    classes: Sequence[int | None],
    *,
    areas: Sequence[float] | None = None,
    colours: Sequence[float] | None = None,
    levels: Sequence[int] | None = None,
    patterns: Sequence[float] | None = None,
) -> Survey:
    """Cells that differ in what is named and are alike in all else."""
    n = len(classes)
    cells = tuple(
        CellImage(f"{i}.bmp", Path(f"{i}.bmp"), f"{i:064x}", None if one is None else Label(one), f"S{i}")
        for i, one in enumerate(classes)
    )
    measures = np.zeros((n, len(Measures._fields)))
    measures[:, Measures._fields.index("area_px")] = 30_000 if areas is None else areas
    for channel in ("red", "green", "blue"):
        measures[:, Measures._fields.index(channel)] = 100 if colours is None else colours
    thumbnails: NDArray[np.uint8] = np.zeros((n, THUMBNAIL_PX, THUMBNAIL_PX, 3), np.uint8)
    thumbnails += np.array([0] * n if levels is None else levels, np.uint8)[:, None, None, None]
    textures = np.zeros((n, len(TEXTURES)), np.float32)
    textures[:, -1] = 0.1 if patterns is None else patterns
    return Survey(cells, ("0",) * n, measures, thumbnails, (), textures)


def test_area_counts_both_classes_alike_however_many_cells_each_has() -> None:
    # Five times as many leukaemic cells, and yet 0.5 half-way between 26 and 36 thousand pixels.
    train = make_survey([0, 0] + [1] * 10, areas=[25_000, 27_000] + [35_000, 37_000] * 5)

    middle, large, small = score_baselines(train, make_survey([0] * 3, areas=[31_000, 36_000, 26_000]))[
        "area"
    ]

    assert middle == pytest.approx(0.5, abs=0.01)
    assert large > 0.85
    assert small < 0.15


@pytest.mark.parametrize("name", ["colour", "nearest"])
def test_votes_of_neighbours_are_divided_by_the_cells_of_their_class(name: str) -> None:
    train = make_survey(CLASSES, colours=LEVELS, levels=LEVELS)
    test = make_survey([0, 0], colours=[50, 206], levels=[50, 206])

    near_50, near_206 = score_baselines(train, test, names=[name])[name]

    # Three of 4 normal cells and two of 8 leukaemic ones: 2/8 / (2/8 + 3/4).
    assert near_50 == pytest.approx(0.25)
    assert near_206 == 1


def test_each_baseline_sees_one_thing_alone() -> None:
    # Where only areas differ, colour and pictures cannot tell cells apart, and the other way round.
    train = make_survey(CLASSES, areas=LEVELS)
    test = make_survey([0, 0], areas=[50, 206])

    scores = score_baselines(train, test)

    assert list(scores) == list(BASELINES) == ["area", "colour", "nearest", "texture"]
    assert scores["area"][0] < scores["area"][1]
    assert scores["colour"][0] == scores["colour"][1]
    assert scores["nearest"][0] == scores["nearest"][1]


def test_trees_see_a_pattern_that_lies_between_two_others() -> None:
    # Leukaemic in the middle: no line through one number tells these apart, and a tree does.
    classes, patterns = [0] * 20 + [1] * 20 + [0] * 20, [*[0.1] * 20, *[0.2] * 20, *[0.3] * 20]
    train = make_survey(classes, patterns=patterns)

    low, middle, high = score_baselines(
        train, make_survey([0, 1, 0], patterns=[0.1, 0.2, 0.3]), names=["texture"]
    )["texture"]

    assert middle > 0.9
    assert max(low, high) < 0.1


def test_textures_must_have_been_described() -> None:
    without = replace(make_survey(CLASSES), textures=None)

    with pytest.raises(DataError, match="does not describe textures"):
        score_baselines(without, without)


@pytest.mark.parametrize(
    ("classes", "why"),
    [
        ([1] * 6, "of 6 training cells, 6 are leukaemic, 0 normal"),
        ([0, 1, 0, 1], "of 4 training cells, 2 are leukaemic, 2 normal"),
        ([0, 1, 0, 1, 0, None], "of 6 training cells, 2 are leukaemic, 3 normal and 1 without a label"),
    ],
)
def test_baselines_refuse_cells_that_they_cannot_learn_from(classes: list[int | None], why: str) -> None:
    with pytest.raises(DataError, match="cannot fit the baselines") as caught:
        score_baselines(make_survey(classes), make_survey([0, 1]))

    assert caught.value.why.startswith(why)


def test_a_judged_baseline_says_what_it_is_and_which_cells_it_could_not_read() -> None:
    train = make_survey(CLASSES, areas=LEVELS, colours=LEVELS, levels=LEVELS)
    seen = make_survey(
        [0, 1, 0, 1], areas=[50, 206, 51, 205], colours=[50, 206, 51, 205], levels=[50, 206, 51, 205]
    )
    broken = CellImage("broken.bmp", Path("broken.bmp"), "f" * 64, Label.NORMAL, "S9")
    error = UnreadableImageError("cannot read it", why="zero bytes", fix="copy it again")
    test = replace(seen, unreadable=((broken, error),))
    dataset = Dataset("folder", "1", "none", "", Path(), seen.cells)
    side = TestSide((*seen.cells, broken), "image-level", "0" * 64, "test side")

    judged = judge_baselines(dataset, side, train, test, seed=3)

    assert [one.model_id for one in judged.values()] == [
        "baseline: area",
        "baseline: colour",
        "baseline: nearest",
        "baseline: texture",
    ]
    for one in judged.values():
        assert one.unreadable == (("broken.bmp", "zero bytes"),)
        assert (one.threshold, one.seed) == (0.5, 3)
        assert one.metrics["auroc"].estimate == 1
        assert one.confusion == ((2, 0), (0, 2))
