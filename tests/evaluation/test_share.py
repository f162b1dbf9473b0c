"""Shares of leukaemic cells by person: by hand, on people drawn from the model, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.integrate import trapezoid
from scipy.special import expit, logit
from scipy.stats import beta, binom, chi2

from leuknet.errors import DataError, LeakError, NoSubjectsError, SettingError, ShapeError
from leuknet.evaluation.evaluate import write_evaluation
from leuknet.evaluation.resampling import wilson
from leuknet.evaluation.share import SubjectShares, draw_shares_of, subject_shares
from leuknet.evaluation.spread import MOST_TAU, Spread, _log_likelihood, fit_spread
from leuknet.figures.shares import draw_shares
from leuknet.inference.prediction_table import COLUMNS, write_predictions
from leuknet.inference.scored_table import ScoredCells, read_scored
from leuknet.records import read_record
from leuknet.types import Evaluation, Interval, IntervalMethod, Prediction
from simulated_people import People, evaluation_of
from tests.conftest import run_cli
from tests.evaluation.test_by_subject import EVALUATION
from tests.figures.test_figures import _assert_legible, _texts

MODEL = EVALUATION.model_id

# Ann: 0.9 and 0.6 called, 0.5 called and uncertain, 0.2 not and unfamiliar, one without a score. Bo: 0.1.
LINES: list[dict[str, Any]] = [
    {"path": "1", "probability": 0.9, "outcome": "ALL", "subject": "Ann"},
    {"path": "2", "probability": 0.1, "outcome": "HEM", "subject": "Bo"},
    {"path": "3", "probability": 0.6, "outcome": "ALL", "subject": "Ann"},
    {"path": "4", "probability": 0.5, "outcome": "uncertain", "subject": "Ann"},
    {"path": "5", "probability": None, "outcome": None, "subject": "Ann", "error": "cut off"},
    {"path": "6", "probability": 0.2, "outcome": "HEM", "subject": "Ann", "warnings": "too dark"},
]


def _spread(tau: float, *, simulated: bool = False) -> Spread:
    interval = Interval(tau, tau / 2, 2 * tau, 0.95, IntervalMethod.PROFILE_LIKELIHOOD, 6000, 100, 0)
    return Spread(interval, 3, MODEL, "cells", "subject-level", simulated)


def _cells(
    probabilities: Iterable[float],
    subjects: Iterable[str] | None = None,
    *,
    threshold: float = 0.5,
    unfamiliar: int = 0,
) -> ScoredCells:
    """Scored cells, the first of them unfamiliar."""
    values = np.array(list(probabilities))
    no = np.zeros(values.size, dtype=bool)
    foreign = np.arange(values.size) < unfamiliar
    return ScoredCells(MODEL, threshold, tuple(subjects or ["Ann"] * values.size), values, no, foreign)


def _write(path: Path, lines: list[dict[str, Any]], *, drop: str = "", **same: Any) -> Path:
    """Write a table; `same` are values of all lines."""
    rows = [dict.fromkeys(COLUMNS) | {"threshold": 0.5, "model_id": MODEL} | one | same for one in lines]
    table = pl.DataFrame(rows, infer_schema_length=None).drop(drop or [])
    table.write_parquet(path) if path.suffix == ".parquet" else table.write_csv(path)
    return path


@cache
def _fitted() -> Spread:
    return fit_spread(People(200, 60, tau=1.0, seed=1).evaluation())


# The numbers ---------------------------------------------------------------------------------------------


def test_certain_probabilities_give_the_jeffreys_posterior() -> None:
    # Three certain leukaemic cells of four: Beta(3.5, 1.5), whose mean is 0.7.
    draws = draw_shares_of(np.array([1.0, 1.0, 1.0, 0.0]), tau=0, draws=100_000)

    assert np.quantile(draws, [0.025, 0.5, 0.975]) == pytest.approx(
        beta(3.5, 1.5).ppf([0.025, 0.5, 0.975]), abs=0.006
    )


def test_one_cell_of_probability_one_half_leaves_half_of_the_share_unknown() -> None:
    # 0.5 w + (1 - w) b with w uniform has mean 1/2 and variance E(1 - w)^2 Var b = 1/3 * 1/8.
    draws = draw_shares_of(np.array([0.5]), tau=0, draws=100_000)

    assert draws.mean() == pytest.approx(0.5, abs=0.003)
    assert draws.var() == pytest.approx(1 / 24, abs=0.001)


def test_many_equal_cells_leave_the_person_alone_to_chance() -> None:
    # 20,000 cells of 0.5: the share is sigmoid(delta), with limits sigmoid(-+1.96 tau).
    draws = draw_shares_of(np.full(20_000, 0.5), tau=0.7, draws=4000)

    assert np.quantile(draws, [0.025, 0.975]) == pytest.approx(expit([-1.96 * 0.7, 1.96 * 0.7]), abs=0.015)


def test_a_line_counts_what_is_used_and_what_is_left_out(tmp_path: Path) -> None:
    cells = read_scored(_write(tmp_path / "t.csv", LINES))
    ann, bo = subject_shares(cells, include_unfamiliar=True).rows

    assert (ann.subject, ann.cells, ann.errors, ann.unfamiliar, ann.uncertain) == ("Ann", 4, 1, 1, 1)
    assert ann.called == wilson(3, 4)
    assert ann.share is not None
    assert ann.share.estimate == pytest.approx((0.9 + 0.6 + 0.5 + 0.2) / 4)
    assert (ann.share.cells, ann.share.subjects, ann.share.method) == (4, 1, "Monte Carlo over cells alone")
    assert (bo.subject, bo.cells, bo.errors, bo.unfamiliar, bo.uncertain) == ("Bo", 1, 0, 0, 0)

    ann, _ = subject_shares(cells).rows
    assert (ann.cells, ann.errors, ann.unfamiliar, ann.called) == (3, 1, 1, wilson(3, 3))


@pytest.mark.parametrize("include", [False, True])
def test_there_is_no_share_where_most_cells_are_unfamiliar(include: bool) -> None:
    # 601 of 601 cells of a slide that was not blood; and one more than half of a person's cells.
    for cells, foreign in ((601, 601), (5, 3)):
        (row,) = subject_shares(
            _cells([0.004] * cells, unfamiliar=foreign), include_unfamiliar=include, spread=_spread(0.1)
        ).rows
        assert (row.cells, row.unfamiliar, row.called, row.share) == (0, foreign, None, None)
        assert row.outcome == "unfamiliar"

    (row,) = subject_shares(_cells([0.9, 0.9, 0.1, 0.1], unfamiliar=2), include_unfamiliar=include).rows
    assert (row.cells, row.unfamiliar) == (4 if include else 2, 2)
    assert row.share is not None
    assert row.share.estimate == pytest.approx(0.5 if include else 0.1)


def test_notes_on_how_a_file_was_read_make_no_cell_unfamiliar(tmp_path: Path) -> None:
    size = "64 x 64 px, not 450 x 450:"
    warnings = [
        "the content is PNG, the extension is '.bmp'; the alpha channel is opaque and was dropped",
        f"{size} placed on black",
        f"{size} cropped at the centre and placed on black",
        f"{size} placed on black; blurred",
        "not a segmented cell on black: scores are not valid for raw smears",
        None,
    ]
    lines = [LINES[0] | {"warnings": text} for text in warnings] + [LINES[0] | {"outcome": "unfamiliar"}]

    cells = read_scored(_write(tmp_path / "t.csv", lines))
    assert cells.unfamiliar.tolist() == [False, False, True, True, True, False, True]


def test_the_threshold_of_the_table_decides_which_cells_are_called() -> None:
    (row,) = subject_shares(_cells([0.7, 0.69], threshold=0.7)).rows

    assert row.called == wilson(1, 2)


def test_a_person_without_a_usable_cell_keeps_a_line_without_shares() -> None:
    (row,) = subject_shares(_cells([float("nan")] * 2)).rows

    assert (row.cells, row.errors, row.called, row.share, row.outcome) == (0, 2, None, None, "no cells")


@pytest.mark.parametrize(
    ("probability", "cut_off", "outcome"),
    [
        (0.9, 0.5, "above"),
        (0.1, 0.5, "below"),
        (0.505, 0.5, "undecided"),
        (0.495, 0.5, "undecided"),
        (0.9, 0.95, "below"),
    ],
)
def test_an_outcome_needs_the_whole_interval_on_one_side(
    probability: float, cut_off: float, outcome: str
) -> None:
    (row,) = subject_shares(_cells([probability] * 200), cut_off=cut_off).rows

    assert row.outcome == outcome


def test_an_interval_holds_its_estimate_even_at_the_ends() -> None:
    # The 97.5% quantile of Beta(50.5, 0.5) is below 1.
    for value in (0.0, 1.0):
        (row,) = subject_shares(_cells([value] * 50)).rows
        assert row.share is not None
        assert row.share.low <= row.share.estimate == value <= row.share.high


def test_a_line_depends_on_neither_the_other_people_nor_the_order_of_rows() -> None:
    values, whose = [0.9, 0.2, 0.4, 0.7], ["Ann", "Bo", "Ann", "Bo"]
    both = subject_shares(_cells(values, whose), spread=_spread(1.0)).rows
    turned = subject_shares(_cells(values[::-1], whose[::-1]), spread=_spread(1.0)).rows
    (alone,) = subject_shares(_cells([0.2, 0.7], ["Bo"] * 2), spread=_spread(1.0)).rows

    assert both == turned
    assert both[1] == alone
    assert both != subject_shares(_cells(values, whose), spread=_spread(1.0), seed=1).rows


# The fit and the coverage ----------------------------------------------------------------------------------


def test_the_likelihood_is_the_integral_over_each_persons_delta() -> None:
    # Person 0 has 400 cells of both classes, a sharp peak off 0; person 1 three of one class, a skew one.
    generator = np.random.default_rng(0)
    log_odds = np.append(generator.normal(0, 1.5, 400), [1.0, 2.0, -1.0])
    signs = np.append(np.where(generator.random(400) < expit(log_odds[:400] + 2), 1.0, -1.0), [1, 1, 1])
    person = np.repeat([0, 1], [400, 3])
    deltas, expected = np.linspace(-15, 15, 60_001), 0.0
    for one in (0, 1):
        mine = person == one
        cells = [
            -np.logaddexp(0, -s * (x + deltas)) for s, x in zip(signs[mine], log_odds[mine], strict=True)
        ]
        prior = np.exp(-0.5 * (deltas / 1.5) ** 2) / (1.5 * np.sqrt(2 * np.pi))
        expected += np.log(trapezoid(np.exp(np.sum(cells, axis=0)) * prior, deltas))

    assert _log_likelihood(1.5, signs, log_odds, person) == pytest.approx(expected, abs=1e-3)
    at_zero = _log_likelihood(0.0, signs, log_odds, person)
    assert at_zero == pytest.approx(np.log(expit(signs * log_odds)).sum())
    assert _log_likelihood(1.01e-3, signs, log_odds, person) == pytest.approx(at_zero, abs=0.02)


@pytest.mark.parametrize("tau", [0.3, 1.0, 2.0])
def test_the_spread_of_drawn_people_is_recovered(tau: float) -> None:
    spread = fit_spread(People(200, 60, tau=tau, seed=1).evaluation())

    assert spread.tau.estimate == pytest.approx(tau, rel=0.15)
    assert spread.tau.low < tau < spread.tau.high
    assert spread.tau.high - spread.tau.low < 0.6 * tau
    assert (spread.tau.cells, spread.tau.subjects, spread.model_id) == (12_000, 200, MODEL)


def test_the_limits_of_the_spread_are_those_of_a_likelihood_ratio_test_at_5_percent() -> None:
    evaluation = People(60, 30, tau=1.0, seed=2).evaluation()
    signs = 2.0 * np.array(evaluation.labels) - 1
    log_odds = logit(np.array(evaluation.probabilities))
    person = np.unique([str(name) for name in evaluation.subject_ids], return_inverse=True)[1]
    tau = fit_spread(evaluation).tau

    most, *ends = (
        _log_likelihood(each, signs, log_odds, person) for each in (tau.estimate, tau.low, tau.high)
    )

    assert tau.level == 0.95
    for end in ends:
        # By its chi-squared distribution: of a 90% interval this would be 0.10.
        assert chi2.sf(2 * (most - end), 1) == pytest.approx(0.05, abs=0.001)


def test_people_who_do_not_differ_have_a_spread_near_zero() -> None:
    spread = fit_spread(People(200, 60, tau=0.0, seed=4).evaluation())

    assert spread.tau.low == 0
    assert spread.tau.estimate < 0.15


def test_extreme_probabilities_on_the_wrong_side_do_not_break_the_fit() -> None:
    drawn = People(50, 20, tau=0.5, seed=2).evaluation()
    ends, labels = np.array(drawn.probabilities), np.array(drawn.labels)
    ends[[ends.argmin(), ends.argmax()]] = [0.0, 1.0]
    labels[[ends.argmin(), ends.argmax()]] = [1, 0]
    spread = fit_spread(evaluation_of(labels, ends, drawn.subject_ids))

    assert 0 < spread.tau.estimate < MOST_TAU


# More intervals than this miss in one of 1000 such tests if each holds the truth with 95%.
WORST = int(binom(300, 0.95).ppf(0.001))


@pytest.mark.parametrize("cells", [5, 20, 100, 500])
def test_intervals_with_the_fitted_spread_hold_the_true_share_of_new_people(cells: int) -> None:
    covered = People(300, cells, tau=1.0, seed=2).covered(_fitted().tau.estimate)

    # And they are not wide without need: with 5 cells they may be, a little.
    assert WORST <= covered <= (300 if cells == 5 else int(binom(300, 0.95).ppf(0.999)))


@pytest.mark.parametrize(("cells", "at_most"), [(20, 0.7), (500, 0.25)])
def test_intervals_of_the_cell_count_alone_miss_most_people_when_models_are_off(
    cells: int, at_most: float
) -> None:
    assert People(300, cells, tau=1.0, seed=2).covered(0.0) <= 300 * at_most


@pytest.mark.parametrize("cells", [1, 20, 500])
def test_the_cell_count_alone_is_enough_where_models_are_right_in_each_person(cells: int) -> None:
    assert People(300, cells, tau=0.0, seed=3).covered(0.0) >= WORST


# Evaluations that are refused ----------------------------------------------------------------------------


def _small() -> Evaluation:
    return People(20, 10, tau=0.5, seed=0).evaluation()


def test_people_of_one_class_each_tell_no_spread() -> None:
    labels, whose = np.repeat([0, 1], 30), np.repeat(range(6), 10)
    with pytest.raises(DataError) as caught:
        fit_spread(evaluation_of(labels, np.where(labels, 0.8, 0.2), whose))

    assert caught.value.why == "each of its 6 people has cells of one class only: labels go by person"
    assert "cells of both classes" in caught.value.fix


def test_a_spread_without_end_is_refused_where_few_people_have_both_classes() -> None:
    # 30 people of one class, each against all scores, and one person of both.
    labels = np.append(np.repeat(np.tile([0, 1], 15), 20), [0, 1])
    whose = np.append(np.repeat(range(30), 20), [30, 30])
    with pytest.raises(DataError) as caught:
        fit_spread(evaluation_of(labels, np.full(602, 0.5), whose))

    assert caught.value.why == "no tau up to 10 is the likeliest; 1 of 31 people have both classes"


def test_an_image_level_evaluation_tells_nothing_of_new_people() -> None:
    with pytest.raises(LeakError) as caught:
        fit_spread(replace(_small(), split_kind="image-level"))

    assert caught.value.why == "its split is image-level: the model was trained on cells of the same people"


def test_evaluations_without_subjects_or_of_changed_probabilities_are_refused() -> None:
    small = _small()
    with pytest.raises(DataError, match="1 of 200 cells name no subject"):
        fit_spread(replace(small, subject_ids=(None, *small.subject_ids[1:])))
    with pytest.raises(DataError, match="a mean with 5 other cells"):
        fit_spread(replace(small, neighbours=5))
    with pytest.raises(DataError, match="all cells are one person's"):
        fit_spread(replace(small, subject_ids=("a",) * 200))


def test_the_evaluation_of_another_model_is_refused() -> None:
    with pytest.raises(SettingError) as caught:
        subject_shares(_cells([0.5]), spread=replace(_spread(1.0), model_id="other"))

    assert caught.value.why == f"the cells were scored by {MODEL}, the evaluation is of other"


@pytest.mark.parametrize("cut_off", [0.0, 1.0, float("nan")])
def test_a_cut_off_outside_of_0_to_1_is_refused(cut_off: float) -> None:
    with pytest.raises(SettingError, match="not between 0 and 1"):
        subject_shares(_cells([0.5]), cut_off=cut_off)


# Tables --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_predict_writes_is_read_back_whole(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"odd [name]*{suffix}"
    made = [
        Prediction("a,\n.bmp", 1 / 3, 0.5, MODEL, "Ann", undecided=(0.3, 0.4)),
        Prediction("b.bmp", None, 0.5, MODEL, "Bo", error="cut off, at the end"),
        Prediction("c.bmp", 1e-9, 0.5, MODEL, "007", warnings=("dark", "small")),
    ]
    write_predictions(made, path, class_names=("HEM", "ALL"))
    cells = read_scored(path)

    assert (cells.model_id, cells.threshold, cells.subjects) == (MODEL, 0.5, ("Ann", "Bo", "007"))
    assert cells.probabilities.tolist()[::2] == [1 / 3, 1e-9]
    assert np.isnan(cells.probabilities[1])
    assert cells.uncertain.tolist() == [True, False, False]
    assert cells.unfamiliar.tolist() == [False, False, True]


def test_subjects_come_from_another_column_or_are_all_one(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.csv", [one | {"donor": f"d{one['path']}"} for one in LINES])

    assert read_scored(path, subject_column="donor").subjects == ("d1", "d2", "d3", "d4", "d5", "d6")
    path = _write(tmp_path / "u.csv", LINES, subject=None)
    assert read_scored(path, one_subject="me").subjects == ("me",) * 6
    path = _write(tmp_path / "v.csv", LINES, drop="subject")
    assert read_scored(path, one_subject="me").subjects == ("me",) * 6


def test_cells_of_nobody_are_refused_with_both_ways_out(tmp_path: Path) -> None:
    lines = [LINES[0], LINES[1] | {"subject": " "}]
    with pytest.raises(NoSubjectsError) as caught:
        read_scored(_write(tmp_path / "t.csv", lines))
    assert caught.value.why == "1 of 2 rows have none in column 'subject'"
    assert "--one-subject NAME" in caught.value.fix
    assert "--subject-column" in caught.value.fix

    with pytest.raises(NoSubjectsError, match="no column 'donor', but path, probability"):
        read_scored(_write(tmp_path / "t.parquet", LINES), subject_column="donor")


def test_one_subject_is_refused_where_the_table_names_several(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        read_scored(_write(tmp_path / "t.csv", LINES), one_subject="me")

    assert caught.value.why == "the column 'subject' names 2 people"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"probability": "high"}, "row 2: probability is 'high', not a number from 0 to 1"),
        ({"probability": "1.01"}, "row 2: probability is '1.01', not a number from 0 to 1"),
        ({"probability": "nan"}, "row 2: probability is 'nan', not a number from 0 to 1"),
        ({"probability": "-0.1"}, "row 2: probability is '-0.1', not a number from 0 to 1"),
        ({"threshold": "2"}, "row 2: threshold is '2', not a number from 0 to 1"),
        ({"threshold": None}, "row 2 has no threshold"),
        ({"model_id": None}, "row 2 has no model_id"),
        ({"probability": None}, "row 2 has neither a probability nor an error"),
        ({"error": "torn"}, "row 2 has both a probability and an error"),
    ],
)
def test_a_row_that_is_amiss_is_named(change: dict[str, Any], why: str, tmp_path: Path) -> None:
    lines = [{"probability": "0.5", "threshold": "0.5", "subject": "a"} for _ in range(3)]
    for suffix in (".csv", ".parquet"):
        with pytest.raises(DataError) as caught:
            read_scored(_write(tmp_path / f"t{suffix}", [lines[0], lines[1] | change, lines[2]]))
        assert caught.value.why == why
        assert str(tmp_path) in caught.value.what


def test_several_models_or_thresholds_are_not_put_together(tmp_path: Path) -> None:
    for name, other in (("model_id", "b"), ("threshold", 0.4)):
        with pytest.raises(SettingError) as caught:
            read_scored(_write(tmp_path / "t.csv", [LINES[0], LINES[1] | {name: other}]))
        assert f"they have 2 values of {name}: " in caught.value.why
        assert "one model" in caught.value.fix


def test_tables_that_are_none_are_refused(tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        with pytest.raises(DataError, match="it lacks the column 'error'"):
            read_scored(_write(tmp_path / f"t{suffix}", LINES, drop="error"))
        (tmp_path / f"none{suffix}").write_bytes(b"")
        with pytest.raises(DataError, match="cannot read scored cells"):
            read_scored(tmp_path / f"none{suffix}")
        with pytest.raises(DataError, match="cannot read scored cells"):
            read_scored(tmp_path / f"missing{suffix}")
        with pytest.raises(DataError, match="cannot read scored cells"):
            read_scored(tmp_path)
    (tmp_path / "head.csv").write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(DataError, match="it has no rows"):
        read_scored(tmp_path / "head.csv")


# The picture and the command -----------------------------------------------------------------------------


@pytest.mark.parametrize("people", [1, 3, 60, 90])
@pytest.mark.parametrize("known", [True, False])
def test_the_picture_is_legible_with_one_person_and_with_many(people: int, known: bool) -> None:
    names = [f"person {number} of a study with $long names$" for number in range(people)]
    values = np.linspace(0.02, 0.97, people)
    shares = subject_shares(
        _cells(values.repeat(9), np.repeat(names, 9).tolist()), spread=_spread(0.6) if known else None
    )
    figure = draw_shares(shares)

    _assert_legible(figure)
    subtitle = " ".join(_texts(figure)).replace("\n", " ")
    assert ("Intervals are TOO NARROW" in subtitle) is not known
    assert ("tau = 0.60 (0.30 to 1.20)" in subtitle) is known
    assert ("10 people with lower shares are not shown" in subtitle) is (people == 90)
    texts = [text for text in _texts(figure) if text.startswith(("97.0% (", "2.0% ("))]
    assert [text[:2] for text in texts] == {1: ["2."], 90: ["97"]}.get(people, ["97", "2."])  # highest first


def test_the_picture_of_simulated_cells_says_so_and_of_no_cells_is_refused() -> None:
    texts = _texts(draw_shares(subject_shares(_cells([0.5]), spread=_spread(1.0, simulated=True))))
    assert "estimated on 6,000 SIMULATED cells of 100 people" in " ".join(texts).replace("\n", " ")
    # Of the scored cells nobody knows whether a program drew them.
    assert "SIMULATED CELLS" not in texts
    with pytest.raises(ShapeError, match="no cell is left for any of 1 people"):
        draw_shares(subject_shares(_cells([float("nan")])))


def test_the_command_says_loudly_when_the_interval_holds_the_cell_count_alone(tmp_path: Path) -> None:
    ended = run_cli("subject", _write(tmp_path / "t.csv", LINES))

    assert ended.status == 0
    assert "INTERVALS ARE TOO NARROW" in ended.err
    assert "--evaluation FOLDER" in ended.err
    assert "CELL COUNT ALONE" in ended.out
    assert "1 error, 1 unfamiliar" in ended.out
    assert "1 unfamiliar cell left out; --include-unfamiliar counts such cells" in ended.out
    assert "cut-off 0.5: an arbitrary example, it has no clinical meaning" in ended.out
    assert "Research software, not a medical device." in ended.out


def test_the_command_writes_lines_that_carry_their_intervals_and_a_picture(tmp_path: Path) -> None:
    evaluation = tmp_path / "evaluation.json"
    write_evaluation(replace(_small(), simulated=True), evaluation)
    table = _write(tmp_path / "t.parquet", LINES)
    for suffix in (".csv", ".parquet", ".json"):
        ended = run_cli(
            "subject", table, "--evaluation", evaluation, "--out", tmp_path / f"made/s{suffix}",
            "--figure", tmp_path / "picture", "--cut-off", "0.2", "--include-unfamiliar",
        )  # fmt: skip
        assert ended.status == 0, ended.err
    assert "SIMULATED cells of 20 people" in ended.out
    assert "1 unfamiliar cell counted" in ended.out
    assert "TOO NARROW" not in ended.err
    assert (tmp_path / "picture.png").is_file()
    assert (tmp_path / "picture.svg").is_file()

    spread = fit_spread(replace(_small(), simulated=True))
    shares = subject_shares(read_scored(table), spread=spread, cut_off=0.2, include_unfamiliar=True)
    kept = tmp_path / "made/s.json"
    assert read_record(SubjectShares, kept, error=DataError, fix="") == shares
    assert json.loads(kept.read_text())["rows"][0]["share"]["cells"] == 4
    frame = pl.read_parquet(tmp_path / "made/s.parquet")
    assert pl.read_csv(tmp_path / "made/s.csv").rows() == frame.rows()
    ann, share_of_ann = frame.row(0, named=True), shares.rows[0].share
    assert share_of_ann is not None
    left_out = (ann["left_out_errors"], ann["left_out_unfamiliar"])
    assert (ann["subject"], ann["cells"], *left_out) == ("Ann", 4, 1, 0)
    assert (ann["share"], ann["share_low"], ann["share_high"]) == (
        share_of_ann.estimate,
        share_of_ann.low,
        share_of_ann.high,
    )
    assert (ann["tau"], ann["tau_subjects"], ann["model_id"], ann["cut_off"]) == (
        spread.tau.estimate, 20, MODEL, 0.2,
    )  # fmt: skip


def test_the_command_gives_no_share_of_a_slide_that_is_not_blood(tmp_path: Path) -> None:
    table = _write(tmp_path / "t.csv", [LINES[1]] * 601, warnings="stain outside the trained range")
    ended = run_cli("subject", table, "--out", tmp_path / "s.csv", "--include-unfamiliar")

    assert ended.status == 0
    assert "0.1%" not in ended.out
    assert "most cells unfamiliar" in re.sub(r"\s*│\s*", " ", ended.out)
    assert "601 unfamiliar" in ended.out
    assert "no share for Bo: most cells are unlike those that trained the model" in ended.err
    (line,) = pl.read_csv(tmp_path / "s.csv").iter_rows(named=True)
    assert (line["share"], line["outcome"], line["unfamiliar"], line["left_out_unfamiliar"]) == (
        None, "unfamiliar", 601, 601,
    )  # fmt: skip


def test_the_command_names_people_as_they_are_and_refuses_other_files(tmp_path: Path) -> None:
    table = _write(tmp_path / "t.csv", LINES[:1], subject="[red]Ann")
    assert "[red]Ann" in run_cli("subject", table).out

    ended = run_cli("subject", table, "--out", tmp_path / "s.xlsx")
    assert ended.status == 2
    assert "its suffix is '.xlsx'" in ended.err

    ended = run_cli("subject", _write(tmp_path / "u.csv", LINES, subject=None))
    assert ended.status == 2
    assert ended.err.count("\n") == 3
    assert "why: 6 of 6 rows have none in column 'subject'" in ended.err


def test_few_evaluated_people_and_people_of_one_class_are_pointed_out(tmp_path: Path) -> None:
    # Of these ten people the last has one class only.
    drawn = People(10, 30, tau=0.5, seed=5)
    drawn.labels[-1] = drawn.probabilities[-1].mean() > 0.5
    evaluation = drawn.evaluation()
    write_evaluation(evaluation, tmp_path / "evaluation.json")
    one_class = int((drawn.labels.min(axis=1) == drawn.labels.max(axis=1)).sum())
    ended = run_cli(
        "subject", _write(tmp_path / "t.csv", LINES), "--evaluation", tmp_path / "evaluation.json"
    )

    assert ended.status == 0, ended.err
    assert one_class >= 1
    assert f"{one_class} of these 10 people have cells of one class only" in ended.err
    assert "tau rests on 10 people: it may be far too small" in ended.err
