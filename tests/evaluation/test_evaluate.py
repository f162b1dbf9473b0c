"""From cells to an evaluation: which interval, on what, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leuknet.errors import DataError, SettingError
from leuknet.evaluation.evaluate import evaluate, read_evaluation, write_evaluation
from leuknet.evaluation.looks import VARIABLE
from leuknet.evaluation.metrics import METRICS, metric_intervals
from leuknet.evaluation.resampling import wilson
from leuknet.evaluation.summary import summary_rows
from leuknet.types import CellImage, Dataset, Evaluation, Label, SplitKind, TestSide
from tests.inference.test_predict import CARD, BrightnessPredictor

# True class, grey level and subject of each cell. Grey / 255 is the probability, called ALL from 128 on.
# ALL: 4 of 6 right. HEM: 3 of 4 right.
ROWS = [
    (1, 250, "1"), (1, 240, "1"), (1, 200, "2"), (1, 180, "2"), (1, 120, "3"), (1, 90, "3"),
    (0, 10, "H1"), (0, 30, "H1"), (0, 100, "H2"), (0, 170, "H2"),
]  # fmt: skip


def make_dataset(root: Path, rows: Sequence[tuple[int, int, str | None]] = ROWS) -> Dataset:
    """Plain pictures on disk: names tell no class, grey levels are the probabilities."""
    cells = []
    for number, (label, grey, subject) in enumerate(rows):
        path = root / f"{number}.bmp"
        Image.fromarray(np.full((8, 8, 3), grey, np.uint8)).save(path)
        cells.append(CellImage(path.name, path, f"{number:064x}", Label(label), subject))
    return Dataset("c-nmc-2019", "2019", "", "", root, tuple(cells), simulated=True)


def side_of(
    dataset: Dataset, cells: Sequence[CellImage] | None = None, kind: SplitKind = "image-level"
) -> TestSide:
    chosen = dataset.cells if cells is None else tuple(cells)
    return TestSide(chosen, kind, "f" * 64, "fold_0", protocol="folds", round="fold_0")


def score(
    dataset: Dataset, cells: Sequence[CellImage] | None = None, kind: SplitKind = "image-level"
) -> Evaluation:
    return evaluate(BrightnessPredictor(), dataset, side_of(dataset, cells, kind))


def test_counts_and_estimates_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    found = score(make_dataset(tmp_path))

    assert found.confusion == ((3, 1), (2, 4))
    assert found.labels == tuple(row[0] for row in ROWS)
    assert found.probabilities == pytest.approx([row[1] / 255 for row in ROWS])
    assert found.paths == tuple(f"{number}.bmp" for number in range(10))
    assert (found.cells, found.subjects, found.part) == (10, 5, "fold_0")
    assert (found.dataset, found.simulated, found.recipe) == ("c-nmc-2019", True, "tiny")
    assert (found.protocol, found.round, found.split_fingerprint) == ("folds", "fold_0", "f" * 64)
    assert found.subject_ids == tuple(row[2] for row in ROWS)
    assert list(found.metrics) == list(METRICS)
    estimates = {name: one.estimate for name, one in found.metrics.items()}
    # F1: ALL 2*4/(6+5), HEM 2*3/(4+5). Pairs won by ALL: 4 cells x 4, 120 beats 3, 90 beats 2: 21 of 24.
    by_hand = {
        "accuracy": 7 / 10,
        "sensitivity": 4 / 6,
        "specificity": 3 / 4,
        "balanced_accuracy": (4 / 6 + 3 / 4) / 2,
        "weighted_f1": (6 * 8 / 11 + 4 * 6 / 9) / 10,
        "auroc": 21 / 24,
        # Subjects 1 and H1 are all right, H2 half, 2 all, 3 none.
        "subject_accuracy": (1 + 1 + 0 + 1 + 0.5) / 5,
        "subject_vote": (1 + 1 + 0 + 1 + 0.5) / 5,
    }
    assert {name: estimates[name] for name in by_hand} == pytest.approx(by_hand)


def test_an_image_level_split_takes_cells_as_independent(tmp_path: Path) -> None:
    found = score(make_dataset(tmp_path)).metrics
    cells = "jackknife over cells, taken as independent"

    assert found["accuracy"] == replace(wilson(7, 10), subjects=5)
    assert found["sensitivity"] == replace(wilson(4, 6), subjects=3)
    assert found["specificity"] == replace(wilson(3, 4), subjects=2)
    assert found["weighted_f1"].method == found["auroc"].method == cells
    assert found["subject_accuracy"].method == "jackknife over subjects"
    assert (found["auroc"].cells, found["auroc"].subjects) == (10, 5)


@pytest.mark.parametrize("kind", ["subject-level", "external"])
def test_held_out_subjects_are_left_out_whole(tmp_path: Path, kind: SplitKind) -> None:
    found = score(make_dataset(tmp_path), kind=kind)

    expected = metric_intervals(
        np.array(found.labels),
        np.array(found.probabilities),
        threshold=0.5,
        clusters=np.array([row[2] for row in ROWS]),
    )
    assert found.metrics == expected
    # Of five people only two have normal cells.
    known = {name for name, one in found.metrics.items() if one.is_known}
    assert known == {"accuracy", "brier", "ece", "subject_accuracy", "subject_vote"}
    assert found.metrics["accuracy"].method == "jackknife over subjects"


def test_four_subjects_are_too_few_for_an_interval(tmp_path: Path) -> None:
    rows = [(label, grey, "2" if subject == "3" else subject) for label, grey, subject in ROWS]

    found = score(make_dataset(tmp_path, rows), kind="subject-level")

    assert found.subjects == 4
    assert {one.method for one in found.metrics.values()} == {"no interval: too few subjects"}
    said = dict(summary_rows(found))
    assert said["accuracy"] == "70.0% (no interval)"
    assert said["no interval"].startswith("too few subjects: accuracy, balanced accuracy, sensitivity")


def test_one_cell_without_subject_makes_subjects_unknown(tmp_path: Path) -> None:
    found = score(make_dataset(tmp_path, [*ROWS[:-1], (0, 170, None)]), kind="external")

    assert found.subjects is None
    assert found.metrics["sensitivity"] == wilson(4, 6)
    assert found.metrics["auroc"].subjects is None
    assert not {"subject_accuracy", "subject_vote"} & set(found.metrics)


def test_unreadable_cells_are_listed_and_count_in_no_number(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path)
    (tmp_path / "9.bmp").write_bytes(b"")

    found = score(dataset)

    assert (found.cells, found.confusion) == (9, ((3, 0), (2, 4)))
    ((place, reason),) = found.unreadable
    assert place == "9.bmp"
    assert "9.bmp" in reason
    assert ("unreadable", "1 cells, in none of these numbers") in summary_rows(found)


def test_cells_keep_their_order_and_only_those_given_are_scored(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path)

    found = score(dataset, [dataset.cells[7], dataset.cells[0]])

    assert found.paths == ("7.bmp", "0.bmp")
    assert found.probabilities == pytest.approx((30 / 255, 250 / 255))


def test_unlabelled_cells_are_refused_with_a_way_out(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path)

    with pytest.raises(DataError) as caught:
        score(dataset, [replace(dataset.cells[0], label=None), *dataset.cells[1:]])

    assert caught.value.why == "1 of 10 cells carry no label"
    assert "leuknet predict" in caught.value.fix


def test_cells_of_one_class_are_refused_with_a_way_out(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path)

    with pytest.raises(DataError) as caught:
        score(dataset, dataset.cells[:6])

    assert caught.value.why.startswith("all 6 readable cells are ALL")
    assert "other class" in caught.value.fix


def test_nothing_readable_and_nothing_at_all_are_refused(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path)
    for cell in dataset.cells:
        cell.path.unlink()

    with pytest.raises(DataError, match=r"none of 10 cells can be read; the first: .*0\.bmp"):
        score(dataset)
    with pytest.raises(DataError, match="the list of cells is empty"):
        score(dataset, [])


def test_a_data_set_of_other_classes_is_refused(tmp_path: Path) -> None:
    dataset = replace(make_dataset(tmp_path), class_names=("other", "lymphocyte"))

    with pytest.raises(SettingError, match="tells HEM and ALL apart, the data are other and lymphocyte"):
        score(dataset)


@pytest.mark.parametrize("kind", ["image-level", "subject-level"])
def test_an_evaluation_comes_back_as_it_was_written(tmp_path: Path, kind: SplitKind) -> None:
    found = replace(score(make_dataset(tmp_path), kind=kind), unreadable=(("caf\udce9.bmp", "empty\n"),))

    write_evaluation(found, tmp_path / "results" / "one.json")

    assert read_evaluation(tmp_path / "results" / "one.json") == found
    content = json.loads((tmp_path / "results" / "one.json").read_text())
    assert content["schema_version"] == 4
    assert content["written_by"].startswith("leuknet ")


def test_a_damaged_evaluation_names_its_field(tmp_path: Path) -> None:
    found = score(make_dataset(tmp_path))
    write_evaluation(found, tmp_path / "one.json")
    text = (tmp_path / "one.json").read_text()
    (tmp_path / "one.json").write_text(text.replace('"method": "wilson"', '"method": 3', 1))

    with pytest.raises(DataError, match=r"field metrics\.accuracy\.method is 3, not IntervalMethod"):
        read_evaluation(tmp_path / "one.json")


def test_nan_is_never_written(tmp_path: Path) -> None:
    found = score(make_dataset(tmp_path))
    odd = replace(found, metrics={"accuracy": replace(found.metrics["accuracy"], low=float("nan"))})

    with pytest.raises(ValueError, match="JSON compliant"):
        write_evaluation(odd, tmp_path / "one.json")

    assert not (tmp_path / "one.json").exists()


def test_the_summary_says_what_each_number_rests_on(tmp_path: Path) -> None:
    found = score(make_dataset(tmp_path))
    metrics = {**found.metrics, "accuracy": wilson(196, 226)}
    found = replace(found, metrics=metrics, looks=())

    rows = summary_rows(found)

    assert rows[0] == ("accuracy", "86.7% (81.7 to 90.5)")
    assert [name for name, _ in rows[: len(METRICS)]] == [one.title for one in METRICS.values()]
    assert dict(rows)["AUROC"].startswith("0.875 (")
    assert rows[len(METRICS) :] == [
        ("cells", "10 (6 ALL, 4 HEM)"),
        ("subjects", "5"),
        ("split", "image-level (optimistic: cells of one person may be on both sides)"),
        ("data", "c-nmc-2019, fold_0, simulated cells"),
        ("interval (95%)", "Wilson, cells as independent: accuracy, sensitivity, specificity"),
        (
            "interval (95%)",
            "jackknife over cells, taken as independent: balanced accuracy, weighted F1, MCC, AUROC, AUPRC, "
            "Brier score",
        ),
        ("interval (95%)", "debiased, multiplier bootstrap and jackknife over cells: ECE (10 bins)"),
        (
            "interval (95%)",
            "jackknife over subjects: accuracy, mean over subjects, subjects called right by majority",
        ),
        ("threshold", "0.5"),
        ("earlier looks", "none in this ledger: these cells are scored for the first time"),
    ]


def test_a_second_look_at_the_same_cells_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ledger.jsonl"))
    dataset = make_dataset(tmp_path)
    score(dataset)
    other = replace(CARD, recipe=replace(CARD.recipe, seed=5), threshold=0.3)
    evaluate(BrightnessPredictor(other), dataset, side_of(dataset))

    third = score(dataset)
    assert [(one.recipe, one.seed) for one in third.looks] == [("tiny", CARD.recipe.seed), ("tiny", 5)]
    assert dict(summary_rows(third))["earlier looks"] == (
        "2, of which 1 by this recipe and seed (1 by this very model); "
        "all 10 cells were scored before: 10 twice"
    )


def test_cells_of_which_all_but_one_were_seen_are_not_scored_for_the_first_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ledger.jsonl"))
    dataset = make_dataset(tmp_path)
    side = side_of(dataset)
    evaluate(BrightnessPredictor(CARD), dataset, replace(side, cells=side.cells[:-1]))

    found = dict(summary_rows(score(dataset)))["earlier looks"]

    assert found.endswith("9 of 10 cells were scored before: 9 once")


def test_a_look_that_fails_is_written_down_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ledger.jsonl"))
    dataset = make_dataset(tmp_path)
    with pytest.raises(DataError, match="one class"):
        score(dataset, dataset.cells[:6])

    assert len((tmp_path / "ledger.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_a_threshold_chosen_on_the_validation_side_says_so(tmp_path: Path) -> None:
    chosen = replace(score(make_dataset(tmp_path)), threshold=0.4249, threshold_rule="youden")

    assert ("threshold", "0.425, chosen on the validation side") in summary_rows(chosen)


def test_only_image_level_scores_are_called_optimistic(tmp_path: Path) -> None:
    assert ("split", "external") in summary_rows(score(make_dataset(tmp_path), kind="external"))


def test_progress_is_shown_on_standard_error_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = make_dataset(tmp_path)
    score(dataset)
    silent = capsys.readouterr()
    evaluate(BrightnessPredictor(), dataset, side_of(dataset), progress=True)
    shown = capsys.readouterr()

    assert (silent.out, silent.err) == ("", "")
    assert shown.out == ""
    assert "10/10" in shown.err


def test_the_card_threshold_decides_the_calls(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path)

    found = evaluate(BrightnessPredictor(replace(CARD, threshold=0.3)), dataset, side_of(dataset))

    # 0.3 * 255 = 76.5: also the ALL cells of 120 and 90 and the HEM cell of 100 are called ALL.
    assert found.confusion == ((2, 2), (0, 6))
