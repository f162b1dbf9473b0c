"""A run's own name goes to its card, its evaluations and its report; old files have none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leuknet.evaluation.evaluate import read_evaluation
from leuknet.inference.model_folder import open_card
from leuknet.report.run_record import read_run, read_runs
from tests.cli.test_cli import TINY, assert_error
from tests.conftest import run_cli
from tests.run_folders import write_run

pytestmark = pytest.mark.timeout(1200)  # minutes on a busy machine


@pytest.fixture(scope="module")
def named(simulated_fold: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a name of its own."""
    out = tmp_path_factory.mktemp("runs") / "named"
    ended = run_cli(
        "train", "leuknet-demo", "--data", simulated_fold, "--out", out, "--name", "my first", *TINY
    )
    assert ended.status == 0, ended.err
    return out


def test_a_runs_name_is_on_its_card_in_its_evaluation_and_in_the_report(
    named: Path, simulated_fold: Path
) -> None:
    assert open_card(named / "model").name == "my first"

    ended = run_cli("evaluate", named / "model", "--data", simulated_fold)

    assert ended.status == 0, ended.err
    assert read_evaluation(named / "evaluation" / "evaluation.json").name == "my first"
    assert read_run(named).name == "my first"
    details = (named / "evaluation" / "details.md").read_text(encoding="utf-8")
    assert details.startswith("# my first: beyond the scores")


def test_an_evaluation_may_have_another_name_than_its_run(named: Path, simulated_fold: Path) -> None:
    other = named / "other"

    ended = run_cli("evaluate", named / "model", "--data", simulated_fold, "--out", other, "--name", "again")

    assert ended.status == 0, ended.err
    assert read_evaluation(other / "evaluation.json").name == "again"
    assert read_run(other).name == "again"


def test_a_name_that_is_too_long_is_refused_before_anything_is_done(
    simulated_fold: Path, tmp_path: Path
) -> None:
    ended = run_cli(
        "train", "leuknet-demo", "--data", simulated_fold, "--out", tmp_path / "run", "--name", "x" * 41
    )

    assert_error(ended, what="cannot name a run", why="1 to 40 characters", fix="--name")
    assert not (tmp_path / "run").exists()


def test_files_from_before_names_still_open(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for path in (run / "model" / "model.json", run / "evaluation" / "evaluation.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        for field in ("name", "precision"):
            content.pop(field, None)
        path.write_text(json.dumps(content), encoding="utf-8")

    assert read_run(run).name == "leuknet-paper (seed 0)"
    assert open_card(run / "model").precision == ""


def test_runs_are_told_apart_by_short_parts(tmp_path: Path) -> None:
    left_out = "all labelled cells but 12 of people who trained the model or are not named"
    runs = [
        write_run(tmp_path / str(number), changes={"part": part, "name": "mine"})
        for number, part in enumerate(("test side", left_out))
    ]

    assert [run.name for run in read_runs(runs)] == ["mine, test side", "mine, new people"]
