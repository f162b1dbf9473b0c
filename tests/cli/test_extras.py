"""Without extras LeukNet does what needs none, and every other command names the extra that it needs.

Tried with the wheel in a new virtual environment; where PyPI cannot be reached, here, with the libraries of
all extras hidden.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leuknet.errors import EXTRAS
from leuknet.evaluation.readings import write_table
from leuknet.simulation.draw_fields import FIELD_UM, write_fields
from tests.cli.test_cli import COMMANDS
from tests.conftest import REPOSITORY, without
from tests.evaluation.test_mrmc import made_up

pytestmark = pytest.mark.timeout(1200)  # a base install fetches 200 MB of libraries

LEAVES = {" ".join(path) for path, command in COMMANDS.items() if not hasattr(command, "commands")}

RUN_ALL = """
import contextlib, io, json, sys
from leuknet.cli import main
answers = {}
for name, words in json.load(sys.stdin).items():
    sys.argv, out, err = ["leuknet", *words], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            answers[name] = [ended.code or 0, err.getvalue()]
print(json.dumps(answers))
"""


def usual_commands(folder: Path, *, fold: Path) -> dict[str, tuple[str | None, list[str | Path]]]:
    """Each command with the extra that it needs, if any, and words with which it works once that is there."""
    run, out = REPOSITORY / "tests" / "golden" / "run", folder / "out"
    model = run / "model"
    cell, field = min(fold.rglob("*_all.bmp")), folder / "fields" / "field-01.png"
    data, scale = ("--data", fold), ("--scale", str(FIELD_UM))
    few = ("--people", "10", "--cells", "5", "--studies", "20", "--out")
    scores, url = folder / "scores.csv", ("--url", f"sqlite:///{folder / 'room.db'}")
    return {
        "data verify": (None, [fold]),
        "data show": (None, [fold, "--out", folder / "samples"]),
        "data split": (None, [fold, "--protocol", "subject-kfold", "--out", folder / "splits"]),
        "data simulate": (None, [folder / "cells", "--scale", "0.001", "--part", "fold_1"]),
        "data fields": (None, [folder / "drawn", "--number", "1"]),
        "data cache": (None, []),
        "recipes": (None, []),
        "predict": (None, [model, cell, "--out", scores]),
        "subject": (None, [scores, "--one-subject", "P7"]),
        "cells": (None, [field, *scale, "--out", folder / "found"]),
        "smear": (None, [field, "--model", model, *scale, "--out", folder / "smear", "--no-pdf"]),
        "model show": ("train", [model]),
        "train": ("train", ["leuknet-demo", *data, "--out", out]),
        "ensemble": ("train", [model, model, *data, "--out", out]),
        "evaluate": (None, [model, *data, "--all", "--out", folder / "evaluation"]),
        "compare": (None, [run, run / "evaluation" / "baselines" / "area.json"]),
        "mrmc": (None, [folder / "readings.csv"]),
        "plan interval": (None, [run, "--width", "0.3", *few, folder / "plan"]),
        "plan power": (None, [run, "--gap", "0.1", "--correlation", "0.5", *few, folder / "plan-power"]),
        "plan study": (None, [folder / "readings.csv", "--gap", "0.1"]),
        "explain": ("train", [model, cell, "--out", out]),
        "export": ("train", [model, "--out", folder / "cells.onnx"]),
        "push": ("hub", [model, "me/model", "--licence", "mit"]),
        "pull": ("hub", ["me/model", "--out", out]),
        "reproduce": ("train", ["paper", *data, "--out", out]),
        "audit": ("train", [*data, "--out", out]),
        "benchmark": ("train", [*data, "--recipes", "leuknet-demo", "--out", out]),
        "tune": ("train", ["leuknet-plus", *data, "--out", out]),
        "batch": ("batch", [cell, "--model", model, "--out", folder / "batch.csv"]),
        "report": ("report", [run, "--out", folder / "report"]),
        "serve": ("web", ["--model", model]),
        "worker": ("web", ["--model", model, *url]),
        "account add": ("web", ["Ada", "--password", "twelve letters and more", *url]),
        "account password": ("web", ["Ada", "--password", "twelve letters and more", *url]),
        "account list": ("web", [*url]),
        "audit-log verify": ("web", [*url]),
        "store backup": ("web", [folder / "backup", *url]),
        "store restore": ("web", [folder / "backup", *url]),
    }


def assert_answer(status: int, err: str, extra: str | None) -> None:
    """A command that needs no extra has worked, another says in three lines how to install what it needs."""
    if extra is None:
        assert status == 0, err
    else:
        what, why, fix = err.splitlines()[-3:]
        assert (status, fix.startswith(f"  try: pip install 'leuknet[{extra}]'")) == (2, True), err
        assert what.startswith("leuknet: cannot ")
        assert why.startswith("  why: ")
        assert "bug" not in err


def write_what_they_read(folder: Path) -> None:
    """Write a field and readings of a study, for `usual_commands`."""
    write_fields(folder / "fields", 1, height_px=768, width_px=1024)
    write_table(made_up(shape=(2, 2, 12)), folder / "readings.csv")


def base_install(folder: Path) -> Path | None:
    """Make a virtual environment with the wheel and no extra; None if PyPI, which has the rest, is away."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    steps: list[list[str | Path]] = [
        [*pip, "wheel", "--no-deps", "--wheel-dir", folder, REPOSITORY],
        [*pip, "--python", python, "install", "--no-compile", "--constraint", REPOSITORY / "constraints.txt"],
    ]
    for step in steps:
        done = subprocess.run([*step, *folder.glob("*.whl")], capture_output=True, text=True)
        if done.returncode and "NewConnectionError" in done.stderr:
            return None
        assert done.returncode == 0, done.stderr
    return python


@pytest.fixture(scope="module")
def base_python(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    return base_install(tmp_path_factory.mktemp("base-install"))


def test_the_wheel_alone_can_be_installed(base_python: Path | None) -> None:
    if base_python is None:
        pytest.skip("PyPI cannot be reached, and a base install takes its libraries from there")
    version = subprocess.run([base_python.with_name("leuknet"), "--version"], capture_output=True, text=True)

    assert version.stdout.startswith("leuknet ")


@pytest.fixture(scope="module")
def answers(
    base_python: Path | None, simulated_fold: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[int, str, str | None]]:
    """How each command and each help ends without extras, and which one it is to name.

    All run in one process, since importing takes most of the time.
    """
    folder = tmp_path_factory.mktemp("without-extras")
    write_what_they_read(folder)
    commands = usual_commands(folder, fold=simulated_fold)
    lines = {name: [*name.split(), *map(str, words)] for name, (_, words) in commands.items()}
    lines |= {f"{name} --help": [*name.split(), "--help"] for name in LEAVES}
    ended = subprocess.run(
        [base_python or sys.executable, "-c", ("" if base_python else without(*EXTRAS)) + RUN_ALL],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if not base_python or name != "PYTHONPATH"},
    )
    extras = {name: extra for name, (extra, _) in commands.items()}
    return {name: (*answer, extras.get(name)) for name, answer in json.loads(ended.stdout).items()}


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_a_command_works_without_extras_or_names_the_one_it_needs(
    answers: dict[str, tuple[int, str, str | None]], name: str
) -> None:
    assert_answer(*answers[name])


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_help_needs_no_extra(answers: dict[str, tuple[int, str, str | None]], name: str) -> None:
    assert_answer(*answers[f"{name} --help"])
