"""The table of a benchmark, made from evaluations on disk alone."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leuknet.errors import DataError, SettingError
from leuknet.evaluation.evaluate import Judged, judge, write_evaluation
from leuknet.evaluation.standings import Row, holm, make_row
from leuknet.experiments.scoreboard import EVALUATIONS, NESTED, summarise, table_heads, table_rows
from leuknet.types import CellImage, Dataset, Evaluation, Label, TestSide
from tests.run_folders import CALIBRATION

ROUNDS = ("fold_0", "fold_1", "fold_2")


def cells_of(part: str) -> tuple[CellImage, ...]:
    """Twelve cells of six people, three of each class."""
    return tuple(
        CellImage(f"{part}/{n}.bmp", Path(f"{n}.bmp"), f"{part}{n}", Label(n % 2), f"{part} p{n % 6}", part)
        for n in range(12)
    )


def evaluation_of(name: str, *, seed: int, part: str, wrong: int = 0, kind: str = "recipe") -> Evaluation:
    """The first `wrong` cells are called wrong."""
    cells = cells_of(part)
    dataset = Dataset("c-nmc-2019", "2019", "", "", Path(), cells, simulated=True)
    side = TestSide(cells, "subject-level", f"{part}-{seed}", "test side", protocol="folds", round=part)
    labels = np.array([cell.label for cell in cells])
    called = np.where(np.arange(12) < wrong, 1 - labels, labels)
    model = f"baseline: {name}" if kind == "baseline" else f"model {name} {seed} {part}"
    who = Judged(model, name, seed, threshold=0.5, threshold_rule="half", calibration=None)
    return judge(who, dataset, side, cells=cells, probabilities=np.where(called == 1, 0.9, 0.1))


def write(folder: Path, evaluation: Evaluation, place: str) -> None:
    write_evaluation(evaluation, folder / EVALUATIONS / place / f"{evaluation.seed}-{evaluation.round}.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two recipes and a baseline, two seeds, three rounds."""
    for seed in (0, 1):
        for number, part in enumerate(ROUNDS):
            write(tmp_path, evaluation_of("good", seed=seed, part=part, wrong=seed), "good")
            write(tmp_path, evaluation_of("poor", seed=seed, part=part, wrong=2 * number), "poor")
            for recipe in ("good", "poor"):
                area = evaluation_of("area", seed=seed, part=part, wrong=6, kind="baseline")
                write(tmp_path, area, f"{recipe}/baselines/area")
    return tmp_path


def rows_of(folder: Path) -> dict[str, Row]:
    return {row.name: row for row in summarise(folder).rows}


def test_recipes_come_first_by_score_and_shared_baselines_once(folder: Path) -> None:
    assert [row.name for row in summarise(folder).rows] == ["good", "poor", "baseline: area"]


def test_a_baseline_that_was_fitted_to_other_cells_is_another_row(folder: Path) -> None:
    for seed in (0, 1):
        for part in ROUNDS:
            area = evaluation_of("area", seed=seed, part=part, wrong=3, kind="baseline")
            write(folder, replace(area, split_fingerprint=f"other {part}-{seed}"), "poor/baselines/area")

    rows = rows_of(folder)

    assert list(rows) == ["good", "poor", "baseline: area (cells of poor)", "baseline: area (cells of good)"]
    assert rows["baseline: area (cells of poor)"].scores["accuracy"].estimate == pytest.approx(0.75)


def test_scores_are_means_over_seeds_of_the_cells_of_all_rounds(folder: Path) -> None:
    rows = rows_of(folder)

    # Of 36 cells: good has 0 wrong with seed 0 and 3 with seed 1; poor 0 + 2 + 4 with either.
    assert rows["good"].by_seed["accuracy"] == pytest.approx((1.0, 33 / 36))
    assert rows["good"].scores["accuracy"].estimate == pytest.approx(34.5 / 36)
    assert rows["poor"].scores["accuracy"].estimate == pytest.approx(30 / 36)
    assert (rows["poor"].cells, rows["poor"].subjects, rows["poor"].seeds) == (36, 18, (0, 1))
    assert rows["poor"].scores["accuracy"].method == "jackknife over subjects, spread over seeds"


