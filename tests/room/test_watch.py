"""What ends a worker's process, and what it leaves for the next."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from leuknet.fields.deadlines import Deadline, reading_s, searching_s
from leuknet.room.turns import Turn
from leuknet.room.watch import Watch


def test_a_loop_that_never_ends_ends_with_its_process() -> None:
    program = (
        "from leuknet.fields.deadlines import Deadline\n"
        "deadline = Deadline(ends=True)\n"
        "deadline.allow(0.1)\n"
        "deadline.allow(None)\n"
        "import time; time.sleep(0.3)\n"
        "print('alive', flush=True)\n"
        "deadline.allow(0.2)\n"
        "while True: pass\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert (ended.returncode, ended.stdout) == (1, "alive\n")
    assert "line 8 in <module>" in ended.stderr  # where it hung


def test_how_long_an_image_may_take_goes_by_its_size() -> None:
    assert reading_s(10_000_000) == 70
    assert searching_s(1_000_000) == 80
    assert searching_s(10**10) == searching_s(10**9) == pytest.approx(60 + 20 * 33.554432)


def test_a_note_tells_the_next_worker_what_was_at_work(tmp_path: Path) -> None:
    note = tmp_path / "at-work" / "7.json"
    first = Watch(note, Deadline())
    with first.over([3, 4], seconds=5):
        assert first.deadline.seconds == 5
        died = note.read_bytes()
        first.aside(lambda: pytest.fail("a note while others work") if note.exists() else None)
        assert note.read_bytes() == died
    assert first.deadline.seconds is None
    assert not note.exists()

    note.write_bytes(died)
    second = Watch(note)
    assert second.deaths == {3: 1, 4: 1}
    with second.over([3], seconds=5):
        died = note.read_bytes()
    assert second.deaths == {4: 1}  # that one was not it

    note.write_bytes(died)
    assert Watch(note).deaths == {3: 2}


@pytest.mark.parametrize("content", [b"", b"[]", b"{", json.dumps({"a": 1}).encode(), b'{"1": null}'])
def test_a_damaged_note_stands_in_nobodys_way(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "1.json").write_bytes(content)
    assert Watch(tmp_path / "1.json").deaths == {}


def test_turns_alternate_and_what_one_raises_is_raised_where_it_was_given() -> None:
    said: list[str] = []

    def talk(turn: Turn) -> None:
        for number in range(2):
            said.append(f"{turn.lane[1]}{number}")
            turn.pass_on()
        if turn.lane[1] == "b":
            raise KeyError("b")

    turns = [Turn(("score", name), talk) for name in "ab"]
    for _ in range(2):
        for turn in turns:
            turn.go_on()
    turns[0].go_on()

    assert said == ["a0", "b0", "a1", "b1"]
    assert [turn.is_over for turn in turns] == [True, False]
    with pytest.raises(KeyError):
        turns[1].go_on()
