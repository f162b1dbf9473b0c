"""`leuknet compare` names the test, the interval and the margin, and what it says nothing about."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import REPOSITORY, run_cli

RUN = REPOSITORY / "tests" / "golden" / "run"


def test_a_model_is_compared_with_a_baseline_within_a_margin() -> None:
    area = RUN / "evaluation" / "baselines" / "area.json"

    ended = run_cli("compare", RUN, area, "--metric", "accuracy", "--margin", "0.5")

    assert ended.status == 0, ended.err
    assert "cannot tell baseline:area from" in ended.out or "is better than" in ended.out
    assert "a margin of 50 points of accuracy" in ended.out
    assert "second minus first: " in ended.out
    assert "95% interval by paired jackknife over subjects" in ended.out
    assert "recipes need several seeds" in ended.out
    assert "SIMULATED" in ended.err


def test_a_folder_without_an_evaluation_and_a_margin_that_is_none_are_refused(tmp_path: Path) -> None:
    refused = run_cli("compare", RUN, tmp_path)
    assert (refused.status, "no evaluation in" in refused.err) == (2, True)

    refused = run_cli("compare", RUN, RUN / "evaluation", "--margin", "3")
    assert (refused.status, "is no margin" in refused.err) == (2, True)
