"""Without extras LeukNet does what needs none, and every other command names the extra that it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leuknet.errors import EXTRAS
from leuknet.simulation.draw_fields import FIELD_UM, write_fields
from tests.cli.test_cli import COMMANDS
from tests.conftest import REPOSITORY, without

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
    few = ("--people", "10", "--cells", "5", "--studies", "20", "--out", folder / "plan")
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
        "plan interval": (None, [run, "--width", "0.3", *few]),
        "plan power": (None, [run, "--gap", "0.1", "--correlation", "0.5", *few]),
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


def end_of_all(
    python: str | Path, folder: Path, *, fold: Path, before: str = ""
) -> dict[str, tuple[int, str, str | None]]:
    """How each command and each help ends in another interpreter, and which extra it is to name.

    All run in one process, since importing takes most of the time.
    """
    write_fields(folder / "fields", 1, height_px=768, width_px=1024)
    commands = usual_commands(folder, fold=fold)
    lines = {name: [*name.split(), *map(str, words)] for name, (_, words) in commands.items()}
    lines |= {f"{name} --help": [*name.split(), "--help"] for name in LEAVES}
    hidden = {name: value for name, value in os.environ.items() if before or name != "PYTHONPATH"}
    ended = subprocess.run(
        [python, "-c", before + RUN_ALL],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        check=True,
        env=hidden,
    )
    extras = {name: extra for name, (extra, _) in commands.items()}
    return {name: (*answer, extras.get(name)) for name, answer in json.loads(ended.stdout).items()}


@pytest.fixture(scope="module")
def answers(
    simulated_fold: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[int, str, str | None]]:
    """How each command ends where no library of an extra can be imported."""
    folder = tmp_path_factory.mktemp("without-extras")
    return end_of_all(sys.executable, folder, fold=simulated_fold, before=without(*EXTRAS))


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_a_command_works_without_extras_or_names_the_one_it_needs(
    answers: dict[str, tuple[int, str, str | None]], name: str
) -> None:
    assert_answer(*answers[name])


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_help_needs_no_extra(answers: dict[str, tuple[int, str, str | None]], name: str) -> None:
    assert_answer(*answers[f"{name} --help"])
