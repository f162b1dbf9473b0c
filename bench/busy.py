"""Measures what other work on the machine costs LeukNet and the plain rendering: `bench/run.py --busy N`.

Each contest runs twice, one time after the other: alone, and beside processes that compute all the while.
Start at `measure_busy`; studies/performance_busy.py writes the section.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from contests import CONTESTS, PLAIN
from turns import Sizes, measure

BUSY = ("training step, 16 images", "forward, 16 images", "predicting from files")
"""Contests that are tried, with LeukNet's own two ways of computing and the plain rendering."""

OURS = ("leuknet", "leuknet (onnx)")


@contextmanager
def other_work(n: int) -> Iterator[None]:
    """Let `n` processes of this priority compute without a pause."""
    endless = [sys.executable, "-c", "while True: sum(range(1000000))"]
    others = [subprocess.Popen(endless) for _ in range(n)]  # noqa: S603 - our own program
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def measure_busy(setups: dict[str, Path], sizes: Sizes, n: int) -> list[dict[str, Any]]:
    """Return a figure for each contest of `BUSY`: its sides alone, and beside `n` other processes."""
    figures = []
    for contest in (one for one in CONTESTS if one.name in BUSY):
        few = replace(contest, peers=tuple(peer for peer in contest.peers if peer in (*OURS, PLAIN)))
        quiet = measure(few, setups, sizes)
        with other_work(n):
            busy = measure(few, setups, sizes)
        sides = {"quiet": quiet["sides"], "busy": busy["sides"]}
        figures.append({"name": contest.name, "unit": quiet["unit"], **sides})
    return figures
