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
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.looks import VARIABLE
from leuknet.evaluation.summary import summary_rows
from leuknet.recipes import RECIPES, changed
from leuknet.recipes.leuknet_demo import LEUKNET_DEMO
from leuknet.recipes.ranges import RANGES, Choice, Range
from leuknet.training import runs
from leuknet.training import tune as module
from leuknet.training.tune import tune
from leuknet.training.tuned import Tuned, distribution_of
from leuknet.types import CellImage, Dataset, Recipe
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


def development(dataset: Dataset) -> tuple[tuple[CellImage, ...], tuple[CellImage, ...]]:
    split = make_split(dataset.cells, TINY)
    return split.train, split.validation


def lines(out: Path) -> list[str]:
    return (out / "trials.csv").read_text(encoding="utf-8").splitlines()


def test_the_recipes_own_settings_are_the_first_try_and_the_best_is_kept(
    found: tuple[Path, Tuned], dataset: Dataset
) -> None:
    out, result = found
    rows = [line.split(",") for line in lines(out)[1:]]

    assert [row[0] for row in rows] == ["0", "1", "2"]
    assert float(rows[0][4]) == TINY.learning_rate
    assert result.own_loss == float(rows[0][2])
    assert result.loss == min(float(row[2]) for row in rows if row[2])
    best = json.loads((out / "best.json").read_text(encoding="utf-8"))
    assert best["settings"] == list(result.settings)
    assert changed(TINY, result.settings)  # they are settings that can be set
    assert result.cells == sum(len(side) for side in development(dataset))
    assert result.people == tuple(best["people"])
    assert {*result.people} == {cell.subject for side in development(dataset) for cell in side}
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
    split = make_split(dataset.cells, slow)
    searching = module._Search(dataset, slow, study, split, module._divide(split, 1), out, "no")
    again = searching._open().ask({"learning_rate": distribution_of(study["learning_rate"])})
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


def test_settings_found_in_one_round_are_not_benchmarked_on_its_people_in_another(
    simulated_fold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "looks.jsonl"))
    monkeypatch.setitem(RECIPES, "leuknet-demo", TINY)
    # The recipe's own learning rate is none of the two, so that one of them wins.
    monkeypatch.setitem(RANGES, "leuknet-demo", {"learning_rate": Choice((0.011, 0.012))})
    where = ("--data", simulated_fold, "--protocol", "subject-kfold")

    options = ("--trials", 1, "--divisions", 1, "--out", tmp_path / "t")

    tuned = run_cli("tune", "leuknet-demo", *where, "--round", "1 of 5", *options)

    assert tuned.status == 0, tuned.err
    assert "--protocol subject-kfold --round '1 of 5' " in tuned.out
    assert "where these are tested, the settings look better" in tuned.out
    best = json.loads((tmp_path / "t" / "best.json").read_text(encoding="utf-8"))
    assert (best["protocol"], best["round"]) == ("subject-kfold", "1 of 5")
    setting = ("--set", best["settings"][0])
    refused = run_cli(
        "benchmark", *where, "--recipes", "leuknet-demo", "--seeds", 0, "--out", tmp_path / "b", *setting
    )
    assert refused.status == 2
    assert "were chosen on people who are tested in" in refused.err
    assert not (tmp_path / "b").exists()
    # Trained in another round by hand, it is marked wherever it is judged.
    run = tmp_path / "run"
    trained = run_cli("train", "leuknet-demo", *where, "--round", "2 of 5", *setting, "--out", run)
    assert trained.status == 0, trained.err
    judged = run_cli("evaluate", run / "model", "--data", simulated_fold)
    assert judged.status == 0, judged.err
    evaluation = read_evaluation(run / "evaluation" / "evaluation.json")
    assert evaluation.settings_chosen_on == (evaluation.cells, evaluation.subjects)
    assert dict(summary_rows(evaluation))["settings"].startswith("chosen on people who are tested here (")


@pytest.mark.parametrize("name", RANGES)
def test_every_range_names_a_setting_that_its_recipe_has(name: str) -> None:
    for setting, bounds in RANGES[name].items():
        values = bounds.values if isinstance(bounds, Choice) else (bounds.low, bounds.high)
        for value in values:
            changed(RECIPES[name], [f"{setting}={json.dumps(value)}"])
