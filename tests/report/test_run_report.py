"""The report of runs: read strictly, every number with what it rests on, nothing owed left unsaid."""

from __future__ import annotations

import json
import os
import re
import sys
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ImageFile
from scipy.stats import foldnorm

from leuknet.errors import DataError, MissingExtraError, SettingError
from leuknet.evaluation.curves import arrays_of
from leuknet.evaluation.details import details_of
from leuknet.evaluation.evaluate import read_evaluation, write_evaluation
from leuknet.evaluation.locate import note_model
from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.operating_points import choose_thresholds
from leuknet.evaluation.subgroups import Trait
from leuknet.evaluation.summary import number_text, share_text
from leuknet.inference.model_id import model_id_of
from leuknet.records import write_record
from leuknet.report import detail_sections
from leuknet.report import evidence_sections as evidence
from leuknet.report.answers import ANSWERS
from leuknet.report.blocks import Code, Facts, Notice, Table
from leuknet.report.checklist import OWED, checklists, read_guidelines
from leuknet.report.closing import limit_texts, repeating
from leuknet.report.evidence_sections import calibration, galleries
from leuknet.report.facts import simulated_text
from leuknet.report.literature import PUBLISHED
from leuknet.report.look_notices import look_notices
from leuknet.report.look_notices import looks as look_blocks
from leuknet.report.pdf import check_printer, print_pdf
from leuknet.report.rounds import pooled_rounds, round_blocks
from leuknet.report.run_record import RunRecord, read_run, read_runs
from leuknet.report.run_report import report_html, write_report
from leuknet.report.score_sections import comparison, literature, result
from leuknet.report.sections import SECTIONS
from leuknet.types import DataCard, Finding, Galleries, Gallery, Interval, IntervalMethod, Look, RiskBound
from tests.conftest import run_cli
from tests.experiments.test_paper_page import HOSTILE, Page
from tests.run_folders import CALIBRATION, LOOKS, write_run


@cache
def what_the_printer_lacks() -> str:
    try:
        check_printer()
    except MissingExtraError as error:
        return f"{error.why}; {error.fix}"
    except OSError as error:  # here, where it is imported in this process
        return str(error)
    return ""


@pytest.fixture
def printer() -> None:
    if what_the_printer_lacks():
        pytest.skip(what_the_printer_lacks())


