"""Leads are told at once of a worker that cannot run, and why; others are not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")

from leuknet.web import serve as module
from leuknet.web.settings import Settings
from leuknet.web.worker_health import WorkerHealth
from tests.rooms import open_room

REFUSES = "for line in 'leuknet: cannot read model' '  why: <it is cut>' '  try: a whole one'; "
REFUSES += 'do echo "$line" >&2; done; exit 2'
CRASHES = "echo at work >&2; kill -SEGV $$"


@contextmanager
def kept(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerHealth]:
    """Keep a worker that is a shell's script, in a process as `serve` starts them."""
    monkeypatch.setattr(module, "worker_command", lambda _: ["sh", "-c", script])
    monkeypatch.setattr(module, "RESTART_S", 0.05)
    stop, health = threading.Event(), WorkerHealth()
    keeper = threading.Thread(target=module._keep_worker, args=(Settings(folder), stop, health, 0))
    keeper.start()
    try:
        yield health
    finally:
        stop.set()
        keeper.join()


def until_told(health: WorkerHealth) -> str:
    end = time.monotonic() + 60
    while health.trouble is None and time.monotonic() < end:
        time.sleep(0.01)
    assert health.trouble is not None
    return health.trouble.reason


def test_a_worker_that_refuses_to_begin_is_told_at_once_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with kept(REFUSES, tmp_path, monkeypatch) as health:
        reason = until_told(health)

    assert reason == "leuknet: cannot read model. why: <it is cut>. try: a whole one (status 2)"
    assert "  why: <it is cut>\n" in capfd.readouterr().err, "what a worker says is still in the log"


def test_a_worker_that_dies_again_and_again_is_told_with_the_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kept(CRASHES, tmp_path, monkeypatch) as health:
        assert until_told(health) == "at work (SIGSEGV)"
        assert health.trouble is not None
        assert health.trouble.in_a_row >= 2


def test_one_death_is_no_trouble_and_a_worker_that_lives_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = WorkerHealth()

    def told() -> tuple[int, str] | None:
        return None if health.trouble is None else (health.trouble.in_a_row, health.trouble.reason)

    health.ended(0, -9, [])
    assert told() is None, "an image may end a process; the next one goes on"
    health.ended(1, 2, ["why"])
    health.ended(0, -9, [])
    assert told() == (2, "SIGKILL")
    health.runs(0)
    assert told() == (1, "why (status 2)")
    health.runs(1)
    assert told() is None

    monkeypatch.setattr(module, "STEADY_S", 0.3)
    mark = tmp_path / "died"
    script = f"test -e {mark} && exec sleep 30; touch {mark}; exit 2"
    with kept(script, tmp_path, monkeypatch) as health:
        until_told(health)
        end = time.monotonic() + 60
        while health.trouble is not None and time.monotonic() < end:
            time.sleep(0.01)
        assert health.trouble is None


def test_pages_of_leads_show_it_and_those_of_readers_and_strangers_do_not(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        lead, reader = room.browser("Lee", "lead"), room.browser("Rea", "reader")
        assert "cannot run" not in lead.get("/cases").text
        room.visitor.app.state.workers.ended(0, 2, ["leuknet: cannot", "why: <it is cut>", "try"])  # type: ignore[attr-defined]

        for path in ("/cases", "/studies", "/account"):
            page = lead.get(path).text
            assert "The scoring worker cannot run" in page
            assert "why: &lt;it is cut&gt;" in page
            assert "cannot run" not in reader.get(path).text
        assert "cannot run" not in room.visitor.get("/sign-in").text
