"""`leuknet plan`: from a pilot to people needed, as a table, a plot and files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from leuknet.errors import DataError
from leuknet.evaluation.evaluate import write_evaluation
from leuknet.evaluation.locate import open_evaluation
from leuknet.experiments.plan_files import read_plan
from leuknet.records.results_folder import MARK
from tests.conftest import run_cli
from tests.evaluation.pilots import pilot_evaluation

FEW = ("--people", "10,20,40", "--cells", "20,pilot", "--studies", "20")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with an evaluation."""
    write_evaluation(pilot_evaluation(people=30), tmp_path / "run" / "evaluation" / "evaluation.json")
    return tmp_path / "run"


def test_a_width_is_planned_from_the_folder_of_a_run(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "plan"
    ended = run_cli("plan", "interval", run, "--width", "0.15", *FEW, "--out", out, "--seed", "3")

    assert ended.status == 0, ended.err
    written = {path.name for path in out.iterdir()} - {MARK}
    assert written == {"plan.json", "plan.csv", "plan.png", "plan.svg"}
    plan = read_plan(out / "plan.json")
    assert (plan.question, plan.wanted, plan.seed, plan.studies) == ("width", 0.15, 3, 20)
    assert set(plan.needed) == {"20 cells each", "cells as in the pilot"}
    text = " ".join(ended.out.split())
    for needed in plan.needed.values():
        assert str(needed or "more than 40") in text
    assert "seed 3: the same seed draws the same studies" in text
    lines = list(csv.DictReader((out / "plan.csv").read_text(encoding="utf-8").splitlines()))
    assert [int(line["people"]) for line in lines] == [point.people for point in plan.points]
    assert float(lines[0]["held"]) == plan.points[0].held
    again = run_cli(
        "plan", "interval", run, "--width", "0.15", *FEW, "--out", tmp_path / "again", "--seed", "3"
    )
    assert again.status == 0
    assert (tmp_path / "again" / "plan.json").read_bytes() == (out / "plan.json").read_bytes()


def test_power_is_planned_from_one_or_two_evaluations(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    write_evaluation(pilot_evaluation(people=30, alike=0.7), other)

    both = run_cli("plan", "power", run, other, "--gap", "0.05", *FEW, "--out", tmp_path / "two")
    one = run_cli(
        "plan", "power", run, "--gap", "0.05", "--correlation", "0.7", *FEW, "--out", tmp_path / "one"
    )

    assert (both.status, one.status) == (0, 0), both.err + one.err
    assert read_plan(tmp_path / "two" / "plan.json").models == (
        "leuknet-paper (seed 0)",
        "leuknet-paper (seed 1)",
    )
    assert read_plan(tmp_path / "one" / "plan.json").models[1] == "a second model"
    assert "AUROC +0.05 told from chance, in 80% of studies" in " ".join(one.out.split())


def test_what_is_missing_or_amiss_is_named(run: Path, tmp_path: Path) -> None:
    none = run_cli("plan", "interval", tmp_path / "nothing", "--width", "0.1")
    odd = run_cli("plan", "interval", run, "--width", "0.1", "--people", "10,many")
    unknown = run_cli("plan", "power", run, "--gap", "0.1")

    assert "no evaluation in" in none.err
    assert "try: leuknet evaluate RUN/model --data ROOT" in none.err
    assert "'many' is no whole number" in odd.err
    assert "how alike the two models err must be known once" in unknown.err
    assert {none.status, odd.status, unknown.status} == {2}
    with pytest.raises(DataError, match="no evaluation in"):
        open_evaluation(tmp_path)


def test_the_help_teaches_what_counts() -> None:
    text = " ".join(run_cli("plan", "--help").out.split())

    assert "People count more than cells" in text
    assert "interval" in text
    assert "power" in text
