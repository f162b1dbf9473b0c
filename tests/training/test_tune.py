"""A search that can be stopped, keeps what it found, and never touches the test side."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from filelock import FileLock

from leuknet.data import open_dataset
from leuknet.data.split import make_split
from leuknet.errors import SettingError
from leuknet.recipes import RECIPES, changed
from leuknet.recipes.leuknet_demo import LEUKNET_DEMO
from leuknet.recipes.ranges import RANGES, Choice, Range
from leuknet.training import runs
from leuknet.training import tune as module
from leuknet.training.tune import Tuned, tune
from leuknet.types import Dataset, Recipe
from tests.conftest import run_cli

TINY = replace(
    LEUKNET_DEMO,
    network_options={"filters": [2, 3, 4], "fc1": 4, "dropout": 0.5},
    image_size_px=32,
    epochs=1,
    batch_size=16,
    split="subject-level",
    fractions=(0.5, 0.25, 0.25),
)
TWO: dict[str, Range | Choice] = {
    "learning_rate": Range(1e-5, 1e-1, log=True),
    "network_options.dropout": Choice((0.0, 0.5)),
}


@pytest.fixture(scope="module")
def dataset(simulated_fold: Path) -> Dataset:
    return open_dataset(simulated_fold)


def search(dataset: Dataset, out: Path, trials: int, recipe: Recipe = TINY) -> Tuned:
    return tune(dataset, recipe, make_split(dataset.cells, recipe), TWO, trials=trials, divisions=2, out=out)


@pytest.fixture(scope="module")
def found(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tuned]:
    out = tmp_path_factory.mktemp("tuned") / "search"
    return out, search(dataset, out, 3)


def lines(out: Path) -> list[str]:
    return (out / "trials.csv").read_text(encoding="utf-8").splitlines()


def test_the_recipes_own_settings_are_the_first_try_and_the_best_is_kept(found: tuple[Path, Tuned]) -> None:
    out, result = found
    rows = [line.split(",") for line in lines(out)[1:]]

    assert [row[0] for row in rows] == ["0", "1", "2"]
    assert float(rows[0][4]) == TINY.learning_rate
    assert result.own_loss == float(rows[0][2])
    assert result.loss == min(float(row[2]) for row in rows if row[2])
    best = json.loads((out / "best.json").read_text(encoding="utf-8"))
    assert best["settings"] == list(result.settings)
    assert changed(TINY, result.settings)  # they are settings that can be set
    assert not list((out / "runs").iterdir())  # networks are not kept
    for name in ("tune.png", "tune.svg"):
        assert (out / name).stat().st_size


def test_more_tries_go_on_with_the_same_search(
    found: tuple[Path, Tuned], dataset: Dataset, tmp_path: Path
) -> None:
    result = found[1]
    out = tmp_path / "search"
    shutil.copytree(found[0], out)
    before = lines(out)

    more = search(dataset, out, 5)

    assert lines(out)[: len(before)] == before
    assert more.trials == 5
    assert more.loss <= result.loss
    assert len({line.split(",", 4)[4] for line in lines(out)[1:]}) == 5  # no try is made twice


def test_the_test_side_has_no_part_in_it(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = make_split(dataset.cells, TINY)
    used: set[str] = set()
    run = runs.trained_run

    def note(*arguments: object, **others: object) -> object:
        used.update(cell.id for side in ("train", "validation") for cell in getattr(others["split"], side))
        assert not others["split"].test  # type: ignore[attr-defined]
        return run(*arguments, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "trained_run", note)
    search(dataset, tmp_path / "search", 1)

    assert used == {cell.id for cell in (*split.train, *split.validation)}
    assert not used & {cell.id for cell in split.test}


def test_a_search_that_was_killed_does_the_same_try_again(
    simulated_fold: Path, dataset: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "search"
    slow = replace(TINY, epochs=400)
    script = (
        "import json, sys; from pathlib import Path; from leuknet.data import open_dataset;"
        "from leuknet.data.split import make_split; from leuknet.recipes import checked;"
        "from leuknet.recipes.ranges import Range; from leuknet.training.tune import tune;"
        "data = open_dataset(Path(sys.argv[1])); recipe = checked(json.loads(sys.argv[2]));"
        "tune(data, recipe, make_split(data.cells, recipe), {'learning_rate': Range(1e-5, 1e-1, log=True)},"
        " trials=1, divisions=1, out=Path(sys.argv[3]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(simulated_fold), json.dumps(asdict(slow)), str(out)],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 240
    while not list(out.glob("runs/*/0/history.csv")):
        assert process.poll() is None, "the search ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    with sqlite3.connect(out / "tune.db") as database:
        assert database.execute("select state from trials").fetchall() == [("RUNNING",)]
    database.close()
    study = {"learning_rate": Range(1e-5, 1e-1, log=True)}
    searching = module._Search(
        dataset, slow, study, module._divide(make_split(dataset.cells, slow), 1), out, "no"
    )
    again = searching._open().ask({"learning_rate": module._distribution(study["learning_rate"])})
    assert again.params == {"learning_rate": slow.learning_rate}


def test_a_try_that_cannot_be_trained_is_given_up_and_says_why(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, calls = runs.trained_run, []

    def fail_second(*arguments: object, **others: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise SettingError("training broke down", why="the loss is nan", fix="use a lower rate")
        return run(*arguments, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "trained_run", fail_second)
    search(dataset, tmp_path / "search", 2)

    assert [line.split(",")[1:4:2] for line in lines(tmp_path / "search")[1:]] == [
        ["complete", ""],
        ["given up", "the loss is nan"],
    ]


def test_a_folder_of_another_search_or_in_use_is_refused(found: tuple[Path, Tuned], dataset: Dataset) -> None:
    out, _ = found
    with pytest.raises(SettingError, match="another recipe or other cells"):
        search(dataset, out, 9, replace(TINY, epochs=2))
    with FileLock(out / ".lock"), pytest.raises(SettingError, match="at work in"):
        search(dataset, out, 9)
    with pytest.raises(SettingError, match="nothing to search"):
        tune(dataset, TINY, make_split(dataset.cells, TINY), {}, trials=1, out=out)


def test_the_command_names_what_to_train_next(
    simulated_fold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "leuknet-demo", TINY)
    options: list[str | int | Path] = [
        "--trials",
        1,
        "--divisions",
        1,
        "--only",
        "learning_rate",
        "--out",
        tmp_path / "search",
    ]

    ended = run_cli("tune", "leuknet-demo", "--data", simulated_fold, *options)

    assert ended.status == 0, ended.err
    assert "best of 1 tries" in ended.out
    assert f"leuknet train leuknet-demo --data {simulated_fold}" in ended.out
    refused = run_cli("tune", "leuknet-demo", "--data", simulated_fold, *options, "--only", "seed")
    assert refused.status == 2


@pytest.mark.parametrize("name", RANGES)
def test_every_range_names_a_setting_that_its_recipe_has(name: str) -> None:
    for setting, bounds in RANGES[name].items():
        values = bounds.values if isinstance(bounds, Choice) else (bounds.low, bounds.high)
        for value in values:
            changed(RECIPES[name], [f"{setting}={json.dumps(value)}"])
