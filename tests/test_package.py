"""The package as a whole: what is public, and what importing it costs."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest

import leuknet
from leuknet import errors
from tests.conftest import without


def test_public_names_are_these() -> None:
    assert leuknet.__all__ == ["__version__", "load"]


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


def test_importing_leuknet_loads_no_large_library() -> None:
    assert not loaded_after("import leuknet") & {"numpy", "torch", "matplotlib", "polars", "typer"}


def test_the_command_line_starts_without_torch() -> None:
    assert not loaded_after("import leuknet.cli") & {"torch", "matplotlib", "sklearn"}


def test_judging_and_serving_do_not_load_torch() -> None:
    parts = "leuknet.evaluation.evaluate, leuknet.inference.predict, leuknet.report, leuknet.data.verify"

    assert "torch" not in loaded_after(f"import {parts}")


def test_without_torch_the_error_names_the_extra() -> None:
    hide = without("torch") + "import leuknet; leuknet.load('x')"
    answer = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True)

    assert "pip install 'leuknet[train]'" in answer.stderr


@pytest.mark.parametrize(
    "kind",
    [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.LeukNetError)],
)
def test_every_error_says_three_things_and_survives_a_process(kind: type[errors.LeukNetError]) -> None:
    error = kind("cannot do it", why="of a reason", fix="something else")
    again = copy.copy(error)  # takes apart and rebuilds it, as sending it between processes does

    assert str(error) == "cannot do it\n  why: of a reason\n  try: something else"
    assert (type(again), str(again)) == (kind, str(error))
    assert error.exit_status == (130 if kind is errors.StoppedError else 2)
