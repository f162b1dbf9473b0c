"""The ledger: every look at test cells is written down, whoever looks and from wherever."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from leuknet.data.split import fingerprint
from leuknet.errors import DataError
from leuknet.evaluation.looks import VARIABLE, Looked, ledger_path, record_look
from leuknet.types import CellImage, Label, Look

CELLS = [CellImage(f"{n}.bmp", Path(f"{n}.bmp"), f"{n:064x}", Label(n % 2), f"p{n}") for n in range(4)]


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state" / "looks.jsonl"
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def record(cells: Sequence[CellImage] = CELLS, *, seed: int = 0, model_id: str = "abc") -> Looked:
    return record_look(cells, recipe="leuknet-paper", seed=seed, model_id=model_id)


def look(cells: Sequence[CellImage] = CELLS, *, seed: int = 0, model_id: str = "abc") -> tuple[Look, ...]:
    return record(cells, seed=seed, model_id=model_id).looks


def test_the_first_look_has_none_before_it() -> None:
    assert record() == Looked((), ((0, 4),), 0)


def test_a_second_look_meets_the_first_with_its_model_and_time() -> None:
    look(seed=3, model_id="first")

    (earlier,) = look(seed=4, model_id="second")
    assert (earlier.recipe, earlier.seed, earlier.model_id) == ("leuknet-paper", 3, "first")
    assert earlier.at.endswith("+00:00")


def test_another_order_of_the_cells_is_no_new_test_side() -> None:
    look(CELLS)

    assert len(look(CELLS[::-1])) == 1


@pytest.mark.parametrize(
    ("changed", "seen"),
    [
        (CELLS[:3], ((1, 3),)),
        ([*CELLS[:3], replace(CELLS[3], sha256="f" * 64)], ((0, 1), (1, 3))),
        ([*CELLS[:3], replace(CELLS[3], label=Label.NORMAL)], ((1, 4),)),
        ([*CELLS[:3], replace(CELLS[3], id="elsewhere/9.bmp", subject=None)], ((1, 4),)),
    ],
    ids=["fewer cells", "other bytes", "another label", "another name"],
)
def test_looks_are_compared_cell_by_cell_by_content(
    changed: list[CellImage], seen: tuple[tuple[int, int], ...]
) -> None:
    look(CELLS)

    found = record(changed)

    assert found.seen == seen
    assert [one.shared for one in found.looks] == [sum(cells for times, cells in seen if times)]


def test_ninety_nine_of_a_hundred_cells_seen_before_are_no_new_test_side() -> None:
    hundred = [replace(CELLS[0], id=f"{n}", sha256=f"{n:03}".ljust(64, "0")) for n in range(100)]
    look(hundred[:99])
    look(hundred[:40])

    found = record(hundred)

    assert found.seen == ((0, 1), (1, 59), (2, 40))
    assert [one.shared for one in found.looks] == [99, 40]


def test_cells_that_nobody_scored_before_meet_no_look() -> None:
    look(CELLS[:2])

    assert record(CELLS[2:]) == Looked((), ((0, 2),), 0)


def test_contents_are_written_once_for_each_set_of_cells(ledger: Path) -> None:
    for cells in (CELLS, CELLS[::-1], CELLS[:1]):
        look(cells)

    lines = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    assert ["contents" in line for line in lines] == [True, False, True]


def test_a_ledger_from_before_contents_were_kept_still_opens(ledger: Path) -> None:
    old = {"at": "2025-01-01T00:00:00+00:00", "recipe": "r", "seed": 0, "model_id": "old"}
    ledger.parent.mkdir()
    prints = (fingerprint((), (), CELLS), "f" * 64)
    lines = [json.dumps({**old, "test_fingerprint": one}) for one in prints]
    ledger.write_text("\n".join(lines) + "\n", encoding="utf-8")

    found = record()

    # The look at the very same cells is known by their fingerprint; of the other nothing is.
    assert [(one.model_id, one.shared) for one in found.looks] == [("old", 4)]
    assert (found.seen, found.unresolved_looks) == (((1, 4),), 1)
    # From now on the contents of the first are known: some of its cells are recognised.
    assert [one.model_id for one in look(CELLS[:2])] == ["old", "abc"]


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
