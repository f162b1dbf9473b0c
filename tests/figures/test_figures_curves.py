"""The figures of evaluations hold what was computed, name everything, and stay legible at every size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from leuknet.errors import DataError, ShapeError
from leuknet.evaluation.by_subject import subject_rows
from leuknet.evaluation.metrics import metric_intervals
from leuknet.evaluation.resampling import clusters_of
from leuknet.figures.curves_plot import draw_decision, draw_discrimination, draw_risk_coverage
from leuknet.figures.reliability_plot import draw_reliability
from leuknet.figures.subjects import draw_subjects
from leuknet.types import Evaluation, SplitKind
from tests.evaluation.test_curves import draw_scores, make_calibration, make_evaluation
from tests.figures.test_figures import LONG_NAMES, _assert_legible, _texts

Draw = Callable[[dict[str, Evaluation]], Figure]

OF_SEVERAL: dict[str, Draw] = {
    "discrimination": draw_discrimination,
    "reliability": draw_reliability,
    "decision": draw_decision,
    "risk_coverage": draw_risk_coverage,
}
ALL_FIVE: dict[str, Draw] = OF_SEVERAL | {
    "subjects": lambda by_name: draw_subjects(next(iter(by_name.values())))
}


def scored(
    n: int = 60,
    *,
    subjects: int = 10,
    seed: int = 0,
    split_kind: SplitKind = "subject-level",
    calibrated: bool = True,
    simulated: bool = False,
) -> Evaluation:
    """Scored cells with the metrics that the figures name; few resamples, for speed."""
    labels, probabilities, subject = draw_scores(n, subjects=subjects, seed=seed)
    evaluation = make_evaluation(
        probabilities,
        labels=labels,
        subjects=tuple(f"P{number}" for number in subject),
        split_kind=split_kind,
        calibration=make_calibration(1.5, (0.3, 0.7)) if calibrated else None,
    )
    metrics = metric_intervals(labels, probabilities, threshold=0.5, clusters=clusters_of(evaluation))
    return replace(evaluation, metrics=metrics, simulated=simulated)


ONE = {"leuknet-paper": scored()}
SIX = {
    f"a recipe with a name of $many$ words that no table can hold, round {n} of 6, seed {n}_0": replace(
        scored(
            40 + 20 * n,
            seed=n,
            split_kind="image-level" if n == 5 else "subject-level",
            calibrated=n % 2 == 0,
        ),
        class_names=LONG_NAMES,
    )
    for n in range(6)
}
TESTS = {"one": ONE, "six": SIX, "four cells": {"tiny": scored(4, subjects=4)}}


@cache
def drawn(figure: str, test: str) -> Figure:
    """Draw each figure once for all tests that only look at it."""
    return ALL_FIVE[figure](TESTS[test])


def lines_of(figure: Figure, axes: int) -> list[Line2D]:
    return [line for line in figure.get_axes()[axes].get_lines() if len(np.asarray(line.get_xdata())) > 2]


def marks_of(figure: Figure, axes: int) -> list[tuple[float, float]]:
    marks = [line for line in figure.get_axes()[axes].get_lines() if len(np.asarray(line.get_xdata())) == 1]
    return [
        (float(np.asarray(line.get_xdata())[0]), float(np.asarray(line.get_ydata())[0])) for line in marks
    ]


@pytest.mark.parametrize("name", ALL_FIVE)
@pytest.mark.parametrize("test", TESTS)
def test_no_text_is_cut_or_overlaps(name: str, test: str) -> None:
    _assert_legible(drawn(name, test))


@pytest.mark.parametrize("name", ALL_FIVE)
def test_the_figure_says_what_was_tested_and_is_stamped_only_if_simulated(name: str) -> None:
    real = _texts(drawn(name, "one"))
    simulated = _texts(ALL_FIVE[name]({"leuknet-paper": scored(simulated=True)}))

    assert any(text.startswith("60 cells, 10 subjects, subject-level split.") for text in real)
    assert "SIMULATED CELLS" not in real
    assert simulated.count("SIMULATED CELLS") == 2


@pytest.mark.parametrize("name", OF_SEVERAL)
def test_one_simulated_evaluation_among_real_ones_stamps_the_figure(name: str) -> None:
    texts = _texts(OF_SEVERAL[name](ONE | {"drawn": scored(simulated=True)}))

    assert "SIMULATED CELLS" in texts


@pytest.mark.parametrize("name", OF_SEVERAL)
def test_different_test_cells_are_noted_below_each_name(name: str) -> None:
    texts = _texts(OF_SEVERAL[name](ONE | {"leaky": scored(80, split_kind="image-level")}))

    assert "60 cells, 10 subjects, subject-level split" in texts
    assert "80 cells, 10 subjects, image-level split (optimistic)" in texts
    assert any(text.startswith("Tested on different cells or splits") for text in texts)


@pytest.mark.parametrize("name", OF_SEVERAL)
def test_no_two_of_six_evaluations_share_a_dash_or_a_marker(name: str) -> None:
    key = drawn(name, "six").get_axes()[-1]
    samples = key.get_lines()[1:]  # the first is the rule below the heads
    dashes = {str(line.__dict__["_unscaled_dash_pattern"]) for line in samples[0:12:2]}
    markers = {str(line.get_marker()) for line in samples[1:12:2]}

    assert len(dashes) == len(markers) == 6


@pytest.mark.parametrize("name", ALL_FIVE)
def test_the_same_evaluation_gives_the_same_bands_and_whiskers(name: str) -> None:
    first, second = (
        [
            np.asarray(path.vertices).tolist()
            for axes in figure.get_axes()
            for one in axes.collections
            for path in one.get_paths()
        ]
        for figure in (drawn(name, "one"), ALL_FIVE[name](ONE))
    )

    assert first == second != []


def test_discrimination_marks_the_own_threshold_on_both_curves() -> None:
    # At 0.5: 2 of 2 ALL found and 1 of 4 HEM called ALL. Of 8 pairs, ALL wins 7.
    labels, probabilities = np.array([1, 1, 0, 0, 0, 0]), np.array([0.9, 0.6, 0.7, 0.1, 0.2, 0.3])
    evaluation = make_evaluation(probabilities, labels=labels)
    metrics = metric_intervals(labels, probabilities, threshold=0.5, metrics=["auroc", "auprc"])

    figure = draw_discrimination({"one": replace(evaluation, metrics=metrics)})

    assert marks_of(figure, 0) == [(0.25, 1.0)]
    assert marks_of(figure, 1)[0] == pytest.approx((1.0, 2 / 3))
    assert "0.875 (no interval)" in _texts(figure)
    assert any("No band: too few subjects. No interval: too few cells." in text for text in _texts(figure))


def test_more_than_two_evaluations_have_no_bands() -> None:
    three = ONE | {"second": scored(seed=1), "third": scored(seed=2)}

    assert len(drawn("discrimination", "one").get_axes()[0].collections) == 1
    assert len(draw_discrimination(three).get_axes()[0].collections) == 0
    assert not any("Shaded" in text for text in _texts(draw_decision(three)))


def test_the_decision_curve_shows_both_policies_that_need_no_model() -> None:
    figure = drawn("decision", "one")
    everyone = np.asarray(lines_of(figure, 0)[1].get_ydata())
    nobody = figure.get_axes()[0].get_lines()[0]

    # Half of the cells are ALL: at threshold 0.5 acting on all gains what it costs.
    assert everyone[49] == pytest.approx(0)
    assert everyone[0] == pytest.approx(0.5 - 0.5 * 0.01 / 0.99)
    assert list(np.asarray(nobody.get_ydata())) == [0, 0]


def test_risk_coverage_marks_what_the_own_rule_decides() -> None:
    probabilities = np.array([0.1, 0.9, 0.3, 0.6, 0.7, 0.8])  # labels 0 1 0 1 0 1
    ruled = make_evaluation(probabilities, calibration=make_calibration(1.0, (0.3, 0.7)))

    figure = draw_risk_coverage({"ruled": ruled, "without": replace(ruled, calibration=None)})

    assert marks_of(figure, 0) == [pytest.approx((4 / 6, 1 / 4)), pytest.approx((1.0, 1 / 6))]
    assert "all: it has no rule" in _texts(figure)


def test_a_rule_that_decides_nothing_is_said_in_words() -> None:
    shy = make_evaluation(np.array([0.4, 0.6, 0.3, 0.7]), calibration=make_calibration(1.0, (0.0, 1.0)))

    assert "none decided" in _texts(draw_risk_coverage({"shy": shy}))


def test_a_single_calibrated_evaluation_is_shown_before_its_temperature_too() -> None:
    single, bare = drawn("reliability", "one"), draw_reliability({"bare": scored(calibrated=False)})

    assert "the same before its temperature of 1.50" in _texts(single)
    assert len(lines_of(single, 0)) == 2
    assert len(lines_of(bare, 0)) == 1


def test_the_reliability_figure_counts_every_cell() -> None:
    counts = draw_reliability({"bare": scored(calibrated=False)}).get_axes()[1]
    bars = [patch.get_height() for patch in counts.patches if isinstance(patch, Rectangle)]

    assert sum(bars) == 60


def test_subjects_are_drawn_worst_first_with_class_cells_and_interval() -> None:
    # P0 (HEM): 1 of 2 right; P1 (ALL): 2 of 2.
    evaluation = make_evaluation(
        np.array([0.2, 0.8, 0.9, 0.7]), labels=np.array([0, 1, 0, 1]), subjects=("P0", "P1", "P0", "P1")
    )

    axes = draw_subjects(evaluation).get_axes()[0]
    texts = [text.get_text() for text in axes.texts]

    assert texts[:8] == [
        "P0",
        "HEM",
        "1 of 2",
        "50.0% (9.5 to 90.5)",
        "P1",
        "ALL",
        "2 of 2",
        "100.0% (34.2 to 100.0)",
    ]
    bars = [(patch.get_width(), patch.get_hatch()) for patch in axes.patches if isinstance(patch, Rectangle)]
    assert bars == [(0.5, "/////"), (1.0, "")]
    assert [line.get_marker() for line in axes.get_lines()] == ["s", "o"]


def test_more_than_forty_subjects_show_the_worst_forty_and_say_so() -> None:
    evaluation = scored(180, subjects=45)
    figure = draw_subjects(evaluation)
    axes = figure.get_axes()[0]

    assert axes.texts[0].get_text() == subject_rows(evaluation)[0].subject
    assert sum(text.get_text().endswith("of 4") for text in axes.texts) == 40
    assert any("5 better ones are not shown" in text for text in _texts(figure))


def test_subjects_that_are_not_named_cannot_be_drawn() -> None:
    with pytest.raises(DataError, match="subject by subject"):
        draw_subjects(make_evaluation(np.array([0.2, 0.8]), subjects=("P0", None)))


@pytest.mark.parametrize("name", OF_SEVERAL)
def test_nothing_to_draw_is_refused(name: str) -> None:
    with pytest.raises(ShapeError, match="no evaluation was given"):
        OF_SEVERAL[name]({})


@pytest.mark.parametrize(("name", "metric"), [("discrimination", "auprc"), ("reliability", "ece")])
def test_an_evaluation_without_the_metric_is_refused_with_a_way_out(name: str, metric: str) -> None:
    old = scored()
    metrics = {key: value for key, value in old.metrics.items() if key != metric}

    with pytest.raises(ShapeError) as caught:
        OF_SEVERAL[name]({"old": replace(old, metrics=metrics)})

    assert caught.value.why == f"the evaluation of 000000000000 holds no {metric}"
    assert caught.value.fix == "evaluate the model again with this version of LeukNet"
