"""How long an image may take, by its size, and what ends the process that works on it after that.

No exception stops a loop in a library written in C, and none tells that one wrote where it must not. Start at
`Deadline`.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
from typing import TextIO

USUAL_S = 300.0
"""Most that work other than on an image may take from one sign of progress to the next."""

_BASE_S = 60.0
_READING_S, _SEARCHING_S = 1.0, 20.0  # for each million pixels
_AT_ONCE_PX = 2**25  # more of an image is never searched at once: a tile with its margins


def reading_s(n_pixels: int) -> float:
    """Return how long reading this many pixels may take, in seconds."""
    return _BASE_S + _READING_S * n_pixels / 1e6


def searching_s(n_pixels: int) -> float:
    """Return how long the search of an image of this size may take from one tile or batch to the next.

    The slowest of fields that were made to be slow took 4 s of a core for each million pixels.
    """
    return _BASE_S + _SEARCHING_S * min(n_pixels, _AT_ONCE_PX) / 1e6


class Deadline:
    """How long the work at hand may take; one for a process.

    Attributes
    ----------
    seconds
        From when it was allowed; None where nothing is at work.
    large
        Held by who has a field or slide open: what is read of one at once may take a gigabyte.
    """

    def __init__(self, *, ends: bool = False, told: TextIO | None = None) -> None:
        """`ends`: end this process when the time is over, with the stacks of all threads told on stderr, or
        to this file.
        """
        self.seconds: float | None = None
        self.large = threading.Lock()
        self._ends = ends
        self._told = told

    def allow(self, seconds: float | None) -> None:
        """Begin to count anew; None stops counting."""
        self.seconds = seconds
        if not self._ends:
            return
        if seconds is None:
            faulthandler.cancel_dump_traceback_later()
        else:
            faulthandler.dump_traceback_later(seconds, exit=True, file=self._told or sys.stderr)
