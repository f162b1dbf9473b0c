"""How many pixels may be decoded at once in this process, whoever asks for them.

A picture of some kilobytes may hold 144 million pixels, which take 1.4 GB while they are decoded. Each is
within what one may be; several at once are not. Start at `DECODING`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from leuknet.errors import BusyError
from leuknet.fields.slide_layout import ignored_warnings
from leuknet.fields.slide_picture import MAX_FIELD_SIDE_PX

WAIT_S = 240.0
"""How long whoever asks waits for others to end."""


class Budget:
    """So much at once; who asks for more than is left waits."""

    def __init__(self, most: int, *, wait_s: float = WAIT_S) -> None:
        self._most, self._wait_s = most, wait_s
        self._held = 0
        self._changed = threading.Condition()

    @contextmanager
    def take(self, wanted: int) -> Iterator[None]:
        """Hold some of it, at most all; BusyError if others do not give it back in time."""
        wanted = min(wanted, self._most)
        with self._changed:
            if not self._changed.wait_for(lambda: self._held + wanted <= self._most, self._wait_s):
                raise busy()
            self._held += wanted
        try:
            yield
        finally:
            with self._changed:
                self._held -= wanted
                self._changed.notify_all()


DECODING = Budget(MAX_FIELD_SIDE_PX**2)
"""Pixels: one of the largest pictures, or several smaller ones."""


def claimed_pixels(path: Path) -> int:
    """Return how many pixels a picture's header claims; 0 for what Pillow does not read."""
    try:
        with ignored_warnings(), Image.open(path) as picture:
            return picture.width * picture.height
    except Image.DecompressionBombError:
        return MAX_FIELD_SIDE_PX**2
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return 0  # a slide, or to be refused by what opens it


def busy() -> BusyError:
    """Return the error of a picture for which others leave no memory."""
    return BusyError(
        "cannot open the picture now",
        why="others are open, and together they would take too much memory",
        fix="try again in a minute",
    )