def test_the_nested_row_takes_in_each_round_the_recipe_that_did_best_on_validation(tmp_path: Path) -> None:
    losses = {"good": (0.3, 0.6, 0.3), "poor": (0.5, 0.4, 0.5)}
    for name, each in losses.items():
        for number, part in enumerate(ROUNDS):
            one = evaluation_of(name, seed=0, part=part, wrong=0 if name == "good" else 4)
            calibration = replace(CALIBRATION, subject_loss=each[number])
            write(tmp_path, replace(one, calibration=calibration), name)

    found = summarise(tmp_path, nested=True)

    row = next(row for row in found.rows if row.name == NESTED)
    # fold_1 goes to the poor one, which did better on its validation side: 4 of 36 wrong.
    assert row.scores["accuracy"].estimate == pytest.approx(32 / 36)
    assert found.chosen == {"good": 2, "poor": 1}
    page = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "The nested row took good 2 times, poor once, each time by validation alone." in page
    assert NESTED not in [row.name for row in summarise(tmp_path).rows]


def test_a_nested_row_needs_losses_on_validation(folder: Path) -> None:
    with pytest.raises(DataError, match="does not state its loss"):
        summarise(folder, nested=True)


def test_differences_are_paired_and_two_seeds_give_no_verdict(folder: Path) -> None:
    found = summarise(folder, against="good")

    gaps = {one.name: one for one in found.differences}
    assert sorted(gaps) == ["baseline: area", "poor"]
    # poor 30 of 36 with both seeds, good 34.5: 4.5 / 36 less, and some people are never called wrong.
    assert gaps["poor"].scores["accuracy"].estimate == pytest.approx(-4.5 / 36)
    assert gaps["poor"].scores["accuracy"].method == "paired jackknife over subjects, spread over seeds"
    # The baseline has all cells of half the people wrong; two seeds do not make that a verdict on recipes.
    assert gaps["baseline: area"].verdict("accuracy") == "no verdict from 2 seeds"
    assert gaps["baseline: area"].within("accuracy", 0.5) is None
    page = (folder / "table.md").read_text(encoding="utf-8")
    assert "| minus good |" in page
    assert "-12.5 points (" in page
    assert "A verdict on recipes needs 3 seeds" in page


def more_seeds(folder: Path) -> None:
    for seed in (2, 3, 4):
        for number, part in enumerate(ROUNDS):
            write(folder, evaluation_of("good", seed=seed, part=part, wrong=seed % 2), "good")
            write(folder, evaluation_of("poor", seed=seed, part=part, wrong=2 * number), "poor")
            for recipe in ("good", "poor"):
                area = evaluation_of("area", seed=seed, part=part, wrong=6, kind="baseline")
                write(folder, area, f"{recipe}/baselines/area")


def test_verdicts_of_five_seeds_come_from_the_corrected_test_and_know_which_way_is_better(
    folder: Path,
) -> None:
    more_seeds(folder)
    found = summarise(folder, against="good", margin=0.3)

    gaps = {one.name: one for one in found.differences}
    # The baseline has all cells of half the people wrong.
    assert gaps["baseline: area"].verdict("accuracy") == "worse"
    assert gaps["baseline: area"].verdict("ece") == "worse"  # higher, which is worse here
    for gap in gaps.values():
        low, high = gap.scores["accuracy"].low, gap.scores["accuracy"].high
        assert gap.adjusted["accuracy"] == gap.tests["accuracy"].p_value  # a family of one
        assert (gap.verdict("accuracy") == "cannot be told apart") == (low <= 0 <= high)
    page = (folder / "table.md").read_text(encoding="utf-8")
    assert ": worse, p " in page
    assert "; within 0.3: " in page
    assert "corrected for the number of recipes" in page
    assert "needs 3 seeds" not in page


def test_p_values_are_corrected_among_recipes_and_among_baselines_apart(folder: Path) -> None:
    more_seeds(folder)
    names = ("third", "fourth", "fifth")
    for name in names:
        for seed in range(5):
            for number, part in enumerate(ROUNDS):
                write(folder, evaluation_of(name, seed=seed, part=part, wrong=2 * number), name)

    gaps = {one.name: one for one in summarise(folder, against="good").differences}

    # Four recipes with one p value: all of them times four. The one baseline is not counted with them.
    for name in ("poor", *names):
        raw = gaps[name].tests["accuracy"].p_value
        assert gaps[name].adjusted["accuracy"] == pytest.approx(min(4 * raw, 1))
    area = gaps["baseline: area"]
    assert area.adjusted["accuracy"] == area.tests["accuracy"].p_value


def test_a_margin_needs_a_row_to_compare_with(folder: Path) -> None:
    with pytest.raises(SettingError, match="no row is named"):
        summarise(folder, margin=0.02)
    with pytest.raises(SettingError, match="is no margin"):
        summarise(folder, against="good", margin=2)


def test_holm_agrees_with_every_step_taken_by_hand() -> None:
    # Sorted: 0.005 * 4, then max with 0.01 * 3, 0.03 * 2, 0.04 * 1 -> 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]


