"""Advice that names an option of another command says whose it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from leuknet.cli import app
from leuknet.cli.foreign_options import where_else
from tests.cli.test_cli import write_folder
from tests.conftest import run_cli

COMMANDS = typer.main.get_group(app).commands


@pytest.mark.parametrize(
    ("advice", "words", "whose"),
    [
        ("name it with --part", ["evaluate", "model", "--all"], ""),
        ("use --split image-level", ["data", "split", "cells"], "--split is an option of `leuknet train`"),
        ("use --split image-level", ["--debug", "audit", "--data", "x"], "`leuknet audit` has it not"),
        (
            "--transductive 3, or --details",
            ["predict", "m"],
            "--transductive is an option of `leuknet evaluate`",
        ),
        # Options of a command that is spelt out are that command's.
        ("leuknet evaluate MODEL --data ROOT", ["report", "run"], ""),
        ("run `leuknet benchmark` with `--against`; and so on", ["report", "run"], ""),
        ("pip install --upgrade timm", ["train"], ""),
        ("use a --word that no command has", ["train"], ""),
        ("name it with --part", ["no-such-command"], ""),
        ("name it with --part", [], ""),
    ],
)
def test_it_is_told_whose_an_option_is(advice: str, words: list[str], whose: str) -> None:
    told = where_else(advice, words, COMMANDS)

    assert whose in told
    assert bool(whose) == bool(told)


def test_options_of_many_commands_are_counted() -> None:
    assert " more; `leuknet report` has it not" in where_else("--data ROOT", ["report"], COMMANDS)


def test_an_error_of_the_library_is_told_with_it(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own", subjects=True)
    manifest = root / "manifest.csv"
    manifest.write_text(re.sub(r"P(\d)\d", r"P\1", manifest.read_text("utf-8")), encoding="utf-8")

    ended = run_cli("data", "split", root, "--protocol", "subject-kfold", "--out", tmp_path / "splits")

    assert ended.status == 2
    advice, _, told = ended.err.splitlines()[-1].partition(" (--split is an option of ")
    assert advice.startswith("  try: ")
    assert "--split" in advice
    assert told.endswith("; `leuknet data split` has it not)")