needs_printer = pytest.mark.usefixtures("printer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run with all that may stand beside it: 40 cells of 8 people."""
    return write_run(tmp_path_factory.mktemp("run") / "first")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another seed on the very same cells."""
    return write_run(tmp_path_factory.mktemp("run") / "second", seed=1, skill=4.0)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on other cells, with nothing beside its scores."""
    return write_run(tmp_path_factory.mktemp("run") / "bare", seed=2, side="other", beside=False)


@pytest.fixture(scope="module")
def run(folder: Path) -> RunRecord:
    return read_runs([folder])[0]


@pytest.fixture(scope="module")
def written(folder: Path, bare: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """The report of two runs, once for all tests: drawing and printing take seconds."""
    stem = tmp_path_factory.mktemp("report") / "new" / "report.v1"
    return write_report([folder, bare], stem, pdf=not what_the_printer_lacks())


@pytest.fixture(scope="module")
def page(written: tuple[Path, ...]) -> Page:
    return Page(written[0])


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the drawing, for tests of what is written around the figures."""
    for name in ("discrimination", "reliability", "decision", "risk_coverage", "subjects"):
        monkeypatch.setattr(evidence, f"draw_{name}", lambda _: None)
    for module in (evidence, detail_sections):
        monkeypatch.setattr(module, "embedded_figure", lambda _: "data:image/png;base64,")


def text_of(runs: Sequence[RunRecord]) -> str:
    """The text of a report that is not written."""
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", report_html(runs).partition("<body>")[2]))


def told(*blocks: Any) -> str:
    """All texts of some blocks."""
    return json.dumps([block.__dict__ for block in blocks], ensure_ascii=False)


def table(blocks: tuple[Any, ...], caption: str) -> Table:
    (found,) = [block for block in blocks if isinstance(block, Table) and caption in block.caption]
    return found


def changed(run: RunRecord, **changes: Any) -> RunRecord:
    return replace(run, evaluation=replace(run.evaluation, **changes))


def test_all_that_stands_beside_a_run_is_read(run: RunRecord) -> None:
    assert run.name == "leuknet-paper (seed 0)"
    assert (run.evaluation.cells, run.evaluation.subjects) == (40, 8)
    assert run.manifest.sides["train"].cells == 48
    assert sorted(run.baselines) == ["area", "colour", "nearest"]
    assert run.overlap is not None
    assert run.overlap.is_disjoint
    assert sorted(run.pictures) == ["classified", "confusion"]
    assert run.galleries is not None
    assert run.history is None


@pytest.mark.usefixtures("undrawn")
def test_what_is_missing_is_said_in_words(bare: Path) -> None:
    text = text_of(read_runs([bare]))

    assert "That trained and tested cells have nothing in common is not proven" in text
    assert "No baselines were scored" in text
    assert "No galleries stand beside this evaluation" in text
    assert "No data card stands beside" in text
    assert "no history of the training was kept" in text


def test_a_model_that_was_not_evaluated_is_refused_with_a_way_out(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model").symlink_to(folder / "model")

    with pytest.raises(DataError) as caught:
        read_run(tmp_path / "run")

    assert "has not been evaluated" in caught.value.why
    assert caught.value.fix == f"leuknet evaluate {tmp_path / 'run' / 'model'} --data ROOT"


def test_a_folder_without_evaluation_and_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no evaluation in") as caught:
        read_run(tmp_path)
    assert caught.value.fix == "leuknet evaluate RUN/model --data ROOT"


def test_the_folder_of_the_model_stands_for_its_run(folder: Path) -> None:
    assert read_run(folder / "model") == read_run(folder)


def with_weights(run: Path) -> Path:
    """Give a run weights, and its evaluation their id."""
    weights = run / "model" / "weights.safetensors"
    weights.write_bytes(b"weights")
    evaluation = read_evaluation(run / "evaluation" / "evaluation.json")
    write_evaluation(
        replace(evaluation, model_id=model_id_of(run / "model")), run / "evaluation" / "evaluation.json"
    )
    return run


def test_an_evaluation_far_from_its_run_says_where_the_model_was(tmp_path: Path) -> None:
    run = with_weights(write_run(tmp_path / "runs" / "one"))
    away = tmp_path / "judged" / "elsewhere"
    away.parent.mkdir()
    (run / "evaluation").rename(away)
    note_model(away, model=run / "model", model_id=model_id_of(run / "model"))

    found = read_run(away)

    assert (found.evaluation.cells, found.folder.resolve()) == (40, run.resolve())
    # Both moved together, the way between them is the same.
    (tmp_path / "moved").mkdir()
    for name in ("runs", "judged"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert read_run(tmp_path / "moved" / "judged" / "elsewhere").evaluation.cells == 40


def test_an_evaluation_that_was_moved_alone_is_told_its_model(tmp_path: Path) -> None:
    run = with_weights(write_run(tmp_path / "runs" / "one"))
    other = with_weights(write_run(tmp_path / "runs" / "other"))
    (other / "model" / "weights.safetensors").write_bytes(b"other weights")
    away = tmp_path / "away"
    (run / "evaluation").rename(away)

    with pytest.raises(DataError, match="cannot find the model") as caught:
        read_run(away)
    assert "--model" in caught.value.fix
    with pytest.raises(DataError, match="cannot find the model"):
        read_run(away, models=[other / "model"])

    assert read_run(away, models=[other / "model", run / "model"]).folder == run


def test_a_note_of_a_model_that_is_gone_is_no_model(tmp_path: Path) -> None:
    run = with_weights(write_run(tmp_path / "run"))
    away = tmp_path / "far" / "away"
    away.parent.mkdir()
    (run / "evaluation").rename(away)
    note_model(away, model=run / "model", model_id="1" * 12)
    (run / "model" / "weights.safetensors").write_bytes(b"trained again")

    with pytest.raises(DataError, match="cannot find the model"):
        read_run(away)


def test_an_evaluation_elsewhere_in_the_run_folder_is_read(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "evaluation").rename(run / "prelim")

    assert read_run(run / "prelim").evaluation.cells == 40


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"seed": 9}, "it tells of leuknet-paper with seed 9"),
        ({"recipe": "other"}, "it tells of other with seed 0"),
    ],
)
def test_the_evaluation_of_another_model_is_refused(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_run(write_run(tmp_path / "run", changes=changes))

    assert caught.value.why == why


def test_scores_of_other_weights_are_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "model" / "weights.safetensors").write_bytes(b"other weights")

    with pytest.raises(DataError, match="the folder holds another"):
        read_run(folder)


def test_a_baseline_of_other_cells_is_refused(folder: Path, bare: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    write_evaluation(read_run(bare).evaluation, run / "evaluation" / "baselines" / "area.json")

    with pytest.raises(DataError, match="scored other cells"):
        read_run(run)


@pytest.mark.parametrize("file", ["../../../secret.png", "/etc/passwd"])
def test_a_gallery_outside_its_folder_is_refused(tmp_path: Path, file: str) -> None:
    run = write_run(tmp_path / "run")
    write_record(Galleries((Gallery("x", file, "x", "x"),)), run / "evaluation" / "galleries.json")

    with pytest.raises(DataError, match="names '"):
        read_run(run)


def test_a_gallery_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "evaluation" / "gallery-uncertain.png").write_text("<script>")

    with pytest.raises(DataError, match="is not a PNG file"):
        galleries(read_runs([run]))


def test_a_run_named_twice_is_refused(folder: Path) -> None:
    with pytest.raises(SettingError, match="twice"):
        read_runs([folder, folder / "model" / ".."])


def test_simulated_and_real_cells_never_share_a_report(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="some on real ones"):
        read_runs([folder, write_run(tmp_path / "run", simulated=True)])


def test_runs_of_one_name_are_told_apart(folder: Path, tmp_path: Path) -> None:
    again = write_run(tmp_path / "run", changes={"part": "prelim"})

    assert [run.name for run in read_runs([folder, again])] == [
        "leuknet-paper (seed 0), test side",
        "leuknet-paper (seed 0), prelim",
    ]


def test_the_result_states_estimate_interval_and_what_it_rests_on(run: RunRecord) -> None:
    metrics = dict(run.evaluation.metrics)
    metrics["auroc"] = Interval(
        0.8881, 0.8182, 0.9421, 0.95, IntervalMethod.BOOTSTRAP_SUBJECTS, 840, 28, 2000
    )

    tiles = result([changed(run, metrics=metrics)])[1]

    assert '["AUROC", "0.888", "95% interval 0.818 to 0.942", ' in told(tiles)
    assert "840 cells, 28 subjects; bootstrap over subjects" in told(tiles)


def test_every_metric_of_every_model_and_baseline_is_in_the_comparison(folder: Path, second: Path) -> None:
    blocks = comparison(read_runs([folder, second]))

    tables = [block for block in blocks if isinstance(block, Table)][:2]
    assert sorted([*tables[0].head[1:], *tables[1].head[1:]]) == sorted(one.title for one in METRICS.values())
    for one in tables:
        # Two runs; their baselines are the same ones, and stand there once.
        assert [row[0][0] for row in one.rows] == [
            "leuknet-paper (seed 0)", "leuknet-paper (seed 1)", "baseline: cell area alone",
            "baseline: mean colour alone", "baseline: nearest image by pixel",
        ]  # fmt: skip
        told = [cell[1] for row in one.rows for cell in row[1:]]
        assert all(" to " in bounds or bounds == "no interval" for bounds in told)
        assert all("cells, " in cell[2] for row in one.rows for cell in row[1:])


def test_pairs_on_the_same_cells_get_a_p_value_and_others_a_reason(
    folder: Path, second: Path, bare: Path
) -> None:
    pairs = table(comparison(read_runs([folder, second, bare])), "Difference in AUROC")

    first, *others = pairs.rows[:3]
    assert first[:2] == ("leuknet-paper (seed 0)", "leuknet-paper (seed 1)")
    assert re.fullmatch(r"[01]\.\d{3}", str(first[3]))
    assert "leuknet-paper (seed 1)" in str(first[4])
    assert [row[-1] for row in others] == ["not comparable: other test cells"] * 2


def test_rounds_of_a_protocol_are_taken_together_at_their_own_thresholds(run: RunRecord) -> None:
    rounds = [
        changed(
            run, protocol="folds", round=f"fold_{number}", cells=3, threshold=threshold,
            paths=tuple(f"{number}/{cell}" for cell in range(3)), labels=(1, 1, 0),
            probabilities=(0.8, 0.5, 0.3), subject_ids=(f"{number}a", f"{number}a", f"{number}b"),
        )
        for number, threshold in ((0, 0.6), (1, 0.4))
    ]  # fmt: skip

    ((name, basis, metrics),) = pooled_rounds(rounds)

    # At 0.6 the second cell is missed, at 0.4 it is found: 5 of 6 right, and 4 people in all.
    assert metrics["accuracy"].estimate == pytest.approx(5 / 6)
    assert metrics["accuracy"].subjects == 4
    assert name == "leuknet-paper (seed 0, all 2 rounds)"
    assert "fold_0, fold_1" in basis
    # Each round ranks its three cells without an error; pooled, 0.8 and 0.5 still lie above both normal ones.
    _, areas, _ = round_blocks(rounds)
    assert isinstance(areas, Table)
    assert areas.head == ("model", "fold_0", "fold_1", "mean of rounds", "pooled")
    assert [str(text).partition(" ")[0] for text in areas.rows[0][1:]] == ["1.000"] * 4
    assert round_blocks(rounds[:1]) == ()
    assert pooled_rounds([rounds[0], changed(rounds[1], paths=rounds[0].evaluation.paths)]) == []


def with_details(run: RunRecord) -> RunRecord:
    """The run, evaluated with thresholds of its validation side and traits of its cells."""
    labels, probabilities = arrays_of(run.evaluation)
    size = np.arange(labels.size) * 37 % 40 + 100.0
    details = details_of(
        run.evaluation,
        thresholds=choose_thresholds(labels, probabilities),
        traits=[Trait("cell size", "px", size)],
    )
    return changed(run, details=details)


@pytest.mark.usefixtures("undrawn")
def test_what_reviewers_ask_for_is_in_sections_of_its_own(run: RunRecord) -> None:
    detailed = with_details(run)
    details = detailed.evaluation.details
    assert details is not None
    text = text_of([detailed])

    for title in ("Thresholds and predictive values", "Subgroups", "Weak calibration on the tested cells"):
        assert title in text
    for point in details.operating_points:
        assert share_text(point.specificity) in text
    assert details.people is not None
    assert number_text(details.people.auroc) in text
    assert number_text(details.people.intraclass) in text
    assert number_text(details.calibration.slope) in text
    assert "cell size: smallest third (100 to 113 px)" in text
    assert re.search(r"ALL cells of only [34] people", text)


@pytest.mark.usefixtures("undrawn")
def test_an_evaluation_of_an_earlier_leuknet_has_all_but_subgroups_and_chosen_thresholds(
    run: RunRecord,
) -> None:
    assert run.evaluation.details is None
    text = text_of([run])

    assert "No subgroups stand beside this evaluation" in text
    assert "No thresholds for a stated sensitivity or specificity are known" in text
    assert "AUROC over people" in text


def test_published_results_carry_split_kind_and_source(run: RunRecord) -> None:
    rows = table(literature([run]), "published").rows

    assert all(
        row.split in ("image-level", "subject-level", "not stated") and row.source for row in PUBLISHED
    )
    text = json.dumps(rows, ensure_ascii=False)
    for figure in (
        "86.73%",
        "81.7% to 90.5%",
        "0.9104",
        "0.869",
        "0.956",
        "0.952",
        "0.961 to 0.975",
        "0.024",
    ):
        assert figure in text
    assert rows[0][0][0] == "leuknet-paper (seed 0)"
    assert rows[1][3] == "image-level"
    assert len(rows) == 1 + len(PUBLISHED)


def test_a_second_look_is_shown_and_a_first_is_not(run: RunRecord) -> None:
    (notice,) = look_notices([changed(run, looks=LOOKS)])

    assert isinstance(notice, Notice)
    assert notice.title == "Not the first look: leuknet-paper (seed 0)"
    assert "scored on these cells once before, first at 2029-01-01" in notice.lines[0]
    assert look_notices([changed(run, looks=LOOKS[1:])]) == []
    assert notice in result([changed(run, looks=LOOKS)])


def test_looks_at_some_of_the_cells_say_at_how_many(run: RunRecord) -> None:
    part = changed(run, looks=(replace(LOOKS[0], shared=3),), seen=((0, 53), (1, 3)), unresolved_looks=2)

    (notice,) = look_notices([part])
    assert isinstance(notice, Notice)
    assert "had been scored on up to 3 of these cells once before" in notice.lines[0]
    text = told(*look_blocks([part]))
    assert "3 of 56 cells were scored before: 3 once" in text
    assert "2 earlier scorings by an older LeukNet did not write down which cells" in text


def test_an_image_level_score_is_marked_optimistic(run: RunRecord) -> None:
    assert "optimistic" not in told(*result([run]))
    assert "These scores are optimistic" in told(*result([changed(run, split_kind="image-level")]))


@pytest.mark.usefixtures("undrawn")
def test_the_temperature_is_undone_for_the_error_before_it(run: RunRecord) -> None:
    fit = run.evaluation.calibration
    assert fit is not None
    # Ten cells say 0.8 = 1 / (1 + 4^-1) and 8 of them are right: no error. At temperature 2 the network said
    # 1 / (1 + 4^-2) = 16/17 = 0.941: off by 0.141, of which the part that chance adds is taken out. Its error
    # is that of a share of 0.8 of ten cells, sqrt(0.8 * 0.2 / 9).
    exact = changed(
        run, cells=10, labels=(1,) * 8 + (0,) * 2, probabilities=(0.8,) * 10, subject_ids=(None,) * 10,
        calibration=replace(fit, temperature=2.0),
        metrics={
            **run.evaluation.metrics, "ece": Interval(0.0, 0, 0.1, 0.95, IntervalMethod.WILSON, 10, None, 9)
        },
    )  # fmt: skip

    (row,) = table(calibration([exact]), "Expected calibration error").rows

    assert row[1] == "2.000"
    assert row[2][0] == "0.110 → 0.030"
    gap, error = 16 / 17 - 0.8, np.sqrt(0.16 / 9)
    debiased = 2 * gap - foldnorm(gap / error, scale=error).mean()
    assert (row[3][0], row[4][0]) == (f"{debiased:.3f}", "0.000")


def test_cells_that_voted_have_no_error_before_the_temperature_and_no_sets(run: RunRecord) -> None:
    voted = changed(run, neighbours=5, calibration=replace(CALIBRATION, quantile=0.6))

    (row,) = table(calibration([voted]), "Expected calibration error").rows
    assert row[3] == ("not known", "cells voted")
    (row,) = table(calibration([voted]), "Conformal sets").rows
    assert row[1][0] == "not given"


def test_sets_and_calls_are_judged_by_subject(run: RunRecord) -> None:
    # S1: 0.9 right, 0.45 in both sets and undecided. S2: 0.8 wrong, 0.1 right.
    bound = RiskBound(0.2, 12, 3, 0.75, 0.125)
    fit = replace(CALIBRATION, undecided=(0.4, 0.6), quantile=0.6, bound=bound)
    few = changed(
        run, cells=4, labels=(1, 1, 0, 0), probabilities=(0.9, 0.45, 0.8, 0.1),
        subject_ids=("S1", "S1", "S2", "S2"), calibration=fit,
    )  # fmt: skip

    blocks = calibration([few])
    (row,) = table(blocks, "What the rule for undecided cells").rows
    # Two people are too few for an interval.
    assert row[3] == ("25.0%", "no interval", "asked for: 20.0% at most")
    assert row[4] == ("50.0%", "S2")
    assert row[5] == ("75.0%", "no interval", "no cell of 0 of 2 subjects")
    (row,) = table(blocks, "Conformal sets").rows
    assert (row[1][0], row[1][2], row[2]) == ("75.0%", "asked for: 90%", ("75.0%", "no interval"))
    assert row[3:] == ("50%", ("50%", "S2"), ("one: 75.0%", "both: 25.0%, none: 0.0%"))
    text = told(*blocks)
    assert "on average over new people at most 20.0% of a person's calls are wrong" in text
    assert "rests on 12 validation people" in text
    nothing = replace(fit, bound=replace(bound, risk=None, silent=12, called=0.0), undecided=(0.0, 1.1))
    text = told(*calibration([changed(few, calibration=nothing)]))
    assert "every cell is uncertain: on 12 validation people" in text
    (row,) = table(calibration([run]), "Conformal sets").rows
    assert row[1] == ("not known", "the model was saved without them")


def test_a_page_says_simulated_of_no_cell_that_is_not(run: RunRecord) -> None:
    trained = replace(run, card=replace(run.card, simulated=True))
    both = changed(trained, simulated=True)

    assert simulated_text([run]) == simulated_text([trained]) == ""
    assert "trained on simulated cells, though it was tested on real ones" in " ".join(limit_texts([trained]))
    assert simulated_text([both]).startswith("Every cell of this run was drawn by a program.")
    assert simulated_text([both, both]).startswith("Every cell of these runs was drawn by a program.")
    tested = simulated_text([changed(run, simulated=True), both])
    assert tested.startswith("Every tested cell was drawn by a program.")
    assert tested.endswith("Not all of the cells that trained were.")


def test_limits_say_whose_choice_the_intervals_cover(run: RunRecord) -> None:
    by_image = changed(run, split_kind="image-level")

    assert "cover the choice of test subjects, not" in " ".join(limit_texts([run]))
    said = (
        "cover the choice of test cells, taken as independent, or of test subjects for scores over subjects,"
    )
    assert said in " ".join(limit_texts([by_image]))
    assert "of test subjects, or of test cells where" in " ".join(limit_texts([run, by_image]))


def test_all_checklists_are_whole_and_each_answer_is_used() -> None:
    tripod, claim, stard = guidelines = read_guidelines()

    assert len({item.item for item in tripod.items}) == len(tripod.items) == 52
    assert [item.item for item in claim.items] == [str(number) for number in range(1, 45)]
    # Numbers 1 to 40, of which five are parted: 48 items.
    parted = {"15": "abcd", "16": "abc", "17": "ab", "26": "ab", "40": "ab"}
    assert [item.item for item in stard.items] == [
        f"{number}{part}".strip() for number in range(1, 41) for part in parted.get(str(number), " ")
    ]
    used = {item.answer for one in guidelines for item in one.items if item.answer}
    assert used == set(ANSWERS)
    assert all(item.answer or item.owed for one in guidelines for item in one.items)


def test_what_no_software_knows_is_owed_by_the_author(run: RunRecord) -> None:
    blocks = checklists([run])
    tripod = {row[0]: row for row in table(blocks, "TRIPOD+AI, filled").rows}
    claim = {row[0]: row for row in table(blocks, "CLAIM, filled").rows}

    # Intended use, ethics, funding, conflicts, protocol, registration, involvement; registration, funding.
    for item in ("3b", "17", "18a", "18b", "18c", "18d", "19"):
        assert str(tripod[item][2]).startswith(OWED)
    for item in ("34", "41", "44"):
        assert str(claim[item][2]).startswith(OWED)
    stard = {row[0]: row for row in table(blocks, "STARD-AI, filled").rows}
    # Ethics, users, severity, other diagnoses, harm, registration, protocol, funding, interests.
    for item in ("6", "15d", "26a", "26b", "32", "36", "37", "38", "39"):
        assert str(stard[item][2]).startswith(OWED)


def test_stard_ai_is_answered_by_counts_cutoffs_and_subgroups(run: RunRecord) -> None:
    stard = {row[0]: row for row in table(checklists([with_details(run)]), "STARD-AI, filled").rows}
    (cleared, alarms), (missed, found) = run.evaluation.confusion

    assert f"ALL: {found} called ALL, {missed} called HEM" in str(stard["30"][2])
    assert f"HEM: {cleared} called HEM, {alarms} called ALL" in str(stard["30"][2])
    assert "others from the validation side for sensitivity 80%" in str(stard["15c"][2])
    assert "Scores by cell size, and subject by subject" in str(stard["21"][2])
    assert "50% of the tested cells are ALL; predictive values are stated for 1%, 5%, 20%, 50%" in str(
        stard["28"][2]
    )
    assert "leuknet plan" in str(stard["22"][2])


def test_answers_hold_the_facts_of_the_run_and_debts_are_listed_with_their_count(run: RunRecord) -> None:
    blocks = checklists([run])
    tripod = {row[0]: row for row in table(blocks, "TRIPOD+AI, filled").rows}

    assert "P(ALL) at or above 0.500" in str(tripod["15"][2])
    assert "train 48 cells of 12 subjects" in str(tripod["20a"][2])
    owed = table(blocks, "What the author still owes").rows
    names = ("TRIPOD+AI, filled", "CLAIM, filled", "STARD-AI, filled")
    filled = [row for one in names for row in table(blocks, one).rows]
    assert len(owed) == sum(OWED in str(row[2]) for row in filled)
    # This run has an answer to every item that names one, so that what is owed is what the items say.
    assert len(owed) == sum(bool(item.owed) for one in read_guidelines() for item in one.items)
    assert f"{len(owed)} items of all lists wait" in told(*blocks)


def test_the_commands_repeat_what_was_changed(run: RunRecord) -> None:
    recipe = replace(run.card.recipe, name="leuknet-paper (changed: epochs=3)", epochs=3)
    other = replace(run, card=replace(run.card, recipe=recipe, protocol="folds", round="fold 0"))

    (code,) = [block for block in repeating([other]) if isinstance(block, Code)]

    assert code.lines[0] == (
        "leuknet train leuknet-paper --data DATA --seed 0 --protocol folds --round 'fold 0' "
        "--set split=subject-level --set epochs=3 --out runs/1"
    )


def test_the_page_holds_every_section_and_loads_nothing(page: Page) -> None:
    targets = [
        attributes[name] for _, attributes in page.tags for name in ("src", "href") if name in attributes
    ]
    places = {attributes["id"] for _, attributes in page.tags if "id" in attributes}

    assert all(str(target).startswith(("#", "data:image/png;base64,")) for target in targets)
    assert {"link", "script", "iframe", "object", "base"}.isdisjoint(tag for tag, _ in page.tags)
    assert "url(" not in page.source
    assert any("default-src 'none'" in str(meta.get("content")) for meta in page.all("meta"))
    assert {name for name, *_ in SECTIONS} <= places
    assert {str(link["href"])[1:] for link in page.all("a")} <= places


def test_alternative_texts_state_the_numbers(page: Page) -> None:
    texts = [str(image["alt"]) for image in page.all("img")]

    assert len(texts) == 4 + 2 + 2 + 1  # curves; subjects of two runs; what stands beside the first
    roc = texts[0]
    assert re.search(r"leuknet-paper \(seed 2\): AUROC 0\.\d{3} \(0\.\d{3} to [01]\.\d{3}\), AUPRC 0", roc)
    assert all(len(text) > 20 for text in texts)


def test_headings_and_tables_can_be_followed_by_a_screen_reader(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]

    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(head.get("scope") in ("row", "col") for head in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))


@pytest.mark.usefixtures("undrawn")
def test_hostile_names_stay_text(run: RunRecord) -> None:
    gallery = Gallery("x", "x.png", HOSTILE, HOSTILE)
    look = Look(HOSTILE, "f", HOSTILE, 0, HOSTILE)
    data = DataCard(
        HOSTILE, HOSTILE, HOSTILE, HOSTILE, False, ("HEM", HOSTILE), 450, (),
        (Finding("error", "x", HOSTILE, HOSTILE),),
    )  # fmt: skip
    hostile = changed(
        replace(
            run, name=HOSTILE, data=data, galleries=((gallery, run.pictures["confusion"]),),
            card=replace(run.card, recipe=replace(run.card.recipe, source=HOSTILE)),
        ),
        dataset=HOSTILE, part=HOSTILE, looks=(look,), class_names=("HEM", HOSTILE),
        subject_ids=tuple(f"{HOSTILE} {subject}" for subject in run.evaluation.subject_ids),
    )  # fmt: skip

    html = report_html([replace(hostile, baselines={HOSTILE: run.baselines["area"]})])

    assert html.count("&lt;script&gt;") >= 20
    assert "<script" not in html
    assert not re.search(r"<[^>]*\son\w+=", re.sub(r'"[^"]*"', "", html))
    assert html.count("<img ") == report_html([run]).count("<img ")


@pytest.mark.usefixtures("undrawn")
def test_many_people_findings_and_looks_are_cut_with_their_number(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", subjects=70, each=2)
    (run,) = read_runs([folder])
    assert run.data is not None
    findings = tuple(Finding("warning", "x", f"cell_{number}", "odd") for number in range(1053))
    looks = tuple(replace(LOOKS[1], recipe=f"look_{number}") for number in range(60))
    many = changed(replace(run, data=replace(run.data, findings=findings)), looks=looks)

    text = text_of([many])

    assert "1,053 remarks" in text
    assert "and 1,003 more" in text
    assert "cell_49" in text
    assert "cell_50 " not in text
    assert "look_49" in text
    assert "look_50" not in text
    assert "; and 10 more" in text  # of 70 people on the test side
    assert "and 55 more" in text  # of 70 rows, 15 are the worst


@needs_printer
def test_the_pdf_is_tagged_titled_and_in_english(written: tuple[Path, ...]) -> None:
    assert [path.name for path in written] == ["report.v1.html", "report.v1.pdf"]
    content = written[1].read_bytes()
    packed = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
    objects = b"".join(zlib.decompressobj().decompress(one) for one in packed if one[:1] == b"x")
    assert content.startswith(b"%PDF-")
    assert b"/Lang (en)" in objects
    assert b"/Title (2 runs compared on c-nmc-2019)" in objects
    assert b"/Marked true" in objects


@needs_printer
@pytest.mark.usefixtures("printed_apart")
def test_the_printer_fetches_nothing() -> None:
    with pytest.raises(RuntimeError, match=r"https://example\.org/x\.png") as caught:
        print_pdf(b'<html lang="en"><title>x</title><img src="https://example.org/x.png" alt="x">')

    assert "disallowed" in str(caught.value)


@needs_printer
@pytest.mark.usefixtures("printed_apart")
def test_two_pages_at_once_leave_pillow_as_strict_as_it_was() -> None:
    page = b'<html lang="en"><title>x</title><p>x</p>'
    imported = "weasyprint" in sys.modules  # by an earlier test, see `tests.conftest.printed_here`
    with ThreadPoolExecutor(2) as threads:
        printed = list(threads.map(print_pdf, [page, page]))

    assert all(content.startswith(b"%PDF-") for content in printed)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    assert ("weasyprint" in sys.modules) == imported


def _forbid(patch: pytest.MonkeyPatch, error: Exception, folder: Path) -> None:
    """Let the import of WeasyPrint fail in processes that are started."""
    folder.mkdir()
    (folder / "weasyprint.py").write_text(f"raise {error!r}\n")
    patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, sys.path)]))


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (ImportError("No module named 'weasyprint'"), "pip install 'leuknet[report]'"),
        (OSError("cannot load library 'libpango-1.0-0'\nmore"), "libpango-1.0-0 libpangoft2-1.0-0"),
    ],
)
@pytest.mark.usefixtures("printed_apart")
def test_without_the_printer_no_work_is_begun_and_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, fix: str
) -> None:
    _forbid(monkeypatch, error, tmp_path / "broken")

    with pytest.raises(MissingExtraError) as caught:
        write_report([tmp_path / "not even a run"], tmp_path / "report")

    assert fix in caught.value.fix
    assert "--no-pdf" in caught.value.fix
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


@pytest.mark.usefixtures("undrawn")
def test_the_command_writes_the_page_without_the_printer(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)

    ended = run_cli("report", folder, "--out", tmp_path / "page", "--no-pdf")

    assert (ended.status, ended.err) == (0, "")
    assert f"written: {tmp_path / 'page.html'}" in ended.out
    assert "not a medical device" in ended.out
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_the_command_says_what_to_do_about_a_model_that_was_not_evaluated(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "model").symlink_to(folder / "model")

    ended = run_cli("report", tmp_path, "--out", tmp_path / "page")

    assert ended.status == 2
    assert "has not been evaluated" in ended.err
    assert f"try: leuknet evaluate {tmp_path / 'model'} --data ROOT" in ended.err


@pytest.mark.usefixtures("undrawn")
def test_a_name_that_utf8_cannot_hold_is_written_with_its_code(folder: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", changes={"part": b"part_\xff".decode("utf-8", "surrogateescape")})

    (page,) = write_report([run], tmp_path / "report", pdf=False)

    assert "part_\\udcff" in page.read_text(encoding="utf-8")


def test_facts_that_differ_between_runs_name_each(folder: Path, second: Path) -> None:
    fill = {name: fill for name, _, fill in SECTIONS}["model"]

    (details, *_) = [block for block in fill(read_runs([folder, second])) if isinstance(block, Facts)]

    facts = dict(details.rows)
    assert facts["Seed"] == "leuknet-paper (seed 0): 0. leuknet-paper (seed 1): 1"
    assert facts["Trained at"] == "2030-01-01T00:00:00+00:00"