def test_subjects_count_alike_in_their_metrics_also_on_an_image_level_split(folder: Path) -> None:
    lopsided = [
        replace(one, split_kind="image-level", subject_ids=("a",) * 7 + ("b", "c", "d", "e", "f"))
        for one in (evaluation_of("good", seed=0, part=part, wrong=1) for part in ROUNDS)
    ]

    row = make_row(lopsided)

    # Person a: 3 of 4 normal and all leukaemic cells right in each round; five others all. Cells: 33 of 36.
    assert row.scores["subject_accuracy"].estimate == pytest.approx((3 / 4 + 6) / 7)
    assert row.scores["subject_accuracy"].method == "jackknife over subjects"
    assert row.scores["accuracy"].method == "jackknife over cells, taken as independent"


def test_a_row_minus_itself_is_nothing(folder: Path) -> None:
    for seed in (0, 1):
        for part in ROUNDS:
            same = evaluation_of("copy", seed=seed, part=part, wrong=seed)
            write(folder, same, "copy")

    gap = next(one for one in summarise(folder, against="good").differences if one.name == "copy")

    score = gap.scores["accuracy"]
    assert (score.estimate, score.low, score.high) == (0, 0, 0)
    with pytest.raises(DataError, match="no row 'better'"):
        summarise(folder, against="better")


def test_each_round_keeps_its_threshold(folder: Path) -> None:
    for part in ROUNDS:
        changed = replace(evaluation_of("good", seed=0, part=part), threshold=0.95)
        write(folder, changed, "good")

    assert rows_of(folder)["good"].by_seed["sensitivity"][0] == 0.0


def test_a_seed_that_lacks_a_round_is_left_out_and_told(folder: Path) -> None:
    (folder / EVALUATIONS / "good" / "1-fold_2.json").unlink()
    found = summarise(folder)

    assert found.rows[0].seeds == (0,)
    assert found.incomplete == ("good: 2 runs of seeds that lack a round",)
    assert "Not in the table: good: 2 runs" in (folder / "table.md").read_text(encoding="utf-8")


def test_without_a_complete_seed_there_is_no_table(tmp_path: Path) -> None:
    write(tmp_path, evaluation_of("good", seed=0, part="fold_0"), "good")

    with pytest.raises(DataError, match="all rounds"):
        summarise(tmp_path)
    with pytest.raises(DataError):
        summarise(tmp_path / "nothing")


def test_a_damaged_file_is_named(folder: Path) -> None:
    (folder / EVALUATIONS / "good" / "0-fold_0.json").write_text("{", encoding="utf-8")

    with pytest.raises(DataError, match="0-fold_0"):
        summarise(folder)


def test_table_and_plot_are_written_and_say_what_they_show(folder: Path) -> None:
    summarise(folder)

    page = (folder / "table.md").read_text(encoding="utf-8")
    assert page.startswith("# Protocol folds: subject-level split, simulated cells\n")
    assert "| good | 2 | 36 (18) |" in page
    assert "not a medical device" in page
    assert (folder / "scores.png").stat().st_size > 10_000
    with (folder / "table.csv").open(newline="", encoding="utf-8") as lines:
        table = list(csv.DictReader(lines))
    accuracy = next(row for row in table if (row["model"], row["metric"]) == ("good", "accuracy"))
    assert float(accuracy["estimate"]) == pytest.approx(34.5 / 36)
    assert (accuracy["cells"], accuracy["subjects"], accuracy["split"]) == ("36", "18", "subject-level")
    # Each round by itself, their mean, and the pooled AUROC of the table above.
    assert "| model | fold_0 | fold_1 | fold_2 | mean of rounds | pooled |" in page
    by_round = {row["metric"]: float(row["estimate"]) for row in table if row["model"] == "good"}
    of_rounds = [by_round[f"auroc, round fold_{number}"] for number in range(3)]
    assert by_round["auroc, mean of rounds"] == pytest.approx(sum(of_rounds) / 3)


def test_the_same_files_give_the_same_bytes(folder: Path) -> None:
    summarise(folder)
    before = {path.name: path.read_bytes() for path in folder.glob("*.*")}
    summarise(folder)

    assert {path.name: path.read_bytes() for path in folder.glob("*.*")} == before
    assert sorted(before) == ["scores.png", "scores.svg", "table.csv", "table.md"]


def test_rows_fit_the_heads_and_an_unknown_score_says_so(folder: Path) -> None:
    row = rows_of(folder)["good"]
    lacking = replace(row, scores={"auroc": row.scores["auroc"]})
    (texts,) = table_rows([lacking], ("auroc", "subject_accuracy"))

    assert len(texts) == len(table_heads(("auroc", "subject_accuracy")))
    assert texts[-1] == "not known"
