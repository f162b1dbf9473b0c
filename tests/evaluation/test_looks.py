"""The ledger: every look at test cells is written down, whoever looks and from wherever."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from leuknet.errors import DataError
from leuknet.evaluation.looks import VARIABLE, ledger_path, record_look
from leuknet.types import CellImage, Label, Look

CELLS = [CellImage(f"{n}.bmp", Path(f"{n}.bmp"), f"{n:064x}", Label(n % 2), f"p{n}") for n in range(4)]


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state" / "looks.jsonl"
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def look(cells: Sequence[CellImage] = CELLS, *, seed: int = 0, model_id: str = "abc") -> tuple[Look, ...]:
    return record_look(cells, recipe="leuknet-paper", seed=seed, model_id=model_id)


def test_the_first_look_has_none_before_it() -> None:
    assert look() == ()


def test_a_second_look_meets_the_first_with_its_model_and_time() -> None:
    look(seed=3, model_id="first")

    (earlier,) = look(seed=4, model_id="second")
    assert (earlier.recipe, earlier.seed, earlier.model_id) == ("leuknet-paper", 3, "first")
    assert earlier.at.endswith("+00:00")


def test_another_order_of_the_cells_is_no_new_test_side() -> None:
    look(CELLS)

    assert len(look(CELLS[::-1])) == 1


@pytest.mark.parametrize(
    "changed",
    [
        CELLS[:3],
        [*CELLS[:3], replace(CELLS[3], sha256="f" * 64)],
        [*CELLS[:3], replace(CELLS[3], label=Label.NORMAL)],
    ],
    ids=["fewer cells", "other bytes", "another label"],
)
def test_other_cells_are_another_test_side(changed: list[CellImage]) -> None:
    look(CELLS)

    assert look(changed) == ()
    assert len(look(CELLS)) == 1  # the look at the others is not counted here


def test_the_ledger_only_grows(ledger: Path) -> None:
    for seed in range(3):
        look(seed=seed)

    lines = ledger.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["seed"] for line in lines] == [0, 1, 2]


@pytest.mark.parametrize("line", ["not json", '{"at": "now"}', "[1]"])
def test_a_damaged_ledger_is_an_error_and_stays_as_it_is(ledger: Path, line: str) -> None:
    ledger.parent.mkdir()
    ledger.write_text(line + "\n", encoding="utf-8")

    with pytest.raises(DataError) as caught:
        look()
    assert VARIABLE in caught.value.fix
    assert ledger.read_text(encoding="utf-8") == line + "\n"


def test_a_ledger_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "looks.jsonl"))

    with pytest.raises(DataError, match="ledger"):
        look()


def test_without_the_variable_the_ledger_lies_in_the_users_folder_for_state(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)

    assert ledger_path().is_relative_to(tmp_path)
    assert ledger_path().name == "looks.jsonl"
