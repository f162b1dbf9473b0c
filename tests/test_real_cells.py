"""What is measured on real cells is measured here at its smallest, on simulated cells in their place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import commands
import real_cells
import real_picture
import results
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.experiments.real_figures import FILE, real_figures
from leuknet.recipes import RECIPES
from tests.conftest import REPOSITORY, draw_nothing, run_line, simulate_few

pytestmark = pytest.mark.timeout(1200)  # minutes on a busy machine

TINY: dict[str, Any] = {
    "network_options": {"filters": [4, 6, 8], "fc1": 8},
    "image_size_px": 32,
    "epochs": 2,
    "batch_size": 16,
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The build folder, and what the measurement gave with three seeds of a tiny network."""
    build = tmp_path_factory.mktemp("build")
    data = simulate_few(build / "cells", seed=0, scale=0.01, parts=("fold_1", "fold_2"))

    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        patch.setitem(RECIPES, "leuknet-paper", replace(RECIPES["leuknet-paper"], **TINY))
        patch.setattr(real_cells, "BUILD", build)
        patch.setattr(real_cells, "SEEDS", (0, 1, 2))
        patch.setattr(real_cells, "IN_FP32", True)
        patch.setattr(real_cells, "run", run_line)
        patch.setattr(commands, "run", run_line)
        patch.setattr(real_cells, "restore", lambda _: (data, "python restore.py build/cnmc2019"))
        found = real_cells.measure_real_paper(build)
        again = real_cells.measure_real_paper(build)
    assert again == found  # nothing is trained or judged twice
    return build, json.loads(json.dumps(found))


def test_the_papers_experiment_is_measured_by_seed_and_on_new_people(
    measured: tuple[Path, dict[str, Any]],
) -> None:
    build, found = measured
    seeds = [build / "real-paper" / place for place in ("run", "seeds/1", "seeds/2")]
    own = [read_evaluation(folder / "evaluation" / "evaluation.json") for folder in seeds]
    new = [read_evaluation(folder / "new-people" / "evaluation.json") for folder in seeds]

    assert found["part"] == "fold_1"
    assert [row[0] for row in found["rows"]] == ["Paper", "Seed 0", "Seed 1", "Seed 2", "Mean", "Spread"]
    assert [one["auroc"][0] for one in found["seeds"]] == [each.metrics["auroc"].estimate for each in own]
    assert [one["right"] for one in found["seeds"]] == [
        sum((p >= each.threshold) == label for p, label in zip(each.probabilities, each.labels, strict=True))
        for each in own
    ]
    trained = {who for each in own for who in each.subject_ids}
    assert trained.isdisjoint(new[0].subject_ids)
    assert found["new"]["all"] + found["new"]["hem"] == new[0].cells
    network = found["learners"]["leuknet-paper"]["new_people"]["auroc"]
    assert network["values"] == pytest.approx([each.metrics["auroc"].estimate for each in new])
    assert network["how"] == "jackknife over subjects, spread over seeds"
    assert 0 <= found["precision"]["same_calls"] <= found["precision"]["cells"] == own[0].cells
    assert (build / "real-paper-fp32" / "index.html").is_file()


def test_what_was_measured_is_told_with_the_command_of_each(
    measured: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measured[1] | {"machine": "a machine", "leuknet": "0", "torch": "2"}
    monkeypatch.setattr(results, "_read", lambda name: found if name == "real-paper" else {})

    page = results.render()

    assert page.index("## Real cells") < page.index("The paper's experiment")
    assert page.index("The paper's experiment") < page.index("## Simulated cells and people")
    assert "| Paper | 86.73% (196 of 226; 81.7% to 90.5%) |" in page
    for command in found["commands"]:
        assert f"\n    {command}\n" in page


def test_what_is_not_measured_says_how_to_measure_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_read", lambda _: {})

    assert "Not measured: `python studies/results.py --only real-paper`." in results.render()


def test_the_picture_and_the_table_of_the_readme_are_written(
    measured: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, readme = tmp_path / "real-paper.json", tmp_path / "README.md"
    source.write_text(json.dumps(measured[1]), encoding="utf-8")
    readme.write_text(f"above\n{real_picture.BEGIN}\nold\n{real_picture.END}\nbelow\n", encoding="utf-8")
    monkeypatch.setattr(real_picture, "SOURCE", source)

    real_picture.main(readme, tmp_path / "picture.png", tmp_path / "table.json")

    assert (tmp_path / "picture.png").stat().st_size > 10_000
    page = readme.read_text(encoding="utf-8")
    assert page.startswith(f"above\n{real_picture.BEGIN}\n![AUROC on real cells: ")
    assert "](docs/images/real-auroc.png)\n\n| " in page
    assert page.endswith(f"|\n{real_picture.END}\nbelow\n")
    assert "| the paper, 226 cells | 86.7% (81.7 to 90.5) | not stated | not tested |" in page
    assert "old" not in page


def test_pages_of_simulated_cells_show_what_was_measured_on_real_ones() -> None:
    found = json.loads(real_picture.NEW_PEOPLE.read_text(encoding="utf-8"))

    assert FILE.read_text(encoding="utf-8") == real_picture.page_table(found)
    shown = real_figures()
    assert [row[1] for row in shown.rows] == [row["auroc"] for row in found["rows"]]
    assert all(len(row) == len(shown.heads) for row in shown.rows)


@pytest.mark.skipif(not real_picture.SOURCE.exists(), reason="the paper's experiment was not measured yet")
def test_the_readme_shows_what_was_measured() -> None:
    found = json.loads(real_picture.SOURCE.read_text(encoding="utf-8"))
    page = (REPOSITORY / "README.md").read_text(encoding="utf-8")

    assert real_picture.readme_block(found) in page
