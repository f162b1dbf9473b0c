"""What the server knows of the workers that it starts, so that leads are told at once of one that cannot run.

Start at `WorkerHealth`.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO

from leuknet.errors import LeukNetError

STEADY_S = 60.0
"""A worker that has lived so long runs: what made earlier ones end is over."""

_LINES = 3  # of an error of ours: what, why, what to try


@dataclass(frozen=True)
class Trouble:
    """Workers that ended by themselves: how many `in_a_row`, and the last one's `reason`, in words."""

    in_a_row: int
    reason: str


class WorkerHealth:
    """Deaths of workers, as the threads that keep them tell."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._troubles: dict[int, Trouble] = {}
        self._urgent: set[int] = set()

    def ended(self, keeper: int, status: int, last_lines: Iterable[str]) -> None:
        """Note that the worker of a keeper ended by itself, with what it last said on stderr."""
        with self._lock:
            before = self._troubles.get(keeper)
            reason = _reason(status, list(last_lines))
            self._troubles[keeper] = Trouble(1 + (before.in_a_row if before else 0), reason)
            if status == LeukNetError.exit_status:  # it refused to begin, and the next one will
                self._urgent.add(keeper)

    def runs(self, keeper: int) -> None:
        """Note that the worker of a keeper has lived for `STEADY_S`."""
        with self._lock:
            self._troubles.pop(keeper, None)
            self._urgent.discard(keeper)

    @property
    def trouble(self) -> Trouble | None:
        """What leads are to know: a worker that refused to begin, or died twice in a row; None if all run."""
        with self._lock:
            told = [
                trouble
                for keeper, trouble in self._troubles.items()
                if keeper in self._urgent or trouble.in_a_row > 1
            ]
        return max(told, key=lambda trouble: trouble.in_a_row, default=None)


class LastLines:
    """Hands on what a process says on stderr, and keeps the last lines."""

    def __init__(self, stream: IO[str]) -> None:
        self._kept: deque[str] = deque(maxlen=_LINES)
        self._thread = threading.Thread(target=self._hand_on, args=(stream,), daemon=True)
        self._thread.start()

    def _hand_on(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                sys.stderr.write(line)
                self._kept.append(line.strip())

    def read(self) -> list[str]:
        """Return them, once the process has ended."""
        self._thread.join(1.0)  # not longer: a child of the process may hold the stream open
        return list(self._kept)


def _reason(status: int, lines: list[str]) -> str:
    said = ". ".join(lines[-_LINES:] if status == LeukNetError.exit_status else lines[-1:])
    if status >= 0:
        ended = f"status {status}"
    else:
        names = {number.value: number.name for number in signal.Signals}
        ended = names.get(-status, f"signal {-status}")
    return f"{said} ({ended})" if said else ended
