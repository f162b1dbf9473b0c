"""Lets several pieces of work go on by turns, one at a time, so that no long work delays a short one.

Each is a thread that runs only while it has the turn, and passes it on when it likes to. Start at `Turn`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Turn:
    """Work that goes on while `go_on` is called.

    Attributes
    ----------
    lane
        Whose work it is.
    is_over
        Whether it has ended.
    """

    def __init__(self, lane: tuple[str, str], work: Callable[[Turn], None]) -> None:
        self.lane = lane
        self.is_over = False
        self._work = work
        self._error: BaseException | None = None
        self._mine, self._others = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=f"leuknet-turn-{'-'.join(lane)}", daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        """Let it work until it passes on or ends; what it raises is raised here."""
        self._mine.release()
        self._others.acquire()
        if self.is_over:
            self._thread.join()
        if self._error is not None:
            raise self._error

    def pass_on(self) -> None:
        """Within the work: let the others work, and return when it is this one's turn again."""
        self._others.release()
        self._mine.acquire()

    def _run(self) -> None:
        self._mine.acquire()
        try:
            self._work(self)
        except BaseException as error:  # raised where the turn was given
            self._error = error
        self.is_over = True
        self._others.release()
