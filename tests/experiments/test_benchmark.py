"""The grid of recipes, seeds and rounds, from the command line, with a real training in each cell of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from leuknet.data import open_dataset
from leuknet.errors import SettingError
from leuknet.evaluation.baselines import BASELINES
from leuknet.experiments import benchmark as module
from leuknet.recipes import get_recipe
from leuknet.training import runs
from leuknet.training.train import train
from tests.conftest import Ended, run_cli, simulate_few

PARTS = ("fold_0", "fold_1", "fold_2", "prelim")

TINY = (
    "image_size_px=16",
    "epochs=1",
    "batch_size=16",
    'network_options={"filters": [2, 2, 2], "fc1": 4}',
)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated cells of the folds and the preliminary phase, as few as there can be."""
    return simulate_few(tmp_path_factory.mktemp("cells"), seed=0, scale=0.001, parts=PARTS).parent


def run(cells: Path, out: Path, *, seeds: str) -> Ended:
    settings = [argument for setting in TINY for argument in ("--set", setting)]
    source = ("--data", cells, "--recipes", "leuknet-demo")
    return run_cli("benchmark", *source, "--protocol", "official", "--seeds", seeds, "--out", out, *settings)


@pytest.fixture(scope="module")
def _finished(cells: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    ended = run(cells, out, seeds="0")
    assert ended.status == 0, ended.err
    assert "SIMULATED CELLS" in ended.out
    return out


@pytest.fixture
def finished(_finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished grid, for a test to change."""
    return shutil.copytree(_finished, tmp_path / "results")


def files_of(out: Path) -> dict[str, bytes]:
    folder = out / "official" / "evaluations"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.json")}


def count_trainings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """List the run folders that are trained from here on."""
    trained: list[Path] = []
    original: Callable[..., Any] = train

    def counted(*arguments: Any, **options: Any) -> Any:
        trained.append(options["out"])
        return original(*arguments, **options)

    monkeypatch.setattr(runs, "train", counted)
    return trained


def test_each_cell_of_the_grid_is_a_file_that_says_what_it_is(finished: Path) -> None:
    files = {name: json.loads(content) for name, content in files_of(finished).items()}
    baselines = [one["model_id"] for name, one in files.items() if "baselines" in name]

    assert sorted(baselines) == [f"baseline: {name}" for name in sorted(BASELINES)]
    assert len(files) == 1 + len(baselines)
    for one in files.values():
        assert (one["protocol"], one["round"]) == ("official", "1 of 1")
        assert (one["split_kind"], one["simulated"], one["subjects"]) == ("subject-level", True, 28)


def test_the_table_holds_the_recipe_and_all_baselines(finished: Path) -> None:
    page = (finished / "official" / "table.md").read_text(encoding="utf-8")

    assert page.count("\n| baseline: ") == len(BASELINES)
    assert page.count("\n| leuknet-demo (") == 1


def test_a_finished_grid_is_not_computed_again_and_a_larger_one_adds_to_it(
    finished: Path, cells: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(finished)
    trained = count_trainings(monkeypatch)
    assert run(cells, finished, seeds="0").status == 0
    assert trained == []

    assert run(cells, finished, seeds="0,1").status == 0
    assert [path.name for path in trained] == ["1-1-of-1"]
    after = files_of(finished)
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * len(before)
    page = (finished / "official" / "table.md").read_text(encoding="utf-8")
    assert page.count("| 2 |") == 1 + len(BASELINES)  # two seeds of the recipe and of each baseline
    assert "Not in the table" not in page


def test_a_cell_whose_file_is_lost_is_judged_again_without_training(
    finished: Path, cells: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lost,) = (finished / "official" / "evaluations").glob("*/0-1-of-1.json")
    probabilities = json.loads(lost.read_text(encoding="utf-8"))["probabilities"]
    lost.unlink()
    trained = count_trainings(monkeypatch)

    assert run(cells, finished, seeds="0").status == 0
    assert trained == []
    found = json.loads(lost.read_text(encoding="utf-8"))
    assert found["probabilities"] == pytest.approx(probabilities)
    # The test side was scored before, and the record says so.
    assert found["looks"]


def test_table_and_plot_come_back_from_the_files_alone(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "elsewhere"
    (out / "official").mkdir(parents=True)
    (finished / "official" / "evaluations").rename(out / "official" / "evaluations")

    ended = run_cli("benchmark", "--protocol", "official", "--out", out)

    assert ended.status == 0, ended.err
    for name in ("table.md", "table.csv", "scores.png"):
        assert (out / "official" / name).exists()


def test_files_of_other_cells_are_not_taken_for_these(finished: Path, tmp_path: Path) -> None:
    others = simulate_few(tmp_path / "others", seed=1, scale=0.001, parts=PARTS).parent
    before = files_of(finished)

    ended = run(others, finished, seeds="0")
    assert ended.status == 2
    assert "other cells" in ended.err
    assert files_of(finished) == before


@pytest.mark.parametrize(
    ("n_recipes", "seeds"), [(0, (0,)), (2, (0,)), (1, ()), (1, (0, 0))],
    ids=["no recipe", "one recipe twice", "no seed", "one seed twice"],
)  # fmt: skip
def test_an_empty_or_doubled_grid_is_refused(
    cells: Path, tmp_path: Path, n_recipes: int, seeds: tuple[int, ...]
) -> None:
    recipes = [replace(get_recipe("leuknet-demo"))] * n_recipes

    with pytest.raises(SettingError, match="grid"):
        module.benchmark(open_dataset(cells), recipes, protocol="official", seeds=seeds, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seeds", ["", "one", "0,-1", "1.5"])
def test_seeds_that_are_no_numbers_are_refused(cells: Path, tmp_path: Path, seeds: str) -> None:
    ended = run(cells, tmp_path, seeds=seeds)

    assert ended.status == 2
    assert "0,1,2" in ended.err
