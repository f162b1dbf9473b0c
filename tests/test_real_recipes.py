"""Recipes on new people, and the two ways to divide, measured at their smallest on simulated cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import commands
import real_recipes
from leuknet.evaluation.baselines import BASELINES
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.inference.model_folder import open_card
from leuknet.inference.model_id import model_id_of
from leuknet.recipes import RECIPES
from tests.conftest import run_line, simulate_few

pytestmark = pytest.mark.timeout(1200)  # minutes on a busy machine

SMALL = ("image_size_px=32", "epochs=1", "batch_size=16", "rate_drop_epochs=1", "split=subject-level")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that are run, in this process and on simulated cells."""
    data = simulate_few(tmp_path / "cells", seed=0, scale=0.02, parts=("fold_1", "fold_2"))
    lines: list[str] = []

    def run(command: str) -> str:
        lines.append(command)
        return run_line(command)

    for module in (commands, real_recipes):
        monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(real_recipes, "BUILD", tmp_path)
    monkeypatch.setattr(real_recipes, "restore", lambda _: (data, "python restore.py build/cnmc2019"))
    return lines


def as_written(found: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(json.dumps(found))
    return written


def test_recipes_are_judged_on_people_who_did_not_teach_them(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_recipes, "SEEDS", (0, 1))
    monkeypatch.setattr(real_recipes, "RECIPES", {"leuknet-demo": real_recipes.Measured(SMALL)})

    found = as_written(real_recipes.measure_real_recipes(tmp_path))
    n_asked = len(asked)
    again = as_written(real_recipes.measure_real_recipes(tmp_path))

    assert again == found
    assert len(asked) == n_asked == 4, "nothing is trained or judged twice"
    judged = [
        read_evaluation(tmp_path / "real-recipes" / f"leuknet-demo-{seed}" / "new" / "evaluation.json")
        for seed in (0, 1)
    ]
    assert found["rows"][0]["by_seed"] == [one.metrics["auroc"].estimate for one in judged]
    assert [row["name"] for row in found["rows"]] == [
        "leuknet-demo",
        *[f"baseline: {name}" for name in BASELINES],
    ]
    assert found["cells"] == [judged[0].labels.count(0), judged[0].labels.count(1)]
    assert sum(found["people"]) == judged[0].subjects
    page = "\n".join(real_recipes.real_recipe_lines(found))
    assert all(row["auroc"] in page for row in found["rows"])
    assert "image_size_px=32" in page


def test_simulated_cells_teach_alone_and_first(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_recipes, "SEEDS", (0,))
    (stated,) = (tmp_path / "cells").rglob("simulated.json")
    stated.unlink()  # these stand for real cells
    monkeypatch.setattr(real_recipes, "RECIPES", {"leuknet-demo": real_recipes.Measured(SMALL)})
    monkeypatch.setattr(real_recipes, "BEGUN", "leuknet-demo")
    monkeypatch.setattr(real_recipes, "SIMULATED", "data simulate {folder} --scale 0.02 --part fold_0")
    monkeypatch.setattr(real_recipes, "SIMULATED_PARTS", "parts=[fold_0]")
    monkeypatch.setattr(real_recipes, "OTHER_PARTS", ("fold_2",))

    found = as_written(real_recipes.measure_real_begun(tmp_path))

    alone, first = (
        tmp_path / "real-recipes" / f"leuknet-demo-simulated-cells-{word}-0" for word in ("alone", "first")
    )
    assert open_card(first / "model").started_from.startswith(model_id_of(alone / "model"))
    judged = [read_evaluation(one / "new" / "evaluation.json") for one in (alone, first)]
    assert [row["by_seed"] for row in found["rows"]] == [[one.metrics["auroc"].estimate] for one in judged]
    assert found["alone"] == judged[0].cells
    page = "\n".join(real_recipes.real_begun_lines(found))
    assert all(row["auroc"] in page for row in found["rows"])


def test_the_same_cells_are_divided_by_image_and_by_person(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_recipes, "SEEDS", (0, 1))
    monkeypatch.setattr(real_recipes, "AUDITED", "leuknet-demo")
    monkeypatch.setattr(
        real_recipes,
        "AUDIT_SETTINGS",
        (*real_recipes.AUDIT_SETTINGS, *(one for one in SMALL if "split" not in one)),
    )

    found = as_written(real_recipes.measure_real_audit(tmp_path))

    assert len(asked) == 1
    tested = read_evaluation(tmp_path / "real-audit" / "evaluations" / "subject-level-0.json")
    normal = {who for who, label in zip(tested.subject_ids, tested.labels, strict=True) if label == 0}
    assert found["healthy"][0] == sorted(map(str, normal))
    assert len(found["healthy"]) == 2
    page = "\n".join(real_recipes.real_audit_lines(found))
    assert found["verdict"] in page
    assert all(" | ".join(row) in page for row in found["rows"])


def test_recipes_that_are_measured_exist() -> None:
    assert {*real_recipes.RECIPES} <= {*RECIPES}
